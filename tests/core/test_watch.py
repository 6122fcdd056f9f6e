"""Watchdogs bark when they should, and at nothing else."""

import math

import pytest

from studio.core.watch import Watch, outdated_checkpoints


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_stops_the_run_and_saves_nothing(loss: float) -> None:
    alarm = Watch().see_loss(7, loss)
    assert alarm is not None
    assert (alarm.code, alarm.values, alarm.save) == ("not_a_number", {"step": 7}, False)
    assert Watch(nan=False).see_loss(7, loss) is None


def test_a_spike_is_measured_against_the_usual_loss() -> None:
    watch = Watch(spike=3.0)
    # The first points are no measure of what is usual.
    assert [watch.see_loss(step, 9.0 if step == 3 else 2.0) for step in range(40)] == [None] * 40
    assert watch.see_loss(40, 5.0) is None
    alarm = watch.see_loss(41, 9.0)
    assert alarm is not None
    assert (alarm.code, alarm.values["step"], alarm.values["loss"]) == ("loss_spike", 41, "9")
    assert Watch().see_loss(41, 1e9) is None


def test_patience_counts_evaluations_in_a_row_and_remembers_the_best() -> None:
    watch = Watch(patience=2)
    told = [watch.see_evaluation(step, loss) for step, loss in enumerate([3.0, 2.0, 2.5, 1.5, 1.5, 1.6])]
    assert told[:5] == [None] * 5
    assert told[5] is not None
    assert (told[5].code, told[5].values) == ("no_improvement", {"count": 2, "best": 3, "loss": "1.5"})
    assert watch.best_step == 3
    # Without patience the best is remembered all the same.
    free = Watch()
    assert [free.see_evaluation(step, 2.0) for step in range(9)] == [None] * 9


def test_of_the_checkpoints_the_newest_the_best_and_those_to_go_on_from_stay() -> None:
    assert outdated_checkpoints([10, 20, 30], {20, 30}, None) == [10]
    assert outdated_checkpoints([10, 20, 30], {20, 30}, 10) == []
    # Saved as the best at its time, between two that are saved anyway.
    assert outdated_checkpoints([10, 15, 20, 25], {10, 20}, 25) == [15]
    # Just written, whatever else is told of it.
    assert outdated_checkpoints([7], set(), None) == []


def test_an_evaluation_that_is_no_number_is_no_best() -> None:
    watch = Watch(patience=2)
    assert watch.see_evaluation(5, 1.0) is None
    assert watch.see_evaluation(10, math.nan) is None
    assert watch.see_evaluation(15, math.nan) is not None
    assert (watch.best_step, watch.best_loss) == (5, 1.0)


def test_what_was_the_best_before_a_run_went_on_stays_the_best() -> None:
    watch = Watch(patience=2)
    assert watch.recall(5, 1.0)
    assert not watch.recall(10, 2.0)
    assert watch.see_evaluation(15, 1.5) is None
    assert watch.best_step == 5
