"""A job whose last step is not needed: what the job is for has been done without it."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.core.command import Command
from studio.jobs import launch
from studio.jobs.launch import Step, start_job
from studio.jobs.supervisor import run_job
from studio.stores.runs import JobPaths, ask_stop, read_json


@pytest.fixture(autouse=True)
def same_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def step(code: str, *, needed: bool = True) -> Step:
    return Step("loading" if needed else "comparing", Command((sys.executable, "-c", code), {}, ""), needed=needed)


def run(folder: Path, *steps: Step) -> dict[str, object]:
    """Run the steps in this process; what became of them."""
    folder.mkdir(exist_ok=True)
    start_job(folder, steps, supervise=lambda _: True)
    run_job(folder)
    return read_json(JobPaths(folder).state)


def test_a_step_that_is_not_needed_fails_and_the_job_has_finished(tmp_path: Path) -> None:
    state = run(tmp_path / "job", step("pass"), step("raise ValueError('no rows')", needed=False))
    assert (state["state"], state["cause"]) == ("finished", None)
    assert state["not_done"] == {"code": "engine_error", "values": {"reason": "ValueError: no rows"}}


def test_a_needed_step_that_fails_leaves_the_rest_undone(tmp_path: Path) -> None:
    state = run(tmp_path / "job", step("raise ValueError('no model')"), step("pass", needed=False))
    assert state["state"] == "failed"
    assert "comparing" not in state["steps"]


def test_to_stop_in_a_step_that_is_not_needed_ends_it_and_the_job_has_finished(tmp_path: Path) -> None:
    folder = tmp_path / "job"

    def stop() -> None:
        while read_json(JobPaths(folder).state).get("phase") != "comparing":
            time.sleep(0.02)
        ask_stop(folder, "save")

    threading.Thread(target=stop, daemon=True).start()
    begun = time.monotonic()
    state = run(folder, step("pass"), step("import time; time.sleep(60)", needed=False))
    assert (state["state"], state.get("not_done")) == ("finished", None)
    assert time.monotonic() - begun < 30


def test_a_job_says_which_of_its_steps_are_needed(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    launch.start_job(folder, [step("pass"), step("pass", needed=False)], supervise=lambda _: True)
    assert [each["needed"] for each in read_json(JobPaths(folder).job)["steps"]] == [True, False]
