"""Less memory is offered where it is less, and costs as little as it can."""

from dataclasses import replace

from studio.core.options import default_options
from studio.core.reductions import RECOMPUTE_KEYS, find_reductions
from studio.core.request import TrainRequest

REQUEST = TrainRequest("m", options={"per_device_train_batch_size": "8", "gradient_accumulation_steps": 2})


def size(request: TrainRequest) -> int:
    """Bytes by batch, length and method, as an estimate would have them."""
    options = {**default_options(), **request.options}
    activations = int(str(options["per_device_train_batch_size"])) * int(str(options["max_seq_len"]))
    if request.extra:
        activations //= 2
    return activations + (1000 if request.method == "full" else 300)


def test_each_reduction_is_told_with_what_it_saves_the_cheapest_first() -> None:
    options = {**default_options(), "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}
    found = {reduction.name: reduction for reduction in find_reductions(REQUEST, options, size)}
    assert list(found) == ["single_rows", "recompute", "shorter_rows", "adapter"]
    assert [reduction.saved for reduction in found.values()] == [7 * 64, 4 * 64, 4 * 64, 700]
    # As many rows an update as before.
    assert found["single_rows"].request.options == {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 16,
    }
    assert found["recompute"].request.extra == RECOMPUTE_KEYS
    assert found["adapter"].request.method == "lora"


def test_what_saves_nothing_is_not_offered() -> None:
    request = replace(REQUEST, method="lora", extra=RECOMPUTE_KEYS)
    options = {**default_options(), "per_device_train_batch_size": 1, "max_seq_len": 8}
    assert list(find_reductions(request, options, size)) == []
    assert list(find_reductions(REQUEST, default_options(), lambda _: None)) == []
