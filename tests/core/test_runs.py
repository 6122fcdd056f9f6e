"""How long a run was in each of its phases."""

import pytest

from studio.core.runs import phase_times, read_cause
from studio.errors import Problem


def test_each_phase_lasts_until_the_next_begins() -> None:
    spent = {"training": 40.0, "evaluating": 3.0}
    assert phase_times(10, 11, 15, 21, spent, None, 99) == {
        "preparing": 1,
        "queued": 4,
        "loading": 6,
        "training": 40,
        "evaluating": 3,
    }


@pytest.mark.parametrize(
    ("marks", "times"),
    [
        ((10, None, None, None), {"preparing": 10}),
        ((10, 12, None, None), {"preparing": 2, "queued": 8}),
        ((10, 12, 15, None), {"preparing": 2, "queued": 3, "loading": 5}),
        # A resumed run has no data to write, and a run that was started by hand neither waits nor loads.
        ((None, 12, 15, None), {"queued": 3, "loading": 5}),
        ((None, None, None, None), {}),
    ],
)
def test_the_phase_that_lasts_is_counted_until_now(
    marks: tuple[float | None, ...], times: dict[str, float]
) -> None:
    assert phase_times(*marks, {}, None, 20) == times


def test_the_engines_own_phase_grows_while_it_lasts() -> None:
    assert phase_times(None, 1, 2, 3, {"training": 5.0}, ("training", 14.0), 20)["training"] == 11
    assert phase_times(None, 1, 2, 3, {"training": 5.0}, ("saving", 14.0), 20)["saving"] == 6


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (None, None),
        ({}, None),
        ({"code": "log_flood", "values": {"limit": "1 GB"}}, Problem("", "log_flood", {"limit": "1 GB"})),
        # As a later studio may keep it: with another code, with other values, or in another shape.
        ({"code": "not_thought_of_yet"}, Problem("", "unknown_cause", {"given": "not_thought_of_yet"})),
        ({"code": "log_flood", "values": {"most": 1}}, Problem("", "unknown_cause", {"given": "log_flood"})),
        ({"why": "?"}, Problem("", "unknown_cause", {"given": "?"})),
    ],
)
def test_a_cause_that_another_version_kept_is_told_as_such(kept: dict[str, object], told: Problem | None) -> None:
    assert read_cause(kept) == told
