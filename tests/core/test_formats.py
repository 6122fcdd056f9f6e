"""Rows of every format: recognised, read, faulted by field, written for the engine."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from studio.core.formats import FORMATS, STAGES_OF, detect_format, entry_format
from studio.core.mapping import check_entry
from studio.core.parsing import RowFault, parse_row
from studio.core.rows import Row, Turn
from studio.core.writing import engine_row

ALPACA = {"instruction": "问", "input": "", "output": "答"}
SHAREGPT = {"conversations": [{"from": "human", "value": "问"}, {"from": "gpt", "value": "答"}]}
MESSAGES = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
ERNIE_SFT = {"src": ["问"], "tgt": ["答"]}
ERNIE_DPO = {"src": ["问"], "tgt": [], "response": [["好"], ["坏"]], "sort": [1, 0]}
PREFERENCE = {"instruction": "问", "chosen": "好", "rejected": "坏"}
KTO = {"messages": MESSAGES["messages"], "label": True}
TEXT = {"text": "一段文字"}
SPOKEN = (Turn("user", "问"), Turn("assistant", "答"))

CASES: list[tuple[str, dict[str, Any], Row]] = [
    ("alpaca", ALPACA, Row(turns=SPOKEN)),
    ("sharegpt", SHAREGPT, Row(turns=SPOKEN)),
    ("messages", MESSAGES, Row(turns=SPOKEN)),
    ("erniekit_sft", ERNIE_SFT, Row(turns=SPOKEN)),
    (
        "erniekit_dpo",
        ERNIE_DPO,
        Row(turns=SPOKEN[:1], chosen=(Turn("assistant", "好"),), rejected=(Turn("assistant", "坏"),)),
    ),
    (
        "preference",
        PREFERENCE,
        Row(turns=SPOKEN[:1], chosen=(Turn("assistant", "好"),), rejected=(Turn("assistant", "坏"),)),
    ),
    ("kto", KTO, Row(turns=SPOKEN, desirable=True)),
    ("text", TEXT, Row(text="一段文字")),
]


def parse(raw: object, entry: Mapping[str, Any]) -> Row:
    return parse_row(raw, entry)


@pytest.mark.parametrize(("name", "raw", "row"), CASES, ids=[case[0] for case in CASES])
def test_a_format_is_recognised_and_its_row_read(name: str, raw: dict[str, Any], row: Row) -> None:
    found = detect_format([raw])
    assert found is not None
    assert found.format == name
    assert entry_format(found.entry) == name
    assert parse(raw, found.entry) == row
    # What is recognised is an entry that a person may write, too.
    assert check_entry(found.entry) == []


def test_every_format_has_a_case_a_parser_and_stages() -> None:
    assert [case[0] for case in CASES] == list(FORMATS) == list(STAGES_OF)


def test_what_fits_no_format_is_not_guessed() -> None:
    assert detect_format([{"a": 1, "b": 2}]) is None
    assert detect_format([]) is None


def test_other_column_names_are_written_into_the_entry() -> None:
    raw = {"question": "问", "answer": "答", "history": [["早", "早安"]]}
    found = detect_format([raw])
    assert found is not None
    assert found.entry["columns"] == {"prompt": "question", "response": "answer", "history": "history"}
    assert [turn.content for turn in parse(raw, found.entry).turns] == ["早", "早安", "问", "答"]


@pytest.mark.parametrize("said", [{"answer": "答"}, {"chosen": "好", "rejected": "坏"}])
def test_a_context_beside_the_question_is_asked_with_it(said: dict[str, str]) -> None:
    raw = {"question": "问", "context": "病历", **said}
    found = detect_format([raw])
    assert found is not None
    assert found.entry["columns"]["query"] == "context"
    assert "context" in found.evidence
    assert parse(raw, found.entry).turns[0].content == "问\n病历"
    # One that is no text, or beside an `input`, has no place.
    for other in ({**raw, "context": {"a": 1}}, {**raw, "input": "另"}):
        plain = detect_format([other])
        assert plain is not None
        assert plain.entry["columns"].get("query", "input") == "input"


def test_an_entry_of_llama_factory_reads_as_there() -> None:
    entry = {
        "formatting": "sharegpt",
        "columns": {"messages": "dialog", "system": "sys"},
        "tags": {"role_tag": "who", "content_tag": "said", "user_tag": "U", "assistant_tag": "A"},
    }
    raw = {"sys": "简短", "dialog": [{"who": "U", "said": "问"}, {"who": "A", "said": "答"}]}
    assert parse(raw, entry).turns == (Turn("system", "简短"), *SPOKEN)


def test_instruction_and_input_are_joined_by_a_line_break() -> None:
    assert parse({**ALPACA, "input": "更多"}, {}).turns[0] == Turn("user", "问\n更多")


def test_an_empty_entry_is_alpaca_as_in_llama_factory() -> None:
    assert entry_format({}) == "alpaca"
    assert entry_format({"columns": {"prompt": "text"}}) == "text"


FAULTS: list[tuple[object, dict[str, Any], str, str]] = [
    ("text", {}, "-", "not_an_object"),
    ({"instruction": "问"}, {}, "output", "missing"),
    ({**ALPACA, "output": " "}, {}, "output", "empty"),
    ({**ALPACA, "output": 3}, {}, "output", "not_text"),
    ({**ALPACA, "output": None}, {}, "output", "empty"),
    ({**ALPACA, "history": "x"}, {}, "history", "not_a_list"),
    ({**ALPACA, "history": [["only one"]]}, {}, "history", "not_a_pair"),
    ({"messages": []}, {"formatting": "messages"}, "messages", "empty"),
    ({"messages": ["hi"]}, {"formatting": "messages"}, "messages[0]", "not_an_object"),
    (
        {"messages": [{"role": "bot", "content": "x"}]},
        {"formatting": "messages"},
        "messages[0].role",
        "unknown_role",
    ),
    ({"messages": [{"role": "user", "content": 1}]}, {"formatting": "messages"}, "messages[0].content", "not_text"),
    ({"messages": [{"role": "user", "content": "x"}]}, {"formatting": "messages"}, "messages", "no_answer"),
    (
        {"messages": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "x"}]},
        {"formatting": "messages"},
        "messages",
        "roles_out_of_order",
    ),
    (
        {"messages": [*MESSAGES["messages"], {"role": "system", "content": "x"}]},
        {"formatting": "messages"},
        "messages",
        "system_not_first",
    ),
    ({"src": ["a", "b"], "tgt": ["c"]}, {"formatting": "erniekit_sft"}, "tgt", "not_as_many"),
    ({"src": ["a"], "tgt": ["c"], "label": [0]}, {"formatting": "erniekit_sft"}, "label", "nothing_to_learn"),
    ({"src": [""], "tgt": ["c"]}, {"formatting": "erniekit_sft"}, "src[0]", "empty"),
    ({**ERNIE_DPO, "sort": [1, 1]}, {"formatting": "erniekit_dpo"}, "sort", "not_a_ranking"),
    ({**ERNIE_DPO, "response": [["a"]]}, {"formatting": "erniekit_dpo"}, "response", "not_a_pair"),
    ({**PREFERENCE, "rejected": "好"}, {"ranking": True}, "rejected", "same_as_chosen"),
    ({**KTO, "label": "yes"}, {"formatting": "messages", "columns": {"kto_tag": "label"}}, "label", "not_a_switch"),
    ({"text": ""}, {"formatting": "text"}, "text", "empty"),
]


@pytest.mark.parametrize(("raw", "entry", "field", "code"), FAULTS)
def test_a_fault_names_its_field(raw: object, entry: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(RowFault) as caught:
        parse(raw, entry)
    assert (caught.value.field, caught.value.code) == (field, code)


def test_a_question_nobody_answered_at_the_end_is_left_out() -> None:
    raw = {"messages": [*MESSAGES["messages"], {"role": "user", "content": "还有？"}]}
    assert parse(raw, {"formatting": "messages"}).turns == SPOKEN


def test_the_better_answer_has_the_higher_sort() -> None:
    row = parse({**ERNIE_DPO, "sort": [0, 1]}, {"formatting": "erniekit_dpo"})
    assert (row.chosen[0].content, row.rejected[0].content) == ("坏", "好")


def test_reading_does_not_change_the_row_that_is_read() -> None:
    raw = {"src": ["系统", "问"], "tgt": ["", "答"], "is_system": 1}
    before = {"src": ["系统", "问"], "tgt": ["", "答"], "is_system": 1}
    with pytest.raises(RowFault):
        parse({**raw, "src": ["", "问"]}, {"formatting": "erniekit_sft"})
    assert raw == before


def test_the_engine_gets_messages() -> None:
    assert engine_row(Row(turns=SPOKEN), "SFT") == MESSAGES


def test_the_engine_gets_one_label_an_answer() -> None:
    turns = (*SPOKEN, *SPOKEN)
    assert engine_row(Row(turns=turns, masked=(0,)), "SFT")["label"] == [0, 1]


def test_the_engine_gets_both_answers_of_a_pair() -> None:
    row = parse(PREFERENCE, {"ranking": True})
    assert engine_row(row, "DPO") == {
        "messages": [{"role": "user", "content": "问"}],
        "chosen_response": [{"role": "assistant", "content": "好"}],
        "rejected_response": [{"role": "assistant", "content": "坏"}],
    }


def test_text_for_pre_training_is_the_content_of_one_message() -> None:
    assert engine_row(Row(text="文"), "PT") == {"messages": [{"role": "assistant", "content": "文"}]}


def test_openai_tool_calls_become_function_turns() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}}
    other = {"id": "2", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    raw = {
        "tools": [{"type": "function", "function": {"name": "weather"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "北京"}, {"type": "text", "text": "天气？"}]},
            {"role": "assistant", "content": None, "tool_calls": [call, other]},
            {"role": "tool", "tool_call_id": "1", "content": "晴"},
            {"role": "tool", "tool_call_id": "2", "content": "9:00"},
            {"role": "assistant", "content": "晴天。"},
        ],
    }
    found = detect_format([raw])
    assert found is not None
    row = parse_row(raw, found.entry)
    assert [turn.role for turn in row.turns] == ["user", "function", "tool", "assistant"]
    assert row.turns[0].content == "北京天气？"
    assert json.loads(row.turns[1].content) == [
        {"name": "weather", "arguments": {"city": "北京"}},
        {"name": "time", "arguments": {}},
    ]
    assert row.turns[2].content == "晴\n9:00"
    assert json.loads(row.tools or "") == raw["tools"]


@pytest.mark.parametrize(
    ("calls", "field"),
    [
        ([{"function": {}}], "messages[1].tool_calls[0].function.name"),
        (["x"], "messages[1].tool_calls[0].function.name"),
        ([{"function": {"name": "f", "arguments": "{"}}], "messages[1].tool_calls[0].function.arguments"),
    ],
)
def test_a_broken_tool_call_is_a_fault_at_its_place(calls: list[Any], field: str) -> None:
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": calls}]
    with pytest.raises(RowFault) as caught:
        parse_row({"messages": messages}, {"formatting": "messages"})
    assert caught.value.field == field
