"""The engine's config and command line, quirk by quirk."""

from typing import Any

import pytest

from studio.core.command import Command
from studio.core.options import OPTIONS, default_options
from studio.core.paddleformers import TrainFiles, engine_config, export_config, launch_command

FILES = TrainFiles("/run", "/run/train.jsonl", "/run/eval.jsonl", "messages", "/run/vdl", "/hook.py")
BLIND = TrainFiles("/run", "/run/train.jsonl", None, "messages", "/run/vdl", "/hook.py")


def config(stage: str = "SFT", method: str = "full", files: TrainFiles = FILES, **options: Any) -> dict[str, Any]:
    return engine_config("/model", stage, method, {**default_options(), **options}, {}, files)


@pytest.mark.parametrize("stage", ["PT", "SFT", "DPO"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_every_option_that_applies_reaches_the_engine_and_no_other(stage: str, method: str) -> None:
    made = config(stage, method)
    for spec in OPTIONS:
        assert (spec.name in made) == spec.applies_to(stage, method), spec.name


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


def test_extra_keys_are_taken_but_never_the_hook() -> None:
    made = engine_config(
        "/m", "SFT", "full", default_options(), {"neftune": True, "custom_register_path": "/evil.py"}, FILES
    )
    assert (made["neftune"], made["custom_register_path"]) == (True, "/hook.py")


def test_an_export_loads_the_hook_too() -> None:
    made = export_config("/base", "/adapter", "cpu", "/hook.py")
    assert made["custom_register_path"] == "/hook.py"
    assert made["compute_type"] == "float32"


def test_a_cpu_run_is_one_plain_process() -> None:
    command = launch_command("train", "/py", "/run/train.yaml", "cpu", "/run", "/run/ranks")
    assert command.argv == ("/py", "-m", "paddleformers.cli.launcher", "train", "/run/train.yaml")
    assert command.env == {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def test_a_gpu_run_is_the_engines_own_cli_with_its_logs_in_the_run() -> None:
    command = launch_command("train", "/py", "/run/train.yaml", "gpu", "/run", "/run/ranks")
    assert command.argv[:3] == ("/py", "-m", "paddleformers.cli.cli")
    assert command.env == {"PADDLEFORMERS_DIST_LOG": "/run/ranks"}


def test_the_shell_text_quotes_every_part() -> None:
    command = Command(("/a b/py", "train", "it's.yaml"), {"X": "1 2"}, "/my runs")
    assert command.shell() == """cd '/my runs' && X='1 2' '/a b/py' train 'it'"'"'s.yaml'"""
