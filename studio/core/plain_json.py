"""Values as JSON can hold them, and JSON from anybody: refused where it would take all memory."""

import json
import math
from collections.abc import Iterable
from typing import Any, cast

# An empty list of two characters takes 64 bytes; this many values take some 100 MB.
MOST_VALUES = 1_000_000
DEEPEST = 200


def read_json_text(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for one of too many values or nested too deeply."""
    if count_values(text) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")
    try:
        value: Any = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("[") + text.count("{") > DEEPEST and is_deep(value):
        raise ValueError("nested too deeply")
    return value


def count_values(text: str | bytes) -> int:
    """At most so many values are in a JSON text; commas and brackets in its strings count, too."""
    if isinstance(text, bytes):
        return text.count(b",") + text.count(b"[") + text.count(b"{")
    return text.count(",") + text.count("[") + text.count("{")


def count_characters(value: object) -> int:
    """How long the texts in a value are together, keys left out; of what is no text, its bytes."""
    if isinstance(value, str | bytes):
        return len(value)
    return sum(count_characters(item) for held in _collections([value]) for item in held)


def is_deep(value: object) -> bool:
    """Whether a value is nested more than DEEPEST deep; what works through such a one would run out of stack."""
    level = _collections([value])
    for _ in range(DEEPEST):
        level = _collections(item for each in level for item in each)
        if not level:
            return False
    return True


def _collections(values: Iterable[object]) -> list[Iterable[object]]:
    """The contents of those values that hold others."""
    return [
        cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
        for value in values
        if isinstance(value, dict | list)
    ]


def without_nan(value: Any) -> Any:
    """The same with None for every number that is none: Python writes NaN and infinity, JSON knows neither."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: without_nan(one) for key, one in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [without_nan(one) for one in cast("list[Any]", value)]
        case _:
            return value
