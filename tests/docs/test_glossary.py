"""Chinese words are the same everywhere: on the page, in messages and in the guides."""

import re

import pytest

from studio.texts import TEXTS
from tests.docs.pages import DOCS, chinese_pages, prose

ROW = re.compile(r"^\| ([\w ]+) \| (\S+) \| (\S+) \| .+ \|$", re.MULTILINE)
TERMS = [row for row in ROW.findall(prose(DOCS / "glossary.md")) if row[0] != "English"]
GUIDES = {page.name: page.read_text(encoding="utf-8") for page in chinese_pages() if page.name != "glossary.md"}


def test_both_glossaries_have_the_same_words() -> None:
    assert [row for row in ROW.findall(prose(DOCS / "zh" / "glossary.md")) if row[0] != "English"] == TERMS
    assert len(TERMS) >= 30


@pytest.mark.parametrize(("english", "chinese", "other"), TERMS, ids=[term[0] for term in TERMS])
def test_a_word_is_written_as_the_glossary_has_it(english: str, chinese: str, other: str) -> None:
    texts = {key: worded for key, (_, worded) in TEXTS.items()}
    assert any(chinese in text for text in (*texts.values(), *GUIDES.values()))
    assert [name for name, text in (texts | GUIDES).items() if other in text] == []
