"""Ways to train in less memory, each one change of a request and what it saves."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from studio.core.options import OPTIONS_BY_NAME, OptionValue
from studio.core.request import TrainRequest

RECOMPUTE_KEYS: Mapping[str, Any] = {
    "recompute_granularity": "full",
    "recompute_method": "uniform",
    "recompute_num_layers": 1,
}
# In the order in which they cost: time alone, then what a row can hold, then what can be learnt.
REDUCTIONS = ("single_rows", "recompute", "shorter_rows", "adapter")
# Less than this share of the whole is not worth a button.
WORTH = 0.02


@dataclass(frozen=True, slots=True)
class Reduction:
    """One of REDUCTIONS, the request with it, and the bytes it saves."""

    name: str
    request: TrainRequest
    saved: int


def find_reductions(
    request: TrainRequest,
    options: Mapping[str, OptionValue],
    estimate: Callable[[TrainRequest], int | None],
) -> Iterator[Reduction]:
    """What would save memory here; `options` are the request's checked ones, `estimate` says its bytes."""
    before = estimate(request)
    for name, changed in _candidates(request, options):
        after = estimate(changed)
        if before is not None and after is not None and before - after > WORTH * before:
            yield Reduction(name, changed, before - after)


def _candidates(request: TrainRequest, options: Mapping[str, OptionValue]) -> Iterator[tuple[str, TrainRequest]]:
    batch, sums = int(options["per_device_train_batch_size"]), int(options["gradient_accumulation_steps"])
    if batch > 1:
        # As many rows an update as before, and so the same number of steps.
        yield (
            "single_rows",
            request.with_options(per_device_train_batch_size=1, gradient_accumulation_steps=batch * sums),
        )
    if not request.extra.get("recompute_granularity"):
        yield "recompute", replace(request, extra={**request.extra, **RECOMPUTE_KEYS})
    shorter = int(options["max_seq_len"]) // 2
    if shorter >= (OPTIONS_BY_NAME["max_seq_len"].minimum or 1):
        yield "shorter_rows", request.with_options(max_seq_len=shorter)
    if request.method == "full":
        yield "adapter", replace(request, method="lora")
