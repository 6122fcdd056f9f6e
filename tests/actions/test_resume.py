"""Going on with a run: what is refused, what is forgotten, what is kept."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml

from studio.actions.checkpoints import list_checkpoints
from studio.actions.curves import read_curves
from studio.actions.resume import resume_run
from studio.actions.runs import find_run, stop_run, wait_run
from studio.actions.train import start_run
from studio.errors import NotFound, RequestRefused, StudioError
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.runs import WHOLE_CHECKPOINT, RunPaths, read_json
from tests.actions.test_train import a_request, kill_supervisor, until

FakeEngine = Callable[[str], None]


def make_checkpoint(folder: Path, step: int, *, whole: bool = True) -> None:
    for part in WHOLE_CHECKPOINT if whole else WHOLE_CHECKPOINT[1:]:
        path = folder / f"checkpoint-{step}" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def ended(home: Home, fake_engine: FakeEngine) -> str:
    """A run of the fake engine that was stopped at once after some steps, with a whole and a torn checkpoint."""
    fake_engine("slow")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 4)
    stop_run(home, run, now=True)
    wait_run(home, run)
    make_checkpoint(Path(view.path), 2)
    make_checkpoint(Path(view.path), 3, whole=False)
    return run


def test_a_run_goes_on_from_its_newest_whole_checkpoint(home: Home, fake_engine: FakeEngine, ended: str) -> None:
    paths = RunPaths(Path(find_run(home, ended).path))
    assert [checkpoint.step for checkpoint in list_checkpoints(home, ended)] == [2]
    fake_engine("")
    view = resume_run(home, ended, changes={"learning_rate": "1e-4"})
    assert view.is_active
    config = yaml.safe_load(paths.config.read_text())
    assert config["resume_from_checkpoint"] == str(paths.output / "checkpoint-2")
    assert config["learning_rate"] == 0.0001
    view = wait_run(home, ended)
    assert (view.state, view.cause) == ("finished", None)
    steps = read_curves(home, ended)["loss"][0]
    assert steps == sorted(set(steps))
    state = read_json(paths.job / "state.json")
    assert [(item["step"], item["changes"]) for item in state["resumed"]] == [(2, {"learning_rate": "1e-4"})]
    # What was asked first stays as it was.
    assert "learning_rate" not in read_json(paths.request)["request"]["options"]


def test_points_behind_the_checkpoint_are_forgotten(home: Home, fake_engine: FakeEngine, ended: str) -> None:
    metrics = RunPaths(Path(find_run(home, ended).path)).metrics
    with metrics.open("a") as file:
        file.write('{"kind": "log", "step": 999, "loss": 9.9}\n{"torn')
    fake_engine("slow")
    resume_run(home, ended)
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert 999 not in steps
    until(home, ended, lambda view: view.step >= 1)
    stop_run(home, ended, now=True)
    assert wait_run(home, ended).state == "stopped"


def test_what_cannot_go_on_is_refused_with_the_reason(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 1)
    with pytest.raises(StudioError, match="run_is_active"):
        resume_run(home, run)
    stop_run(home, run, now=True)
    wait_run(home, run)
    with pytest.raises(StudioError, match="no_checkpoint"):
        resume_run(home, run)
    make_checkpoint(Path(view.path), 2)
    with pytest.raises(NotFound, match="unknown_checkpoint"):
        resume_run(home, run, checkpoint=7)
    with pytest.raises(RequestRefused) as caught:
        resume_run(home, run, changes={"seed": 1, "learning_rate": "abc"})
    assert [problem.code for problem in caught.value.problems] == ["not_changeable", "not_float"]


def test_a_finished_run_goes_on_only_with_more_to_do(home: Home, fake_engine: FakeEngine) -> None:
    run = start_run(home, a_request(home)).run
    view = wait_run(home, run)
    make_checkpoint(Path(view.path), view.total_steps or 0)
    with pytest.raises(StudioError, match="nothing_to_resume"):
        resume_run(home, run)
    resume_run(home, run, changes={"max_steps": 40})
    assert wait_run(home, run).state == "finished"


def test_a_lost_run_can_go_on(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 2)
    job = RunPaths(Path(view.path)).job
    kill_supervisor(job)
    pid = read_json(job / "state.json")["pid"]
    psutil.Process(pid).kill()
    until(home, run, lambda view: view.state == "lost")
    make_checkpoint(Path(view.path), 1)
    fake_engine("")
    resume_run(home, run)
    assert wait_run(home, run).state == "finished"


def test_the_silence_before_a_run_went_on_does_not_count(home: Home, fake_engine: FakeEngine, ended: str) -> None:
    paths = RunPaths(Path(find_run(home, ended).path))
    job = read_json(paths.job / "job.json")
    write_json(paths.job / "job.json", {**job, "silence_s": 30})
    for path in (paths.job / "log.txt", paths.metrics):
        os.utime(path, (0, 0))
    fake_engine("slow")
    resume_run(home, ended)
    view = until(home, ended, lambda view: view.state == "running" and view.step > 2)
    assert view.silent_s is None
    stop_run(home, ended, now=True)
    assert wait_run(home, ended).cause is None


def test_a_run_cut_off_behind_its_last_step_goes_on_from_the_checkpoint_before(
    home: Home, fake_engine: FakeEngine, ended: str
) -> None:
    paths = RunPaths(Path(find_run(home, ended).path))
    make_checkpoint(paths.output, find_run(home, ended).total_steps or 0)
    fake_engine("")
    resume_run(home, ended)
    assert yaml.safe_load(paths.config.read_text())["resume_from_checkpoint"] == str(paths.output / "checkpoint-2")
    assert wait_run(home, ended).state == "finished"


def test_of_two_who_go_on_at_the_same_time_one_is_told(home: Home, fake_engine: FakeEngine, ended: str) -> None:
    def go_on(_: int) -> str:
        try:
            return resume_run(home, ended).name
        except StudioError as error:
            return error.code

    fake_engine("hang")
    with ThreadPoolExecutor(4) as people:
        told = list(people.map(go_on, range(4)))
    assert sorted(told) == sorted([find_run(home, ended).name, *["run_is_active"] * 3])
    until(home, ended, lambda view: view.state == "running")
    stop_run(home, ended, now=True)
    assert wait_run(home, ended).state == "stopped"
