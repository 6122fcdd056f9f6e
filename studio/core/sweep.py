"""Many runs from one request: every combination of some options' values, or some of them at random."""

import itertools
import math
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from studio.core.plain_yaml import BadYaml, read_yaml
from studio.errors import Problem, RequestRefused

MOST_RUNS = 200
RANGE_KEYS = frozenset({"from", "to", "count", "scale"})
SCALES = ("linear", "log")
# What a name may not hold is left out of a value that stands in it.
UNNAMEABLE = re.compile(r"[^\w.\-]+")

Axes = Mapping[str, Sequence[object]]


def read_axes(text: str) -> Axes:
    """Options with the values that they shall take, from YAML. Raises RequestRefused.

    A value list, `learning_rate: [1e-4, 3e-4]`, or a range of evenly spaced values with both its ends,
    `learning_rate: {from: 1e-5, to: 1e-3, count: 5, scale: log}`.
    """
    try:
        read: object = read_yaml(text)
    except BadYaml as error:
        raise _refused("sweep_not_yaml", reason=str(error)) from error
    if not isinstance(read, dict) or not read:
        raise _refused("sweep_empty")
    axes: dict[str, Sequence[object]] = {}
    for name, values in cast("dict[object, Any]", read).items():
        axes[str(name)] = (
            _read_range(str(name), values) if isinstance(values, dict) else _read_list(str(name), values)
        )
    return axes


def grid(axes: Axes) -> list[dict[str, object]]:
    """Every combination, the last axis turning quickest. Raises RequestRefused for more than MOST_RUNS."""
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_RUNS:
        raise _refused("sweep_too_many", count=count, most=MOST_RUNS)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def sample(axes: Axes, count: int, seed: int) -> list[dict[str, object]]:
    """So many different combinations at random, the same for a seed; all of them where there are no more."""
    whole = math.prod(len(values) for values in axes.values())
    if not 0 < count <= MOST_RUNS:
        raise _refused("sweep_too_many", count=count, most=MOST_RUNS)
    chosen = sorted(random.Random(seed).sample(range(whole), min(count, whole)))
    return [_combination(axes, number) for number in chosen]


def name_run(pattern: str, base: str, number: int, values: Mapping[str, object]) -> str:
    """A run's name from a pattern such as `{name}-{n}` or `{name}-{learning_rate}`. Raises RequestRefused."""
    told = {name: UNNAMEABLE.sub("", str(value)) for name, value in values.items()}
    try:
        return pattern.format(**told, name=base, n=number)
    except (KeyError, IndexError, ValueError) as error:
        raise _refused("sweep_bad_pattern", given=pattern) from error


def _combination(axes: Axes, number: int) -> dict[str, object]:
    """The combination that `grid` would have at a place, without the others."""
    values: dict[str, object] = {}
    for name in reversed(list(axes)):
        number, place = divmod(number, len(axes[name]))
        values[name] = axes[name][place]
    return {name: values[name] for name in axes}


def _read_list(name: str, values: Any) -> Sequence[object]:
    listed = cast("list[object]", values) if isinstance(values, list) else [values]
    if not listed or any(isinstance(value, list | dict) for value in listed):
        raise _refused("sweep_bad_values", name=name)
    return listed


def _read_range(name: str, given: Any) -> Sequence[object]:
    try:
        low, high, count = float(given["from"]), float(given["to"]), int(given["count"])
    except (KeyError, TypeError, ValueError) as error:
        raise _refused("sweep_bad_values", name=name) from error
    scale = given.get("scale", "linear")
    if given.keys() - RANGE_KEYS or scale not in SCALES or count < 2 or (scale == "log" and min(low, high) <= 0):
        raise _refused("sweep_bad_values", name=name)
    shares = [place / (count - 1) for place in range(count)]
    if scale == "log":
        return [float(f"{low * (high / low) ** share:.6g}") for share in shares]
    values = [float(f"{low + (high - low) * share:.6g}") for share in shares]
    return [int(value) for value in values] if all(value.is_integer() for value in values) else values


def _refused(code: str, **values: object) -> RequestRefused:
    return RequestRefused([Problem("sweep", code, values)])
