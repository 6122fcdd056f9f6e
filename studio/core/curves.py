"""What a run has measured, as columns: kept while it grows, smoothed, and thinned out for a screen."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Axis = Literal["step", "tokens", "time"]
Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]
AXES: tuple[Axis, ...] = ("step", "tokens", "time")
# A spike stands so many deviations above the moving average of the loss, both over about so many points.
SPIKE_DEVIATIONS = 6.0
SPIKE_WINDOW = 50
SPIKE_MINIMUM_POINTS = 20
# And at least by such a share of it: a loss that hardly moves is not spiky.
SPIKE_SHARE = 0.1


@dataclass(slots=True)
class Column:
    """One measure: its values, and the rows of the run in which they stand."""

    rows: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))


class Curves:
    """All that a run has logged. A row is a moment: its step, the tokens and the seconds of training before it.

    A resumed run takes some steps again: what was logged after the step that it goes on from is forgotten, so that
    no step stands twice. The time between two sessions is no time of training. Steps, times (Unix seconds) and
    tokens never decrease.
    """

    def __init__(self) -> None:
        self.steps: array[int] = array("q")
        self.times: array[float] = array("d")
        self.seconds: array[float] = array("d")
        self.tokens: array[float] = array("d")
        self.columns: dict[str, Column] = {}
        self.resumed: list[int] = []
        self.saved: list[int] = []
        self.spikes: list[int] = []
        self.last: dict[str, float] = {}
        self._begun_at = 0.0
        self._seconds_before = 0.0
        self._devices = 1
        self._usual = _MovingSpread()
        self._smooth: dict[tuple[str, float], _Smooth] = {}

    def begin(self, step: int, time: float, devices: int = 1) -> None:
        """A session of training begins after `step`."""
        self._forget(step)
        if step:
            self.resumed.append(step)
        self._begun_at = time
        self._seconds_before = self.seconds[-1] if self.seconds else 0.0
        self._devices = devices

    def add(self, step: int, time: float, numbers: Mapping[str, float]) -> None:
        """What was logged or evaluated after `step`."""
        if self.steps and step < self.steps[-1]:
            # Only a run whose beginning was lost comes here.
            self._forget(step - 1)
        tokens = self.tokens[-1] if self.tokens else 0.0
        seen = numbers.get("tokens_per_s", 0.0) * numbers.get("interval_runtime", 0.0) * self._devices
        row = len(self.steps)
        self.steps.append(step)
        self.times.append(time)
        self.tokens.append(tokens + (seen if math.isfinite(seen) else 0.0))
        self.seconds.append(self._seconds_before + max(0.0, time - self._begun_at))
        for name, value in numbers.items():
            self._put(name, row, step, value)
        if steps_per_s := numbers.get("interval_steps_per_second"):
            self._put("step_s", row, step, 1 / steps_per_s)
        if "loss" in numbers and self._usual.find_spikes([numbers["loss"]]):
            self.spikes.append(step)

    def extend(self, steps: Integers, times: Numbers, numbers: Mapping[str, tuple[Integers, Numbers]]) -> None:
        """Many rows at once: each measure's rows, counted from the first of these, and its values there.

        Raises ValueError, before anything has changed, where `add` would have to forget or replace something.
        """
        base = len(self.steps)
        rising = np.concatenate([self.steps[-1:], steps])
        if (np.diff(rising) < 0).any():
            raise ValueError("steps go back")
        for name, (rows, _) in numbers.items():
            known = self.columns.get(name)
            before = [self.steps[known.rows[-1]]] if known and known.rows else []
            if (np.diff(np.concatenate([before, steps[rows]])) == 0).any():
                raise ValueError(f"{name} stands twice at a step")
        seen = _dense(numbers.get("tokens_per_s"), len(steps)) * _dense(numbers.get("interval_runtime"), len(steps))
        tokens = (self.tokens[-1] if self.tokens else 0.0) + np.cumsum(seen * self._devices)
        seconds = self._seconds_before + np.maximum(0.0, times - self._begun_at)
        _append(self.steps, steps)
        for places, added in ((self.times, times), (self.tokens, tokens), (self.seconds, seconds)):
            _append(places, added)
        for name, (rows, values) in numbers.items():
            self._append_column(name, rows + base, values)
        if "interval_steps_per_second" in numbers:
            rows, values = numbers["interval_steps_per_second"]
            known = values != 0
            self._append_column("step_s", rows[known] + base, 1 / values[known])
        if "loss" in numbers:
            rows, values = numbers["loss"]
            self.spikes += steps[rows[self._usual.find_spikes(values.tolist())]].tolist()

    def save(self, step: int) -> None:
        """A checkpoint was written after `step`."""
        if step not in self.saved[-1:]:
            self.saved.append(step)

    def steps_of(self, name: str) -> list[int]:
        column = self.columns.get(name, Column())
        return [self.steps[row] for row in column.rows]

    def best(self, name: str) -> tuple[float, int] | None:
        """A measure's lowest value and its step; None where there is none."""
        column = self.columns.get(name, Column())
        known = zip(column.values, column.rows, strict=True)
        return min(((value, self.steps[row]) for value, row in known if math.isfinite(value)), default=None)

    def axis(self, axis: Axis) -> Numbers:
        """Where each row stands on an axis: steps, tokens, or seconds of training."""
        # A copy: an array that is looked into from outside cannot grow.
        return np.array({"step": self.steps, "tokens": self.tokens, "time": self.seconds}[axis], dtype=np.float64)

    def places(self, axis: Axis, name: str) -> Numbers:
        """Where the values of a measure stand."""
        rows, whole = self.columns[name].rows, self.axis(axis)
        # Most measures stand in every row.
        return whole if len(rows) == len(whole) else whole[np.array(rows)]

    def places_of_steps(self, axis: Axis, steps: Sequence[int]) -> Numbers:
        """Where steps stand; one between two rows stands at the later."""
        rows = np.searchsorted(np.array(self.steps), steps, "left")
        return self.axis(axis)[np.minimum(rows, len(self.steps) - 1)] if len(self.steps) else np.zeros(0)

    def smooth(self, name: str, weight: float) -> Numbers:
        """A measure's moving average, see `_Smooth`; reckoned on for new points only."""
        smooth = self._smooth.setdefault((name, weight), _Smooth(weight))
        column = self.columns[name]
        smooth.extend(column.values)
        return np.array(smooth.values)

    def _append_column(self, name: str, rows: Integers, values: Numbers) -> None:
        if len(rows):
            column = self.columns.setdefault(name, Column())
            _append(column.rows, rows)
            _append(column.values, values)
            self.last[name] = column.values[-1]

    def _put(self, name: str, row: int, step: int, value: float) -> None:
        column = self.columns.setdefault(name, Column())
        self.last[name] = value
        if column.rows and self.steps[column.rows[-1]] == step:
            # Measured twice at one step: the later value stands.
            column.values[-1] = value
            for (of, _), smooth in self._smooth.items():
                if of == name:
                    smooth.clear()
        else:
            column.rows.append(row)
            column.values.append(value)

    def _forget(self, step: int) -> None:
        """Everything after a step."""
        cut = bisect_right(self.steps, step)
        if cut == len(self.steps):
            return
        for places in (self.steps, self.times, self.seconds, self.tokens):
            del places[cut:]
        for column in self.columns.values():
            end = bisect_left(column.rows, cut)
            del column.rows[end:], column.values[end:]
        self.columns = {name: column for name, column in self.columns.items() if column.rows}
        for steps in (self.resumed, self.saved, self.spikes):
            steps[:] = [known for known in steps if known <= step]
        self._smooth.clear()


def _dense(column: tuple[Integers, Numbers] | None, count: int) -> Numbers:
    """A measure at every row; 0 where it was not measured, or was no number."""
    dense = np.zeros(count)
    if column:
        rows, values = column
        dense[rows] = np.where(np.isfinite(values), values, 0.0)
    return dense


def _append(places: "array[Any]", added: NDArray[Any]) -> None:
    places.frombytes(added.astype(np.int64 if places.typecode == "q" else np.float64).tobytes())


class _Smooth:
    """Exponential moving average with bias correction (Kingma and Ba, 2015, section 3).

    `m_t = w m_(t-1) + (1 - w) x_t`, shown as `m_t / (1 - w^t)`: an early point is no echo of zero, and no later
    point moves it. A value that is no number is a gap, and leaves the average as it was.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self.clear()

    def clear(self) -> None:
        self.values: array[float] = array("d")
        self._mean = 0.0
        self._share = 1.0

    def extend(self, values: "array[float]") -> None:
        weight = self.weight
        for value in values[len(self.values) :]:
            if not math.isfinite(value):
                self.values.append(math.nan)
                continue
            self._mean = weight * self._mean + (1 - weight) * value
            self._share *= weight
            self.values.append(self._mean / (1 - self._share))


class _MovingSpread:
    """The moving average of a loss and its usual distance from it, by which a spike is known."""

    def __init__(self) -> None:
        self._mean = self._variance = 0.0
        self._points = 0

    def find_spikes(self, values: Sequence[float]) -> list[int]:
        """Which of the next values are spikes, and those that are no numbers."""
        mean, variance, points = self._mean, self._variance, self._points
        found: list[int] = []
        for at, value in enumerate(values):
            off = value - mean
            # First what is seldom true; a value that is no number makes it true as well.
            if not off * off <= SPIKE_DEVIATIONS**2 * variance and (
                not math.isfinite(value)
                or (points >= SPIKE_MINIMUM_POINTS and off > max(0.0, abs(mean) * SPIKE_SHARE))
            ):
                # It does not become the usual, or it would hide the next one.
                found.append(at)
                continue
            points += 1
            share = 1 / min(points, SPIKE_WINDOW)
            mean += share * off
            variance = (1 - share) * (variance + share * off * off)
        self._mean, self._variance, self._points = mean, variance, points
        return found


def thin_out(values: Numbers, first: int, last: int, limit: int) -> Integers:
    """Which of `values[first:last]` to draw, at most about `limit`: the lowest and the highest of each bucket.

    Spikes survive, which a plain stride would drop, and so does a gap. Buckets are of a power of two and begin at
    its multiples: a point that comes, or a view that is moved, does not change which others are drawn.
    """
    count = last - first
    if count <= limit:
        return np.arange(first, last)
    size = 2
    # A bucket gives two points, the two that are cut off by the view perhaps one more each.
    while (count // size + 2) * 2 > limit:
        size *= 2
    begin, end = -(-first // size) * size, last // size * size
    inside = values[begin:end].reshape(-1, size)
    starts = np.arange(begin, end, size)
    gaps = ~np.isfinite(inside)
    kept = [
        starts + np.where(gaps, np.inf, inside).argmin(axis=1),
        starts + np.where(gaps, -np.inf, inside).argmax(axis=1),
        (starts + gaps.argmax(axis=1))[gaps.any(axis=1)],
        np.array([first, last - 1]),
    ]
    for low, high in ((first, begin), (end, last)):
        rest = values[low:high]
        if rest.size and np.isfinite(rest).any():
            kept.append(np.array([low + np.nanargmin(rest), low + np.nanargmax(rest)]))
    return np.unique(np.concatenate(kept))


def visible(places: Numbers, x_min: float | None, x_max: float | None) -> tuple[int, int]:
    """The part of a rising axis between two places, and a point more on each side, so that lines reach out."""
    first = int(np.searchsorted(places, x_min, "left")) - 1 if x_min is not None else 0
    last = int(np.searchsorted(places, x_max, "right")) + 1 if x_max is not None else len(places)
    return max(0, first), max(0, min(len(places), last))
