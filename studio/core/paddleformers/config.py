"""PaddleFormers 1.2: its keys, its quirks, how it is launched.

Source of each quirk: PaddleFormers 1.2.0 run on a CPU (paddlepaddle 3.3.1).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, cast

from studio.core.command import Command
from studio.core.devices import Devices, asked_devices, count_copies
from studio.core.options import OPTIONS, VISION_STAGES, OptionValue, list_names

NAME = "paddleformers"
# What runs one process of the engine, and what asks its parser only.
LAUNCHER = "paddleformers.cli.launcher"
PARSER = "studio.engine.parse"
# What a CPU run imports, but for the launcher itself, which is run as the main module.
WARM_MODULES = ("paddleformers.cli.train.tuner", "paddleformers.cli.export.export")
# `paddleformers-cli` needs a GPU list to start at all, and two OpenMP threads halve the speed of small models.
DEVICE_VARIABLE = "CUDA_VISIBLE_DEVICES"
CPU_ENVIRONMENT = {DEVICE_VARIABLE: "", "OMP_NUM_THREADS": "1"}

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
# How the work is divided among several devices.
PARALLEL_KEYS = (
    "sharding",
    "sharding_parallel_size",
    "tensor_model_parallel_size",
    "pipeline_model_parallel_size",
    "sequence_parallel",
)
# Keys that are part of a request in their own right.
REQUEST_KEYS = {"model_name_or_path": "model", "stage": "stage", "fine_tuning": "method", "lora_path": "adapter"}
# ERNIE's attention on a CPU: sdpa ignores the packing and DPO masks, flashmask needs a GPU.
CPU_ATTENTION = "eager"
# The engine refuses its own default where nothing runs in half precision.
CPU_KEYS = {"amp_master_grad": False}
GPU_ATTENTION = "flashmask"


@dataclass(frozen=True, slots=True)
class TrainFiles:
    """The absolute paths a training config names; several files of training data are mixed by the engine.

    `adapter` is the folder of an adapter that training goes on with.
    """

    output: str
    train_data: tuple[str, ...]
    eval_data: str | None
    data_type: str
    visualdl: str
    hook: str
    adapter: str = ""


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
        {
            spec.name: options[spec.name]
            for spec in OPTIONS
            if spec.sent and spec.name not in PARALLEL_KEYS and spec.applies_to(stage, method)
        }
    )
    config.update(_parallel_keys(options))
    if stage in VISION_STAGES:
        config.update(_vision_keys(stage, options))
    if method == "lora" and files.adapter:
        config["lora_path"] = files.adapter
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
    # Other reporters stand beside VisualDL, which the page opens.
    config["report_to"] = list(dict.fromkeys(["visualdl", *_listed(config["report_to"])]))
    config["custom_register_path"] = files.hook
    return config


def _listed(given: object) -> list[str]:
    """A list of names, or several of them in one text; `none` is none."""
    names = cast("list[object]", given) if isinstance(given, list) else str(given).replace(",", " ").split()
    return [str(name) for name in names if str(name) != "none"]


def _parallel_keys(options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """How the work is divided; nothing on one device, where the engine's own defaults mean just that."""
    if asked_devices(options).total == 1:
        return {}
    keys = {name: options[name] for name in PARALLEL_KEYS}
    if keys["sharding"] == "none" or options["device"] == "cpu":
        keys["sharding"] = ""
    if not keys["sharding"] or not keys["sharding_parallel_size"]:
        # Over all devices that are left.
        del keys["sharding_parallel_size"]
    return keys


def _vision_keys(stage: str, options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """What a model that sees needs: only the engine's own templates know how to place images."""
    keys: dict[str, OptionValue] = {"template_backend": "custom", "template": options["vision_template"]}
    if stage != "VL-DPO":
        frozen = [name for name in ("freeze_vision", "freeze_aligner", "freeze_llm") if options[name]]
        keys |= {"truncate_packing": False, "freeze_config": " ".join(frozen)}
    return keys


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
    """How many steps a run takes: the engine's own count (`estimate_training`), which is exact without packing and
    as long as it skips no row; with packing there are fewer.
    """
    limit = int(options["max_steps"])
    if limit > 0:
        return limit
    at_once = int(options["per_device_train_batch_size"]) * int(options["gradient_accumulation_steps"])
    return math.ceil(rows * float(options["num_train_epochs"]) / (at_once * count_copies(options)))


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


def launch_command(
    verb: str, python: str, config_path: str, devices: Devices, folder: str, log_folder: str, path: str
) -> Command:
    """How the engine is started on this machine, the first: its launcher in one process, or its own CLI.

    `path` is where commands are looked for; the engine's own Python comes before it.
    """
    if devices.kind == "cpu" and devices.total == 1:
        return Command((python, "-m", LAUNCHER, verb, config_path), CPU_ENVIRONMENT, folder)
    env = {
        # The distributed launcher calls `python` by name.
        "PATH": f"{PurePath(python).parent}:{path}",
        # It dumps its environment into its log folder.
        "PADDLEFORMERS_DIST_LOG": log_folder,
        **_device_environment(devices),
        **_machine_environment(devices, 0),
    }
    return Command((python, "-m", "paddleformers.cli.cli", verb, config_path), env, folder)


def machine_commands(config_path: str, devices: Devices, folder: str) -> list[Command]:
    """What is to be started on each further machine, which must see the run's folder under the same path."""
    return [
        Command(
            ("paddleformers-cli", "train", config_path),
            {**_device_environment(devices), **_machine_environment(devices, rank)},
            folder,
        )
        for rank in range(1, devices.machines)
    ]


def _device_environment(devices: Devices) -> dict[str, str]:
    # Without numbers, whatever the studio was given.
    env = {DEVICE_VARIABLE: ",".join(devices.ids)} if devices.ids else {}
    if devices.kind == "cpu":
        # gloo is what a CPU build has; the launcher counts devices by that list, also on a CPU.
        env |= {"PADDLE_DISTRI_BACKEND": "gloo", "OMP_NUM_THREADS": CPU_ENVIRONMENT["OMP_NUM_THREADS"]}
    return env


def _machine_environment(devices: Devices, rank: int) -> dict[str, str]:
    if devices.machines == 1:
        return {}
    master = {"MASTER_ADDR": devices.master, "MASTER_PORT": str(devices.port)}
    return {"NNODES": str(devices.machines), "RANK": str(rank), **master}
