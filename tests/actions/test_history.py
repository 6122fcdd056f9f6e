"""The list of all runs: what it tells, what is noted there, and the way to the trash and back."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from studio.actions import history
from studio.actions.history import (
    compare_runs,
    empty_trash,
    list_summaries,
    list_trash,
    note_run,
    restore_run,
    trash_run,
)
from studio.actions.runs import find_run, list_runs
from studio.core.history import find_differences
from studio.errors import NotFound, StudioError
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from tests.conftest import EMPTY_WEIGHTS
from tests.stores.test_tails import append, log


def make_run(home: Home, name: str, started: float = 100.0, state: str = "finished", **options: Any) -> RunPaths:
    paths = RunPaths(home.saves / "tiny" / "full" / name)
    paths.job.mkdir(parents=True)
    request = {"model": "models/tiny", "datasets": ["pairs"], "method": "full", "name": name, "options": options}
    sources = [{"name": "pairs", "rows": 9, "sha256": "ab" * 32}]
    paths.request.write_text(json.dumps({"request": request, "datasets": sources, "versions": {"studio": "1"}}))
    (paths.job / "state.json").write_text(
        json.dumps({"state": state, "created_at": started, "started_at": started})
    )
    begin = {"kind": "begin", "time": started, "step": 0, "total_steps": 2}
    evaluated = [{"kind": "eval", "time": started, "step": step, "eval_loss": 4.0 - step} for step in (1, 2)]
    append(paths.metrics, begin, log(1, 3.0), evaluated[0], log(2, 2.0), evaluated[1])
    return paths


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_run_is_one_line_and_the_newest_comes_first(home: Home) -> None:
    make_run(home, "old", 100.0)
    make_run(home, "new", 200.0)
    newest, oldest = list_summaries(home)
    assert [newest.name, oldest.name] == ["new", "old"]
    assert (newest.model, newest.step, newest.loss, newest.best_loss, newest.best_step) == ("tiny", 2, 2.0, 2.0, 2)


def test_a_list_reads_again_only_what_has_changed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [make_run(home, f"r{number}") for number in range(3)]
    list_summaries(home)
    # As after a start of the studio: from the file alone.
    monkeypatch.setattr(history, "_homes", {})
    read: list[str] = []
    view = history.view_run
    monkeypatch.setattr(
        history, "view_run", lambda home, folder, *more: read.append(folder.name) or view(home, folder, *more)
    )
    assert [summary.loss for summary in list_summaries(home)] == [2.0] * 3
    assert read == []
    append(paths[1].metrics, log(3, 1.0))
    assert {summary.name: summary.loss for summary in list_summaries(home)}["r1"] == 1.0
    assert read == ["r1"]


@pytest.mark.parametrize("broken", ["{", "[]", '{"format": 1, "runs": {"a": 1}}', '{"format": 0, "runs": {}}'])
def test_a_broken_cache_costs_nothing_but_time(home: Home, broken: str) -> None:
    make_run(home, "r")
    home.cache.mkdir(parents=True)
    (home.cache / "runs.json").write_text(broken)
    assert [summary.name for summary in list_summaries(home)] == ["r"]


def test_notes_and_tags_stay_with_the_run(home: Home) -> None:
    make_run(home, "r")
    note_run(home, "r", note="  the good one ")
    note_run(home, "tiny/full/r", tags=["medical", " medical ", ""])
    note_run(home, "r", archived=True)
    (summary,) = list_summaries(home)
    assert (summary.note, summary.tags, summary.archived) == ("the good one", ("medical",), True)
    with pytest.raises(NotFound):
        note_run(home, "gone", note="x")


def test_a_run_goes_to_the_trash_and_comes_back_whole(home: Home) -> None:
    paths = make_run(home, "r")
    note_run(home, "r", note="keep")
    trashed = trash_run(home, "r")
    assert list_summaries(home) == []
    assert [(one.key, one.run) for one in list_trash(home)] == [(trashed.key, "tiny/full/r")]
    assert abs(trashed.deleted_at - time.time()) < 60
    assert restore_run(home, trashed.key) == "tiny/full/r"
    assert list_summaries(home)[0].note == "keep"
    assert paths.request.exists()
    assert list_trash(home) == []


def test_what_is_emptied_is_gone_and_a_name_that_is_taken_is_not_overwritten(home: Home) -> None:
    make_run(home, "r")
    trashed = trash_run(home, "r")
    make_run(home, "r", learning_rate=1.0)
    with pytest.raises(StudioError) as refused:
        restore_run(home, trashed.key)
    assert refused.value.code == "name_is_taken"
    assert empty_trash(home) == 1
    with pytest.raises(NotFound):
        restore_run(home, trashed.key)
    assert len(list_summaries(home)) == 1


def test_a_run_at_work_is_not_thrown_away(home: Home) -> None:
    paths = make_run(home, "r", state="preparing")
    (paths.job / "state.json").write_text(json.dumps({"state": "preparing", "created_at": time.time()}))
    with pytest.raises(StudioError) as refused:
        trash_run(home, "r")
    assert refused.value.code == "run_is_active"
    assert paths.request.exists()


def test_only_what_differs_is_told_and_a_default_is_no_difference(home: Home) -> None:
    make_run(home, "a", learning_rate="1e-3", max_steps=5)
    make_run(home, "b", learning_rate=0.002, max_steps="5")
    summaries, differences = compare_runs(home, ["a", "b"])
    assert [summary.name for summary in summaries] == ["a", "b"]
    assert [(one.kind, one.name, one.values) for one in differences] == [
        ("option", "learning_rate", (0.001, 0.002))
    ]
    assert differences[0].is_numeric


def test_other_data_and_versions_are_differences_too() -> None:
    one = {"request": {}, "datasets": [{"name": "d", "rows": 3, "sha256": "a" * 64}], "versions": {"paddle": "1"}}
    two = {"request": {}, "datasets": [{"name": "d", "rows": 4, "sha256": "b" * 64}], "versions": {}}
    told = {(found.kind, found.name): found.values for found in find_differences([one, two])}
    assert told == {
        ("data", "d"): ("3 · aaaaaaaaaaaa", "4 · bbbbbbbbbbbb"),
        ("version", "paddle"): ("1", None),
    }


@pytest.mark.parametrize("broken", ["{", "[]", "{}", ""])
def test_a_run_whose_request_is_broken_hides_no_other_and_is_told_to_be_broken(home: Home, broken: str) -> None:
    make_run(home, "good")
    make_run(home, "torn").request.write_text(broken)
    assert [summary.name for summary in list_summaries(home)] == ["good"]
    assert [view.name for view in list_runs(home)] == ["good"]
    with pytest.raises(StudioError, match="broken_run"):
        find_run(home, "torn")


def test_a_run_whose_state_is_broken_is_lost(home: Home) -> None:
    (make_run(home, "torn").job / "state.json").write_text('{"state": "runn')
    assert find_run(home, "torn").state == "lost"


@pytest.mark.parametrize(
    ("total", "weights", "stop", "state"),
    [
        (2, True, False, "finished"),
        (9, True, False, "stopped"),
        (2, True, True, "stopped"),
        (2, False, False, "lost"),
    ],
    ids=["all steps", "early", "asked to", "no result"],
)
def test_a_run_that_ended_without_its_supervisor_is_told_by_its_steps_and_its_result(
    home: Home, total: int, weights: bool, stop: bool, state: str
) -> None:
    paths = make_run(home, "alone", state="lost")
    append(
        paths.metrics, {"kind": "begin", "step": 0, "total_steps": total}, log(2, 2.0), {"kind": "end", "step": 2}
    )
    (paths.output / "config.json").write_text("{}")
    if weights:
        (paths.output / "model.safetensors").write_bytes(EMPTY_WEIGHTS)
    if stop:
        (paths.job / "stop").write_text("save")
    assert find_run(home, "alone").state == state
    # Those of the session before the one that trained last.
    if weights:
        os.utime(paths.output / "model.safetensors", (0, 0))
        assert find_run(home, "alone").state == "lost"
