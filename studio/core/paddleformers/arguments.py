"""Every argument that the engine takes beyond the option table: found by name, and checked before a start.

The table comes from the engine's own dataclasses (`scripts/engine_arguments`, PaddleFormers 1.2.0). The engine
itself hardly checks a type, and ends at a name that it does not know.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

from studio.errors import Problem

SHOWN_MATCHES = 12
TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class EngineArgument:
    """One argument: its kind (`bool`, `int`, `float`, `text`, `list`, `mapping` or `any`) and what it does."""

    name: str
    group: str
    kind: str
    nullable: bool
    default: Any
    choices: tuple[Any, ...]
    help: str


@cache
def engine_arguments() -> Mapping[str, EngineArgument]:
    """All arguments by name."""
    text = (
        resources.files("studio.core.paddleformers").joinpath("engine_arguments.json").read_text(encoding="utf-8")
    )
    stored: dict[str, dict[str, Any]] = json.loads(text)
    return {
        name: EngineArgument(
            name,
            told["group"],
            told["kind"],
            told["nullable"],
            told["default"],
            tuple(told["choices"]),
            told["help"],
        )
        for name, told in stored.items()
    }


def find_arguments(text: str, limit: int = SHOWN_MATCHES) -> list[EngineArgument]:
    """Arguments by words of their name or help: names that begin so first, then names, then helps."""
    words = text.lower().split()
    if not words:
        return []

    def rank(argument: EngineArgument) -> int:
        name, told = argument.name.lower(), argument.help.lower()
        if name.startswith(words[0]) and all(word in name for word in words):
            return 0
        if all(word in name for word in words):
            return 1
        return 2 if all(word in name or word in told for word in words) else 3

    ranked = sorted((rank(argument), name) for name, argument in engine_arguments().items())
    return [engine_arguments()[name] for place, name in ranked if place < 3][:limit]


def read_argument(name: str, given: object) -> Any | Problem:
    """The value that was meant: `1e-3` for a number, `no` for a switch; or what is wrong with it."""
    argument = engine_arguments().get(name)
    if argument is None:
        near = difflib.get_close_matches(name, engine_arguments(), 3, 0.6)
        return Problem("extra", "unknown_argument", {"given": name, "near": ", ".join(near) or "-"})
    if given is None and argument.nullable:
        return None
    value = _read(argument.kind, given)
    if value is None:
        return Problem("extra", f"argument_not_{argument.kind}", {"name": name, "given": given})
    if argument.choices and value not in argument.choices:
        choices = ", ".join(map(str, argument.choices))
        return Problem("extra", "argument_not_a_choice", {"name": name, "given": given, "choices": choices})
    return value


def _read(kind: str, given: object) -> Any:
    """The value as its kind; None when it is none. YAML reads `1e-3` as text, and `'no'` as a true text."""
    word = given.strip().lower() if isinstance(given, str) else None
    match kind:
        case "bool":
            if isinstance(given, bool):
                return given
            return True if word in TRUE_WORDS else False if word in FALSE_WORDS else None
        case "int" | "float":
            if isinstance(given, bool) or not isinstance(given, int | float | str):
                return None
            try:
                number = float(given)
            except ValueError:
                return None
            if kind == "float":
                return number
            return int(number) if number.is_integer() else None
        case "text":
            # Names that look like numbers are still names.
            return str(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else None
        case "list":
            return cast("list[Any]", given) if isinstance(given, list) else None
        case "mapping":
            return cast("dict[str, Any]", given) if isinstance(given, dict) else None
        case _:
            return given
