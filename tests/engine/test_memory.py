"""The memory that is said before a run is near what the run takes."""

import pytest

from benchmarks.memory import RUNS, measure_all

pytestmark = pytest.mark.slow
# As docs/training.md says.
NEAR = (0.75, 1.3)


def test_estimates_are_near_what_runs_of_three_sizes_take() -> None:
    off = [
        (found.size, found.run, round(found.said.total / found.taken, 2))
        for found in measure_all(RUNS[:2])
        if not NEAR[0] <= found.said.total / found.taken <= NEAR[1]
    ]
    assert off == []
