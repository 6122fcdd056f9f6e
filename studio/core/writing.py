"""Write a row: for the engine, and in every format that a registry can name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from studio.core.formats import ANSWERING, MEDIA_MARKS
from studio.core.options import PREFERENCE_STAGES, VISION_STAGES
from studio.core.rows import Row, Turn

# As the engine tells an address from a path.
ADDRESS = re.compile("http")


def engine_row(row: Row, stage: str) -> dict[str, Any]:
    """The row as PaddleFormers' `messages` type takes it.

    Pre-training takes the first message's content and adds the end of text itself.
    """
    media = {role: list(files) for role in MEDIA_MARKS if stage in VISION_STAGES and (files := getattr(row, role))}
    if stage in ("PT", "VL-PT"):
        return {"messages": [{"role": "assistant", "content": row.text or ""}], **media}
    written: dict[str, Any] = {"messages": [_message(turn) for turn in row.turns], **media}
    if stage in PREFERENCE_STAGES:
        written["chosen_response"] = [_message(turn) for turn in row.chosen]
        written["rejected_response"] = [_message(turn) for turn in row.rejected]
    elif row.masked:
        answers = sum(turn.role in ANSWERING for turn in row.turns)
        written["label"] = [0 if i in row.masked else 1 for i in range(answers)]
    if row.tools:
        written["tools"] = row.tools
    return written


def with_media_in(row: Row, folder: PurePath) -> Row:
    """The row with its files as absolute paths, those that are relative being in a folder; addresses stay."""
    return replace(
        row,
        **{
            role: tuple(file if ADDRESS.match(file) else str(folder / file) for file in getattr(row, role))
            for role in MEDIA_MARKS
        },
    )


def _message(turn: Turn) -> dict[str, str]:
    # The engine's chat templates know the answering role only as assistant.
    return {"role": "assistant" if turn.role == "function" else turn.role, "content": turn.content}


class CannotWrite(Exception):
    """A format has no place for a row like this."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class TargetFormat:
    """A format to convert to: how a row is written, and the registry entry that reads it again."""

    write: Callable[[Row], dict[str, Any]]
    entry: Mapping[str, Any]


def _refuse_unwritable(row: Row) -> None:
    if row.text is not None:
        raise CannotWrite("no_turns")
    if row.images or row.videos or row.audios:
        raise CannotWrite("has_media")


def _split(row: Row) -> tuple[str, list[tuple[str, str]], str]:
    """System prompt, whole exchanges, and the last question (empty in a row that ends with an answer)."""
    _refuse_unwritable(row)
    turns = list(row.turns)
    system = turns.pop(0).content if turns and turns[0].role == "system" else ""
    if any(turn.role in ("tool", "function") for turn in turns) or row.tools:
        raise CannotWrite("has_tools")
    last = turns.pop().content if len(turns) % 2 else ""
    pairs = [(turns[i].content, turns[i + 1].content) for i in range(0, len(turns), 2)]
    return system, pairs, last


def _pair(row: Row) -> tuple[Turn, Turn]:
    """The better and the worse answer, each of one turn."""
    chosen, *more = row.chosen
    rejected, *others = row.rejected
    if more or others:
        raise CannotWrite("long_answers")
    return chosen, rejected


def _alpaca(row: Row) -> dict[str, Any]:
    if row.masked:
        raise CannotWrite("has_masked_answers")
    system, pairs, last = _split(row)
    asked, context = last or pairs[-1][0], row.context
    written: dict[str, Any] = {"instruction": asked.removesuffix(f"\n{context}") if context else asked}
    written["input"] = context
    history = pairs if last else pairs[:-1]
    if row.chosen:
        chosen, rejected = _pair(row)
        written |= {"chosen": chosen.content, "rejected": rejected.content}
    else:
        written["output"] = pairs[-1][1]
    if system:
        written["system"] = system
    if history:
        written["history"] = [list(pair) for pair in history]
    if row.desirable is not None:
        written["kto_tag"] = row.desirable
    return written


def _chat(row: Row, column: str, names: Mapping[str, str], role: str, content: str) -> dict[str, Any]:
    _refuse_unwritable(row)
    if row.masked:
        raise CannotWrite("has_masked_answers")

    def said(turn: Turn) -> dict[str, str]:
        return {role: names[turn.role], content: turn.content}

    written: dict[str, Any] = {column: [said(turn) for turn in row.turns]}
    if row.chosen:
        chosen, rejected = _pair(row)
        written |= {"chosen": said(chosen), "rejected": said(rejected)}
    if row.tools:
        written["tools"] = row.tools
    if row.desirable is not None:
        written["kto_tag"] = row.desirable
    return written


def _sharegpt(row: Row) -> dict[str, Any]:
    names = {"user": "human", "assistant": "gpt", "tool": "observation", "function": "function_call"}
    return _chat(row, "conversations", {**names, "system": "system"}, "from", "value")


def _messages(row: Row) -> dict[str, Any]:
    names = {name: name for name in ("system", "user", "assistant", "tool", "function")}
    return _chat(row, "messages", names, "role", "content")


def _paddleformers(row: Row) -> dict[str, Any]:
    """What the engine itself reads, as type `messages`."""
    _refuse_unwritable(row)
    if row.desirable is not None:
        raise CannotWrite("has_labels")
    if any(turn.role == "function" for turn in row.turns):
        raise CannotWrite("has_tools")
    return engine_row(row, "DPO" if row.chosen else "SFT")


def _erniekit(row: Row) -> dict[str, Any]:
    if row.desirable is not None:
        raise CannotWrite("has_labels")
    system, pairs, last = _split(row)
    written: dict[str, Any] = {"system": system} if system else {}
    if row.chosen:
        written["src"] = [question for question, _ in pairs] + [last]
        written["tgt"] = [answer for _, answer in pairs]
        written["response"] = [[turn.content for turn in side] for side in (row.chosen, row.rejected)]
        written["sort"] = [1, 0]
        return written
    written |= {"src": [question for question, _ in pairs], "tgt": [answer for _, answer in pairs]}
    if row.masked:
        written["label"] = [0 if i in row.masked else 1 for i in range(len(pairs))]
    return written


def _text(row: Row) -> dict[str, Any]:
    if row.text is None:
        raise CannotWrite("no_text")
    return {"text": row.text}


TARGETS = ("alpaca", "sharegpt", "messages", "erniekit", "paddleformers", "text")
_PAIR_COLUMNS = {"chosen": "chosen", "rejected": "rejected"}


def target_format(name: str, sample: Row) -> TargetFormat:
    """How rows like `sample` are written in one of TARGETS. Raises KeyError for another name."""
    extra: dict[str, Any] = {}
    columns: dict[str, str] = {}
    if sample.chosen:
        extra["ranking"] = True
        columns |= _PAIR_COLUMNS
    if sample.desirable is not None:
        columns["kto_tag"] = "kto_tag"
    match name:
        case "alpaca":
            more = {"system": "system", "history": "history"}
            return TargetFormat(_alpaca, {"formatting": "alpaca", "columns": {**more, **columns}, **extra})
        case "sharegpt":
            chat = {"messages": "conversations", "tools": "tools", **columns}
            return TargetFormat(_sharegpt, {"formatting": "sharegpt", "columns": chat, **extra})
        case "messages":
            chat = {"messages": "messages", "tools": "tools", **columns}
            return TargetFormat(_messages, {"formatting": "messages", "columns": chat, **extra})
        case "paddleformers":
            chat = {"messages": "messages", "tools": "tools"}
            pair = {name: f"{name}_response" for name in columns}
            return TargetFormat(_paddleformers, {"formatting": "messages", "columns": {**chat, **pair}, **extra})
        case "erniekit":
            kind = "erniekit_dpo" if sample.chosen else "erniekit_sft"
            return TargetFormat(_erniekit, {"formatting": kind})
        case "text":
            return TargetFormat(_text, {"formatting": "text", "columns": {"text": "text"}})
        case _:
            raise KeyError(name)
