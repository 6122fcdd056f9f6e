"""What the documentation says is so: commands parse, links lead somewhere, labels are on the page, both languages agree."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from studio.cli import build_parser
from studio.texts import TEXTS
from tests.docs.pages import (
    ROOT,
    WITHOUT_TWIN,
    anchors,
    blocks,
    chinese_pages,
    commands,
    english_pages,
    headings,
    labels,
    links,
    mentioned_commands,
    name_of,
    prose,
    twin_of,
)

PAGES = [*english_pages(), *chinese_pages()]
# The chatbot's own buttons are worded by Gradio.
GRADIOS = {"en": {"Retry", "Edit", "Undo"}, "zh": {"重试", "编辑", "撤销"}}
WORDS = {
    language: {text.strip() for texts in TEXTS.values() for text in [texts[place]]} | GRADIOS[language]
    for place, language in enumerate(("en", "zh"))
}
# They are held to the program by their own scripts, and quote both languages.
GENERATED = {"options.md", "troubleshooting.md"}
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]+")


def test_every_page_is_looked_at() -> None:
    assert len(english_pages()) >= 20
    assert {name_of(page) for page in PAGES} >= {"README.md", "README.zh.md", "docs/walkthrough.md"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_is_one(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in commands(page):
        try:
            build_parser().parse_args(argv)
        except SystemExit:
            pytest.fail(f"{argv}: {capsys.readouterr().err}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_sentence_names_is_there(page: Path) -> None:
    for words in mentioned_commands(page):
        parser: argparse.ArgumentParser | None = build_parser()
        for word in words:
            if parser is None or not word.isalpha() or word.isupper():
                break
            below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
            if below:
                assert word in below[0].choices, words
                parser = below[0].choices[word]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_meant_as_a_label_is_set_in_italics(page: Path) -> None:
    # Beside Chinese punctuation an asterisk may stay an asterisk.
    html = MarkdownIt("commonmark").enable("table").render(page.read_text(encoding="utf-8"))
    html = re.sub(r"<(code|pre).*?</\1>|<strong>.*?</strong>", "", html, flags=re.DOTALL)
    assert "*" not in html
    assert len(re.findall("<em>", html)) == len(labels(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [page for page in english_pages() if page.name not in GENERATED], ids=name_of)
def test_every_label_in_italics_is_on_the_page(page: Path) -> None:
    assert [label for label in labels(page) if label not in WORDS["en"]] == []


@pytest.mark.parametrize("page", chinese_pages(), ids=name_of)
def test_every_chinese_label_is_on_the_chinese_page(page: Path) -> None:
    assert [label for label in labels(page) if label not in WORDS["zh"]] == []


def test_every_flag_of_the_page_is_one_and_is_told() -> None:
    shown = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    known = set(FLAG.findall(shown.stdout)) - {"--help"}
    for language in ("", "zh/"):
        text = (ROOT / "docs" / language / "deployment.md").read_text(encoding="utf-8")
        assert set(re.findall(r"^\| `(--[\w-]+)`", text, re.MULTILINE)) == known
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        called = {flag for line in lines if "app.py" in line for flag in FLAG.findall(line.split("app.py", 1)[1])}
        assert called <= known, page


@pytest.mark.parametrize("page", english_pages(), ids=name_of)
def test_both_languages_have_the_same_sections_and_the_same_code(page: Path) -> None:
    if page.name in WITHOUT_TWIN:
        return
    twin = twin_of(page)
    levels = [[heading.split()[0] for heading in headings(each)] for each in (page, twin)]
    assert levels[0] == levels[1]
    assert [block.text for block in blocks(page)] == [block.text for block in blocks(twin)]
    assert prose(page).count("\n|") == prose(twin).count("\n|")


def test_no_chinese_page_is_without_its_english_one() -> None:
    twins = {twin_of(page) for page in english_pages() if page.name not in WITHOUT_TWIN}
    assert set(chinese_pages()) == twins


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_and_test_of_the_program_that_is_named_is_there(page: Path) -> None:
    code = re.findall(r"`([^`\n]+)`", prose(page))
    for path in (word for word in code if re.fullmatch(r"(studio|tests|scripts|benchmarks)/[\w./-]*\w", word)):
        assert (ROOT / path).exists(), path
    tests = {word for word in code if re.fullmatch(r"test_\w+", word)}
    if tests:
        written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
        assert {name for name in tests if f"def {name}(" not in written} == set()


def test_every_page_is_in_the_index() -> None:
    for index in (ROOT / "docs" / "README.md", ROOT / "docs" / "zh" / "README.md"):
        listed = {Path(link).name for link in links(index)}
        assert {page.name for page in (ROOT / "docs").glob("*.md")} - listed == set()
