"""The engine's other arguments: found by words, and read as what was meant."""

from typing import Any

import pytest

from studio.core.options import OPTIONS
from studio.core.paddleformers.arguments import engine_arguments, find_arguments, read_argument
from studio.core.paddleformers.config import REQUEST_KEYS, RESERVED_KEYS
from studio.errors import Problem
from studio.texts import say, word_problem

# What the door of the engine itself takes.
DOOR = {"custom_register_path", "eval_dataset_prob", "train_dataset_prob"}


def test_every_key_that_the_studio_writes_is_one_of_the_engines() -> None:
    written = {spec.name for spec in OPTIONS if spec.sent} | set(REQUEST_KEYS) | RESERVED_KEYS
    assert written - engine_arguments().keys() <= DOOR
    assert str(len(engine_arguments())) in say("train.find.help")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("adam_epsilon", "1e-6", 1e-6),
        ("adam_epsilon", 1, 1.0),
        ("neftune", "yes", True),
        ("neftune", "OFF", False),
        ("dataset_num_proc", "2", 2),
        ("dataset_num_proc", 2.0, 2),
        ("recompute_granularity", None, None),
        ("recompute_granularity", "full", "full"),
    ],
)
def test_what_was_typed_becomes_what_it_means(name: str, given: Any, value: Any) -> None:
    read = read_argument(name, given)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("neftune", "maybe", "argument_not_bool"),
        ("dataset_num_proc", 2.5, "argument_not_int"),
        ("dataset_num_proc", True, "argument_not_int"),
        ("adam_epsilon", "abc", "argument_not_float"),
        ("adam_epsilon", None, "argument_not_float"),
        ("recompute_granularity", ["x"], "argument_not_text"),
        ("neftunee", True, "unknown_argument"),
    ],
)
def test_what_the_engine_would_choke_on_is_said(name: str, given: Any, code: str) -> None:
    problem = read_argument(name, given)
    assert isinstance(problem, Problem)
    assert (problem.field, problem.code) == ("extra", code)
    assert name in word_problem(problem, "zh")


def test_a_misspelt_name_is_told_the_right_one() -> None:
    problem = read_argument("neftunee", True)
    assert isinstance(problem, Problem)
    assert "neftune" in str(problem.values["near"])


def test_arguments_are_found_by_name_first_and_then_by_what_they_do() -> None:
    names = [argument.name for argument in find_arguments("neftune")]
    assert names[0] == "neftune"
    assert "recompute_granularity" in [argument.name for argument in find_arguments("type of activation")]
    assert find_arguments("  ") == find_arguments("zzzzqq") == []
