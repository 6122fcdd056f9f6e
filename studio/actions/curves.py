"""The curves of a run: those that are asked for, as many points as a screen can show."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from studio.core.curves import Axis, Curves, Numbers, thin_out, visible
from studio.core.measures import find_measure, panels_of
from studio.stores.home import Home
from studio.stores.runs import JobPaths, RunPaths, find_run_folder
from studio.stores.tails import MetricsTails

# What one answer may weigh: a place, a value and a smoothed value of four bytes for each point.
ANSWER_BYTES = 15_000
POINT_BYTES = 12
# And so many marks of a kind.
MARKS = 40
KEPT_VIEWS = 256
TAILS = MetricsTails()


@dataclass(frozen=True, slots=True)
class CurveQuery:
    """Which plots, along which axis and between which places; `weight` 0 is no smoothing."""

    panels: tuple[str, ...] = ("loss",)
    axis: Axis = "step"
    weight: float = 0.0
    x_min: float | None = None
    x_max: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: places and values, and its moving average at the same places where one was asked for."""

    name: str
    panel: str
    xs: Numbers
    ys: Numbers
    smooth: Numbers | None


@dataclass(frozen=True, slots=True)
class CurveView:
    """What is to be drawn. `version` changes when points come; marks are places on the axis, by kind."""

    version: str
    points: int
    panels: tuple[str, ...]
    curves: tuple[Curve, ...]
    marks: dict[str, list[float]]


def read_curves(home: Home, run: str) -> dict[str, tuple[list[float], list[float]]]:
    """All points of all curves of a run: steps and values. Raises NotFound."""
    with TAILS.reading(RunPaths(find_run_folder(home, run)).metrics) as tail:
        curves = tail.curves
        return {
            name: (list(map(float, curves.steps_of(name))), column.values.tolist())
            for name, column in curves.columns.items()
        }


_views: "OrderedDict[tuple[Path, CurveQuery], CurveView]" = OrderedDict()
_views_lock = Lock()


def view_curves(home: Home, run: str, query: CurveQuery) -> CurveView:
    """What a screen shows of a run. Raises NotFound.

    Thirty browsers that look at the same cost one reckoning.
    """
    paths = RunPaths(find_run_folder(home, run))
    key = paths.metrics, query
    with TAILS.reading(paths.metrics) as tail, TAILS.reading(JobPaths(paths.job).machine) as machine:
        version = f"{tail.version}-{machine.version}"
        with _views_lock:
            known = _views.get(key)
        if known and known.version == version:
            return known
        view = _view(tail.curves, machine.curves, version, query)
    with _views_lock:
        _views[key] = view
        _views.move_to_end(key)
        if len(_views) > KEPT_VIEWS:
            _views.popitem(last=False)
    return view


def _view(curves: Curves, machine: Curves, version: str, query: CurveQuery) -> CurveView:
    panels = panels_of([*curves.columns, *(machine.columns if curves.steps else [])])
    chosen = [(panel, name) for panel in query.panels for name in panels.get(panel, [])]
    limit = ANSWER_BYTES // POINT_BYTES // max(1, len(chosen))
    return CurveView(
        version=version,
        points=len(curves.columns["loss"].rows) if "loss" in curves.columns else 0,
        panels=tuple(panels),
        curves=tuple(_curve(curves, machine, name, panel, query, limit) for panel, name in chosen),
        marks=_marks(curves, query),
    )


def _curve(curves: Curves, machine: Curves, name: str, panel: str, query: CurveQuery, limit: int) -> Curve:
    source = curves if name in curves.columns else machine
    column = source.columns[name]
    values = np.array(column.values)
    if source is curves:
        places = curves.places(query.axis, name)
    else:
        # Measured by the clock; what was measured before the first step and after the last stands at their places.
        times = np.array(machine.times)[np.array(column.rows)]
        places = np.interp(times, np.array(curves.times), curves.axis(query.axis))
    kept = thin_out(values, *visible(places, query.x_min, query.x_max), limit)
    smoothed = query.weight and find_measure(name).is_noisy
    smooth = source.smooth(name, query.weight)[kept] if smoothed else None
    return Curve(name, panel, places[kept], values[kept], smooth)


def _marks(curves: Curves, query: CurveQuery) -> dict[str, list[float]]:
    """Moments worth a mark, the newest of those that can be seen."""
    best = curves.best("eval_loss")
    steps: dict[str, list[int]] = {
        "best": [best[1]] if best else [],
        "saved": curves.saved,
        "resumed": curves.resumed,
        "spike": curves.spikes,
    }
    marks: dict[str, list[float]] = {}
    for kind, found in steps.items():
        places = curves.places_of_steps(query.axis, found)
        first, last = visible(places, query.x_min, query.x_max)
        if last > first:
            marks[kind] = places[first:last].tolist()[-MARKS:]
    return marks


def list_points(home: Home, run: str) -> Iterator[dict[str, float | None]]:
    """Every moment that a run has logged: step, tokens, seconds of training, Unix time, and what was measured.

    A measure that was none of that moment is left out; one that was no number is None. Raises NotFound.
    """
    with TAILS.reading(RunPaths(find_run_folder(home, run)).metrics) as tail:
        curves = tail.curves
        rows: list[dict[str, float | None]] = [
            {"step": step, "tokens": tokens, "seconds": seconds, "time": time}
            for step, tokens, seconds, time in zip(
                curves.steps, curves.tokens, curves.seconds, curves.times, strict=True
            )
        ]
        for name, column in curves.columns.items():
            for row, value in zip(column.rows, column.values, strict=True):
                rows[row][name] = value if math.isfinite(value) else None
    return iter(rows)
