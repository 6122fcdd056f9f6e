"""Why buttons do nothing."""

import pytest

from studio.core.reasons import why_not_batch, why_not_stop, why_not_turn
from studio.texts import TEXTS


def test_a_run_is_stopped_only_while_it_is_active() -> None:
    assert why_not_stop(picked=True, active=True) == ""
    assert why_not_stop(picked=True, active=False) == "run_over"
    assert why_not_stop(picked=False, active=False) == "no_run"


@pytest.mark.parametrize(
    ("picked", "active", "resumable", "reasons"),
    [
        (False, False, False, ("nothing_picked", "nothing_picked", "nothing_picked")),
        (True, True, False, ("", "still_asking", "still_running")),
        (True, False, True, ("not_running", "", "")),
        (True, False, False, ("not_running", "nothing_left", "")),
    ],
)
def test_what_a_batch_cannot_do_it_says(
    picked: bool, active: bool, resumable: bool, reasons: tuple[str, str, str]
) -> None:
    acts = ("cancel", "resume", "remove")
    assert tuple(why_not_batch(act, picked, active, resumable) for act in acts) == reasons
    assert {f"why.{reason}" for reason in reasons if reason} <= TEXTS.keys()


def test_pages_end_at_both_ends() -> None:
    assert [why_not_turn(page, 3) for page in (0, 1, 3, 4)] == ["first_page", "", "", "last_page"]
