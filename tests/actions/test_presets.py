"""Presets are settings that the engine takes, and one's own are kept."""

from dataclasses import replace

import pytest

from studio.actions.presets import list_presets, remove_preset, save_preset, use_preset
from studio.actions.train import default_request, preview_run
from studio.core.options import OPTIONS_BY_NAME, read_option
from studio.core.paddleformers.arguments import engine_arguments, read_argument
from studio.core.presets import PRESETS
from studio.core.problems import checked_options
from studio.errors import NotFound, Problem, StudioError
from studio.stores.home import Home
from studio.texts import say


@pytest.mark.parametrize("name", PRESETS)
def test_every_shipped_preset_is_made_of_arguments_that_the_engine_takes(home: Home, name: str) -> None:
    preset = PRESETS[name]
    assert say(f"preset.{name}", "zh")
    for option, given in preset.options.items():
        assert not isinstance(read_option(OPTIONS_BY_NAME[option], given), Problem), option
        if OPTIONS_BY_NAME[option].sent:
            assert option in engine_arguments()
    for key, given in preset.extra.items():
        assert read_argument(key, given) == given, key
    request = use_preset(home, default_request(home), name)
    # What is left to mend is the machine's, and the missing demo: it has no such GPU.
    problems = preview_run(home, request).problems
    assert {problem.field for problem in problems} <= {"device", "model", "datasets", "eval_dataset"}
    assert checked_options(request)


def test_a_preset_leaves_the_model_the_data_and_the_name(home: Home) -> None:
    before = replace(default_request(home), datasets=("mine",), name="x", options={"lora_rank": 3}, extra={"a": 1})
    after = use_preset(home, before, "ernie_300m_lora_8k")
    assert (after.model, after.datasets, after.name) == (before.model, ("mine",), "x")
    assert (after.method, after.options["lora_rank"], after.options["learning_rate"]) == ("lora", 8, 1e-4)
    assert "a" not in after.extra


def test_ones_own_is_kept_used_and_removed(home: Home) -> None:
    request = replace(default_request(home), method="lora", options={"lora_rank": 3}, extra={"neftune": True})
    save_preset(home, request, " 我的 LoRA ")
    assert list_presets(home) == [*PRESETS, "我的 LoRA"]
    used = use_preset(home, default_request(home), "我的 LoRA")
    assert (used.method, used.options["lora_rank"], used.extra) == ("lora", 3, {"neftune": True})
    remove_preset(home, "我的 LoRA")
    assert list_presets(home) == [*PRESETS]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x" * 61, "demo_cpu"])
def test_a_name_that_cannot_be_is_refused(home: Home, name: str) -> None:
    with pytest.raises(StudioError):
        save_preset(home, default_request(home), name)
    assert list_presets(home) == [*PRESETS]


def test_what_is_no_preset_is_said(home: Home) -> None:
    with pytest.raises(NotFound):
        use_preset(home, default_request(home), "nothing")
    with pytest.raises(NotFound):
        remove_preset(home, "demo_cpu")
    home.presets.mkdir()
    (home.presets / "torn.json").write_text("{")
    with pytest.raises(StudioError, match="bad_config"):
        use_preset(home, default_request(home), "torn")
