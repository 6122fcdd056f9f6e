"""Merges by the real engine, and their proof: what is wrong with a merge is told in the right words."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.actions.export import ExportView, start_export, stop_export, wait_export
from studio.actions.home import DEMO_MODEL
from studio.actions.models import list_models
from studio.actions.runs import RunView, wait_run
from studio.actions.train import request_from_keys, start_run
from studio.jobs.publish import REPORT
from studio.stores.home import Home
from studio.stores.models import read_model
from studio.texts import LANGUAGES, word_check
from tests.engine.conftest import in_engine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def second_run(engine_home: Home) -> RunView:
    """Another adapter of the same base: other rank, other scale, another checkpoint on the way."""
    keys = {"fine_tuning": "LoRA", "max_steps": 4, "save_steps": 2, "warmup_steps": 0, "learning_rate": 0.02}
    keys |= {
        "lora_rank": 4,
        "lora_alpha": 12,
        "max_seq_len": 48,
        "seed": 7,
        "name": "second",
        "eval_dataset": "none",
    }
    return wait_run(engine_home, start_run(engine_home, request_from_keys(engine_home, keys)).run)


@pytest.fixture(scope="module")
def merged(engine_home: Home, lora_run: RunView, second_run: RunView) -> ExportView:
    """The sum of two adapters in one model, in bfloat16 and small files."""
    start = start_export(
        engine_home, lora_run.run, to="both", more=[second_run.path], precision="bfloat16", shard_gb=0.001
    )
    return wait_export(engine_home, start)


def test_two_adapters_are_added_up_in_another_precision_and_several_files(
    engine_home: Home, merged: ExportView
) -> None:
    assert merged.state == "finished", (merged.cause, merged.log[-2000:])
    report = merged.report
    assert report is not None
    assert (report["verdict"], report["precision"], report["tolerance"]) == ("PASS", "BF16", 0.25)
    assert 1e-5 < report["max_difference"] < 0.1
    assert report["mean_difference"] < report["max_difference"]
    assert report["seconds"].keys() >= {"adding", "merging", "completing", "proving"}
    folder = Path(merged.target)
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    assert len(files) == 3
    assert all(path.stat().st_size < 1_200_000 for path in folder.glob("*.safetensors"))
    facts = read_model(folder)
    assert (facts.missing, facts.damaged) == ((), ())
    assert (facts.config or {})["torch_dtype"] == "bfloat16"
    card = (folder / "README.md").read_text()
    assert "adapter, second" in card
    assert "| lora_rank | 4 |" in card
    # What goes round with the model names no folder of this machine.
    told = json.loads((folder / REPORT).read_text())
    assert told == {**report, "base": DEMO_MODEL, "adapters": [Path(path).name for path in report["adapters"]]}
    # Nothing is left of the work.
    assert [path.name for path in engine_home.models.iterdir() if path.name.startswith(".")] == []


def test_a_checkpoint_in_the_form_that_training_goes_on_from_is_merged_too(
    engine_home: Home, second_run: RunView
) -> None:
    shutil.rmtree(Path(second_run.path) / "hf_checkpoint-2")
    view = wait_export(engine_home, start_export(engine_home, second_run.run, checkpoint=2, to="from-state"))
    assert view.state == "finished", (view.cause, view.log[-2000:])
    assert view.report is not None
    assert view.report["max_difference"] < 1e-4
    assert "at step 2" in (Path(view.target) / "README.md").read_text()


def change_tensor(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Rewrite a folder's weights with one of them changed."""
    from safetensors.numpy import load_file, save_file

    (path,) = folder.glob("*.safetensors")
    tensors = load_file(path)
    changed = change(tensors.pop(name))
    if changed is not None:
        tensors[name] = np.ascontiguousarray(changed)
    save_file(tensors, path, metadata={"format": "pt"})


def with_nan(tensor: Any) -> Any:
    tensor = tensor.copy()
    tensor[0, 0] = np.nan
    return tensor


PROVE_ALL = """
import json, sys
from pathlib import Path
from studio.engine.prove import prove
base, adapter, *folders = map(Path, sys.argv[1:])
print(json.dumps([prove(base, [adapter], folder) for folder in folders]))
"""
DOWN = "model.layers.0.mlp.down_proj.weight"


def test_each_wrong_merge_fails_with_the_right_words(engine_home: Home, lora_run: RunView, tmp_path: Path) -> None:
    right = wait_export(engine_home, start_export(engine_home, lora_run.run, to="right"))
    assert right.report is not None
    assert (right.state, right.report["verdict"]) == ("finished", "PASS"), right.log[-2000:]
    base, good = engine_home.models / DEMO_MODEL, Path(right.target)
    folders = {
        name: Path(shutil.copytree(good, tmp_path / name))
        for name in (
            "base",
            "scale",
            "dropped",
            "reshaped",
            "nan",
            "template",
            "index",
            "kept",
            "tokenizer",
            "other",
        )
    }
    # As a model of another base would be: a weight differs on which the adapter does not act.
    change_tensor(folders["base"], "model.embed_tokens.weight", lambda tensor: tensor + np.float32(0.01))
    other_scale(base, folders["scale"], 0.5)
    noise = np.random.default_rng(0).normal(0, 0.1, (128, 384)).astype("float32")
    change_tensor(folders["other"], DOWN, lambda tensor: tensor + noise)
    change_tensor(folders["dropped"], DOWN, lambda _: None)
    change_tensor(folders["reshaped"], DOWN, lambda tensor: tensor.T)
    change_tensor(folders["nan"], DOWN, with_nan)
    (folders["template"] / "chat_template.jinja").unlink()
    index = folders["index"] / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("00001-of-00001", "00001-of-00002", 1))
    other_scale(base, folders["kept"], 0.0)
    config = folders["tokenizer"] / "tokenizer_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "padding_side": "left"}))
    reports = dict(
        zip(folders, in_engine(PROVE_ALL, str(base), lora_run.path, *map(str, folders.values())), strict=True)
    )
    told = {name: faults(report) for name, report in reports.items()}
    assert {report["verdict"] for report in reports.values()} == {"FAIL"}
    assert "weights changed where they should not: model.embed_tokens.weight" in told["base"]["changed"]
    assert "another base" in told["base"]["logits"]
    assert set(told["scale"]) >= {"logits"}
    assert "the adapters were merged at 0.50 × their scale" in told["scale"]["logits"]
    assert told["other"]["logits"].endswith("another adapter, another scale, or another base")
    assert told["dropped"]["names"] == f"missing: {DOWN}"
    assert told["reshaped"]["names"] == f"another shape than in the base: {DOWN}"
    assert told["nan"]["finite"] == f"NaN or infinite numbers in: {DOWN}"
    assert told["template"]["template"] == "missing: chat_template.jinja"
    assert told["index"]["names"].startswith("the index is wrong about: model.")
    assert told["kept"]["changed"].startswith("weights did not change where they should")
    assert told["tokenizer"] == {"tokenizer": "not the base's: tokenizer_config.json"}


def other_scale(base: Path, merged: Path, scale: float) -> None:
    """Put so much of the change into a merged folder as a merge at that share of the scale would have."""
    from safetensors.numpy import load_file, save_file

    (before,), (after,) = base.glob("*.safetensors"), merged.glob("*.safetensors")
    old, new = load_file(before), load_file(after)
    mixed = {name: np.ascontiguousarray(old[name] + scale * (new[name] - old[name])) for name in new}
    save_file(mixed, after, metadata={"format": "pt"})


def faults(report: dict[str, Any]) -> dict[str, str]:
    failed = [check for check in report["checks"] if not check["passed"]]
    assert all(word_check(check, language) for check in report["checks"] for language in LANGUAGES)
    return {check["name"]: word_check(check, "en") for check in failed}


def test_a_cancelled_export_leaves_nothing_that_looks_like_a_model(engine_home: Home, lora_run: RunView) -> None:
    before = {choice.path for choice in list_models(engine_home)}
    view = start_export(engine_home, lora_run.run, to="cancelled")
    work = engine_home.models / f".cancelled.{lora_run.name}.partial"
    deadline = time.monotonic() + 60
    while not (work / "export").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stop_export(engine_home, lora_run.run)
    ended = wait_export(engine_home, view)
    assert ended.state == "stopped"
    assert not work.exists()
    assert not Path(view.target).exists()
    assert {choice.path for choice in list_models(engine_home)} == before
    assert list((Path(lora_run.path) / "studio" / "exports" / "cancelled").rglob("config.json")) == []
