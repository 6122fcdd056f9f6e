"""PaddleFormers 1.2: its keys, its quirks, how it is launched.

Source of each quirk: PaddleFormers 1.2.0 run on a CPU (paddlepaddle 3.3.1).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.core.command import Command
from studio.core.options import OPTIONS, OptionValue, list_names

NAME = "paddleformers"

# What the studio decides itself; asking for another value would break the run folder or hide the run.
RESERVED_KEYS = frozenset(
    {
        "custom_register_path",
        "output_dir",
        "logging_dir",
        "train_dataset_path",
        "train_dataset_type",
        "train_dataset_prob",
        "eval_dataset_path",
        "eval_dataset_type",
        "eval_dataset_prob",
        "do_train",
        "do_eval",
        "evaluation_strategy",
        "disable_tqdm",
        "load_best_model_at_end",
        "lora",
        "save_hf_steps",
    }
)
# Keys that are part of a request in their own right.
REQUEST_KEYS = {"model_name_or_path": "model", "stage": "stage", "fine_tuning": "method"}
# ERNIE's attention on a CPU: sdpa ignores the packing and DPO masks, flashmask needs a GPU.
CPU_ATTENTION = "eager"
# The engine refuses its own default where nothing runs in half precision.
CPU_KEYS = {"amp_master_grad": False}
GPU_ATTENTION = "flashmask"


@dataclass(frozen=True, slots=True)
class TrainFiles:
    """The absolute paths a training config names; several files of training data are mixed by the engine."""

    output: str
    train_data: tuple[str, ...]
    eval_data: str | None
    data_type: str
    visualdl: str
    hook: str


def engine_config(
    model: str,
    stage: str,
    method: str,
    options: Mapping[str, OptionValue],
    extra: Mapping[str, Any],
    files: TrainFiles,
) -> dict[str, Any]:
    """The YAML that `paddleformers-cli train` takes, with every quirk of 1.2 respected.

    `options` are checked values by name; those that do not apply to the stage or method are left out.
    """
    on_cpu = options["device"] == "cpu"
    config: dict[str, Any] = {
        "model_name_or_path": model,
        "stage": stage,
        "fine_tuning": "LoRA" if method == "lora" else "full",
        "train_dataset_path": ",".join(files.train_data),
        "train_dataset_type": ",".join([files.data_type] * len(files.train_data)),
        "train_dataset_prob": ",".join(_weights(options, len(files.train_data))),
        "output_dir": files.output,
        "logging_dir": files.visualdl,
        "report_to": ["visualdl"],
        "do_train": True,
        # Progress comes from the hook; with the bar on, evaluation fails on the iterable dataset's length.
        "disable_tqdm": True,
        "_attn_implementation": CPU_ATTENTION if on_cpu else GPU_ATTENTION,
        "template_backend": "jinja",
        # Its other value deletes over-long rows and hangs when none is left.
        "truncation_strategy": "right",
        "save_strategy": "steps",
        # Only the Hugging Face form of a checkpoint can be loaded for chat and exported.
        "save_hf_steps": options["save_steps"],
    }
    if on_cpu:
        config.update(CPU_KEYS)
    config.update(
        {spec.name: options[spec.name] for spec in OPTIONS if spec.sent and spec.applies_to(stage, method)}
    )
    if len(files.train_data) == 1:
        config["mix_strategy"] = "concat"
    if files.eval_data is None:
        config["do_eval"] = False
        config["evaluation_strategy"] = "no"
        config.pop("eval_steps", None)
    else:
        config["eval_dataset_path"] = files.eval_data
        config["eval_dataset_type"] = files.data_type
        config["eval_dataset_prob"] = "1.0"
        config["do_eval"] = True
        config["evaluation_strategy"] = "steps"
        config["per_device_eval_batch_size"] = options["per_device_train_batch_size"]
    config.update(extra)
    config["custom_register_path"] = files.hook
    return config


def _weights(options: Mapping[str, OptionValue], files: int) -> list[str]:
    """How much of each file there shall be; the engine makes them add up to 1."""
    given = list_names(str(options["dataset_weights"]))
    return given if len(given) == files else ["1.0"] * files


def hook_settings(method: str, options: Mapping[str, OptionValue]) -> dict[str, Any]:
    """What `studio.engine.hook` does that the engine has no working key for."""
    settings: dict[str, Any] = {
        "watch": {
            "nan": options["stop_on_nan"],
            "patience": options["early_stopping_patience"],
            "spike": options["spike_factor"],
        },
        "min_free_bytes": float(options["min_free_gb"]) * 1e9,
    }
    if method == "lora":
        # The engine takes `lora_alpha`, and overwrites it with twice the rank (4 with rsLoRA).
        settings["lora_alpha"] = int(options["lora_alpha"]) or None
        settings["lora_target_modules"] = list_names(str(options["lora_target_modules"]))
    if method == "freeze":
        settings["train_only"] = {
            "layers": int(options["freeze_trainable_layers"]),
            "modules": list_names(str(options["freeze_trainable_modules"])),
            "extra": list_names(str(options["freeze_extra_modules"])),
        }
    return settings


def planned_steps(rows: int, options: Mapping[str, OptionValue]) -> int:
    """How many steps a run on one device takes: the engine's own count (`estimate_training`), which is exact
    without packing and as long as it skips no row; with packing there are fewer.
    """
    limit = int(options["max_steps"])
    if limit > 0:
        return limit
    at_once = int(options["per_device_train_batch_size"]) * int(options["gradient_accumulation_steps"])
    return math.ceil(rows * float(options["num_train_epochs"]) / at_once)


def export_config(base: str, adapter: str, device: str, hook: str) -> dict[str, Any]:
    """The YAML that merges an adapter folder into its base; the engine writes `<adapter>/export`."""
    config: dict[str, Any] = {
        "model_name_or_path": base,
        "output_dir": adapter,
        "fine_tuning": "LoRA",
        "device": device,
        "compute_type": "float32" if device == "cpu" else "bf16",
        "copy_tokenizer": True,
        "custom_register_path": hook,
    }
    return {**config, **CPU_KEYS} if device == "cpu" else config


def launch_command(verb: str, python: str, config_path: str, device: str, folder: str, log_folder: str) -> Command:
    """How the engine is started: its own CLI on GPUs, its launcher in one process on a CPU.

    `paddleformers-cli` needs a GPU list to start at all, and two OpenMP threads halve the speed of small
    models on a CPU.
    """
    if device == "cpu":
        return Command(
            (python, "-m", "paddleformers.cli.launcher", verb, config_path),
            {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
            folder,
        )
    # The distributed launcher calls `python` by name and dumps its environment into its log folder.
    return Command(
        (python, "-m", "paddleformers.cli.cli", verb, config_path),
        {"PADDLEFORMERS_DIST_LOG": log_folder},
        folder,
    )
