"""What was typed becomes the value that is meant, or a problem that says why not."""

import pytest

from studio.core.options import OPTIONS, OPTIONS_BY_NAME, read_option
from studio.errors import Problem


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", " 0.5 ", 0.5),
        ("per_device_train_batch_size", "16", 16),
        ("per_device_train_batch_size", 16.0, 16),
        ("max_steps", "-1", -1),
        ("packing", "no", False),
        ("packing", "True", True),
        ("packing", False, False),
        ("device", "gpu", "gpu"),
    ],
)
def test_reads_what_a_person_means(name: str, given: object, value: object) -> None:
    assert read_option(OPTIONS_BY_NAME[name], given) == value


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("learning_rate", "abc", "not_float"),
        ("learning_rate", "", "not_float"),
        ("learning_rate", "nan", "not_float"),
        ("learning_rate", "inf", "not_float"),
        ("learning_rate", None, "not_float"),
        ("learning_rate", "0", "not_above"),
        ("learning_rate", "2", "out_of_bounds"),
        ("per_device_train_batch_size", "2.5", "not_int"),
        ("per_device_train_batch_size", True, "not_int"),
        ("per_device_train_batch_size", "0", "out_of_bounds"),
        ("packing", "perhaps", "not_bool"),
        ("lr_scheduler_type", "cosin", "not_a_choice"),
        ("device", ["cpu"], "not_a_choice"),
    ],
)
def test_refuses_what_is_no_value(name: str, given: object, code: str) -> None:
    found = read_option(OPTIONS_BY_NAME[name], given)
    assert isinstance(found, Problem)
    assert (found.field, found.code, found.values["given"]) == (name, code, given)


def test_every_default_is_a_value_of_its_own_option() -> None:
    assert [spec.name for spec in OPTIONS if read_option(spec, spec.default) != spec.default] == []


def test_there_are_at_least_twenty_options() -> None:
    assert len(OPTIONS) == len(OPTIONS_BY_NAME) >= 20
