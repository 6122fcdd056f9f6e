"""What the engine takes and ignores works: LoRA's alpha and modules, and training only some layers."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from studio.actions.repair import find_repair
from studio.actions.runs import read_log
from studio.stores.home import Home
from studio.stores.runs import find_resumable
from tests.engine.conftest import Train

pytestmark = pytest.mark.slow
LEARNING = {"learning_rate": 0.01, "warmup_steps": 0}


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    return {name: weight for file in folder.glob("*.safetensors") for name, weight in load_file(file).items()}


def adapter(run: str) -> tuple[dict[str, object], set[str]]:
    """An adapter's config, and the names of the modules that it changes."""
    config = json.loads((Path(run) / "lora_config.json").read_text())
    return config, {name.split(".")[-2] for name in read_weights(Path(run))}


def test_alpha_and_modules_change_the_adapter(train: Train) -> None:
    usual = train(fine_tuning="LoRA", lora_rank=4, **LEARNING)
    config, modules = adapter(usual.path)
    assert (config["lora_alpha"], modules) == (8, {"qkv_proj", "o_proj", "up_gate_proj", "down_proj"})
    chosen = train(
        fine_tuning="LoRA", lora_rank=4, lora_alpha=64, lora_target_modules="o_proj,mlp.down_proj", **LEARNING
    )
    config, modules = adapter(chosen.path)
    assert (config["lora_alpha"], modules) == (64, {"o_proj", "down_proj"})
    assert chosen.loss != usual.loss
    louder = train(fine_tuning="LoRA", lora_rank=4, lora_alpha=640, stage="DPO", datasets="medical_zh_preference")
    assert adapter(louder.path)[0]["lora_alpha"] == 640


def test_a_module_that_the_model_does_not_have_is_said(engine_home: Home, train: Train) -> None:
    view = train(fine_tuning="LoRA", lora_target_modules="c_attn")
    assert view.state == "failed"
    assert "c_attn is no module of this model; there are" in read_log(engine_home, view.run)


@pytest.mark.parametrize("stage", ["SFT", "DPO"])
def test_only_the_last_layers_learn_when_the_others_are_frozen(
    engine_home: Home, fresh_model: Path, train: Train, stage: str
) -> None:
    datasets = {"SFT": "medical_zh", "DPO": "medical_zh_preference"}[stage]
    keys = {"freeze_trainable_layers": 1, "freeze_trainable_modules": "mlp", "freeze_extra_modules": "norm"}
    view = train(method="freeze", stage=stage, datasets=datasets, max_seq_len=128, **keys, **LEARNING)
    assert view.state == "finished", view.cause
    before, after = (read_weights(folder) for folder in (fresh_model, Path(view.path)))
    changed = {name for name, weight in after.items() if not np.array_equal(weight, before[name])}
    last = max(int(name.split(".")[2]) for name in before if ".layers." in name)
    assert changed == {
        name for name in before if f".layers.{last}.mlp." in name or name.endswith("model.norm.weight")
    }


def test_datasets_are_mixed_by_weights_and_some_rows_are_held_out(engine_home: Home, train: Train) -> None:
    keys = {"datasets": "medical_zh,medical_en", "max_steps": -1, "num_train_epochs": 0.1}
    mixed = [
        train(**{**keys, "mix_strategy": strategy, "dataset_weights": "0.5,0.5", "eval_share": 0.1, **more})
        for strategy, more in (("interleave_under", {}), ("interleave_over", {}), ("random", {"max_steps": 2}))
    ]
    assert [view.state for view in mixed] == ["finished"] * 3
    assert all(view.eval_loss is not None for view in mixed)
    under, over, _ = (view.step for view in mixed)
    assert under < over


def test_a_run_stops_when_evaluations_bring_nothing_and_keeps_the_best(train: Train) -> None:
    view = train(
        eval_dataset="medical_zh_eval",
        early_stopping_patience=2,
        learning_rate=1e-12,
        max_steps=40,
        eval_steps=3,
        save_steps=40,
    )
    assert (view.state, view.step) == ("stopped", 9)
    assert view.cause is not None
    assert (view.cause.code, view.cause.values["best"]) == ("no_improvement", 3)
    assert 3 in view.checkpoints


def test_as_many_checkpoints_stay_as_were_asked_for_in_both_forms(train: Train) -> None:
    view = train(max_steps=4, save_steps=1, save_total_limit=2)
    assert view.state == "finished", view.cause
    assert view.checkpoints == (3, 4)
    assert find_resumable(Path(view.path)) == [3, 4]


def test_steps_too_large_end_the_run_and_a_lower_rate_is_offered(engine_home: Home, train: Train) -> None:
    wild = {"learning_rate": 0.5, "warmup_steps": 40, "max_grad_norm": 0.0, "weight_decay": 0.0}
    view = train(max_steps=60, **wild)
    assert view.state == "failed"
    assert view.cause is not None
    assert view.cause.code == "not_a_number"
    remedy = find_repair(view)
    assert remedy is not None
    assert remedy.changes == {"learning_rate": (0.5, 0.05), "max_grad_norm": (0.0, 1.0)}


def test_an_adapter_is_trained_further(engine_home: Home, train: Train) -> None:
    keys = {"fine_tuning": "LoRA", "lora_rank": 8, "max_steps": 8, **LEARNING}
    first = train(**keys)
    more = train(**{**keys, "max_steps": 1, "lora_rank": 16, "lora_path": first.path, "learning_rate": 1e-9})
    assert (first.state, more.state) == ("finished", "finished"), (first.cause, more.cause)
    before, after = (read_weights(Path(view.path)) for view in (first, more))
    # It is the same adapter, of its own rank, and where the last one ended.
    assert before.keys() == after.keys()
    assert all(np.allclose(before[name], after[name], atol=1e-4) for name in before)
    assert max(float(np.abs(weight).max()) for name, weight in after.items() if name.endswith("lora_B")) > 0.01
