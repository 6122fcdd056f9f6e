"""How long a run was in each of its phases."""

import pytest

from studio.core.runs import phase_times


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
