"""Settings of other tools' files as ours: each key taken, translated, set by the studio, or not supported.

Sources: ERNIEKit 1.3 and LLaMA-Factory 0.9 configs, compared with PaddleFormers 1.2.0's arguments. No key is
dropped without a word.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from studio.core.hiding import HIDDEN, is_secret_key
from studio.core.options import OPTIONS_BY_NAME
from studio.core.paddleformers.arguments import engine_arguments
from studio.core.paddleformers.config import REQUEST_KEYS, RESERVED_KEYS

TAKEN, TRANSLATED, SET_HERE, UNSUPPORTED = "taken", "translated", "set_here", "unsupported"
OUTCOMES = (TAKEN, TRANSLATED, SET_HERE, UNSUPPORTED)

# A key by another name, with the same meaning.
RENAMED: Mapping[str, tuple[str, ...]] = {
    # ERNIEKit
    "batch_size": ("per_device_train_batch_size",),
    "tensor_parallel_degree": ("tensor_model_parallel_size",),
    "pipeline_parallel_degree": ("pipeline_model_parallel_size",),
    "sharding_parallel_degree": ("sharding_parallel_size",),
    "context_parallel_degree": ("context_parallel_size",),
    "sep_parallel_degree": ("sep_parallel_size",),
    "expert_parallel_degree": ("expert_model_parallel_size",),
    "expert_tensor_parallel_degree": ("expert_tensor_model_parallel_size",),
    "use_attn_mask_start_row_indices": ("use_attn_mask_startend_row_indices",),
    "in_tokens_batching": ("packing",),
    # LLaMA-Factory
    "finetuning_type": ("fine_tuning",),
    "cutoff_len": ("max_seq_len",),
    "pref_beta": ("beta",),
    "pref_loss": ("loss_type",),
    "dataset": ("datasets",),
    "preprocessing_num_workers": ("dataset_num_proc",),
    "loraplus_lr_ratio": ("lora_plus_scale",),
    "use_rslora": ("rslora",),
    "val_size": ("eval_share",),
    "interleave_probs": ("dataset_weights",),
}
# LLaMA-Factory's names of one more kind.
STAGES = {"sft": "SFT", "dpo": "DPO", "pt": "PT", "vl-pt": "VL-PT", "vl-sft": "VL-SFT", "vl-dpo": "VL-DPO"}
METHODS = {"lora": "LoRA", "full": "full", "freeze": "freeze"}
# Torch's ways of computing the optimiser that the engine calls adamw.
TORCH_ADAMW = frozenset({"adamw_torch", "adamw_torch_fused", "adamw_hf"})
# Set by the studio or meaningless beside it; the run is the same without.
OTHERS_SET_HERE = frozenset(
    {"overwrite_output_dir", "plot_loss", "overwrite_cache", "dataset_dir", "run_name", "do_predict", "do_export"}
)
OWN_KEYS = frozenset({"datasets", "eval_dataset", "name", "method", "model", "drop_faulty"})


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """What became of a key: its outcome, and the keys it was translated to."""

    key: str
    value: Any
    outcome: str
    to: Mapping[str, Any]


def translate_config(config: Mapping[str, Any]) -> list[ImportedKey]:
    """What each key of a file becomes, in the order of the file."""
    return [_translate(str(key), value) for key, value in config.items()]


def imported_keys(report: list[ImportedKey]) -> dict[str, Any]:
    """All keys that were taken or translated, the later over the earlier."""
    keys: dict[str, Any] = {}
    for item in report:
        keys |= item.to
    return keys


def _translate(key: str, value: Any) -> ImportedKey:
    if is_secret_key(key):
        # It would stand in the run's files.
        return ImportedKey(key, HIDDEN, UNSUPPORTED, {})
    if key in _SPECIAL:
        to = _SPECIAL[key](value)
        return ImportedKey(key, value, TRANSLATED if to else UNSUPPORTED, to)
    if key in RESERVED_KEYS or key in OTHERS_SET_HERE:
        return ImportedKey(key, value, SET_HERE, {})
    if key in RENAMED:
        return ImportedKey(key, value, TRANSLATED, {name: _value(name, value) for name in RENAMED[key]})
    if key in OPTIONS_BY_NAME or key in REQUEST_KEYS or key in OWN_KEYS or key in engine_arguments():
        meant = _value(key, value)
        return ImportedKey(key, value, TAKEN if meant == value else TRANSLATED, {key: meant})
    return ImportedKey(key, value, UNSUPPORTED, {})


def _value(key: str, value: Any) -> Any:
    word = value.lower() if isinstance(value, str) else value
    if key == "stage":
        return STAGES.get(word, value)
    if key == "fine_tuning":
        return METHODS.get(word, value)
    if key == "optim":
        return "adamw" if word in TORCH_ADAMW else value
    return value


def _recompute(value: Any) -> dict[str, Any]:
    return {"recompute_granularity": "full"} if _is_on(value) else {"recompute_granularity": None}


def _bf16(value: Any) -> dict[str, Any]:
    return {"compute_type": "bf16"} if _is_on(value) else {"compute_type": "float32"}


def _all_or_names(value: Any) -> str:
    """LLaMA-Factory says `all` where we say nothing."""
    given = ",".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value or "")
    return "" if given.strip() == "all" else given


def _reporters(value: Any) -> dict[str, Any]:
    """The engine takes a list; LLaMA-Factory also takes one name, and says `none` where we say nothing."""
    given = cast("list[Any]", value) if isinstance(value, list) else [value]
    return {"report_to": [name for name in given if name not in (None, "none")]}


def _no_counterpart(value: Any) -> dict[str, Any]:
    return {}


def _is_on(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "yes", "on", "1")


_SPECIAL: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "recompute": _recompute,
    "use_recompute": _recompute,
    "gradient_checkpointing": _recompute,
    "bf16": _bf16,
    # The engine renders with the chat template of the model's tokenizer.
    "template": _no_counterpart,
    "report_to": _reporters,
    "lora_target": lambda value: {"lora_target_modules": _all_or_names(value)},
    "freeze_trainable_modules": lambda value: {"freeze_trainable_modules": _all_or_names(value)},
    "fp16": lambda value: {} if _is_on(value) else {"compute_type": "float32"},
}
