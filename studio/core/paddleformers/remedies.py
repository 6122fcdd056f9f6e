"""What to change after a failure, so that the same run gets further."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from studio.core.options import OPTIONS_BY_NAME
from studio.core.request import TrainRequest
from studio.errors import Problem

LOWER_RATE = 10


@dataclass(frozen=True, slots=True)
class Remedy:
    """The request to run instead, with what differs in it; or to `resume` the run from its newest checkpoint."""

    request: TrainRequest
    changes: Mapping[str, tuple[object, object]]
    resume: bool = False


def find_remedy(cause: Problem, request: TrainRequest, *, can_resume: bool) -> Remedy | None:
    """The remedy for a cause of failure; None where only a person can help."""
    if cause.code in CUT_OFF:
        return Remedy(request, {}, resume=can_resume)
    mend = _MENDS.get(cause.code)
    mended = mend(request, cause.values) if mend else None
    if mended is None or mended == request:
        return None
    return Remedy(mended, _changes(request, mended))


def has_remedy(code: str) -> bool:
    """Whether a cause of failure can be mended by other settings."""
    return code in _MENDS


def _less_memory(request: TrainRequest, values: Mapping[str, object]) -> TrainRequest | None:
    """Half the rows at once and twice as many batches before an update: the same steps, in half the activations."""
    batch, sums, length = (
        int(float(str(_option(request, name))))
        for name in ("per_device_train_batch_size", "gradient_accumulation_steps", "max_seq_len")
    )
    if batch > 1:
        # An odd batch would become another number of rows a step.
        parts = 2 if batch % 2 == 0 else batch
        return request.with_options(
            per_device_train_batch_size=batch // parts, gradient_accumulation_steps=sums * parts
        )
    shortest = OPTIONS_BY_NAME["max_seq_len"].minimum or 1
    return request.with_options(max_seq_len=length // 2) if length // 2 >= shortest else None


def _lower_rate(request: TrainRequest, values: Mapping[str, object]) -> TrainRequest:
    rate = float(str(_option(request, "learning_rate"))) / LOWER_RATE
    norm = float(str(_option(request, "max_grad_norm")))
    return request.with_options(learning_rate=rate, **({} if norm else {"max_grad_norm": 1.0}))


def _without_unknown(request: TrainRequest, values: Mapping[str, object]) -> TrainRequest:
    unknown = {name.strip(" '\"") for name in str(values.get("given", "")).split(",")}
    return replace(request, extra={key: value for key, value in request.extra.items() if key not in unknown})


def _without(*keys: str) -> Callable[[TrainRequest, Mapping[str, object]], TrainRequest]:
    """Leave such engine arguments to the studio or to the engine."""

    def mend(request: TrainRequest, values: Mapping[str, object]) -> TrainRequest:
        return replace(request, extra={key: value for key, value in request.extra.items() if key not in keys})

    return mend


def _setting(**options: object) -> Callable[[TrainRequest, Mapping[str, object]], TrainRequest]:
    return lambda request, _: request.with_options(**options)


def _option(request: TrainRequest, name: str) -> object:
    return request.options.get(name, OPTIONS_BY_NAME[name].default)


def _changes(before: TrainRequest, after: TrainRequest) -> dict[str, tuple[object, object]]:
    changed = {
        name: (_option(before, name), value)
        for name, value in after.options.items()
        if value != _option(before, name)
    }
    gone = {key: (value, None) for key, value in before.extra.items() if key not in after.extra}
    if before.adapter != after.adapter:
        gone["lora_path"] = (before.adapter, None)
    return {**changed, **gone}


# The run ended for no reason of its own: once that is mended, it goes on where it was.
CUT_OFF = frozenset({"lost", "killed", "disk_full", "checkpoint_torn", "log_flood"})
_MENDS: Mapping[str, Callable[[TrainRequest, Mapping[str, object]], TrainRequest | None]] = {
    "out_of_memory": _less_memory,
    "gpu_out_of_memory": _less_memory,
    "killed_for_memory": _less_memory,
    "not_a_number": _lower_rate,
    "loss_spike": _lower_rate,
    "unknown_key": _without_unknown,
    "unknown_precision": _setting(compute_type="float32"),
    "unknown_loss": _setting(loss_type="sigmoid"),
    "unknown_scheduler": _setting(lr_scheduler_type="cosine"),
    "unknown_optimizer": _without("optim"),
    "unknown_template": _without("template", "template_backend"),
    "no_such_module": _setting(lora_target_modules="", freeze_trainable_modules="", freeze_extra_modules=""),
    "adapter_gone": lambda request, _: replace(request, adapter=""),
    "gpu_build_missing": _setting(device="cpu", compute_type="float32"),
    "attention_needs_gpu": _without("_attn_implementation"),
    "strategies_differ": _without("load_best_model_at_end", "save_strategy"),
}
