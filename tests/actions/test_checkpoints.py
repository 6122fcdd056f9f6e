"""What is known of a run's checkpoints, and deleting one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.actions.checkpoints import delete_checkpoint, list_checkpoints
from studio.actions.curves import read_curves
from studio.actions.runs import stop_run, wait_run
from studio.actions.train import start_run
from studio.core.request import TrainRequest
from studio.errors import NotFound, StudioError
from studio.stores.home import Home

FakeEngine = Callable[[str], None]


def fill(run: str, step: int, *, whole: bool) -> None:
    for part in ("saved_signal_0", "optimizer_state/0.metadata", "model_state/0.metadata")[: 3 if whole else 1]:
        file = Path(run) / f"checkpoint-{step}" / part
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 1000)


def test_a_checkpoint_is_told_with_its_losses_and_its_size(home: Home, fake_engine: FakeEngine) -> None:
    request = TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name="run")
    view = wait_run(home, start_run(home, request).run)
    fill(view.path, 7, whole=True)
    fill(view.path, 12, whole=False)
    (Path(view.path) / "hf_checkpoint-12").mkdir()
    newer, older = list_checkpoints(home, view.run)
    assert (newer.step, newer.can_resume, newer.can_load) == (12, False, True)
    assert (older.step, older.can_resume, older.can_load, older.size) == (7, True, False, 3000)
    steps, losses = read_curves(home, view.run)["loss"]
    assert older.loss == losses[steps.index(7)]

    with pytest.raises(NotFound):
        delete_checkpoint(home, view.run, 8)
    delete_checkpoint(home, view.run, 12)
    assert [checkpoint.step for checkpoint in list_checkpoints(home, view.run)] == [7]
    assert sorted(path.name for path in Path(view.path).glob("*checkpoint*")) == ["checkpoint-7"]


def test_a_run_at_work_keeps_its_checkpoints(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("hang")
    request = TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name="run")
    view = start_run(home, request)
    fill(view.path, 7, whole=True)
    with pytest.raises(StudioError, match="run_is_active"):
        delete_checkpoint(home, view.run, 7)
    stop_run(home, view.run, now=True)
