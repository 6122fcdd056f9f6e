"""A failed run is explained, mended and run again, with the fake engine."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio.actions.repair import find_repair, repair_run
from studio.actions.runs import request_of, wait_run
from studio.actions.train import start_run
from studio.core.request import TrainRequest
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from studio.ui.run_card import show_run

FakeEngine = Callable[[str], None]


def a_request(home: Home, **options: object) -> TrainRequest:
    return TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name="run", options=options)


def test_out_of_memory_is_explained_and_mended_with_the_same_batch(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("fail out_of_memory")
    view = wait_run(home, start_run(home, a_request(home, per_device_train_batch_size="8")).run)
    assert view.state == "failed"
    assert view.cause is not None
    assert view.cause.code == "out_of_memory"
    card = show_run(home, view.run, "en")["card"]
    assert "not enough memory" in card
    assert "with Batch size per device 4 instead of 8 and with Gradient accumulation 2 instead of 1" in card
    assert "单设备批大小" in show_run(home, view.run, "zh")["card"]
    fake_engine("")
    again = wait_run(home, repair_run(home, view.run).run)
    assert (again.name, again.state) == ("run-2", "finished")
    options = request_of(home, again.run).options
    assert (options["per_device_train_batch_size"], options["gradient_accumulation_steps"]) == (4, 2)
    # What was asked for first is kept as it was asked.
    assert request_of(home, view.run).options == {"per_device_train_batch_size": "8"}


def test_a_run_that_was_killed_goes_on_from_its_checkpoint(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("fail killed")
    view = wait_run(home, start_run(home, a_request(home)).run)
    assert view.cause is not None
    assert view.cause.values == {"signal": "SIGKILL"}
    # Without a checkpoint it begins again, as a new run.
    remedy = find_repair(view)
    assert remedy is not None
    assert not remedy.resume
    for part in ("saved_signal_0", "optimizer_state/0.metadata", "model_state/0.metadata"):
        file = Path(view.path) / "checkpoint-7" / part
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    fake_engine("")
    again = repair_run(home, view.run)
    assert again.run == view.run
    assert "checkpoint-7" in RunPaths(Path(view.path)).config.read_text()
    assert wait_run(home, again.run).state == "finished"


def test_where_only_a_person_can_help_the_card_says_what_to_do(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("fail weights_cut")
    view = wait_run(home, start_run(home, a_request(home)).run)
    card = show_run(home, view.run, "en")["card"]
    assert "Copy it again." in card
    assert "Mend and run again" not in card
    with pytest.raises(StudioError, match="no_remedy"):
        repair_run(home, view.run)


def test_a_run_that_went_well_needs_no_remedy(home: Home, fake_engine: FakeEngine) -> None:
    view = wait_run(home, start_run(home, a_request(home)).run)
    assert find_repair(view) is None


def test_a_silent_engine_is_stopped_when_that_was_asked_for(home: Home, fake_engine: FakeEngine) -> None:
    fake_engine("hang")
    request = replace(a_request(home), options={"silence_minutes": 0.02})
    view = wait_run(home, start_run(home, request).run)
    assert view.state == "failed"
    assert view.cause is not None
    assert (view.cause.code, view.cause.values) == ("silent", {"minutes": "0.02"})
