"""Files of other tools: every key is told what became of it, and what is taken is the engine's."""

import pytest

from studio.core.imports import OUTCOMES, OWN_KEYS, RENAMED, imported_keys, translate_config
from studio.core.options import OPTIONS_BY_NAME
from studio.core.paddleformers.arguments import engine_arguments
from studio.core.paddleformers.config import REQUEST_KEYS
from studio.texts import say

ERNIEKIT = {
    "stage": "SFT",
    "fine_tuning": "LoRA",
    "model_name_or_path": "baidu/ERNIE-4.5-0.3B-Paddle",
    "train_dataset_path": "./data/sft.jsonl",
    "batch_size": 1,
    "max_seq_len": 8192,
    "learning_rate": "1e-4",
    "recompute": True,
    "tensor_parallel_degree": 2,
    "fuse_rope": True,
    "offload_optim": True,
}
LLAMA_FACTORY = {
    "stage": "dpo",
    "finetuning_type": "lora",
    "dataset": "a,b",
    "template": "qwen",
    "cutoff_len": 2048,
    "lora_alpha": 16,
    "lora_target": "q_proj,v_proj",
    "val_size": 0.1,
    "bf16": True,
    "pref_beta": 0.2,
    "overwrite_output_dir": True,
    "warmup_ratio": 0.1,
    "optim": "adamw_torch",
    "report_to": "none",
    "output_dir": "saves/x",
}


def outcomes(config: dict[str, object]) -> dict[str, str]:
    return {item.key: item.outcome for item in translate_config(config)}


def test_an_erniekit_file_is_understood() -> None:
    told = outcomes(ERNIEKIT)
    assert [key for key, outcome in told.items() if outcome == "unsupported"] == ["fuse_rope", "offload_optim"]
    assert told["train_dataset_path"] == "set_here"
    keys = imported_keys(translate_config(ERNIEKIT))
    assert keys["per_device_train_batch_size"] == 1
    assert keys["tensor_model_parallel_size"] == 2
    assert keys["recompute_granularity"] == "full"
    assert "batch_size" not in keys


def test_a_llama_factory_file_is_understood() -> None:
    told = outcomes(LLAMA_FACTORY)
    assert [key for key, outcome in told.items() if outcome == "unsupported"] == ["template"]
    keys = imported_keys(translate_config(LLAMA_FACTORY))
    assert (keys["stage"], keys["fine_tuning"], keys["datasets"]) == ("DPO", "LoRA", "a,b")
    assert (keys["max_seq_len"], keys["compute_type"], keys["beta"]) == (2048, "bf16", 0.2)
    assert (keys["lora_alpha"], keys["lora_target_modules"], keys["eval_share"]) == (16, "q_proj,v_proj", 0.1)
    assert (told["warmup_ratio"], told["output_dir"]) == ("taken", "set_here")
    assert (keys["optim"], keys["report_to"]) == ("adamw", [])


@pytest.mark.parametrize(("given", "read"), [("wandb", ["wandb"]), (["none"], []), (["swanlab"], ["swanlab"])])
def test_reporters_are_a_list_for_the_engine(given: object, read: list[str]) -> None:
    assert imported_keys(translate_config({"report_to": given})) == {"report_to": read}


def test_only_other_names_of_the_same_optimiser_become_the_engines() -> None:
    assert imported_keys(translate_config({"optim": "adamw_mini"})) == {"optim": "adamw_mini"}
    assert imported_keys(translate_config({"optim": "adamw_torch_fused"})) == {"optim": "adamw"}


def test_every_key_is_reported_once_with_an_outcome_that_has_words() -> None:
    for config in (ERNIEKIT, LLAMA_FACTORY):
        report = translate_config(config)
        assert [item.key for item in report] == list(config)
        assert {item.outcome for item in report} <= set(OUTCOMES)
    for outcome in OUTCOMES:
        assert say(f"import.{outcome}")


@pytest.mark.parametrize("names", RENAMED.values())
def test_a_translated_key_is_one_of_the_engines(names: tuple[str, ...]) -> None:
    assert set(names) <= {*engine_arguments(), *REQUEST_KEYS, *OWN_KEYS, *OPTIONS_BY_NAME}
