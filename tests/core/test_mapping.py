"""Mappings that a person is offered, and what is said of one that a person wrote."""

from typing import Any

import pytest

from studio.core.formats import SHAREGPT_TAGS
from studio.core.mapping import FORMATTINGS, check_entry, propose_entry
from studio.core.parsing import parse_row


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"问题": "一？", "回答": "二。", "编号": i} for i in range(2)], ["一？", "二。"]),
        ([{"回答": f"{i}。", "问题": f"{i}？", "来源": "书"} for i in range(2)], ["0？", "0。"]),
        ([{"Question": f"{i}?", "Context": f"k{i}", "Answer": f"{i}."} for i in range(2)], ["0?\nk0", "0."]),
        ([{"a": f"{i}?", "b": f"{i}."} for i in range(2)], ["0?", "0."]),
        ([{"chat": [{"who": "doc", "what": "Hm?"}, {"who": "me", "what": "Well."}]}], ["Hm?", "Well."]),
        (
            [
                {"dialogue": [{"speaker": "user", "text": f"{i}?"}, {"speaker": "bot", "text": f"{i}."}]}
                for i in "ab"
            ],
            ["a?", "a."],
        ),
    ],
)
def test_columns_of_any_name_are_read_by_the_proposed_mapping(rows: list[dict[str, Any]], said: list[str]) -> None:
    entry = propose_entry(rows)
    assert check_entry(entry) == []
    assert [turn.content for turn in parse_row(rows[0], entry).turns] == said


def test_a_single_column_of_text_is_plain_text() -> None:
    entry = propose_entry([{"body": "one", "n": 1}, {"body": "two", "n": 2}])
    assert parse_row({"body": "one"}, entry).text == "one"


def test_numbers_alone_are_no_training_data() -> None:
    with pytest.raises(ValueError, match="no column of text"):
        propose_entry([{"a": 1}, {"a": 2}])


@pytest.mark.parametrize("formatting", FORMATTINGS)
def test_an_entry_without_columns_is_right_for_every_format(formatting: str) -> None:
    assert check_entry({"formatting": formatting}) == []


@pytest.mark.parametrize(
    ("entry", "field", "code"),
    [
        ({"formatting": "alpacca"}, "formatting", "not_a_choice"),
        ({"formatting": ["alpaca"]}, "formatting", "not_a_choice"),
        ({"columns": ["prompt"]}, "columns", "mapping_no_object"),
        ({"columns": {"messages": "m"}}, "columns", "mapping_unknown_role"),
        ({"formatting": "sharegpt", "tags": {"user": "human"}}, "tags", "mapping_unknown_role"),
        ({"formatting": "sharegpt", "tags": dict.fromkeys(SHAREGPT_TAGS, "")}, "tags", "mapping_no_column"),
        ({"ranking": "yes"}, "ranking", "mapping_no_switch"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said(entry: dict[str, Any], field: str, code: str) -> None:
    assert (check_entry(entry)[0].field, check_entry(entry)[0].code) == (field, code)
