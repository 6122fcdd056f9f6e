"""The engine's config and command line, quirk by quirk."""

from dataclasses import replace
from typing import Any

import pytest

from studio.core.command import Command
from studio.core.devices import Devices
from studio.core.options import OPTIONS, default_options
from studio.core.paddleformers.config import (
    TrainFiles,
    engine_config,
    export_config,
    hook_settings,
    launch_command,
    machine_commands,
    planned_steps,
)

FILES = TrainFiles("/run", ("/run/train.jsonl",), "/run/eval.jsonl", "messages", "/run/vdl", "/hook.py")
BLIND = TrainFiles("/run", ("/run/train.jsonl",), None, "messages", "/run/vdl", "/hook.py")


def config(stage: str = "SFT", method: str = "full", files: TrainFiles = FILES, **options: Any) -> dict[str, Any]:
    return engine_config("/model", stage, method, {**default_options(), **options}, {}, files)


@pytest.mark.parametrize("stage", ["PT", "SFT", "DPO"])
@pytest.mark.parametrize("method", ["full", "lora", "freeze"])
def test_every_option_that_applies_reaches_the_engine_and_no_other(stage: str, method: str) -> None:
    made = config(stage, method, device="gpu", device_count=2, sharding_parallel_size=2)
    for spec in OPTIONS:
        assert (spec.name in made) == (spec.sent and spec.applies_to(stage, method)), spec.name


def test_what_the_engine_ignores_goes_to_the_hook() -> None:
    options = {**default_options(), "lora_target_modules": "qkv_proj,o_proj"}
    told = hook_settings("lora", {**options, "lora_alpha": 8})
    assert (told["lora_alpha"], told["lora_target_modules"]) == (8, ["qkv_proj", "o_proj"])
    # 0 leaves it to the engine.
    assert hook_settings("lora", options)["lora_alpha"] is None
    assert hook_settings("freeze", options)["train_only"] == {"layers": 2, "modules": [], "extra": []}
    watched = hook_settings("full", {**options, "early_stopping_patience": 3, "min_free_gb": 0.5})
    assert watched == {"watch": {"nan": True, "patience": 3, "spike": 0.0}, "min_free_bytes": 5e8}


def test_several_files_are_mixed_by_their_weights() -> None:
    files = replace(FILES, train_data=("/run/train-1.jsonl", "/run/train-2.jsonl"))
    made = config(files=files, mix_strategy="interleave_over", dataset_weights="0.7,0.3")
    assert made["train_dataset_path"] == "/run/train-1.jsonl,/run/train-2.jsonl"
    assert (made["train_dataset_type"], made["train_dataset_prob"]) == ("messages,messages", "0.7,0.3")
    assert made["mix_strategy"] == "interleave_over"
    assert config(files=files, mix_strategy="random")["train_dataset_prob"] == "1.0,1.0"
    # One file is one file, whatever stands in the fields.
    alone = config(mix_strategy="random", dataset_weights="0.7,0.3")
    assert (alone["mix_strategy"], alone["train_dataset_prob"]) == ("concat", "1.0")


def test_the_method_is_spelt_as_the_engine_spells_it() -> None:
    # `fine_tuning: lora` would silently be full.
    assert config(method="lora")["fine_tuning"] == "LoRA"


def test_without_an_evaluation_set_nothing_of_evaluation_is_named() -> None:
    made = config(files=BLIND)
    assert (made["do_eval"], made["evaluation_strategy"]) == (False, "no")
    # A null path fails in the engine even without evaluation.
    assert [key for key in made if key.startswith("eval_")] == []


def test_checkpoints_are_written_in_the_form_that_loads() -> None:
    assert config(save_steps=7)["save_hf_steps"] == 7


def test_a_cpu_gets_the_attention_that_honours_masks() -> None:
    assert config()["_attn_implementation"] == "eager"
    assert config()["amp_master_grad"] is False
    assert config(device="gpu")["_attn_implementation"] == "flashmask"
    assert "amp_master_grad" not in config(device="gpu")


@pytest.mark.parametrize(
    ("asked", "reporters"),
    [
        ("wandb", ["visualdl", "wandb"]),
        (["swanlab", "visualdl"], ["visualdl", "swanlab"]),
        ("tensorboard, wandb", ["visualdl", "tensorboard", "wandb"]),
        ("none", ["visualdl"]),
    ],
)
def test_other_reporters_stand_beside_visualdl(asked: object, reporters: list[str]) -> None:
    made = engine_config("/model", "SFT", "full", default_options(), {"report_to": asked}, FILES)
    assert made["report_to"] == reporters


def test_extra_keys_are_taken_but_never_the_hook() -> None:
    made = engine_config(
        "/m", "SFT", "full", default_options(), {"neftune": True, "custom_register_path": "/evil.py"}, FILES
    )
    assert (made["neftune"], made["custom_register_path"]) == (True, "/hook.py")


def test_an_export_loads_the_hook_too() -> None:
    made = export_config("/base", "/adapter", "cpu", "/hook.py")
    assert made["custom_register_path"] == "/hook.py"
    assert made["compute_type"] == "float32"


def launched(devices: Devices) -> Command:
    return launch_command(
        "train", "/venv/bin/python", "/run/train.yaml", devices, "/run", "/run/ranks", "/usr/bin:/bin"
    )


def test_a_cpu_run_is_one_plain_process() -> None:
    command = launched(Devices())
    assert command.argv == ("/venv/bin/python", "-m", "paddleformers.cli.launcher", "train", "/run/train.yaml")
    assert command.env == {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def test_a_gpu_run_is_the_engines_own_cli_with_its_logs_in_the_run() -> None:
    command = launched(Devices("gpu", ("1", "3")))
    assert command.argv[:3] == ("/venv/bin/python", "-m", "paddleformers.cli.cli")
    assert command.env == {
        "PATH": "/venv/bin:/usr/bin:/bin",
        "PADDLEFORMERS_DIST_LOG": "/run/ranks",
        "CUDA_VISIBLE_DEVICES": "1,3",
    }


def test_several_processes_of_a_cpu_talk_by_gloo() -> None:
    env = launched(Devices("cpu", ("0", "1"))).env
    assert (env["PADDLE_DISTRI_BACKEND"], env["CUDA_VISIBLE_DEVICES"]) == ("gloo", "0,1")


def test_each_machine_has_its_own_command() -> None:
    devices = Devices("gpu", ("0", "1"), machines=3, master="node-0", port=9000)
    shared = {"NNODES": "3", "MASTER_ADDR": "node-0", "MASTER_PORT": "9000"}
    assert shared.items() <= launched(devices).env.items()
    assert launched(devices).env["RANK"] == "0"
    others = machine_commands("/run/train.yaml", devices, "/run")
    assert [command.env["RANK"] for command in others] == ["1", "2"]
    assert all(shared.items() <= command.env.items() for command in others)
    assert others[0].shell() == (
        "cd /run && CUDA_VISIBLE_DEVICES=0,1 NNODES=3 RANK=1 MASTER_ADDR=node-0 MASTER_PORT=9000"
        " paddleformers-cli train /run/train.yaml"
    )


def test_how_the_work_is_divided_is_said_where_there_is_something_to_divide() -> None:
    options = {**default_options(), "device": "gpu", "sharding": "stage2", "tensor_model_parallel_size": 2}
    alone = engine_config("/m", "SFT", "full", options, {}, FILES)
    assert not {"sharding", "tensor_model_parallel_size"} & alone.keys()
    options |= {"device_count": 4, "machines": 2, "sharding_parallel_size": 4}
    made = engine_config("/m", "SFT", "full", options, {}, FILES)
    assert (made["sharding"], made["sharding_parallel_size"]) == ("stage2", 4)
    # Four copies of two GPUs each take a batch at every step.
    assert planned_steps(160, {**options, "num_train_epochs": 1, "per_device_train_batch_size": 4}) == 10


def test_the_shell_text_quotes_every_part() -> None:
    command = Command(("/a b/py", "train", "it's.yaml"), {"X": "1 2"}, "/my runs")
    assert command.shell() == """cd '/my runs' && X='1 2' '/a b/py' train 'it'"'"'s.yaml'"""
