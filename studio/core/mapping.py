"""Registry entries for columns of any name: propose one, and check one that a person wrote."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from studio.core.formats import (
    ALPACA_COLUMNS,
    CHAT_COLUMNS,
    MEDIA_MARKS,
    OPENAI_TAGS,
    SHAREGPT_TAGS,
    Entry,
    RawRow,
    detect_format,
)
from studio.errors import Problem

FORMATTINGS = ("alpaca", "sharegpt", "messages", "erniekit_sft", "erniekit_dpo", "text")
COLUMN_ROLES: Mapping[str, frozenset[str]] = {
    "alpaca": frozenset(ALPACA_COLUMNS),
    "sharegpt": frozenset(CHAT_COLUMNS),
    "messages": frozenset(CHAT_COLUMNS),
    "erniekit_sft": frozenset(),
    "erniekit_dpo": frozenset(),
    "text": frozenset({"text", "prompt"}),
}
QUESTION_NAMES = ("question", "query", "ask", "prompt", "input", "title", "问题", "提问", "指令", "问")
ANSWER_NAMES = ("answer", "response", "reply", "output", "target", "completion", "回答", "答案", "输出", "答")
EXTRA_NAMES = {"query": ("context", "知识", "背景", "补充"), "system": ("system", "系统")}


def propose_entry(rows: Sequence[RawRow]) -> Entry:
    """An entry for some rows, to be looked at by a person: the detected one, or else one guessed by the
    names and contents of the columns. Raises ValueError when no column holds text.
    """
    found = detect_format(rows)
    if found:
        return found.entry
    texts = _text_columns(rows)
    chat = next((name for name in _columns(rows) if _is_chat(rows, name)), None)
    if chat:
        return _chat_entry(rows, chat)
    if not texts:
        raise ValueError("no column of text")
    question = _named(texts, QUESTION_NAMES)
    answer = _named([name for name in texts if name != question], ANSWER_NAMES)
    rest = [name for name in texts if name not in (question, answer)]
    if len(texts) == 1:
        return {"formatting": "text", "columns": {"text": texts[0]}}
    question = question or rest.pop(0)
    answer = answer or rest.pop(0)
    columns = {"prompt": question, "response": answer}
    for role, names in EXTRA_NAMES.items():
        column = _named([name for name in texts if name not in columns.values()], names)
        if column:
            columns[role] = column
    return {"formatting": "alpaca", "columns": columns}


def check_entry(entry: Mapping[str, object]) -> list[Problem]:
    """All that is wrong with an entry that a person wrote."""
    formatting = entry.get("formatting", "alpaca")
    if formatting not in FORMATTINGS:
        known = {"given": formatting, "choices": ", ".join(FORMATTINGS)}
        return [Problem("formatting", "not_a_choice", known)]
    problems: list[Problem] = []
    tags = frozenset(SHAREGPT_TAGS)
    for part, known in (("columns", COLUMN_ROLES[str(formatting)] | MEDIA_MARKS.keys()), ("tags", tags)):
        value: Any = entry.get(part) or {}
        if not isinstance(value, dict):
            problems.append(Problem(part, "mapping_no_object", {"given": type(value).__name__}))
            continue
        for role, column in cast("dict[str, object]", value).items():
            if role not in known:
                values = {"given": role, "known": ", ".join(sorted(known)) or "-"}
                problems.append(Problem(part, "mapping_unknown_role", values))
            elif not isinstance(column, str) or not column:
                problems.append(Problem(part, "mapping_no_column", {"given": role}))
    if not isinstance(entry.get("ranking", False), bool):
        problems.append(Problem("ranking", "mapping_no_switch", {"given": entry["ranking"]}))
    return problems


def _columns(rows: Sequence[RawRow]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _text_columns(rows: Sequence[RawRow]) -> list[str]:
    """Columns that hold text in at least half of the rows; if any, only those that say more than one thing."""
    found: dict[str, int] = {}
    for name in _columns(rows):
        said = [row[name] for row in rows if isinstance(row.get(name), str) and row[name].strip()]
        if 2 * len(said) >= len(rows):
            found[name] = len(set(said))
    return [name for name, count in found.items() if count > 1] or list(found)


def _is_chat(rows: Sequence[RawRow], name: str) -> bool:
    turns: Any = next((row[name] for row in rows if row.get(name)), None)
    first: Any = cast("list[Any]", turns)[0] if isinstance(turns, list) else None
    return isinstance(first, dict) and len(_text_keys(cast("dict[str, object]", first))) >= 2


def _text_keys(turn: Mapping[str, object]) -> list[str]:
    return [key for key, value in turn.items() if isinstance(value, str)]


def _chat_entry(rows: Sequence[RawRow], column: str) -> Entry:
    """Turns under keys of any name: the one with few different short values is the role."""
    items = [turn for row in rows if isinstance(row.get(column), list) for turn in row[column]]
    turns = [cast("dict[str, object]", turn) for turn in items if isinstance(turn, dict)]
    keys = _text_keys(turns[0])
    said = {key: {told for turn in turns if isinstance(told := turn.get(key), str) and told} for key in keys}
    role = min(keys, key=lambda key: (len(said[key]), max(map(len, said[key]))))
    content = max((key for key in keys if key != role), key=lambda key: sum(map(len, said[key])))
    tags: dict[str, str] = {"role_tag": role, "content_tag": content}
    known = {
        name: tag
        for usual in (OPENAI_TAGS, SHAREGPT_TAGS)
        for tag, name in usual.items()
        if tag not in ("role_tag", "content_tag")
    }
    for name in sorted(said[role]):
        if name in known:
            tags[known[name]] = name
    # Who speaks first asks.
    asked, answered = "user_tag", "assistant_tag"
    first = str(turns[0].get(role, ""))
    if first and asked not in tags and first not in tags.values():
        tags[asked] = first
    others = [name for name in sorted(said[role]) if name not in tags.values()]
    if answered not in tags and others:
        tags[answered] = others[0]
    return {"formatting": "sharegpt", "columns": {"messages": column}, "tags": tags}


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column of one of these names; else the first whose name contains one."""
    small = {column.casefold(): column for column in reversed(columns)}
    for name in names:
        if name in small:
            return small[name]
    return next((column for name in names for column in columns if name in column.casefold()), None)
