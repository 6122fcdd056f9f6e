"""Runs of the real engine, through the studio's own path."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from benchmarks.demo_answers import ask_all
from studio.actions.checkpoints import list_checkpoints
from studio.actions.curves import read_curves
from studio.actions.export import start_export, wait_export
from studio.actions.home import DEMO_MODEL, make_demo_model, open_home
from studio.actions.resume import resume_run
from studio.actions.runs import RunView, find_run, stop_run, wait_run
from studio.actions.train import default_request, free_name, preview_run, request_from_keys, start_run
from studio.actions.visualdl import VisualDL
from studio.core.request import TrainRequest
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.models import find_models
from studio.stores.runs import RunPaths, find_resumable
from tests.engine.conftest import SHORT, Train

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).parents[2]


def test_the_demo_model_has_the_same_bytes_twice(engine_home: Home, fresh_model: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    subprocess.run([sys.executable, "-m", "studio.engine.demo_model", str(again)], cwd=CHECKOUT, check=True)
    names = sorted(path.name for path in fresh_model.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    for name in names:
        assert (fresh_model / name).read_bytes() == (again / name).read_bytes(), name


def test_a_newcomers_start_answers_nine_of_ten_training_questions_exactly(engine_home: Home) -> None:
    request = default_request(engine_home)
    view = wait_run(engine_home, start_run(engine_home, request).run)
    assert view.state == "finished", view.cause
    asked = ask_all(engine_home, view.run, request.datasets[0])
    exact = sum(wanted == given for _, wanted, given in asked)
    assert exact >= 0.9 * len(asked), f"{exact} of {len(asked)}"


@pytest.mark.parametrize("method", ["full", "LoRA"])
@pytest.mark.parametrize(
    ("stage", "dataset"),
    [("PT", "medical_zh_text"), ("SFT", "medical_zh_erniekit"), ("DPO", "medical_zh_preference")],
)
def test_every_stage_trains_with_every_method(train: Train, stage: str, dataset: str, method: str) -> None:
    view = train(
        stage=stage,
        datasets=dataset,
        eval_dataset=dataset,
        fine_tuning=method,
        max_seq_len=128,
        max_steps=3,
        eval_steps=2,
    )
    assert (view.state, view.step) == ("finished", 3), view.cause
    assert view.loss is not None
    assert view.eval_loss is not None


def test_a_home_of_any_name_trains_and_merges(tmp_path: Path) -> None:
    home = open_home(tmp_path / "我的 studio, no. #1")
    make_demo_model(home)
    request = request_from_keys(
        home, {**SHORT, "eval_dataset": "medical_zh_eval", "fine_tuning": "LoRA", "name": "r"}
    )
    view = wait_run(home, start_run(home, request).run)
    assert (view.state, view.step) == ("finished", 2), view.cause
    assert wait_export(home, start_export(home, view.run)).state == "finished"


@pytest.mark.parametrize(("stage", "dataset"), [("SFT", "medical_zh_erniekit"), ("DPO", "medical_zh_preference")])
def test_the_steps_told_before_are_the_engines(engine_home: Home, train: Train, stage: str, dataset: str) -> None:
    keys = {"stage": stage, "datasets": dataset, "max_seq_len": 128, "num_train_epochs": 0.7, "max_steps": -1}
    keys |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    request = request_from_keys(engine_home, {**SHORT, **keys, "name": "not started"})
    (note,) = [note for note in preview_run(engine_home, request).notes if note.field == "max_steps"]
    view = train(**keys)
    assert (view.state, view.total_steps) == ("finished", note.values["steps"]), view.cause


def losses_of(view: RunView) -> tuple[list[float], list[float]]:
    assert view.state == "finished", view.cause
    return read_curves(Home(Path(view.path).parents[3]), view.run)["loss"]


def test_the_preview_in_a_shell_learns_what_the_button_learns(engine_home: Home, train: Train) -> None:
    keys = {"max_steps": 4, "gradient_accumulation_steps": 2, "warmup_steps": 0, "learning_rate": 1e-3}
    request = request_from_keys(engine_home, {**SHORT, **keys, "name": "pasted"})
    text = preview_run(engine_home, request).command
    shell = {"HOME": str(engine_home.root), "PATH": "/usr/bin:/bin"}
    subprocess.run(["bash", "-c", text], env=shell, cwd="/", check=True, capture_output=True, timeout=120)
    assert losses_of(find_run(engine_home, "pasted")) == losses_of(train(**keys))


def test_two_processes_of_a_cpu_learn_as_one_with_twice_the_batch(engine_home: Home, train: Train) -> None:
    keys = {"max_steps": -1, "num_train_epochs": 0.3, "max_seq_len": 64}
    shared = {**keys, "per_device_train_batch_size": 8, "device_count": 2}
    request = request_from_keys(engine_home, {**SHORT, **shared, "name": "not started"})
    (note,) = [note for note in preview_run(engine_home, request).notes if note.field == "max_steps"]
    whole, halves = train(**keys, per_device_train_batch_size=16), train(**shared)
    assert halves.step == whole.step == note.values["steps"]
    assert losses_of(halves)[1] == pytest.approx(losses_of(whole)[1], rel=1e-3)


def test_two_processes_stop_at_the_same_step_and_leave_a_checkpoint(engine_home: Home) -> None:
    request = long_request(engine_home, "two")
    request = replace(request, options={**request.options, "device_count": 2})
    run = start_run(engine_home, request).run
    wait_for_step(engine_home, run, 5)
    stop_run(engine_home, run)
    view = wait_run(engine_home, run)
    assert view.state == "stopped", view.cause
    assert view.step > 5
    assert find_resumable(Path(view.path)) == [view.step]
    assert processes_of(RunPaths(Path(view.path)).job) == []


def test_packing_trains(train: Train) -> None:
    assert train(packing=True, max_seq_len=256, per_device_train_batch_size=2).state == "finished"


def long_request(home: Home, name: str) -> TrainRequest:
    options = {**default_request(home).options, "max_steps": 5000, "max_seq_len": 48}
    model = str(home.models / DEMO_MODEL)
    return TrainRequest(model=model, datasets=("medical_zh",), options=options, name=name)


def wait_for_step(home: Home, run: str, step: int) -> None:
    deadline = time.monotonic() + 60
    while (view := find_run(home, run)).step < step:
        assert view.is_active, view.cause
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_save_and_stop_leaves_a_model_that_loads(engine_home: Home) -> None:
    run = start_run(engine_home, long_request(engine_home, "saved")).run
    wait_for_step(engine_home, run, 5)
    begun = time.monotonic()
    stop_run(engine_home, run)
    view = wait_run(engine_home, run)
    assert view.state == "stopped"
    assert time.monotonic() - begun < 30
    assert view.run in [choice.label for choice in find_models(engine_home)]
    assert (Path(view.path) / f"checkpoint-{view.step}").is_dir()
    assert processes_of(RunPaths(Path(view.path)).job) == []


@pytest.mark.parametrize("method", ["full", "LoRA"])
def test_a_run_that_was_saved_and_stopped_goes_on_with_the_same_losses(
    engine_home: Home, train: Train, method: str
) -> None:
    keys = {"fine_tuning": method, "max_steps": 30, "warmup_steps": 4, "save_steps": 100}
    whole = train(name="whole", **keys)
    name = free_name(engine_home, "parted")
    request = request_from_keys(engine_home, {**SHORT, **keys, "name": name})
    run = start_run(engine_home, request).run
    wait_for_step(engine_home, run, 5)
    stop_run(engine_home, run)
    stopped = wait_run(engine_home, run)
    assert (stopped.state, [point.step for point in list_checkpoints(engine_home, run)]) == (
        "stopped",
        [stopped.step],
    )
    assert stopped.step < 30
    resume_run(engine_home, run)
    view = wait_run(engine_home, run)
    assert (view.state, view.step) == ("finished", 30), view.cause
    first, second = (read_curves(engine_home, of.run)["loss"] for of in (whole, view))
    assert first == second


def test_stop_now_leaves_no_process(engine_home: Home) -> None:
    run = start_run(engine_home, long_request(engine_home, "ended")).run
    wait_for_step(engine_home, run, 2)
    stop_run(engine_home, run, now=True)
    view = wait_run(engine_home, run)
    assert view.state == "stopped"
    assert processes_of(RunPaths(Path(view.path)).job) == []


def test_visualdl_opens_a_run_and_ends_with_the_studio(engine_home: Home, train: Train) -> None:
    view = train()
    visualdl = VisualDL()
    try:
        address = visualdl.open(engine_home, view.run)
        assert httpx.get(f"{address}/index", follow_redirects=True).status_code == 200
        assert visualdl.open(engine_home, view.run) == address
        (shown,) = httpx.get(f"{address}/api/runs").json()["data"]
        points = httpx.get(f"{address}/api/scalar/list", params={"run": shown, "tag": "train/loss"}).json()["data"]
        assert [point[1] for point in points] == [1, 2]
    finally:
        visualdl.close()
    with pytest.raises(httpx.TransportError):
        httpx.get(address)


def test_the_table_of_the_engines_arguments_is_up_to_date() -> None:
    script = CHECKOUT / "scripts" / "engine_arguments"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, "run scripts/engine_arguments"
