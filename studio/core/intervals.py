"""How sure a measured number is: bootstrap intervals, and differences between two models on the same rows."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
# The same rows always give the same interval.
SEED = 20240229
# Two equal models part on all of so many rows less than 5 % of the time (2 * 0.5 ** 6).
FEWEST_ROWS = 6
# So many weights of rows are held at once, 16 MB.
WEIGHTS_AT_ONCE = 2_000_000

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value with its 95 % bootstrap interval, and the rows that it rests on.

    Shares and text metrics are percent. Where rows have no number (NaN or infinite), `broken_rows` tells how many,
    and the value is NaN: left out, they would make the number look better. `detail` is BLEU's tokenizer.
    """

    value: float
    low: float
    high: float
    rows: int
    broken_rows: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """The second model minus the first on the rows that both have, with its 95 % paired bootstrap interval."""

    value: float
    low: float
    high: float
    rows: int
    broken_rows: int = 0
    detail: str = ""

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves out 0, so that the choice of rows does not explain the difference.

        Of fewer rows than six nothing is certain: all for one model would happen by chance once in 16 times.
        """
        return self.rows >= FEWEST_ROWS and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class Sums:
    """What a metric needs of each row (rows x parts), and its value from sums over rows (samples x parts)."""

    keys: tuple[int, ...]
    parts: Numbers
    value: Callable[[Numbers], Numbers]
    detail: str = ""

    def pick(self, keys: Sequence[int]) -> "Sums":
        """The same of some of the rows, in that order."""
        places = {key: place for place, key in enumerate(self.keys)}
        return Sums(tuple(keys), self.parts[[places[key] for key in keys]], self.value, self.detail)


def estimate(metrics: Mapping[str, Sums]) -> dict[str, Estimate]:
    """Every metric with its interval: rows drawn with replacement, the middle 95 % of 1,000 values.

    An interval is widened to hold its value, which that of a skewed metric (corpus BLEU, macro-F1) need not.
    """
    samples = _resampled({name: (sums,) for name, sums in metrics.items()})
    found: dict[str, Estimate] = {}
    for name, sums in metrics.items():
        value, broken = _value(sums), _broken_rows(sums)
        low = high = value
        if name in samples and not _is_constant(sums):
            low, high = _interval(sums.value(samples[name][0]), value)
        found[name] = Estimate(value, low, high, len(sums.keys), broken, sums.detail)
    return found


def estimate_differences(first: Mapping[str, Sums], second: Mapping[str, Sums]) -> dict[str, Difference]:
    """What the second has more than the first, metric by metric, with paired intervals (Koehn 2004).

    Both are drawn on the same rows each time, so that rows which are hard for both do not blur the difference.
    """
    pairs: dict[str, tuple[Sums, Sums]] = {}
    for name in first:
        if name in second and (keys := sorted(set(first[name].keys) & set(second[name].keys))):
            pairs[name] = (first[name].pick(keys), second[name].pick(keys))
    samples = _resampled(pairs)
    found: dict[str, Difference] = {}
    for name, (before, after) in pairs.items():
        value = _value(after) - _value(before)
        low = high = value
        same = np.array_equal(before.parts, after.parts)
        if name in samples and not same and not (_is_constant(before) and _is_constant(after)):
            drawn = samples[name]
            low, high = _interval(after.value(drawn[1]) - before.value(drawn[0]), value)
        broken = int((~(np.isfinite(before.parts) & np.isfinite(after.parts)).all(axis=1)).sum())
        found[name] = Difference(value, low, high, len(before.keys), broken, after.detail)
    return found


def _value(sums: Sums) -> float:
    """A metric's value of all rows; NaN where one has no number."""
    if _broken_rows(sums):
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return float(sums.value(sums.parts.sum(axis=0, keepdims=True))[0])


def _broken_rows(sums: Sums) -> int:
    return int((~np.isfinite(sums.parts).all(axis=1)).sum())


def _is_constant(sums: Sums) -> bool:
    return bool((sums.parts == sums.parts[0]).all())


def _interval(values: Numbers, value: float) -> tuple[float, float]:
    if not np.isfinite(values).all():
        return math.nan, math.nan
    low, high = np.percentile(values, PERCENTILES)
    return min(float(low), value), max(float(high), value)


def _resampled(groups: Mapping[str, tuple[Sums, ...]]) -> dict[str, list[Numbers]]:
    """Sums over resampled rows (samples x parts), for every member of every group without a broken row.

    What has equally many rows shares the draws, which are most of the work.
    """
    by_rows: dict[int, list[str]] = {}
    for name, members in groups.items():
        if not any(_broken_rows(member) for member in members):
            by_rows.setdefault(len(members[0].keys), []).append(name)
    found: dict[str, list[Numbers]] = {}
    for names in by_rows.values():
        members = [member for name in names for member in groups[name]]
        drawn = _draw(np.hstack([member.parts for member in members]))
        ends = np.cumsum([member.parts.shape[1] for member in members])
        pieces = iter(np.split(drawn, ends[:-1], axis=1))
        for name in names:
            found[name] = [next(pieces) for _ in groups[name]]
    return found


def _draw(parts: Numbers) -> Numbers:
    """Sums of the columns over rows drawn with replacement, once a resample."""
    rows = len(parts)
    # NumPy's stubs leave the types of its generators open.
    random: Any = np.random.default_rng(SEED)
    at_once = max(1, min(RESAMPLES, WEIGHTS_AT_ONCE // rows))
    drawn: list[Numbers] = []
    for start in range(0, RESAMPLES, at_once):
        picks = random.integers(rows, size=(min(at_once, RESAMPLES - start), rows))
        weights = np.stack([np.bincount(pick, minlength=rows) for pick in picks]).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            drawn.append(weights @ parts)
    return np.vstack(drawn)
