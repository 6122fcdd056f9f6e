"""A job whose last step is not needed: what the job is for has been done without it."""

import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from studio.core.command import Command
from studio.errors import StoreFailed
from studio.jobs import launch, supervisor
from studio.jobs.launch import Step, start_job
from studio.jobs.processes import JOB_VARIABLE, processes_of
from studio.jobs.supervisor import run_job
from studio.stores.runs import JobPaths, ask_stop, read_json, write_state


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


STOPPED_AT_ITS_END = """
import os, pathlib
folder = pathlib.Path(os.environ["STUDIO_JOB"])
(folder / "made").touch()
(folder / "stop").write_text("save")
"""


def ends_with_a_stop(folder: Path, *, publishes: bool) -> Step:
    code = STOPPED_AT_ITS_END.replace('"STUDIO_JOB"', repr(JOB_VARIABLE))
    return replace(step(code), makes=(folder / "made",), publishes=publishes)


@pytest.mark.parametrize(("publishes", "state"), [(True, "finished"), (False, "stopped")])
def test_what_was_published_before_the_stop_has_finished_and_a_training_has_not(
    tmp_path: Path, publishes: bool, state: str
) -> None:
    folder = tmp_path / "job"
    assert run(folder, ends_with_a_stop(folder, publishes=publishes))["state"] == state


# It takes a moment to end, as one does that has files to close.
SLOW_TO_END = """
import os, signal, time
def end(*_):
    time.sleep(0.4)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
signal.signal(signal.SIGTERM, end)
time.sleep(60)
"""


def test_a_publication_that_is_ended_midway_has_not_finished(tmp_path: Path) -> None:
    folder = tmp_path / "job"

    def stop() -> None:
        while read_json(JobPaths(folder).state).get("pid") is None:
            time.sleep(0.02)
        ask_stop(folder, "now")

    threading.Thread(target=stop, daemon=True).start()
    state = run(folder, replace(step(SLOW_TO_END), publishes=True))
    assert (state["state"], state["exit_code"]) == ("stopped", -signal.SIGTERM)


def test_a_publication_that_made_nothing_has_failed_in_spite_of_a_stop(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    made = replace(ends_with_a_stop(folder, publishes=True), makes=(folder / "other",))
    assert run(folder, made)["state"] == "failed"


@pytest.mark.parametrize("code", ["pass", "raise ValueError"])
def test_scratch_is_gone_when_a_job_says_that_it_has_ended(tmp_path: Path, code: str) -> None:
    folder, scratch = tmp_path / "job", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    for number in range(3000):
        (scratch / str(number)).touch()
    launch.start_job(folder, [step(code)], scratch=[scratch], supervise=lambda _: True)
    left: list[bool] = []

    def watch() -> None:
        while read_json(JobPaths(folder).state).get("state") not in ("finished", "failed"):
            time.sleep(0.0005)
        left.append(scratch.exists())

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_job(folder)
    watcher.join()
    assert left == [False]


def test_to_stop_what_nobody_supervises_removes_its_scratch(tmp_path: Path) -> None:
    folder, scratch = tmp_path / "job", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    launch.start_job(folder, [step("pass")], scratch=[scratch], supervise=lambda _: True)
    write_state(folder, state="running", supervisor_pid=2**22 + 1, supervisor_started="then")
    launch.stop_job(folder, now=True)
    assert read_json(JobPaths(folder).state)["state"] == "stopped"
    assert not scratch.exists()


def test_a_job_says_which_of_its_steps_are_needed(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    launch.start_job(folder, [step("pass"), step("pass", needed=False)], supervise=lambda _: True)
    assert [each["needed"] for each in read_json(JobPaths(folder).job)["steps"]] == [True, False]


def test_a_job_whose_folder_is_deleted_ends_and_brings_nothing_back(tmp_path: Path) -> None:
    folder = tmp_path / "job"

    def delete() -> None:
        while read_json(JobPaths(folder).state).get("pid") is None:
            time.sleep(0.02)
        shutil.rmtree(folder)

    threading.Thread(target=delete, daemon=True).start()
    begun = time.monotonic()
    assert run(folder, step("import time; time.sleep(60)")) == {}
    assert time.monotonic() - begun < 30
    assert processes_of(folder) == []
    assert not folder.exists()


def test_what_a_disk_did_not_take_goes_with_what_it_takes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[object] = []

    def write(folder: Path, **fields: object) -> None:
        if fields.get("state") != "finished":
            refused.append(fields)
            raise StoreFailed("disk_full", path="", reason="")
        write_state(folder, **fields)

    monkeypatch.setattr(supervisor, "write_state", write)
    state = run(tmp_path / "job", step("pass"))
    assert refused
    assert state["state"] == "finished"
    assert {"supervisor_pid", "pid", "phase", "steps", "started_at"} <= state.keys()
