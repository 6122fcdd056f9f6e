"""The recipes for extending the studio name what is there: files, names in them, texts, and the tests that fail."""

import re
from pathlib import Path

import pytest

from studio.texts import TEXTS
from tests.docs.pages import DOCS, ROOT, prose

PAGES = [DOCS / "extending.md", DOCS / "zh" / "extending.md"]
STEP = re.compile(r"^\d+\. .+(?:\n   .+)*", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?:studio|tests|scripts|docs)/[\w./-]*\w")
# Names of ours look like code: no word of a sentence, and no name of a key or a line.
NAME = re.compile(r"_?[A-Z]\w*[a-z_]\w*|_\w+|[A-Z]{3,}(?:_[A-Z]+)*|[a-z]+(?:_[a-z]+)+")
TEXT_KEY = re.compile(r"[a-z]+(?:\.\w+)*\.(?:[A-Z]+|not_KIND|nothing_for_NAME)(?:\.help)?")
TESTS = re.compile(r"^\| `(tests/\S+)` \| (.+) \|$", re.MULTILINE)


def steps(page: Path) -> list[list[str]]:
    return [CODE.findall(step) for step in STEP.findall(prose(page))]


def read(path: str) -> str:
    found = ROOT / path
    files = sorted(found.rglob("*.py")) if found.is_dir() else [found]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_step_names_is_in_one_of_its_files(page: Path) -> None:
    assert len(steps(page)) >= 30
    named = 0
    for words in steps(page):
        files = [word for word in words if FILE.fullmatch(word)]
        text = "\n".join(read(path) for path in files or ["studio"])
        names = [word for word in words if NAME.fullmatch(word)]
        named += len(names)
        assert [name for name in names if not re.search(rf"\b{name}\b", text)] == [], words
    assert named >= 50


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_text_that_a_step_asks_for_has_siblings(page: Path) -> None:
    keys = {word for words in steps(page) for word in words if TEXT_KEY.fullmatch(word)}
    assert len(keys) >= 10
    for key in keys:
        pattern = re.escape(re.sub(r"[A-Z]+", "@", key)).replace("@", r"\w+")
        assert any(re.fullmatch(pattern, known) for known in TEXTS), key


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_tests_that_fail_are_in_the_files_that_are_named(page: Path) -> None:
    rows = TESTS.findall(prose(page))
    assert len(rows) >= 12
    for path, told in rows:
        names = CODE.findall(told)
        assert names
        assert [name for name in names if f"def {name}(" not in read(path)] == [], path
