"""The warm engine is the engine, only sooner; and nothing depends on it."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from studio.actions.curves import read_curves
from studio.actions.export import start_export, wait_export
from studio.actions.home import DEMO_MODEL, open_home
from studio.actions.runs import RunView, find_run, stop_run, wait_run
from studio.actions.train import free_name, preview_run, request_from_keys, start_run
from studio.jobs.processes import processes_of
from studio.jobs.warm import WarmEngine, ask, parse_warm
from studio.stores.home import Home
from studio.stores.runs import RunPaths, read_json
from studio.texts import word_problem
from tests.engine.conftest import SHORT, warm_engine
from tests.engine.test_runs import wait_for_step

pytestmark = pytest.mark.slow


@pytest.fixture
def cold_home(engine_home: Home, tmp_path: Path) -> Home:
    """A home like any other, whose engine is not warm."""
    home = open_home(tmp_path / "home")
    shutil.copytree(engine_home.models / DEMO_MODEL, home.models / DEMO_MODEL)
    return home


def wait_for(tell: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while not (told := tell()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return told


def start(home: Home, **keys: Any) -> RunView:
    request = request_from_keys(home, {**SHORT, **keys, "name": free_name(home, "warm")})
    return start_run(home, request)


def curves(view: RunView) -> dict[str, Any]:
    """What was learnt, without what depends on the clock."""
    assert view.state == "finished", view.cause
    found = read_curves(Home(Path(view.path).parents[3]), view.run)
    return {name: found[name] for name in ("loss", "eval_loss") if name in found}


def is_forked(view: RunView) -> bool:
    """Whether the run's supervisor is a fork of the warm engine, once it has written who it is."""
    path = RunPaths(Path(view.path)).job / "state.json"
    pid = wait_for(lambda: read_json(path).get("supervisor_pid"))
    return "studio.jobs.warm_server" in psutil.Process(pid).cmdline()


@pytest.mark.parametrize(
    "keys",
    [
        {"eval_dataset": "medical_zh_eval", "max_steps": 4, "eval_steps": 2},
        {"fine_tuning": "LoRA", "max_steps": 4, "gradient_accumulation_steps": 2},
        {"stage": "DPO", "datasets": "medical_zh_preference"},
    ],
    ids=["full", "lora", "dpo"],
)
def test_a_forked_run_learns_what_a_plain_one_learns(
    engine_home: Home, cold_home: Home, keys: dict[str, Any]
) -> None:
    forked, plain = start(engine_home, **keys), start(cold_home, **keys)
    assert (is_forked(forked), is_forked(plain)) == (True, False)
    assert curves(wait_run(engine_home, forked.run)) == curves(wait_run(cold_home, plain.run))


def test_a_forked_run_outlives_the_warm_engine_and_stops_when_asked(cold_home: Home) -> None:
    with warm_engine(cold_home):
        view = start(cold_home, max_steps=5000)
        assert is_forked(view)
        wait_for_step(cold_home, view.run, 3)
    job = RunPaths(Path(view.path)).job
    (engine,) = processes_of(job)
    assert ask(cold_home.warm, {"do": "hello"}) is None
    wait_for_step(cold_home, view.run, find_run(cold_home, view.run).step + 3)
    assert engine.is_running()
    stop_run(cold_home, view.run)
    view = wait_run(cold_home, view.run)
    assert view.state == "stopped"
    assert (Path(view.path) / f"checkpoint-{view.step}").is_dir()
    assert processes_of(job) == []


def test_a_forked_run_stops_at_once(engine_home: Home) -> None:
    view = start(engine_home, max_steps=5000)
    wait_for_step(engine_home, view.run, 1)
    stop_run(engine_home, view.run, now=True)
    assert wait_run(engine_home, view.run).state == "stopped"
    assert processes_of(RunPaths(Path(view.path)).job) == []


def test_a_forked_run_that_is_killed_says_so(engine_home: Home) -> None:
    view = start(engine_home, max_steps=5000)
    wait_for_step(engine_home, view.run, 1)
    (engine,) = processes_of(RunPaths(Path(view.path)).job)
    os.kill(engine.pid, signal.SIGKILL)
    view = wait_run(engine_home, view.run)
    assert view.state == "failed"
    assert view.cause is not None
    assert view.cause.code == "killed"


def test_an_adapter_is_merged_by_a_fork(engine_home: Home, lora_run: RunView) -> None:
    export = wait_export(engine_home, start_export(engine_home, lora_run.run, to="merged-warm"))
    assert export.state == "finished", export.cause


def test_the_engines_own_parser_has_the_last_word(engine_home: Home) -> None:
    request = request_from_keys(engine_home, {**SHORT, "name": "parsed"})
    assert preview_run(engine_home, request).problems == []
    assert parse_warm(engine_home.warm, {"stage": "SFT", "no_such_key": 1}) is not None
    # Right by its type, and refused by the engine alone.
    refused = request_from_keys(engine_home, {"warmup_ratio": 2}, request)
    (problem,) = preview_run(engine_home, refused).problems
    assert "warmup_ratio must lie in range [0,1]" in word_problem(problem, "en")
    assert list(engine_home.saves.glob("*/*/parsed")) == []


def test_a_job_with_settings_of_its_own_for_libraries_is_not_forked(
    engine_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGS_call_stack_level", "2")
    view = start(engine_home)
    assert is_forked(view)
    (engine,) = wait_for(lambda: processes_of(RunPaths(Path(view.path)).job))
    assert "paddleformers.cli.launcher" in engine.cmdline()
    assert wait_run(engine_home, view.run).state == "finished"


def test_two_studios_of_a_home_share_one_warm_engine(engine_home: Home) -> None:
    other = WarmEngine()
    other.start(engine_home.warm)
    other.close()
    assert ask(engine_home.warm, {"do": "hello"}) is not None
