"""A request is judged whole, before anything is touched."""

from dataclasses import replace
from typing import Any

import pytest

from studio.core.problems import MachineFacts, checked_options, find_problems
from studio.core.request import TrainRequest
from studio.errors import Problem

WHOLE_MODEL = frozenset({"config.json", "tokenizer_config.json", "model.safetensors"})


def a_request(**fields: Any) -> TrainRequest:
    return TrainRequest(**{"model": "/models/tiny", "datasets": ("pairs",), "name": "run", **fields})


def facts(**fields: Any) -> MachineFacts:
    return MachineFacts(**{"model_files": WHOLE_MODEL, "taken_names": frozenset(), **fields})


def test_a_sound_request_has_no_problem() -> None:
    assert find_problems(a_request(options={"learning_rate": "1e-3"}), facts()) == []


def test_all_problems_come_at_once() -> None:
    request = a_request(model="", stage="sft", name="../evil", options={"learning_rate": "abc", "seed": "x"})
    found = [(problem.field, problem.code) for problem in find_problems(request, facts(model_files=None))]
    assert found == [
        ("model", "no_model"),
        ("stage", "not_a_choice"),
        ("name", "bad_name"),
        ("learning_rate", "not_float"),
        ("seed", "not_int"),
    ]


def test_a_folder_that_is_no_model_is_named_with_what_it_lacks() -> None:
    found = find_problems(a_request(), facts(model_files=frozenset({"config.json"})))
    values = {"given": "/models/tiny", "missing": "tokenizer_config.json, model.safetensors"}
    assert found == [Problem("model", "not_a_model", values)]


def test_weights_that_could_run_code_are_called_so() -> None:
    names = frozenset({"config.json", "tokenizer_config.json", "model_state.pdparams", "pytorch_model.bin"})
    values = {"given": "/models/tiny", "names": "model_state.pdparams, pytorch_model.bin"}
    found = find_problems(a_request(), facts(model_files=names))
    assert found == [Problem("model", "weights_pickled", values)]
    # Beside safetensors the engine reads none of them.
    assert find_problems(a_request(), facts(model_files=names | {"model.safetensors"})) == []


def test_a_missing_folder_is_not_called_an_empty_model() -> None:
    assert [p.code for p in find_problems(a_request(), facts(model_files=None))] == ["model_not_found"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-rf", "a b", "a..b", "x" * 101, "名/字"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    assert [p.code for p in find_problems(a_request(name=name), facts())] == ["bad_name"]


@pytest.mark.parametrize("name", ["my-first-run", "医疗问答-2", "007", "a.b_c"])
def test_names_in_any_script_are_fine(name: str) -> None:
    assert find_problems(a_request(name=name), facts()) == []


def test_a_taken_name_is_refused() -> None:
    found = find_problems(a_request(name="old"), facts(taken_names=frozenset({"old"})))
    assert found == [Problem("name", "name_taken", {"given": "old"})]


def test_nonsense_in_an_option_that_does_not_apply_does_not_stand_in_the_way() -> None:
    assert find_problems(a_request(method="full", options={"lora_rank": "abc"}), facts()) == []
    assert [p.field for p in find_problems(a_request(method="lora", options={"lora_rank": "abc"}), facts())] == [
        "lora_rank"
    ]


def test_a_gpu_is_not_promised_where_there_is_none() -> None:
    asked = a_request(options={"device": "gpu"})
    assert [p.code for p in find_problems(asked, facts())] == ["no_gpu"]
    assert find_problems(asked, facts(gpus=("0",))) == []


def test_half_precision_on_a_cpu_is_refused() -> None:
    assert [p.code for p in find_problems(a_request(options={"compute_type": "bf16"}), facts())] == ["bf16_on_cpu"]


def test_extra_keys_cannot_take_over_what_the_studio_decides() -> None:
    request = a_request(extra={"output_dir": "/etc", "learning_rate": 1, "neftune": True})
    found = [(p.code, p.values["given"]) for p in find_problems(request, facts())]
    assert found == [("key_is_reserved", "output_dir"), ("key_is_an_option", "learning_rate")]


def test_checked_options_are_typed_and_complete() -> None:
    values = checked_options(a_request(method="full", options={"learning_rate": "1e-3", "lora_rank": "abc"}))
    assert values["learning_rate"] == 0.001
    assert values["lora_rank"] == 32
    with pytest.raises(ValueError, match="seed"):
        checked_options(a_request(options={"seed": "x"}))


def test_an_adapter_goes_on_with_its_own_base_and_method() -> None:
    own = {"base_model_name_or_path": "/elsewhere/models/m"}
    request = a_request(model="/models/m", method="lora", adapter="/runs/a")
    assert find_problems(request, facts(adapter=own)) == []
    told = {
        "adapter_gone": (request, None),
        "adapter_needs_lora": (replace(request, method="full"), own),
        "adapter_of_other_base": (replace(request, model="/models/other"), own),
    }
    for code, (asked, adapter) in told.items():
        assert [problem.code for problem in find_problems(asked, facts(adapter=adapter))] == [code]


def test_what_has_its_own_field_is_no_further_key() -> None:
    found = find_problems(a_request(extra={"model_name_or_path": "/other"}), facts())
    assert [problem.code for problem in found] == ["key_is_an_option"]
