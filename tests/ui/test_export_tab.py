"""What the Export tab answers when something has changed: choices, and a value only where no pick is undone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.actions.proofs import newest_proof, stop_proof
from studio.errors import NotFound
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.runs import RunPaths, read_json
from studio.ui.export_tab import FINAL, _checkpoints, _runs  # pyright: ignore[reportPrivateUsage]
from studio.ui.hand_on_panel import arrive
from tests.actions.test_export import write_adapter, write_model


@pytest.fixture
def run(home: Home) -> Path:
    return write_adapter(home, "a", write_model(home.models / "base"))


@pytest.fixture
def target(home: Home, run: Path) -> str:
    """The model that an export of the run has brought."""
    merged = write_model(home.models / "merged")
    job = RunPaths(run).exports / "merged"
    write_json(job / "export.json", {"target": str(merged)})
    write_json(job / "state.json", {"state": "finished"})
    return str(merged)


def arriving(home: Home, target: str, **given: Any) -> tuple[dict[str, Any], str]:
    asked = {"run": "a", "picked": None, "started": "", "text": "card", "kept": "card", "language": "en", **given}
    update, waits = arrive(home, **asked)
    assert ("merged", target) in update["choices"]
    return update, waits


@pytest.mark.parametrize("given", [{"picked": None}, {"picked": "/other", "started": True}])
def test_a_model_that_arrives_is_picked_where_nothing_is_or_this_page_asked(
    home: Home, target: str, given: dict[str, Any]
) -> None:
    asked = {**given, "started": target if given.get("started") else ""}
    update, waits = arriving(home, target, **asked)
    assert (update.get("value"), waits) == (target, "")


@pytest.mark.parametrize(
    "given",
    [{"picked": "/other"}, {"picked": "/other", "started": True, "text": "edited"}],
    ids=["of another page", "over an edited card"],
)
def test_a_model_that_arrives_undoes_no_pick_and_no_edit(home: Home, target: str, given: dict[str, Any]) -> None:
    asked = {**given, "started": target if given.get("started") else ""}
    assert "value" not in arriving(home, target, **asked)[0]


def test_what_this_page_asked_for_is_waited_for_while_another_arrives(home: Home, target: str) -> None:
    update, waits = arriving(home, target, picked="/other", started="/later")
    assert ("value" in update, waits) == (False, "/later")


def test_a_known_pick_is_left_as_it_is_and_a_lost_one_replaced(home: Home, run: Path) -> None:
    parts: Any = SimpleNamespace(home=home)
    assert "value" not in _checkpoints(parts, "a", FINAL, "en")
    assert _checkpoints(parts, "a", "40", "en")["value"] == FINAL
    (name,) = [value for _, value in _runs(parts, None)["choices"]]
    assert "value" not in _runs(parts, name)
    assert _runs(parts, "gone")["value"] == name


def test_the_newest_proof_is_taken_up_and_one_that_has_ended_is_not_stopped(home: Home) -> None:
    assert newest_proof(home) is None
    write_json(home.saves / ".proofs" / "p" / "asked.json", {"merged": "m"})
    state = home.saves / ".proofs" / "p" / "state.json"
    write_json(state, {"state": "failed", "supervisor_pid": 2**22 + 1})
    found = newest_proof(home)
    assert found is not None
    assert stop_proof(home, found.name).state == "failed"
    assert read_json(state)["state"] == "failed"
    with pytest.raises(NotFound):
        stop_proof(home, "gone")
