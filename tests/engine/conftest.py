"""The real engine on the demo model; every run ends with the test that started it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.actions.home import make_demo_model, open_home
from studio.actions.runs import RunView, wait_run
from studio.actions.train import free_name, prepare_run, request_from_keys, start_run
from studio.core.formats import STAGES_OF, entry_format
from studio.jobs.processes import processes_of
from studio.jobs.warm import WarmEngine, ask
from studio.stores.home import Home
from studio.stores.registry import find_entry
from studio.stores.runs import RunPaths, find_run_folders, read_json

CHECKOUT = Path(__file__).parents[2]
Train = Callable[..., RunView]
CAPTURE_HOOK = Path(__file__).parent / "capture_hook.py"
SHORT = {"max_steps": 2, "eval_steps": 1, "save_steps": 100, "eval_dataset": "none", "max_seq_len": 48}


def in_engine(code: str, *argv: str) -> Any:
    """What some code prints as JSON, run in a process of its own that may import the engine."""
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def fed_rows(home: Home, folder: Path, dataset: str, **keys: Any) -> set[tuple[Any, ...]]:
    """All (ids, labels) of an epoch of training, as the trainer was given them, without the padding."""
    stage = STAGES_OF[entry_format(find_entry(home, dataset))][0]
    keys = {**SHORT, "max_steps": -1, "num_train_epochs": 1, "stage": stage, "datasets": dataset, **keys}
    request = request_from_keys(home, {**keys, "name": free_name(home, "seen")})
    paths = RunPaths(Path(prepare_run(home, request).path))
    config = yaml.safe_load(paths.config.read_text())
    paths.config.write_text(yaml.safe_dump({**config, "custom_register_path": str(CAPTURE_HOOK)}))
    command = read_json(paths.request)["command"]
    env = {**os.environ, **command["env"], "CAPTURED": str(folder / "captured.jsonl")}
    subprocess.run(command["argv"], cwd=command["folder"], env=env, check=True, capture_output=True, timeout=300)
    rows = [json.loads(line) for line in (folder / "captured.jsonl").read_text().splitlines()]
    return {_unpadded(ids, labels) for ids, labels in rows}


def _unpadded(ids: list[int], labels: list[int]) -> tuple[Any, ...]:
    # SFT pads with the tokenizer's 3, DPO with 0; no row ends with one of them.
    length = max(i + 1 for i, token in enumerate(ids) if token not in (0, 3))
    return tuple(ids[:length]), tuple(labels[:length])


@contextmanager
def warm_engine(home: Home) -> Iterator[WarmEngine]:
    """An engine that is warm already."""
    engine = WarmEngine()
    engine.start(home.warm)
    deadline = time.monotonic() + 60
    while ask(home.warm, {"do": "hello"}) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def engine_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with the demo model and the demo data, shared by the tests of the engine; its engine is warm."""
    home = open_home(tmp_path_factory.mktemp("engine") / "home")
    make_demo_model(home)
    with warm_engine(home):
        yield home
    left = [process for folder in find_run_folders(home) for process in processes_of(RunPaths(folder).job)]
    assert left == []


@pytest.fixture
def train(engine_home: Home) -> Train:
    """Run the engine for two steps on the demo, with the given keys changed; waits for the end."""

    def run(**keys: Any) -> RunView:
        name = free_name(engine_home, keys.pop("name", "run"))
        request = request_from_keys(engine_home, {**SHORT, **keys, "name": name})
        return wait_run(engine_home, start_run(engine_home, request).run)

    return run


@pytest.fixture(scope="session")
def lora_run(engine_home: Home) -> RunView:
    """A LoRA run whose adapter matters: every matrix has moved."""
    keys = {
        "fine_tuning": "LoRA",
        "max_steps": 12,
        "warmup_steps": 0,
        "learning_rate": 0.02,
        "eval_dataset": "none",
    }
    request = request_from_keys(engine_home, {**keys, "max_seq_len": 48, "name": "adapter"})
    return wait_run(engine_home, start_run(engine_home, request).run)


@pytest.fixture
def fresh_model(engine_home: Home, tmp_path: Path) -> Path:
    """A copy of the demo model that no engine has loaded yet."""
    ignore = shutil.ignore_patterns("flex-ckpt*")
    return shutil.copytree(engine_home.models / "ernie-4.5-demo", tmp_path / "fresh", ignore=ignore)
