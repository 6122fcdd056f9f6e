"""Devices that cannot work together are refused before anything starts."""

from typing import Any

import pytest

from studio.core.devices import device_problems
from studio.core.options import default_options


def told(gpus: int = 8, **options: Any) -> list[str]:
    names = [str(number) for number in range(gpus)]
    return [problem.code for problem in device_problems({**default_options(), **options}, names)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"device_count": 2},
        {"device": "gpu", "device_count": 8},
        {"device": "gpu", "device_count": 2, "device_ids": "6,7"},
        {"device": "gpu", "device_count": 8, "tensor_model_parallel_size": 2, "pipeline_model_parallel_size": 2},
        {"device": "gpu", "device_count": 8, "sharding": "stage1", "sharding_parallel_size": 8},
        # What is not shared needs no devices for it.
        {"device": "gpu", "device_count": 2, "sharding": "none", "sharding_parallel_size": 8},
        {
            "device": "gpu",
            "device_count": 8,
            "machines": 2,
            "master_addr": "10.0.0.1",
            "sharding_parallel_size": 16,
        },
    ],
)
def test_what_works_together_has_no_problem(options: dict[str, Any]) -> None:
    assert told(**options) == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"device": "gpu", "gpus": 0}, "no_gpu"),
        ({"device": "gpu", "device_count": 9}, "too_few_gpus"),
        ({"device": "gpu", "device_count": 2, "device_ids": "1"}, "device_ids_count"),
        ({"device": "gpu", "device_ids": "8"}, "unknown_device"),
        ({"device": "gpu", "device_ids": "first"}, "unknown_device"),
        ({"device": "gpu", "device_count": 2, "device_ids": "0,00"}, "device_named_twice"),
        ({"device_count": 2, "tensor_model_parallel_size": 2}, "parts_need_gpus"),
        ({"device": "gpu", "device_count": 6, "tensor_model_parallel_size": 4}, "parts_do_not_divide"),
        ({"device": "gpu", "device_count": 4, "sharding_parallel_size": 8}, "parts_do_not_divide"),
        ({"device": "gpu", "device_count": 2, "sequence_parallel": True}, "sequence_needs_tensor"),
        ({"machines": 2}, "machines_need_address"),
        ({"machines": 2, "master_addr": "localhost"}, "machines_need_address"),
    ],
)
def test_what_does_not_is_said_by_its_reason(options: dict[str, Any], code: str) -> None:
    assert told(**options) == [code]
