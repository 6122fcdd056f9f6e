"""A sweep is every combination or a part of them, and its names tell which is which."""

import pytest

from studio.core.sweep import MOST_RUNS, grid, name_run, read_axes, sample
from studio.errors import RequestRefused

AXES = "learning_rate: [0.0001, 0.001]\nlora_rank: [4, 8, 16]\n"


def test_a_grid_has_every_combination_once() -> None:
    found = grid(read_axes(AXES))
    assert found[:2] == [{"learning_rate": 0.0001, "lora_rank": 4}, {"learning_rate": 0.0001, "lora_rank": 8}]
    assert len({tuple(one.values()) for one in found}) == len(found) == 6


def test_a_sample_is_a_part_of_the_grid_and_the_same_for_a_seed() -> None:
    axes = read_axes(AXES)
    found = sample(axes, 4, seed=1)
    assert found == sample(axes, 4, seed=1)
    assert len(found) == 4
    assert all(one in grid(axes) for one in found)
    assert sample(axes, 100, seed=1) == grid(axes)


def test_a_sample_of_more_than_can_be_listed_takes_no_time() -> None:
    axes = {f"option_{number}": list(range(50)) for number in range(10)}
    assert len(sample(axes, 20, seed=3)) == 20


def test_ranges_are_evenly_spaced_on_their_scale() -> None:
    axes = read_axes("a: {from: 1e-5, to: 1e-3, count: 3, scale: log}\nb: {from: 4, to: 16, count: 3}\nc: true")
    assert axes == {"a": [1e-5, 1e-4, 1e-3], "b": [4, 10, 16], "c": [True]}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "sweep_not_yaml"),
        ("", "sweep_empty"),
        ("- 1", "sweep_empty"),
        ("a: []", "sweep_bad_values"),
        ("a: [[1], [2]]", "sweep_bad_values"),
        ("a: {from: 1, to: 2}", "sweep_bad_values"),
        ("a: {from: 0, to: 2, count: 3, scale: log}", "sweep_bad_values"),
        ("a: {from: 1, to: 2, count: 3, steps: 4}", "sweep_bad_values"),
    ],
)
def test_what_is_no_sweep_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_axes(text)
    assert [problem.code for problem in refused.value.problems] == [code]


def test_a_grid_that_nobody_meant_is_refused() -> None:
    with pytest.raises(RequestRefused) as refused:
        grid({"a": range(20), "b": range(20)})
    assert refused.value.problems[0].values == {"count": 400, "most": MOST_RUNS}


def test_names_follow_the_pattern() -> None:
    values = {"learning_rate": 0.001, "lora_target_modules": "q_proj, v_proj"}
    assert name_run("{name}-{n}", "base", 3, values) == "base-3"
    assert name_run("{name}-{learning_rate}-{lora_target_modules}", "base", 3, values) == "base-0.001-q_projv_proj"
    with pytest.raises(RequestRefused):
        name_run("{name}-{seed}", "base", 3, values)
