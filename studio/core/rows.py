"""One row of training data, whatever format it came in."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("system", "user", "assistant", "tool", "function")


@dataclass(frozen=True, slots=True)
class Turn:
    """Something one side said."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation, a pair of answers to compare, or plain text.

    A preference row ends with a user's turn and holds both answers; `desirable` is a KTO label;
    `masked` holds the positions of assistant turns that must not count in the loss. `context` is the end of the
    last question where a format keeps it apart (alpaca's `input`); two rows that say the same are equal. `images`,
    `videos` and `audios` are paths or addresses, in the order of their marks in the turns.
    """

    turns: tuple[Turn, ...] = ()
    chosen: tuple[Turn, ...] = ()
    rejected: tuple[Turn, ...] = ()
    text: str | None = None
    desirable: bool | None = None
    tools: str | None = None
    masked: tuple[int, ...] = ()
    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    audios: tuple[str, ...] = ()
    context: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row; `line` is its line in a JSONL file, its number (from 1) elsewhere."""

    file: str
    line: int
    field: str
    code: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
