"""A model folder is what its config says, or it is told which file is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from studio.core.model_check import model_problems
from studio.stores.models import read_model

CONFIG = {"vocab_size": 50, "hidden_size": 8, "num_hidden_layers": 2}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model in two files, as large ones are."""
    parts = [
        {"model.embed_tokens.weight": np.zeros((50, 8), "float32"), "model.layers.0.mlp.weight": np.zeros((8, 8))},
        {"model.layers.1.mlp.weight": np.zeros((8, 8), "float32"), "model.norm.weight": np.zeros(8, "float32")},
    ]
    names: dict[str, str] = {}
    for number, tensors in enumerate(parts, 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file(tensors, tmp_path / file, metadata={"format": "np"})
        names |= dict.fromkeys(tensors, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    write_config(tmp_path)
    return tmp_path


def write_config(folder: Path, **changes: Any) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))


def told(folder: Path) -> list[tuple[str, Any]]:
    found = model_problems("m", read_model(folder))
    return [(problem.code, problem.values.get("key") or problem.values.get("missing") or "") for problem in found]


def test_a_whole_model_has_no_problem(model: Path) -> None:
    facts = read_model(model)
    assert facts.shapes["model.embed_tokens.weight"] == (50, 8)
    assert len(facts.shapes) == 4
    assert told(model) == []


def test_a_config_of_another_model_is_told_by_what_differs(model: Path) -> None:
    write_config(model, hidden_size=16, num_hidden_layers=12)
    assert told(model) == [("weights_do_not_fit", "hidden_size"), ("weights_do_not_fit", "num_hidden_layers")]
    write_config(model, num_hidden_layers=1, num_nextn_predict_layers=1)
    assert told(model) == []
    # What a config does not say cannot be wrong.
    (model / "config.json").write_text("{}")
    assert told(model) == []


def test_a_file_that_is_missing_or_cut_is_named(model: Path) -> None:
    second = model / "model-00002-of-00002.safetensors"
    whole = second.read_bytes()
    for length in (len(whole) - 1, 100, 8, 3, 0):
        second.write_bytes(whole[:length])
        assert told(model) == [("weights_cut", "")], length
    second.write_bytes(b"<!doctype html>" * 100)
    assert read_model(model).damaged == (second.name,)
    second.unlink()
    assert told(model) == [("not_a_model", second.name)]


def test_a_config_that_is_no_json_is_said(model: Path) -> None:
    for text in ("{", "[]"):
        (model / "config.json").write_text(text)
        assert told(model) == [("config_broken", "")]


def test_an_index_of_any_shape_is_read(model: Path) -> None:
    index = model / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": 1}}')
    assert told(model) == [("not_a_model", "1")]
    # A pickle, which no safetensors file could be.
    (model / "weights.bin").write_bytes(b"cos\nsystem\n.")
    index.write_text('{"weight_map": {"a": "weights.bin"}}')
    assert told(model) == [("weights_pickled", "")]
    # What is no index names no file, and those that are there are read.
    for text in ('{"weight_map": ["a"]}', "[]", "[" * 100_000):
        index.write_text(text)
        assert told(model) == []
    (model / "config.json").write_text("[" * 100_000)
    assert told(model) == [("config_broken", "")]
