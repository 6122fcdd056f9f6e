"""A sweep starts all of its runs or none, says before what it takes, and is found again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.actions.history import list_summaries
from studio.actions.runs import list_runs, request_of, wait_run
from studio.actions.sweeps import plan_sweep, start_sweep
from studio.errors import RequestRefused
from studio.stores.home import Home
from tests.actions.test_train import a_request

FakeEngine = Callable[[str], None]
AXES = "learning_rate: [1e-4, 1e-3]\nmax_steps: [10, 30]\nneftune: true\n"


def test_all_runs_are_started_named_and_tagged(home: Home, fake_engine: FakeEngine) -> None:
    request = a_request(home, name="rates")
    started = start_sweep(home, request, AXES, pattern="{name}-{n}-{learning_rate}")
    assert [view.name for view in started] == ["rates-1-1e-4", "rates-2-1e-4", "rates-3-1e-3", "rates-4-1e-3"]
    asked = request_of(home, started[1].run)
    assert (asked.options["learning_rate"], asked.options["max_steps"], asked.extra) == (
        "1e-4",
        30,
        {"neftune": True},
    )
    for view in started:
        assert wait_run(home, view.run).state == "finished"
    assert {summary.tags for summary in list_summaries(home)} == {("rates",)}


def test_the_time_is_told_from_earlier_runs_and_unknown_without(home: Home, fake_engine: FakeEngine) -> None:
    request = a_request(home, name="rates")
    assert plan_sweep(home, request, "max_steps: [10, 30]").seconds is None
    started = start_sweep(home, request, "max_steps: [10]")
    ended = wait_run(home, started[0].run)
    assert ended.elapsed_s
    plan = plan_sweep(home, a_request(home, name="more"), "max_steps: [10, 30]")
    assert plan.seconds == pytest.approx(ended.elapsed_s / ended.step * 40)


@pytest.mark.parametrize(
    ("axes", "pattern", "code"),
    [
        ("learning_rate: [1e-4, fast]", "{name}-{n}", "not_float"),
        ("learning_rate: [1e-4, 1e-3]", "{name}", "sweep_same_names"),
        ("learning_rate: [1e-4, 1e-3]", "{name}/{n}", "bad_name"),
        ("learning_rate: [1e-4, 1e-3]", "{nam}", "sweep_bad_pattern"),
        ("lora_rank: [4, 8]", "{name}-{n}", "sweep_no_effect"),
        ("no_such_argument: [1, 2]", "{name}-{n}", "unknown_argument"),
    ],
)
def test_none_starts_when_one_cannot(
    home: Home, fake_engine: FakeEngine, axes: str, pattern: str, code: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        start_sweep(home, a_request(home), axes, pattern=pattern)
    assert code in {problem.code for problem in refused.value.problems}
    assert list_runs(home) == []


def test_a_part_of_a_sweep_is_drawn_at_random(home: Home) -> None:
    plan = plan_sweep(home, a_request(home), "seed: {from: 1, to: 50, count: 50}", count=3)
    assert len(plan.requests) == 3
    again = plan_sweep(home, a_request(home), "seed: {from: 1, to: 50, count: 50}", count=3)
    assert plan == again
    assert Path(plan.requests[0].model).name == "tiny"
