"""Rows with images: read, checked, and given to the engine; and for which models."""

from pathlib import PurePath
from typing import Any

import pytest

from studio.core.formats import detect_format
from studio.core.model_check import ModelFacts
from studio.core.options import default_options
from studio.core.paddleformers.config import TrainFiles, engine_config
from studio.core.parsing import RowFault, parse_row
from studio.core.problems import MachineFacts, find_problems
from studio.core.request import TrainRequest
from studio.core.writing import engine_row, with_media_in

RAW: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "<image>What is on it?"},
        {"role": "assistant", "content": "A rash."},
    ],
    "images": ["skin/1.png"],
}


def entry() -> Any:
    found = detect_format([RAW])
    assert found
    return found.entry


def test_images_are_read_and_given_with_whole_paths_to_the_stage_that_sees() -> None:
    row = parse_row(RAW, entry())
    assert row.images == ("skin/1.png",)
    seen = engine_row(with_media_in(row, PurePath("/data")), "VL-SFT")
    assert seen["images"] == ["/data/skin/1.png"]
    assert seen["messages"] == RAW["messages"]
    assert "images" not in engine_row(row, "SFT")
    address = "https://host/1.png"
    assert with_media_in(parse_row({**RAW, "images": address}, entry()), PurePath("/data")).images == (address,)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"images": []}, "media_count"),
        ({"images": ["a.png", "b.png"]}, "media_count"),
        ({"images": [1]}, "not_text"),
        ({"images": {"a": 1}}, "not_a_list"),
    ],
)
def test_as_many_files_as_marks_and_each_a_text(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(RowFault) as fault:
        parse_row({**RAW, **changes}, entry())
    assert fault.value.code == code
    assert fault.value.field.startswith("images")


def problems(config: dict[str, Any], **changes: Any) -> list[str]:
    options = {"device": "gpu", "compute_type": "bf16", **changes.pop("options", {})}
    request = TrainRequest("/m", stage="VL-SFT", datasets=("d",), name="r", options=options, **changes)
    files = frozenset({"config.json", "tokenizer_config.json", "model.safetensors"})
    facts = MachineFacts(files, frozenset(), ModelFacts(config, (), (), {}), gpus=("0",))
    return [problem.code for problem in find_problems(request, facts)]


def test_the_stage_is_for_models_that_see_and_needs_a_gpu() -> None:
    seeing = {"vision_config": {}}
    assert problems(seeing) == []
    assert problems({}) == ["stage_needs_vision"]
    assert "stage_needs_gpu" in problems(seeing, options={"device": "cpu", "compute_type": "float32"})
    assert problems(seeing, method="freeze") == ["vision_freezes_parts"]
    assert problems(seeing, method="lora", options={"freeze_llm": True}) == ["nothing_to_train"]


def test_the_config_names_the_template_and_the_parts_that_stay() -> None:
    files = TrainFiles("/run", ("/run/train.jsonl",), None, "messages", "/run/vdl", "/hook.py")
    options = {**default_options(), "device": "gpu", "vision_template": "qwen2_vl", "freeze_aligner": False}
    made = engine_config("/m", "VL-SFT", "lora", options, {}, files)
    wanted = {"stage": "VL-SFT", "template_backend": "custom", "template": "qwen2_vl"}
    assert wanted.items() <= made.items()
    assert (made["freeze_config"], made["truncate_packing"]) == ("freeze_vision", False)
    assert "freeze_config" not in engine_config("/m", "VL-DPO", "lora", options, {}, files)


def test_pairs_of_answers_may_be_about_an_image() -> None:
    raw = {
        "messages": RAW["messages"][:1],
        "images": RAW["images"],
        "chosen": [{"role": "assistant", "content": "A rash."}],
        "rejected": [{"role": "assistant", "content": "Nothing."}],
    }
    found = detect_format([raw])
    assert found
    written = engine_row(parse_row(raw, found.entry), "VL-DPO")
    assert written["images"] == RAW["images"]
    assert written["chosen_response"] == raw["chosen"]


def test_text_may_be_about_an_image_too() -> None:
    raw = {"text": "<image> shows a rash.", "images": ["a.png"]}
    found = detect_format([raw])
    assert found
    row = parse_row(raw, found.entry)
    message = {"role": "assistant", "content": raw["text"]}
    assert engine_row(row, "VL-PT") == {"messages": [message], "images": ["a.png"]}
    assert engine_row(row, "PT") == {"messages": [message]}
    with pytest.raises(RowFault):
        parse_row({**raw, "images": ["a.png", "b.png"]}, found.entry)
