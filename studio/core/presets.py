"""Settings that are known to work, to begin with: the recipes of ERNIE 4.5's guides in PaddleFormers 1.2's names.

A preset says how to train; which model, on which data and under which name stays as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from studio.core.options import OptionValue, default_options
from studio.core.reductions import RECOMPUTE_KEYS
from studio.core.request import TrainRequest


@dataclass(frozen=True, slots=True)
class Preset:
    """Stage, method and options, and further engine arguments; options that are not named have their default."""

    stage: str
    method: str
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def applied_to(self, request: TrainRequest) -> TrainRequest:
        """The request with these settings; its model, data and name stay."""
        options = {**default_options(), **self.options}
        return replace(request, stage=self.stage, method=self.method, options=options, extra=dict(self.extra))

    def to_json(self) -> dict[str, Any]:
        kept = {"stage": self.stage, "method": self.method}
        return {**kept, "options": dict(self.options), "extra": dict(self.extra)}


def preset_of(request: TrainRequest) -> Preset:
    """What of a request is a preset: the options that are not the default."""
    usual = default_options()
    changed = {name: value for name, value in request.options.items() if value != usual.get(name)}
    return Preset(request.stage, request.method, changed, request.extra)


_GPU: Mapping[str, OptionValue] = {
    "device": "gpu",
    "compute_type": "bf16",
    "max_seq_len": 8192,
    "packing": True,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 4,
    "num_train_epochs": 3.0,
    "seed": 23,
    "warmup_steps": 20,
    "save_steps": 100,
    "sharding": "stage2",
}
# Activations are computed again instead of kept, which is what makes 8K tokens fit.
_RECOMPUTED: Mapping[str, Any] = {
    **RECOMPUTE_KEYS,
    "eval_accumulation_steps": 16,
}
_EIGHT_GPUS: Mapping[str, OptionValue] = {**_GPU, "device_count": 8, "sharding_parallel_size": 8}
PRESETS: Mapping[str, Preset] = {
    "demo_cpu": Preset("SFT", "full"),
    "ernie_300m_full_8k": Preset("SFT", "full", {**_GPU, "learning_rate": 1e-5}, _RECOMPUTED),
    "ernie_300m_lora_8k": Preset("SFT", "lora", {**_GPU, "learning_rate": 1e-4, "lora_rank": 8}, _RECOMPUTED),
    "ernie_21b_lora_8_gpus": Preset(
        "SFT", "lora", {**_EIGHT_GPUS, "learning_rate": 1e-4, "lora_rank": 8}, _RECOMPUTED
    ),
    "dpo_after_sft": Preset(
        "DPO", "full", {**_GPU, "packing": False, "learning_rate": 5e-7, "num_train_epochs": 1.0}, _RECOMPUTED
    ),
}
