"""Metrics: torn lines, progress, and curves that keep their spikes."""

import math

from studio.core.metrics import find_progress, read_metric


def test_a_line_that_is_no_record_is_left_out() -> None:
    assert read_metric('{"kind": "log", "loss": 1.5}') == {"kind": "log", "loss": 1.5}
    for line in ('{"kind": "log", "lo', "[1]", '{"loss": 1}', "", '{"kind": 3}'):
        assert read_metric(line) is None


def test_a_nan_survives_since_it_is_the_news() -> None:
    record = read_metric('{"kind": "log", "loss": NaN}')
    assert record is not None
    assert math.isnan(record["loss"])


def test_remaining_time_counts_from_the_step_training_began_at() -> None:
    progress = find_progress(begin_step=50, begin_time=1000.0, step=60, total_steps=100, now=1020.0)
    assert (progress.elapsed_s, progress.remaining_s) == (20.0, 80.0)


def test_nothing_is_invented_before_the_first_step() -> None:
    assert find_progress(0, None, 0, None, 1020.0).elapsed_s is None
    assert find_progress(0, 1000.0, 0, 100, 1020.0).remaining_s is None
    assert find_progress(0, 1000.0, 5, None, 1020.0).remaining_s is None
