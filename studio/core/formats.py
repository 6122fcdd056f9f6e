"""The formats training data comes in: recognise one, read a row, write it for the engine.

An entry is a LLaMA-Factory `dataset_info.json` entry (`formatting`, `columns`, `tags`, `ranking`), so a
user's own registry works when copied in. Beyond its `alpaca` and `sharegpt`, `formatting` may be `messages`,
`erniekit_sft` (`src`, `tgt`), `erniekit_dpo` (`response`, `sort`) or `text`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from studio.core.rows import Row, Turn

Entry = Mapping[str, Any]
RawRow = Mapping[str, Any]

FORMATS = ("alpaca", "sharegpt", "messages", "erniekit_sft", "erniekit_dpo", "preference", "kto", "text")
STAGES_OF: Mapping[str, tuple[str, ...]] = {
    "alpaca": ("SFT",),
    "sharegpt": ("SFT",),
    "messages": ("SFT",),
    "erniekit_sft": ("SFT",),
    "erniekit_dpo": ("DPO",),
    "preference": ("DPO",),
    # PaddleFormers 1.2 has no KTO stage.
    "kto": (),
    "text": ("PT",),
}
# LLaMA-Factory's names for the columns of an entry, and what they are when it does not say.
ALPACA_COLUMNS = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "system": "system",
    "history": "history",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "kto_tag",
}
CHAT_COLUMNS = {
    "messages": "conversations",
    "system": "system",
    "tools": "tools",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "kto_tag",
}
SHAREGPT_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
OPENAI_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function",
    "system_tag": "system",
}
TEXT_COLUMNS = ("text", "content")
# The role that answers, as against the roles that ask.
ANSWERING = frozenset({"assistant", "function"})


@dataclass(frozen=True, slots=True)
class Detection:
    """A recognised format as a registry entry, and the columns that gave it away."""

    format: str
    evidence: tuple[str, ...]
    entry: Mapping[str, Any]


class RowFault(Exception):
    """One row that cannot be used: the field, a code and the values that explain it."""

    def __init__(self, field: str, code: str, **values: Any) -> None:
        super().__init__(f"{field}: {code}")
        self.field = field
        self.code = code
        self.values: dict[str, Any] = values


def _mapping(entry: Entry, name: str) -> Mapping[str, str]:
    """The entry's `columns` or `tags`; none when it has no such key."""
    return cast("Mapping[str, str]", entry.get(name) or {})


def entry_format(entry: Entry) -> str:
    """The format of a registry entry, one of FORMATS."""
    formatting = str(entry.get("formatting", "alpaca"))
    columns = _mapping(entry, "columns")
    if formatting in ("alpaca", "sharegpt", "messages"):
        if entry.get("ranking"):
            return "preference"
        if "kto_tag" in columns:
            return "kto"
        # LLaMA-Factory registers plain text as alpaca whose only column is the prompt.
        if formatting == "alpaca" and set(columns) == {"prompt"} and columns["prompt"] in TEXT_COLUMNS:
            return "text"
        if formatting == "sharegpt" and _mapping(entry, "tags").get("role_tag") == "role":
            return "messages"
    return formatting


def detect_format(rows: Sequence[RawRow]) -> Detection | None:
    """Recognise the format by the columns that at least half of some rows have; None when no format fits.

    A row that lacks a column is faulty; it does not make the file another format.
    """
    counts = Counter(name for row in rows for name in row)
    names = {name for name, count in counts.items() if 2 * count >= len(rows)}
    if not names:
        return None
    fullest = max(rows, key=lambda row: len(names.intersection(row)))
    for recognise in (_detect_erniekit, _detect_chat, _detect_alpaca, _detect_text):
        found = recognise(names, fullest)
        if found:
            return found
    return None


def _detect_erniekit(names: set[str], first: RawRow) -> Detection | None:
    if {"src", "response", "sort"} <= names:
        return Detection("erniekit_dpo", ("src", "response", "sort"), {"formatting": "erniekit_dpo"})
    if {"src", "tgt"} <= names:
        return Detection("erniekit_sft", ("src", "tgt"), {"formatting": "erniekit_sft"})
    return None


def _detect_chat(names: set[str], first: RawRow) -> Detection | None:
    for column in ("messages", "conversations", "conversation", "dialog"):
        turns = first.get(column)
        if column not in names or not isinstance(turns, list) or not turns or not isinstance(turns[0], dict):
            continue
        keys = set(cast("dict[str, Any]", turns[0]))
        if {"role", "content"} <= keys:
            name, tags = "messages", OPENAI_TAGS
        elif {"from", "value"} <= keys:
            name, tags = "sharegpt", SHAREGPT_TAGS
        else:
            continue
        entry: dict[str, Any] = {"formatting": "sharegpt", "columns": {"messages": column}}
        if name == "messages":
            entry["tags"] = dict(tags)
        evidence = [column, *sorted(keys & {"role", "content", "from", "value"})]
        for extra in ("system", "tools"):
            if extra in names:
                entry["columns"][extra] = extra
                evidence.append(extra)
        if {"chosen", "rejected"} <= names:
            entry["ranking"] = True
            entry["columns"] |= {"chosen": "chosen", "rejected": "rejected"}
            return Detection("preference", (*evidence, "chosen", "rejected"), entry)
        tag = next((tag for tag in ("kto_tag", "label") if isinstance(first.get(tag), bool)), None)
        if tag in names:
            entry["columns"]["kto_tag"] = tag
            return Detection("kto", (*evidence, str(tag)), entry)
        return Detection(name, tuple(evidence), entry)
    return None


def _detect_alpaca(names: set[str], first: RawRow) -> Detection | None:
    prompt = next((name for name in ("instruction", "prompt", "question", "query") if name in names), None)
    if prompt is None:
        return None
    columns: dict[str, str] = {} if prompt == "instruction" else {"prompt": prompt}
    if {"chosen", "rejected"} <= names:
        columns |= {"chosen": "chosen", "rejected": "rejected"}
        entry = {"formatting": "alpaca", "ranking": True, "columns": columns}
        return Detection("preference", (prompt, "chosen", "rejected"), entry)
    answer = next((name for name in ("output", "response", "answer", "completion") if name in names), None)
    if answer is None:
        return None
    if answer != "output":
        columns["response"] = answer
    evidence = [prompt, answer]
    for role, column in (("query", "input"), ("system", "system"), ("history", "history")):
        if column in names and column not in evidence:
            columns[role] = column
            evidence.append(column)
    tag = next((tag for tag in ("kto_tag", "label") if isinstance(first.get(tag), bool)), None)
    if tag in names:
        columns["kto_tag"] = str(tag)
        return Detection("kto", (*evidence, str(tag)), {"formatting": "alpaca", "columns": columns})
    entry = {"formatting": "alpaca", "columns": columns} if columns else {"formatting": "alpaca"}
    return Detection("alpaca", tuple(evidence), entry)


def _detect_text(names: set[str], first: RawRow) -> Detection | None:
    column = next((name for name in TEXT_COLUMNS if name in names), None)
    if column is None and len(names) == 1 and isinstance(first.get(next(iter(names))), str):
        column = next(iter(names))
    if column is None:
        return None
    return Detection("text", (column,), {"formatting": "text", "columns": {"text": column}})


def parse_row(raw: object, entry: Entry) -> Row:
    """Read one raw row. Raises RowFault with the field and what is wrong."""
    if not isinstance(raw, Mapping):
        raise RowFault("-", "not_an_object", given=type(raw).__name__)
    return _PARSERS[entry_format(entry)](cast("RawRow", raw), entry)


def _column(entry: Entry, name: str, default: str) -> str:
    return _mapping(entry, "columns").get(name, default)


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
    more = _text(raw, _column(entry, "query", ALPACA_COLUMNS["query"]), needed=False)
    # As LLaMA-Factory joins them.
    turns.append(Turn("user", f"{question}\n{more}" if more.strip() else question))
    return turns


def _parse_alpaca(raw: RawRow, entry: Entry) -> Row:
    turns = _alpaca_turns(raw, entry)
    turns.append(Turn("assistant", _text(raw, _column(entry, "response", ALPACA_COLUMNS["response"]))))
    return Row(turns=tuple(turns))


def _chat_turns(raw: RawRow, entry: Entry, column: str, *, start: str = "user") -> list[Turn]:
    usual = OPENAI_TAGS if entry.get("formatting") == "messages" else SHAREGPT_TAGS
    tags = {**usual, **_mapping(entry, "tags")}
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
        role = roles.get(turn.get(tags["role_tag"], ""))
        if role is None:
            given = turn.get(tags["role_tag"])
            raise RowFault(f"{where}.{tags['role_tag']}", "unknown_role", given=given, known=", ".join(roles))
        content = turn.get(tags["content_tag"])
        if not isinstance(content, str):
            code = "missing" if content is None else "not_text"
            raise RowFault(f"{where}.{tags['content_tag']}", code, given=type(content).__name__)
        if not content.strip():
            raise RowFault(f"{where}.{tags['content_tag']}", "empty")
        turns.append(Turn(role, content))
    return turns


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
    tools = raw.get(_column(entry, "tools", "tools"))
    return Row(turns=tuple(turns), tools=tools if isinstance(tools, str) and tools.strip() else None)


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
            if len(said) != 1 or said[0].role != "assistant":
                raise RowFault(name, "not_one_answer")
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
    return Row(turns=row.turns, desirable=label)


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
    if not isinstance(sort, list) or len(cast("list[Any]", sort)) != 2 or sort[0] == sort[1]:
        raise RowFault("sort", "not_a_ranking", given=sort)
    answers: list[tuple[Turn, ...]] = []
    for side in range(2):
        said = _texts({"response": response[side]}, "response")
        if len(said) % 2 == 0:
            raise RowFault("response", "no_answer")
        answers.append(tuple(Turn("user" if i % 2 else "assistant", text) for i, text in enumerate(said)))
    better = 0 if sort[0] > sort[1] else 1
    turns = _ernie_system(raw, sources, targets)
    for question, answer in zip(sources, [*targets, None], strict=True):
        turns.append(Turn("user", question))
        if answer is not None:
            turns.append(Turn("assistant", answer))
    return Row(turns=tuple(turns), chosen=answers[better], rejected=answers[1 - better])


def _parse_text(raw: RawRow, entry: Entry) -> Row:
    columns = _mapping(entry, "columns")
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


def engine_row(row: Row, stage: str) -> dict[str, Any]:
    """The row as PaddleFormers' `messages` type takes it.

    Pre-training takes the first message's content and adds the end of text itself.
    """
    if stage == "PT":
        return {"messages": [{"role": "assistant", "content": row.text or ""}]}
    written: dict[str, Any] = {"messages": [_message(turn) for turn in row.turns]}
    if stage == "DPO":
        written["chosen_response"] = [_message(turn) for turn in row.chosen]
        written["rejected_response"] = [_message(turn) for turn in row.rejected]
    elif row.masked:
        answers = sum(turn.role in ANSWERING for turn in row.turns)
        written["label"] = [0 if i in row.masked else 1 for i in range(answers)]
    if row.tools:
        written["tools"] = row.tools
    return written


def _message(turn: Turn) -> dict[str, str]:
    # The engine's chat templates know the answering role only as assistant.
    return {"role": "assistant" if turn.role == "function" else turn.role, "content": turn.content}
