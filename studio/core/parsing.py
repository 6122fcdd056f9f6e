"""Read a row of any format: one parser a format, and a fault that names the field."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from studio.core.formats import (
    ALPACA_COLUMNS,
    ANSWERING,
    CHAT_COLUMNS,
    MEDIA_MARKS,
    OPENAI_TAGS,
    SHAREGPT_TAGS,
    TEXT_COLUMNS,
    Entry,
    RawRow,
    entry_format,
    entry_mapping,
)
from studio.core.rows import Row, Turn


class RowFault(Exception):
    """One row that cannot be used: the field, a code and the values that explain it."""

    def __init__(self, field: str, code: str, **values: Any) -> None:
        super().__init__(f"{field}: {code}")
        self.field = field
        self.code = code
        self.values: dict[str, Any] = values


def parse_row(raw: object, entry: Entry) -> Row:
    """Read one raw row. Raises RowFault with the field and what is wrong."""
    if not isinstance(raw, Mapping):
        raise RowFault("-", "not_an_object", given=type(raw).__name__)
    row = _PARSERS[entry_format(entry)](cast("RawRow", raw), entry)
    media = _media(cast("RawRow", raw), entry, row)
    return replace(row, **media) if media else row


def _media(raw: RawRow, entry: Entry, row: Row) -> dict[str, tuple[str, ...]]:
    """Images, videos and sounds of a row, by their columns' roles: as many as there are marks for them."""
    columns = entry_mapping(entry, "columns")
    found: dict[str, tuple[str, ...]] = {}
    for role, mark in MEDIA_MARKS.items():
        if role not in columns:
            continue
        files = tuple(_texts(raw, columns[role])) if raw.get(columns[role]) else ()
        marks = sum(said.count(mark) for said in (row.text or "", *(turn.content for turn in row.turns)))
        if marks != len(files):
            raise RowFault(columns[role], "media_count", given=len(files), marks=marks, mark=mark)
        if files:
            found[role] = files
    return found


def _column(entry: Entry, name: str, default: str) -> str:
    return entry_mapping(entry, "columns").get(name, default)


def _text(raw: RawRow, name: str, *, needed: bool = True) -> str:
    """A column's text; the empty string where it may be missing. Raises RowFault."""
    value = raw.get(name)
    if value is None and (not needed):
        return ""
    if value is None:
        raise RowFault(name, "missing" if name not in raw else "empty")
    if not isinstance(value, str):
        raise RowFault(name, "not_text", given=type(value).__name__)
    if needed and not value.strip():
        raise RowFault(name, "empty")
    return value


def _alpaca_context(raw: RawRow, entry: Entry) -> str:
    """What stands beside the question; the empty string where nothing does."""
    context = _text(raw, _column(entry, "query", ALPACA_COLUMNS["query"]), needed=False)
    return context if context.strip() else ""


def _alpaca_turns(raw: RawRow, entry: Entry) -> list[Turn]:
    turns: list[Turn] = []
    system = _text(raw, _column(entry, "system", "system"), needed=False)
    if system.strip():
        turns.append(Turn("system", system))
    history_column = _column(entry, "history", "history")
    history: Any = raw.get(history_column) or []
    if not isinstance(history, list):
        raise RowFault(history_column, "not_a_list", given=type(history).__name__)
    for pair in cast("list[Any]", history):
        if not isinstance(pair, list | tuple) or len(cast("list[Any]", pair)) != 2:
            raise RowFault(history_column, "not_a_pair")
        question, answer = cast("list[Any]", pair)
        if not (isinstance(question, str) and isinstance(answer, str) and question.strip() and answer.strip()):
            raise RowFault(history_column, "empty")
        turns += [Turn("user", question), Turn("assistant", answer)]
    question = _text(raw, _column(entry, "prompt", ALPACA_COLUMNS["prompt"]))
    context = _alpaca_context(raw, entry)
    # As LLaMA-Factory joins them.
    turns.append(Turn("user", f"{question}\n{context}" if context else question))
    return turns


def _parse_alpaca(raw: RawRow, entry: Entry) -> Row:
    turns = _alpaca_turns(raw, entry)
    turns.append(Turn("assistant", _text(raw, _column(entry, "response", ALPACA_COLUMNS["response"]))))
    return Row(turns=tuple(turns), context=_alpaca_context(raw, entry))


def _chat_turns(raw: RawRow, entry: Entry, column: str) -> list[Turn]:
    usual = OPENAI_TAGS if entry.get("formatting") == "messages" else SHAREGPT_TAGS
    tags = {**usual, **entry_mapping(entry, "tags")}
    roles = {
        tags["user_tag"]: "user",
        tags["assistant_tag"]: "assistant",
        tags["observation_tag"]: "tool",
        tags["function_tag"]: "function",
        tags["system_tag"]: "system",
    }
    value = raw.get(column)
    if value is None:
        raise RowFault(column, "missing")
    items: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not items:
        raise RowFault(column, "empty")
    turns: list[Turn] = []
    for position, item in enumerate(items):
        where = f"{column}[{position}]"
        if not isinstance(item, dict):
            raise RowFault(where, "not_an_object", given=type(item).__name__)
        turn = cast("Mapping[str, Any]", item)
        given = turn.get(tags["role_tag"])
        role = roles.get(given) if isinstance(given, str) else None
        if role is None:
            raise RowFault(f"{where}.{tags['role_tag']}", "unknown_role", given=given, known=", ".join(roles))
        calls = turn.get("tool_calls")
        if role == "assistant" and isinstance(calls, list) and calls:
            said = _tool_calls(cast("list[Any]", calls), f"{where}.tool_calls")
            turns.append(Turn("function", said))
            continue
        content = _chat_content(turn.get(tags["content_tag"]), f"{where}.{tags['content_tag']}")
        if role == "tool" and turns and turns[-1].role == "tool":
            # Answers to several calls at once; between two answers of the model stands one turn.
            turns[-1] = Turn("tool", f"{turns[-1].content}\n{content}")
        else:
            turns.append(Turn(role, content))
    return turns


def _chat_content(content: object, where: str) -> str:
    """What was said: text, or OpenAI's list of text parts."""
    said: Any = content
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        texts: list[Any] = [cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict)]
        if len(texts) == len(parts) and all(isinstance(text, str) for text in texts):
            said = "".join(texts)
    if not isinstance(said, str):
        raise RowFault(where, "missing" if said is None else "not_text", given=type(said).__name__)
    if not said.strip():
        raise RowFault(where, "empty")
    return said


def _tool_calls(calls: Sequence[object], where: str) -> str:
    """OpenAI's tool calls as the text that LLaMA-Factory's datasets hold: one object, or a list of several."""
    found: list[dict[str, Any]] = []
    for position, call in enumerate(calls):
        function = cast("dict[str, Any]", call).get("function", call) if isinstance(call, dict) else None
        name = cast("dict[str, Any]", function).get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not name:
            raise RowFault(f"{where}[{position}].function.name", "missing")
        arguments = cast("dict[str, Any]", function).get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments or "{}")
            except (ValueError, RecursionError) as error:
                raise RowFault(f"{where}[{position}].function.arguments", "bad_json", reason=str(error)) from error
        found.append({"name": name, "arguments": arguments})
    return json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False, default=str)


def _tools(raw: RawRow, entry: Entry) -> str | None:
    """The tools a conversation may call: JSON as text, or what that would be."""
    tools = raw.get(_column(entry, "tools", "tools"))
    if isinstance(tools, list | dict) and tools:
        return json.dumps(tools, ensure_ascii=False, default=str)
    return tools if isinstance(tools, str) and tools.strip() else None


def _check_order(turns: Sequence[Turn], column: str, *, ends_with_answer: bool) -> None:
    """Question and answer take turns; a system prompt may stand first."""
    spoken = [turn for turn in turns if turn.role != "system"]
    if any(turn.role == "system" for turn in turns[1:]):
        raise RowFault(column, "system_not_first")
    for position, turn in enumerate(spoken):
        if (turn.role in ANSWERING) != (position % 2 == 1):
            raise RowFault(column, "roles_out_of_order", position=position + 1, given=turn.role)
    if not spoken or (spoken[-1].role in ANSWERING) != ends_with_answer:
        raise RowFault(column, "no_answer" if ends_with_answer else "no_question")


def _conversation(raw: RawRow, entry: Entry) -> tuple[list[Turn], str]:
    default = "messages" if entry.get("formatting") == "messages" else CHAT_COLUMNS["messages"]
    column = _column(entry, "messages", default)
    turns = _chat_turns(raw, entry, column)
    system = _text(raw, _column(entry, "system", "system"), needed=False)
    if system.strip() and turns[0].role != "system":
        turns.insert(0, Turn("system", system))
    return turns, column


def _parse_chat(raw: RawRow, entry: Entry) -> Row:
    turns, column = _conversation(raw, entry)
    # Many files end with a question nobody answered; there is nothing to learn from it.
    while len(turns) > 1 and turns[-1].role in ("user", "tool") and turns[-2].role in ANSWERING:
        turns.pop()
    _check_order(turns, column, ends_with_answer=True)
    return Row(turns=tuple(turns), tools=_tools(raw, entry), masked=_masked(raw, turns))


def _masked(raw: RawRow, turns: Sequence[Turn]) -> tuple[int, ...]:
    """Which answers must not count, by PaddleFormers' `label`: a list of 0 and 1, one for each answer."""
    labels: Any = raw.get("label")
    if not isinstance(labels, list):
        return ()
    given = cast("list[Any]", labels)
    answers = sum(turn.role in ANSWERING for turn in turns)
    if len(given) != answers:
        raise RowFault("label", "not_as_many", given=len(given), wanted=answers)
    masked = tuple(i for i, label in enumerate(given) if not label)
    if len(masked) == answers:
        raise RowFault("label", "nothing_to_learn")
    return masked


def _parse_preference(raw: RawRow, entry: Entry) -> Row:
    chosen, rejected = _column(entry, "chosen", "chosen"), _column(entry, "rejected", "rejected")
    if entry.get("formatting", "alpaca") == "alpaca":
        turns = _alpaca_turns(raw, entry)
        answers = [(Turn("assistant", _text(raw, column)),) for column in (chosen, rejected)]
    else:
        turns, column = _conversation(raw, entry)
        _check_order(turns, column, ends_with_answer=False)
        answers: list[tuple[Turn, ...]] = []
        for name in (chosen, rejected):
            said = tuple(_chat_turns(raw, entry, name))
            wanted = ("assistant", "user") * len(said)
            if len(said) % 2 == 0 or any(turn.role != role for turn, role in zip(said, wanted, strict=False)):
                raise RowFault(name, "not_an_answer")
            answers.append(said)
    if answers[0] == answers[1]:
        raise RowFault(rejected, "same_as_chosen")
    return Row(turns=tuple(turns), chosen=answers[0], rejected=answers[1])


def _parse_kto(raw: RawRow, entry: Entry) -> Row:
    tag = _column(entry, "kto_tag", "kto_tag")
    label = raw.get(tag)
    if not isinstance(label, bool):
        raise RowFault(tag, "not_a_switch", given=label)
    row = (_parse_alpaca if entry.get("formatting", "alpaca") == "alpaca" else _parse_chat)(raw, entry)
    return replace(row, desirable=label)


def _texts(raw: RawRow, name: str) -> list[str]:
    value = raw.get(name)
    if value is None:
        raise RowFault(name, "missing")
    if not isinstance(value, str | list):
        raise RowFault(name, "not_a_list", given=type(value).__name__)
    items: list[object] = [value] if isinstance(value, str) else cast("list[object]", value)
    if not items:
        raise RowFault(name, "empty")
    for position, item in enumerate(items):
        if not isinstance(item, str):
            raise RowFault(f"{name}[{position}]", "not_text", given=type(item).__name__)
        if not item.strip():
            raise RowFault(f"{name}[{position}]", "empty")
    return cast("list[str]", items)


def _ernie_system(raw: RawRow, sources: list[str], targets: list[str]) -> list[Turn]:
    """The system prompt: its own field, or with `is_system` the first of `src`, whose answer is void."""
    if raw.get("is_system") == 1 and "system" not in raw and len(sources) > 1:
        targets[:1] = []
        return [Turn("system", sources.pop(0))]
    system = _text(raw, "system", needed=False)
    return [Turn("system", system)] if system.strip() else []


def _parse_erniekit_sft(raw: RawRow, entry: Entry) -> Row:
    sources, targets = _texts(raw, "src"), _texts(raw, "tgt")
    sources, targets = list(sources), list(targets)
    if len(sources) != len(targets):
        raise RowFault("tgt", "not_as_many", given=len(targets), wanted=len(sources))
    labels: Any = raw.get("label", [1] * len(sources))
    if not isinstance(labels, list) or len(cast("list[Any]", labels)) != len(sources):
        raise RowFault("label", "not_as_many", given=labels, wanted=len(sources))
    turns = _ernie_system(raw, sources, targets)
    # A system prompt given as the first of `src` takes its label along.
    counted = cast("list[Any]", labels)[-len(sources) :]
    masked = tuple(i for i, label in enumerate(counted) if label == 0)
    if len(masked) == len(sources):
        raise RowFault("label", "nothing_to_learn")
    for question, answer in zip(sources, targets, strict=True):
        turns += [Turn("user", question), Turn("assistant", answer)]
    return Row(turns=tuple(turns), masked=masked)


def _parse_erniekit_dpo(raw: RawRow, entry: Entry) -> Row:
    sources = list(_texts(raw, "src"))
    targets = list(_texts(raw, "tgt")) if raw.get("tgt") else []
    if len(sources) != len(targets) + 1:
        raise RowFault("tgt", "not_as_many", given=len(targets), wanted=len(sources) - 1)
    response: Any = raw.get("response")
    sort: Any = raw.get("sort")
    if not isinstance(response, list) or len(cast("list[Any]", response)) != 2:
        raise RowFault("response", "not_a_pair")
    ranks = cast("list[Any]", sort) if isinstance(sort, list) else []
    if len(ranks) != 2 or not all(isinstance(rank, int | float) for rank in ranks) or not ranks[0] != ranks[1]:
        raise RowFault("sort", "not_a_ranking", given=sort)
    answers: list[tuple[Turn, ...]] = []
    for side in range(2):
        said = _texts({"response": response[side]}, "response")
        if len(said) % 2 == 0:
            raise RowFault("response", "no_answer")
        answers.append(tuple(Turn("user" if i % 2 else "assistant", text) for i, text in enumerate(said)))
    if answers[0] == answers[1]:
        raise RowFault("response", "same_as_chosen")
    better = 0 if ranks[0] > ranks[1] else 1
    turns = _ernie_system(raw, sources, targets)
    for question, answer in zip(sources, [*targets, None], strict=True):
        turns.append(Turn("user", question))
        if answer is not None:
            turns.append(Turn("assistant", answer))
    return Row(turns=tuple(turns), chosen=answers[better], rejected=answers[1 - better])


def _parse_text(raw: RawRow, entry: Entry) -> Row:
    columns = entry_mapping(entry, "columns")
    named = columns.get("text") or columns.get("prompt")
    column = named or next((name for name in TEXT_COLUMNS if name in raw), TEXT_COLUMNS[0])
    return Row(text=_text(raw, column))


_PARSERS: Mapping[str, Callable[[RawRow, Entry], Row]] = {
    "alpaca": _parse_alpaca,
    "sharegpt": _parse_chat,
    "messages": _parse_chat,
    "erniekit_sft": _parse_erniekit_sft,
    "erniekit_dpo": _parse_erniekit_dpo,
    "preference": _parse_preference,
    "kto": _parse_kto,
    "text": _parse_text,
}
