"""A run from request to end, with the fake engine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from studio.actions.curves import read_curves
from studio.actions.datasets import remove_dataset, rename_dataset
from studio.actions.runs import find_run, list_runs, read_log, stop_run, wait_run
from studio.actions.train import free_name, preview_run, request_from_keys, start_run
from studio.core.request import TrainRequest
from studio.core.runs import RunView
from studio.errors import RequestRefused, StudioError
from studio.jobs.processes import ProcessIdentity, is_alive, processes_of
from studio.stores.home import Home
from studio.stores.runs import RunPaths, read_json

CHECKOUT = Path(__file__).parents[2]
FakeEngine = Callable[[str], None]


def a_request(home: Home, **fields: Any) -> TrainRequest:
    return TrainRequest(**{"model": str(home.models / "tiny"), "datasets": ("pairs",), "name": "run", **fields})


def until(home: Home, run: str, holds: Callable[[RunView], bool], timeout_s: float = 20) -> RunView:
    deadline = time.monotonic() + timeout_s
    while not holds(view := find_run(home, run)):
        assert time.monotonic() < deadline, view
        time.sleep(0.05)
    return view


def kill_supervisor(job: Path) -> None:
    process = psutil.Process(read_json(job / "state.json")["supervisor_pid"])
    process.kill()
    process.wait(10)


def test_a_run_goes_from_request_to_finished(home: Home, fake_engine: FakeEngine) -> None:
    view = wait_run(home, start_run(home, a_request(home)).run)
    assert (view.run, view.state, view.step, view.total_steps) == ("tiny/full/run", "finished", 20, 20)
    assert view.eval_loss is not None
    assert len(read_curves(home, view.run)["loss"][0]) == 20
    assert "train metrics" in read_log(home, view.run)


def test_the_folder_tells_what_was_asked_and_from_what(home: Home, fake_engine: FakeEngine) -> None:
    view = wait_run(home, start_run(home, a_request(home, options={"learning_rate": "1e-3"})).run)
    paths = RunPaths(Path(view.path))
    stored = read_json(paths.request)
    assert stored["request"]["options"] == {"learning_rate": "1e-3"}
    (source,) = stored["datasets"]
    assert (source["name"], source["rows"], len(source["sha256"])) == ("pairs", 2, 64)
    assert stored["versions"]["paddleformers"] == "1.2.0"
    config = yaml.safe_load(paths.config.read_text())
    assert config["learning_rate"] == 0.001
    rows = [json.loads(line) for line in Path(config["train_dataset_path"]).read_text().splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == ["发烧怎么办？", "Hello?"]


def test_the_preview_is_what_runs_and_touches_nothing(home: Home, fake_engine: FakeEngine) -> None:
    before = sorted(path for path in home.root.rglob("*"))
    request = a_request(home, method="lora", options={"max_steps": "3"})
    preview = preview_run(home, request)
    assert sorted(path for path in home.root.rglob("*")) == before
    view = wait_run(home, start_run(home, request).run)
    paths = RunPaths(Path(view.path))
    assert preview.yaml == paths.config.read_text()
    assert preview.command.splitlines()[1] == (
        f"cd {paths.job} && CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=1 "
        + " ".join(read_json(paths.request)["command"]["argv"])
    )


def test_the_preview_pasted_into_a_shell_does_the_same(home: Home, fake_engine: FakeEngine) -> None:
    request = a_request(home, options={"learning_rate": "1e-3"}, extra={"neftune": True}, name="pasted")
    preview = preview_run(home, request)
    subprocess.run(["bash", "-ec", preview.command], check=True, capture_output=True)
    view = find_run(home, "pasted")
    assert (view.state, view.step) == ("finished", 20)
    assert RunPaths(Path(view.path)).config.read_text() == preview.yaml


def test_a_refused_request_starts_and_writes_nothing(home: Home) -> None:
    request = a_request(home, model="", datasets=("pears",), options={"learning_rate": "abc"})
    with pytest.raises(RequestRefused) as caught:
        start_run(home, request)
    assert [(p.field, p.code) for p in caught.value.problems] == [
        ("model", "no_model"),
        ("learning_rate", "not_float"),
        ("datasets", "unknown_dataset"),
    ]
    assert list(home.saves.iterdir()) == []


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda home: (home.data / "pairs.jsonl").unlink(), "dataset_file_missing"),
        (lambda home: (home.data / "pairs.jsonl").write_text(""), "dataset_empty"),
        (lambda home: (home.data / "pairs.jsonl").write_text('{"messages": []}\n'), "dataset_faulty"),
    ],
)
def test_data_that_would_hang_the_engine_never_reaches_it(
    home: Home, break_it: Callable[[Home], None], code: str
) -> None:
    break_it(home)
    with pytest.raises(RequestRefused) as caught:
        start_run(home, a_request(home))
    assert [p.code for p in caught.value.problems] == [code]


def test_a_faulty_row_is_named_by_file_line_and_field(home: Home) -> None:
    with (home.data / "pairs.jsonl").open("a") as file:
        file.write('{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}]}\n')
    with pytest.raises(RequestRefused) as caught:
        start_run(home, a_request(home))
    (problem,) = caught.value.problems
    told = {key: problem.values[key] for key in ("file", "line", "field_name", "fault", "count")}
    assert told == {
        "file": "pairs.jsonl",
        "line": 3,
        "field_name": "messages[1].content",
        "fault": "empty",
        "count": 1,
    }


def test_a_dataset_that_does_not_fit_the_stage_is_refused(home: Home) -> None:
    with pytest.raises(RequestRefused) as caught:
        start_run(home, a_request(home, stage="DPO"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.values["fits"]) == ("dataset_wrong_stage", "SFT, VL-SFT")


def test_a_name_can_be_taken_once(home: Home, fake_engine: FakeEngine) -> None:
    start_run(home, a_request(home))
    with pytest.raises(RequestRefused, match="request_refused"):
        start_run(home, a_request(home, method="lora"))
    assert free_name(home, "run") == "run-2"


def test_save_and_stop_ends_as_stopped(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    run = start_run(home, a_request(home)).run
    until(home, run, lambda view: view.step >= 2)
    stop_run(home, run)
    view = wait_run(home, run)
    assert view.state == "stopped"
    assert 2 <= view.step < 20
    with pytest.raises(StudioError, match="run_has_ended"):
        stop_run(home, run)


def test_stop_now_leaves_no_process_behind_also_in_other_sessions(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("fork")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 1)
    job = RunPaths(Path(view.path)).job
    processes = [ProcessIdentity.of(process.pid) for process in processes_of(job)]
    assert len(processes) == 2
    stop_run(home, run, now=True)
    assert wait_run(home, run).state == "stopped"
    assert processes_of(job) == []
    # What is left of a child in another session may be a zombie until somebody collects it.
    assert not any(is_alive(process.pid, process.started) for process in processes)


def test_a_run_that_never_begins_can_be_stopped(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("hang")
    run = start_run(home, a_request(home)).run
    until(home, run, lambda view: view.state == "running")
    stop_run(home, run)
    assert wait_run(home, run).state == "stopped"


def test_a_crash_is_explained_by_the_engines_last_error(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("crash")
    view = wait_run(home, start_run(home, a_request(home)).run)
    assert view.state == "failed"
    assert view.cause is not None
    assert view.cause.values["reason"] == "RuntimeError: the kernel is not registered"


def test_a_kill_is_explained_by_its_signal(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 1)
    (engine,) = processes_of(RunPaths(Path(view.path)).job)
    engine.kill()
    view = wait_run(home, run)
    assert view.state == "failed"
    assert view.cause is not None
    assert view.cause.values == {"signal": "SIGKILL"}


def test_exit_status_0_with_nothing_written_is_a_failure(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("silent")
    view = wait_run(home, start_run(home, a_request(home)).run)
    assert view.state == "failed"
    assert view.cause is not None
    assert view.cause.code == "nothing_written"


def test_a_run_survives_its_supervisor_and_is_still_told_right(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 1)
    kill_supervisor(RunPaths(Path(view.path)).job)
    assert find_run(home, run).state == "running"
    assert wait_run(home, run).state == "finished"


def test_an_orphaned_run_can_still_be_stopped(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("fork")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 1)
    job = RunPaths(Path(view.path)).job
    kill_supervisor(job)
    stop_run(home, run, now=True)
    assert find_run(home, run).state == "stopped"
    assert processes_of(job) == []


def test_a_run_without_any_process_is_lost_not_running(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("hang")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.state == "running")
    job = RunPaths(Path(view.path)).job
    os.kill(read_json(job / "state.json")["supervisor_pid"], signal.SIGKILL)
    for process in processes_of(job):
        process.kill()
    psutil.wait_procs(processes_of(job), timeout=5)
    assert until(home, run, lambda view: not view.is_active).state == "lost"


def test_a_second_run_waits_for_the_device(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    first = start_run(home, a_request(home, name="first")).run
    until(home, first, lambda view: view.step >= 1)
    second = start_run(home, a_request(home, name="second")).run
    time.sleep(0.5)
    assert find_run(home, second).state == "queued"
    stop_run(home, first, now=True)
    until(home, second, lambda view: view.step >= 1)
    stop_run(home, second, now=True)
    wait_run(home, second)


def test_a_queued_run_can_be_stopped_before_it_runs(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    first = start_run(home, a_request(home, name="first")).run
    until(home, first, lambda view: view.step >= 1)
    second = start_run(home, a_request(home, name="second")).run
    stop_run(home, second)
    assert wait_run(home, second).state == "stopped"
    assert find_run(home, first).state == "running"


def test_a_dataset_that_a_waiting_run_needs_stays(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("slow")
    first = start_run(home, a_request(home, name="first")).run
    until(home, first, lambda view: view.step >= 1)
    second = start_run(home, a_request(home, name="second")).run
    for act in (lambda: remove_dataset(home, "pairs"), lambda: rename_dataset(home, "pairs", "other")):
        with pytest.raises(StudioError, match="dataset_needed"):
            act()
    stop_run(home, second)
    wait_run(home, second)
    remove_dataset(home, "pairs")


def test_faulty_rows_stop_a_run_unless_they_are_to_be_left_out(home: Home, fake_engine: FakeEngine) -> None:
    with (home.data / "pairs.jsonl").open("a") as file:
        file.write('{"messages": []}\n')
    refused = preview_run(home, a_request(home))
    assert [(p.code, p.values["count"], p.values["rows"]) for p in refused.problems] == [("dataset_faulty", 1, 3)]
    wanted = a_request(home, drop_faulty=True)
    preview = preview_run(home, wanted)
    assert preview.problems == []
    dropped = [note for note in preview.notes if note.code == "rows_dropped"]
    assert [(note.code, note.values["count"], note.values["left"]) for note in dropped] == [("rows_dropped", 1, 2)]
    assert "drop_faulty=true" in preview.command
    view = wait_run(home, start_run(home, wanted).run)
    record = json.loads((Path(view.path) / "studio" / "request.json").read_text())
    assert [(source["rows"], source["dropped"]) for source in record["datasets"]] == [(2, 1)]
    (home.data / "pairs.jsonl").write_text('{"messages": []}\n')
    again = preview_run(home, a_request(home, name="again", drop_faulty=True))
    assert [p.code for p in again.problems] == ["dataset_faulty"]


@pytest.mark.parametrize(
    ("options", "code", "steps"),
    [
        ({"num_train_epochs": "3", "per_device_train_batch_size": "1"}, "steps_planned", 6),
        (
            {"num_train_epochs": 2.5, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
            "steps_planned",
            2,
        ),
        ({"max_steps": 7}, "steps_given", 7),
        ({"packing": True, "num_train_epochs": 4, "per_device_train_batch_size": 2}, "steps_at_most", 4),
    ],
)
def test_a_preview_tells_the_steps(home: Home, options: dict[str, object], code: str, steps: int) -> None:
    (note,) = preview_run(home, a_request(home, options=options)).notes
    assert (note.code, note.values["steps"]) == (code, steps)
    assert preview_run(home, a_request(home, options={"learning_rate": "abc"})).notes == []


def test_the_python_of_a_preview_starts_the_same_run(home: Home, fake_engine: FakeEngine) -> None:
    wanted = a_request(home, options={"learning_rate": "0.02", "seed": 7}, extra={"neftune": "yes"})
    preview = preview_run(home, wanted)
    assert preview.problems == []
    done = subprocess.run(
        [sys.executable, "-c", preview.python], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert "state='finished'" in done.stdout
    config = yaml.safe_load(RunPaths(home.saves / "tiny" / "full" / "run").config.read_text())
    assert config == yaml.safe_load(preview.yaml)
    assert (config["learning_rate"], config["seed"], config["neftune"]) == (0.02, 7, True)


def test_runs_are_listed_newest_first(home: Home, fake_engine: FakeEngine) -> None:
    for name in ("a", "b"):
        wait_run(home, start_run(home, a_request(home, name=name)).run)
    assert [view.name for view in list_runs(home)] == ["b", "a"]


def test_secrets_of_the_studio_reach_no_run(
    home: Home, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fake_engine("slow")
    run = start_run(home, a_request(home)).run
    view = until(home, run, lambda view: view.step >= 1)
    (engine,) = processes_of(RunPaths(Path(view.path)).job)
    assert "HF_TOKEN" not in engine.environ()
    stop_run(home, run, now=True)
    wait_run(home, run)
    written = [path for path in Path(view.path).rglob("*") if path.is_file()]
    assert not any(b"hf_secret" in path.read_bytes() for path in written)


def test_engine_keys_become_a_request(home: Home) -> None:
    request = request_from_keys(
        home,
        {
            "model_name_or_path": "tiny",
            "fine_tuning": "LoRA",
            "stage": "SFT",
            "datasets": "pairs, plain",
            "learning_rate": "1e-3",
            "neftune": True,
            "name": "007",
        },
    )
    assert (request.model, request.method) == (str(home.models / "tiny"), "lora")
    assert (request.datasets, request.name) == (("pairs", "plain"), "007")
    assert (request.options["learning_rate"], request.extra) == ("1e-3", {"neftune": True})


def test_a_model_is_named_alone_and_one_that_is_not_there_is_not_found(home: Home) -> None:
    jailed = replace(home, roots=(home.root.resolve(),))
    there = preview_run(jailed, a_request(home, model="tiny"))
    assert f"model_name_or_path: {home.models / 'tiny'}" in there.yaml
    gone = preview_run(jailed, a_request(home, model="nonsense"))
    assert [(problem.code, problem.values) for problem in gone.problems] == [
        ("model_not_found", {"given": str(home.models / "nonsense")})
    ]


def test_on_the_page_only_what_is_named_is_a_path(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the studio was started: a field that is empty, or a name of no model, is no folder there."""
    jailed = replace(home, roots=(home.root.resolve(),))
    monkeypatch.chdir("/")
    assert preview_run(jailed, a_request(jailed)).problems == []
    assert [problem.code for problem in preview_run(jailed, a_request(jailed, model="")).problems] == ["no_model"]
    lost = request_from_keys(jailed, {"model": "nothing-of-this-name"}, a_request(jailed))
    assert [problem.code for problem in preview_run(jailed, lost).problems] == ["model_not_found"]
