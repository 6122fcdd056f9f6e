"""Stop in every phase of a run: it ends soon, in order, and nothing of it is left, whoever supervises it."""

import time
from pathlib import Path

import pytest

from studio.actions.resume import resume_run
from studio.actions.runs import find_run, stop_run, wait_run
from studio.actions.train import free_name, request_from_keys, start_run
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from tests.engine.conftest import SHORT

pytestmark = pytest.mark.slow

# Long enough to be met in each: a long evaluation at every second step, and a checkpoint as often.
PHASED = {
    **SHORT,
    "max_steps": 400,
    "eval_dataset": "medical_zh",
    "eval_steps": 2,
    "save_steps": 2,
    "per_device_train_batch_size": 2,
}
ENDS_WITHIN_S = 30


def wait_for_phase(home: Home, run: str, phase: str, step: int) -> None:
    deadline = time.monotonic() + 90
    while (view := find_run(home, run)).phase != phase or view.step < step:
        assert view.is_active, view.cause
        assert time.monotonic() < deadline, view
        time.sleep(0.002)


@pytest.mark.parametrize("now", [False, True], ids=["save", "now"])
@pytest.mark.parametrize("phase", ["loading", "training", "evaluating"])
def test_a_run_that_is_stopped_in_any_phase_ends_in_order(engine_home: Home, phase: str, now: bool) -> None:
    name = free_name(engine_home, f"stop-{phase}-{now}")
    run = start_run(engine_home, request_from_keys(engine_home, {**PHASED, "name": name})).run
    wait_for_phase(engine_home, run, phase, 0 if phase == "loading" else 2)
    begun = time.monotonic()
    stop_run(engine_home, run, now=now)
    view = wait_run(engine_home, run)
    assert (view.state, view.cause) == ("stopped", None)
    assert time.monotonic() - begun < ENDS_WITHIN_S
    assert processes_of(RunPaths(Path(view.path)).job) == []
    if phase != "loading" and not now:
        # What was asked to be saved can be gone on from.
        resumed = resume_run(engine_home, run, changes={"max_steps": view.step + 1, "eval_steps": 1000})
        assert wait_run(engine_home, resumed.run).step == view.step + 1


@pytest.mark.parametrize("now", [False, True], ids=["save", "now"])
def test_a_run_that_is_stopped_while_it_saves_its_result_ends_in_order(engine_home: Home, now: bool) -> None:
    name = free_name(engine_home, f"stop-saving-{now}")
    run = start_run(engine_home, request_from_keys(engine_home, {**SHORT, "name": name})).run
    wait_for_phase(engine_home, run, "saving", 2)
    stop_run(engine_home, run, now=now)
    view = wait_run(engine_home, run)
    assert (view.state, view.cause) == ("stopped", None)
    assert processes_of(RunPaths(Path(view.path)).job) == []


@pytest.mark.parametrize("now", [False, True], ids=["save", "now"])
@pytest.mark.parametrize("delay_s", [0.0, 2.5, 4.5])
def test_a_run_by_the_plain_command_is_stopped_while_it_imports_loads_and_tokenises(
    engine_home: Home, monkeypatch: pytest.MonkeyPatch, delay_s: float, now: bool
) -> None:
    # Read by libraries when they are imported: the warm engine leaves such a run to the plain command.
    monkeypatch.setenv("GLOG_v", "0")
    name = free_name(engine_home, f"stop-plain-{now}")
    run = start_run(engine_home, request_from_keys(engine_home, {**PHASED, "name": name})).run
    time.sleep(delay_s)
    begun = time.monotonic()
    stop_run(engine_home, run, now=now)
    view = wait_run(engine_home, run)
    assert (view.state, view.cause) == ("stopped", None)
    assert time.monotonic() - begun < ENDS_WITHIN_S
    assert processes_of(RunPaths(Path(view.path)).job) == []
