"""Sweeps: many runs of one request with some options changed, started together and found again by a tag."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studio.actions.checks import find_request_problems
from studio.actions.history import list_summaries, note_run
from studio.actions.notes import count_steps
from studio.actions.train import request_from_keys, start_run, with_model_path
from studio.core.options import OPTIONS_BY_NAME
from studio.core.request import TrainRequest
from studio.core.runs import RunView
from studio.core.sweep import grid, name_run, read_axes, sample
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home

PATTERN = "{name}-{n}"
# So many of the latest runs of the same kind tell how long a step takes.
JUDGED_RUNS = 5


@dataclass(frozen=True, slots=True)
class Sweep:
    """The runs that would be started, and the seconds they take one after another; None where nobody can say."""

    requests: tuple[TrainRequest, ...]
    seconds: float | None


def plan_sweep(
    home: Home, request: TrainRequest, axes: str, count: int | None = None, pattern: str = PATTERN, seed: int = 42
) -> Sweep:
    """What a sweep over some axes (see `read_axes`) would start: all of the grid, or `count` of it at random.

    Raises RequestRefused with the problems of all runs, each named, so that none starts when one cannot.
    """
    request = with_model_path(home, request)
    read = read_axes(axes)
    combinations = grid(read) if count is None else sample(read, count, seed)
    requests = [
        replace(request_from_keys(home, values, request), name=name_run(pattern, request.name, number, values))
        for number, values in enumerate(combinations, 1)
    ]
    names = [one.name for one in requests]
    if len(set(names)) < len(names):
        raise RequestRefused([Problem("sweep", "sweep_same_names", {"given": pattern})])
    idle = [
        name
        for name in read
        if (spec := OPTIONS_BY_NAME.get(name))
        and not any(spec.applies_to(one.stage, one.method) for one in requests)
    ]
    if idle:
        raise RequestRefused([Problem("sweep", "sweep_no_effect", {"names": ", ".join(idle)})])
    problems = [
        replace(problem, field=f"{one.name}: {problem.field}")
        for one in requests
        for problem in find_request_problems(home, one)
    ]
    if problems:
        raise RequestRefused(problems)
    return Sweep(tuple(requests), _estimate(home, requests))


def start_sweep(
    home: Home, request: TrainRequest, axes: str, count: int | None = None, pattern: str = PATTERN, seed: int = 42
) -> list[RunView]:
    """Start all runs of a sweep; they queue for their devices, and carry the request's name as a tag."""
    started: list[RunView] = []
    for one in plan_sweep(home, request, axes, count, pattern, seed).requests:
        view = start_run(home, one)
        note_run(home, view.run, tags=[request.name])
        started.append(view)
    return started


def _estimate(home: Home, requests: Sequence[TrainRequest]) -> float | None:
    """By the pace of the latest runs of the same model, stage and method."""
    first = requests[0]
    paces = [
        summary.elapsed_s / summary.step
        for summary in list_summaries(home)
        if (summary.model, summary.stage, summary.method) == (Path(first.model).name, first.stage, first.method)
        and summary.elapsed_s
        and summary.step
    ]
    steps = [count_steps(home, one) for one in requests]
    if not paces or None in steps:
        return None
    return statistics.median(paces[:JUDGED_RUNS]) * sum(count for count in steps if count)
