"""Runs wait for their device in an order that a person can change."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from studio.actions.queue import cpu_runs, hold_run, move_run, set_cpu_runs
from studio.actions.runs import find_run, stop_run, wait_run
from studio.actions.train import start_run
from studio.core.request import TrainRequest
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.runs import RunPaths, read_json

FakeEngine = Callable[[str], None]


@pytest.fixture
def waiting(home: Home, fake_engine: FakeEngine) -> list[str]:
    """A run at work for ever, and three that wait behind it."""
    fake_engine("hang")
    runs = [start(home, "working")]
    while find_run(home, runs[0]).state != "running":
        time.sleep(0.05)
    fake_engine("")
    return [*runs, *(start(home, name) for name in ("a", "b", "c"))]


def start(home: Home, name: str) -> str:
    return start_run(home, TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name=name)).run


def places(home: Home, runs: list[str]) -> list[int | None]:
    return [find_run(home, run).place for run in runs]


def ended(home: Home, runs: list[str]) -> list[str]:
    """The names of runs in the order in which they ended."""
    jobs = {run: RunPaths(Path(wait_run(home, run).path)).job for run in runs}
    return [
        run.split("/")[-1] for run in sorted(runs, key=lambda run: read_json(jobs[run] / "state.json")["ended_at"])
    ]


def test_who_came_first_works_first(home: Home, waiting: list[str]) -> None:
    working, *queued = waiting
    assert places(home, waiting) == [None, 1, 2, 3]
    stop_run(home, working, now=True)
    assert ended(home, queued) == ["a", "b", "c"]
    assert places(home, waiting) == [None] * 4


def test_the_order_is_changed_and_a_run_is_held(home: Home, waiting: list[str]) -> None:
    working, a, b, c = waiting
    assert move_run(home, c, -2).place == 1
    assert move_run(home, a, 9).place == 3
    assert places(home, [c, b, a]) == [1, 2, 3]
    assert move_run(home, a, -1).place == 2
    assert hold_run(home, c, True).held
    stop_run(home, working, now=True)
    assert ended(home, [a, b]) == ["a", "b"]
    view = find_run(home, c)
    assert (view.state, view.place, view.held) == ("queued", 1, True)
    hold_run(home, c, False)
    assert wait_run(home, c).state == "finished"


def test_a_run_that_left_the_queue_is_passed_over(home: Home, waiting: list[str]) -> None:
    working, a, b, c = waiting
    stop_run(home, a)
    assert wait_run(home, a).state == "stopped"
    state = RunPaths(Path(find_run(home, b).path)).job / "state.json"
    # It says who it is when it has started.
    while "supervisor_pid" not in read_json(state):
        time.sleep(0.05)
    supervisor = psutil.Process(read_json(state)["supervisor_pid"])
    supervisor.kill()
    supervisor.wait(10)
    assert find_run(home, c).place == 1
    stop_run(home, working, now=True)
    assert wait_run(home, c).state == "finished"
    with pytest.raises(StudioError, match="not_queued"):
        move_run(home, c, 1)
    with pytest.raises(StudioError, match="not_queued"):
        hold_run(home, b, True)


def test_more_runs_work_at_once_where_that_was_asked_for(home: Home, waiting: list[str]) -> None:
    _, a, *_ = waiting
    assert cpu_runs(home) == 1
    assert set_cpu_runs(home, "2") == 2
    assert wait_run(home, a).state == "finished"
    assert find_run(home, waiting[0]).state == "running"
    for given in ("0", "-1", "two", "65", "1.5"):
        with pytest.raises(StudioError, match="bad_cpu_runs"):
            set_cpu_runs(home, given)
    assert cpu_runs(home) == 2
