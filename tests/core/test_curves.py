"""Curves: sessions that follow each other, averages that do not move, and points enough for a screen."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.curves import Curves, thin_out, visible
from studio.core.measures import panels_of


def logged(steps: range, loss: float = 2.0, since: float = 0.0) -> Curves:
    curves = Curves()
    curves.begin(steps[0] - 1, since)
    log(curves, steps, loss, since)
    return curves


def log(curves: Curves, steps: range, loss: float, since: float) -> None:
    for count, step in enumerate(steps, 1):
        numbers = {"loss": loss, "tokens_per_s": 100.0, "interval_runtime": 2.0}
        curves.add(step, since + 2.0 * count, numbers)


def test_a_resumed_run_has_each_step_once_and_no_pause() -> None:
    curves = logged(range(1, 8))
    # Killed at step 7, and resumed an hour later from the checkpoint of step 4.
    curves.begin(4, 3600.0)
    log(curves, range(5, 9), 1.0, 3600.0)
    assert curves.steps_of("loss") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert list(curves.columns["loss"].values) == [2.0] * 4 + [1.0] * 4
    assert list(curves.seconds) == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]
    assert list(curves.tokens) == [200.0 * step for step in range(1, 9)]
    assert curves.resumed == [4]


def test_a_coarser_log_after_resuming_leaves_nothing_of_the_finer() -> None:
    curves = logged(range(1, 10))
    curves.begin(3, 100.0)
    curves.add(8, 110.0, {"loss": 1.0})
    assert curves.steps_of("loss") == [1, 2, 3, 8]


def test_many_rows_at_once_are_the_same_as_one_by_one() -> None:
    one, many = Curves(), Curves()
    rng = np.random.default_rng(1)
    steps = np.arange(1, 201)
    losses = rng.normal(3.0, 0.1, 200)
    losses[[50, 120]] = 9.0, math.nan
    for curves in (one, many):
        curves.begin(0, 5.0, devices=2)
    for step, loss in zip(steps.tolist(), losses.tolist(), strict=True):
        numbers = {"loss": loss, "tokens_per_s": 10.0, "interval_runtime": 1.0, "interval_steps_per_second": 4.0}
        one.add(step, 5.0 + step, {**numbers, **({"eval_loss": 3.0} if step % 50 == 0 else {})})
    every = np.arange(200)
    fifth = np.flatnonzero(steps % 50 == 0)
    for part in (slice(0, 70), slice(70, 200)):
        inside = fifth[(fifth >= part.start) & (fifth < part.stop)] - part.start
        rows = every[part] - part.start
        columns: dict[str, Any] = {
            "loss": (rows, losses[part]),
            "tokens_per_s": (rows, np.full(len(rows), 10.0)),
            "interval_runtime": (rows, np.full(len(rows), 1.0)),
            "interval_steps_per_second": (rows, np.full(len(rows), 4.0)),
            "eval_loss": (inside, np.full(len(inside), 3.0)),
        }
        many.extend(steps[part], 5.0 + steps[part], columns)
    for name in ("steps", "times", "seconds", "tokens", "spikes"):
        assert list(getattr(one, name)) == list(getattr(many, name)), name
    assert one.spikes == [51, 121]
    assert one.tokens[-1] == 200 * 10.0 * 2
    assert one.columns.keys() == many.columns.keys()
    for name, column in one.columns.items():
        assert column.rows == many.columns[name].rows
        np.testing.assert_array_equal(np.array(column.values), np.array(many.columns[name].values))


@pytest.mark.parametrize("steps", [[3, 2], [1, 1]])
def test_rows_that_go_back_or_repeat_are_not_taken_at_once(steps: list[int]) -> None:
    curves = logged(range(1, 2))
    with pytest.raises(ValueError, match=r"steps go back|stands twice"):
        curves.extend(np.array(steps), np.zeros(2), {"loss": (np.arange(2), np.ones(2))})
    assert curves.steps_of("loss") == [1]


def test_a_new_point_moves_no_smoothed_one_and_the_first_is_itself() -> None:
    curves = Curves()
    values = [5.0, 3.0, math.nan, 4.0, 1.0]
    for step, value in enumerate(values[:4], 1):
        curves.add(step, 0.0, {"loss": value})
    before = curves.smooth("loss", 0.9)
    curves.add(5, 0.0, {"loss": values[4]})
    after = curves.smooth("loss", 0.9)
    np.testing.assert_array_equal(after[:4], before)
    assert before[0] == pytest.approx(5.0)
    assert math.isnan(before[2])
    # By the definition: a mean in which a point weighs 0.9 for each point that has come after it.
    finite = [value for value in values if math.isfinite(value)]
    weights = [0.9 ** (len(finite) - 1 - i) for i in range(len(finite))]
    expected = sum(w * x for w, x in zip(weights, finite, strict=True)) / sum(weights)
    assert after[-1] == pytest.approx(expected)


def test_a_smoothed_curve_follows_a_resumed_one() -> None:
    curves = logged(range(1, 8))
    curves.smooth("loss", 0.5)
    curves.begin(4, 100.0)
    log(curves, range(5, 7), 1.0, 100.0)
    fresh = logged(range(1, 5))
    log(fresh, range(5, 7), 1.0, 100.0)
    np.testing.assert_array_equal(curves.smooth("loss", 0.5), fresh.smooth("loss", 0.5))


def test_a_spike_is_told_and_does_not_hide_the_next() -> None:
    curves = Curves()
    for step in range(1, 101):
        curves.add(step, 0.0, {"loss": 9.0 if step in (60, 61) else 2.0 + 0.01 * (step % 3)})
    assert curves.spikes == [60, 61]


def test_the_best_evaluation_is_no_nan() -> None:
    curves = Curves()
    assert curves.best("eval_loss") is None
    for step, loss in ((10, 2.0), (20, math.nan), (30, 1.5), (40, 1.9)):
        curves.add(step, 0.0, {"eval_loss": loss})
    assert curves.best("eval_loss") == (1.5, 30)


def test_a_spike_and_a_gap_survive_thinning() -> None:
    values = np.ones(10_000)
    values[4321], values[777] = 99.0, math.nan
    kept = thin_out(values, 0, len(values), 100)
    assert {0, 777, 4321, 9999} <= set(kept.tolist())


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=500), st.integers(8, 60), st.data())
def test_thinning_keeps_order_extremes_and_the_limit(ys: list[float], limit: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(ys) - 1))
    last = data.draw(st.integers(first + 1, len(ys)))
    kept = thin_out(np.array(ys), first, last, limit)
    assert kept.tolist() == sorted(set(kept.tolist()))
    shown = [ys[at] for at in kept]
    assert (min(shown), max(shown)) == (min(ys[first:last]), max(ys[first:last]))
    assert kept[0] == first
    assert kept[-1] == last - 1
    assert len(kept) <= limit + 2


def test_a_point_that_comes_changes_no_other() -> None:
    values = np.random.default_rng(2).normal(size=5000)
    before = set(thin_out(values, 0, 4998, 100).tolist())
    after = set(thin_out(values, 0, 4999, 100).tolist())
    # But at the growing end, which is always drawn.
    assert {at for at in before ^ after if at < 4900} == set()


def test_what_can_be_seen_reaches_a_point_beyond_both_edges() -> None:
    places = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert visible(places, None, None) == (0, 5)
    assert visible(places, 2.5, 3.5) == (1, 4)
    assert visible(places, 9.0, 10.0) == (4, 5)


def test_plots_come_in_a_fixed_order_and_bookkeeping_is_left_out() -> None:
    names = ["progress_or_epoch", "learning_rate", "loss", "gpu_use:1", "eval_loss", "gpu_use:0", "mine"]
    assert panels_of(names) == {
        "loss": ["loss", "eval_loss"],
        "learning_rate": ["learning_rate"],
        "share": ["gpu_use:0", "gpu_use:1"],
        "mine": ["mine"],
    }
