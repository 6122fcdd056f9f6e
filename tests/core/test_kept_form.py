"""What a browser has kept of the Train form."""

import json

import pytest

from studio.core.kept_form import leave_out, read_kept

DEFAULTS = {
    "model": "/m",
    "datasets": ["a"],
    "eval_dataset": "b",
    "drop_faulty": False,
    "option.lr_scheduler_type": "cosine",
    "option.learning_rate": "0.003",
}


def test_what_fits_is_read_and_the_rest_is_as_if_it_were_not_kept() -> None:
    kept = {"option.learning_rate": "abc", "drop_faulty": True, "eval_dataset": None, "option.gone": "1"}
    wrong = {"model": 3, "datasets": ["a", 1]}
    expected = {"eval_dataset": None, "drop_faulty": True, "option.learning_rate": "abc"}
    assert read_kept(json.dumps({**kept, **wrong}), DEFAULTS) == expected


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"datasets": "a"}', '{"option.lr_scheduler_type": "up"}'])
def test_broken_storage_is_nothing_kept(text: str) -> None:
    assert read_kept(text, DEFAULTS) == {}


def test_what_is_gone_is_left_out_by_name() -> None:
    kept = {"model": "/gone", "adapter": "", "datasets": ["a", "x"], "eval_dataset": "x", "drop_faulty": True}
    assert leave_out(kept, ["/m"], ["a"]) == (
        {"adapter": "", "datasets": ["a"], "drop_faulty": True},
        ["/gone", "x"],
    )


def test_datasets_that_are_all_gone_leave_the_usual_ones() -> None:
    assert leave_out({"datasets": ["x"]}, [], ["a"]) == ({}, ["x"])
    assert leave_out({"datasets": []}, [], ["a"]) == ({"datasets": []}, [])
