"""What is refused before an export or a proof is started, and what is kept of a model's card."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.actions.export import find_export, start_export, stop_export
from studio.actions.hand_on import list_merged
from studio.actions.model_card import card_facts, read_card, save_card
from studio.actions.proofs import start_proof, view_proof
from studio.core.batch import BatchAnswer, BatchTable, Contender
from studio.core.questions import Question
from studio.core.report import make_report
from studio.core.request import TrainRequest
from studio.errors import NotFound, StudioError
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from studio.texts import word_error


def write_model(folder: Path, size: int = 4) -> Path:
    header = json.dumps({"w": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"size": size}))
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4 * size))
    return folder


def write_adapter(home: Home, name: str, base: Path, **config: Any) -> Path:
    folder = home.saves / base.name / "lora" / name
    request = TrainRequest(str(base), method="lora", name=name, datasets=("d",), options={"device": "cpu"})
    RunPaths(folder).job.mkdir(parents=True)
    stored = {"request": request.to_json(), "datasets": [{"name": "d", "rows": 3, "sha256": "ab"}]}
    RunPaths(folder).request.write_text(json.dumps(stored))
    (folder / "lora_config.json").write_text(json.dumps({"base_model_name_or_path": str(base), **config}))
    return folder


@pytest.fixture
def base(home: Home) -> Path:
    return write_model(home.models / "base")


@pytest.fixture
def run(home: Home, base: Path) -> Path:
    return write_adapter(home, "a", base)


def refusal(act: Any) -> str:
    with pytest.raises(StudioError) as refused:
        act()
    return word_error(refused.value, "en")


def untouched(home: Home, run: Path) -> bool:
    return not RunPaths(run).exports.exists() and {path.name for path in home.models.iterdir()} == {"base", "tiny"}


def test_adapters_of_different_bases_are_refused_by_name(home: Home, base: Path, run: Path, tmp_path: Path) -> None:
    other = write_adapter(home, "b", write_model(tmp_path / "other", 8))
    told = refusal(lambda: start_export(home, "a", more=[str(other)]))
    assert told == f"The adapter b was trained on {tmp_path / 'other'}, not on {base}."
    assert untouched(home, run)


def test_a_full_disk_is_told_with_both_numbers(home: Home, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=120_000_000))
    told = refusal(lambda: start_export(home, "a", to="m"))
    assert told == f"The export needs 0.20 GB at {home.models}, and 0.12 GB are free there."
    assert untouched(home, run)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"precision": "int3"}, "“int3” is no precision. Known: base, float32, bfloat16, float16."),
        ({"shard_gb": 0.0}, "Files of 0 GB are not possible; give 0.001 to 1000."),
        ({"shard_gb": float("nan")}, "Files of nan GB are not possible; give 0.001 to 1000."),
        ({"to": "base"}, "exists already. Choose another name."),
        ({"to": "../out"}, "“../out” cannot be a target. Give a name, or an absolute path."),
        ({"more": ["/nowhere"]}, "/nowhere"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_the_start(
    home: Home, run: Path, asked: dict[str, Any], told: str
) -> None:
    assert told in refusal(lambda: start_export(home, "a", **asked))
    assert untouched(home, run)


def test_an_adapter_with_whole_weights_is_refused(home: Home, base: Path) -> None:
    write_adapter(home, "w", base, trainable_modules=[".*embed.*"])
    assert "whole weights" in refusal(lambda: start_export(home, "w"))


def test_a_base_that_is_gone_is_told(home: Home, base: Path, run: Path) -> None:
    (base / "config.json").unlink()
    assert refusal(lambda: start_export(home, "a")).startswith(f"{base} is not a model")


def test_there_is_nothing_to_cancel_without_an_export(home: Home, run: Path) -> None:
    assert find_export(home, "a") is None
    with pytest.raises(NotFound):
        stop_export(home, "a")


@pytest.mark.parametrize(
    ("given", "adapters", "merged", "code"),
    [
        ("gone", ["a"], "base", "no_folder"),
        ("base", ["a"], "gone", "no_folder"),
        ("base", [], "base", "no_adapter_given"),
        ("base", ["base/lora/gone"], "base", "unknown_run"),
    ],
)
def test_what_cannot_be_proven_is_refused_before_the_start(
    home: Home, run: Path, given: str, adapters: list[str], merged: str, code: str
) -> None:
    with pytest.raises(StudioError) as refused:
        start_proof(home, given, adapters, merged)
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["", "gone", "../../etc", ".x"])
def test_a_proof_that_is_not_there_is_not_found(home: Home, name: str) -> None:
    with pytest.raises(NotFound):
        view_proof(home, name)


def test_a_card_is_read_and_kept(home: Home, base: Path) -> None:
    assert read_card(home, str(base)) == ""
    save_card(home, str(base), "# mine")
    assert read_card(home, str(base)) == "# mine\n"
    assert "at most" in refusal(lambda: save_card(home, str(base), "x" * 2_000_000))
    assert read_card(home, str(base)) == "# mine\n"
    assert refusal(lambda: save_card(home, str(home.saves), "x")).startswith(f"{home.saves} is not a model")


def test_a_card_has_the_scores_that_the_run_reached(home: Home, base: Path, run: Path) -> None:
    (base / "README.md").write_text("---\nlicense: mit\n---\n")
    evaluations = RunPaths(run).evaluations
    evaluations.mkdir()
    question = Question(1, "q", reference="drink tea")
    said = {"base": "no", "a": "drink tea", "a @ 5": "tea"}
    table = BatchTable(
        [question], list(said), {(1, label): BatchAnswer(1, label, text) for label, text in said.items()}
    )
    places = {"base": ("", None), "a": ("base/lora/a", None), "a @ 5": ("base/lora/a", 5)}
    contenders = [(Contender(label, label), *place) for label, place in places.items()]
    told = make_report("e", "held", 1.0, ("answers",), contenders, table)
    (evaluations / "e.json").write_text(json.dumps(told.to_json()))
    (evaluations / "other.json").write_text("[1]")
    (evaluations / "torn.json").write_text('{"models": [')
    facts = card_facts(home, run, [run], "m", "base")
    found = {score.metric: score for score in facts.scores}
    assert found.keys() == told.models[1].estimates.keys()
    exact = found["exact"]
    assert (exact.dataset, exact.value, exact.low, exact.high, exact.base) == ("held", 100, 100, 100, 0)
    assert facts.license_id == "mit"


def test_the_card_of_several_adapters_has_no_score_of_one_and_names_each(
    home: Home, base: Path, run: Path, tmp_path: Path
) -> None:
    evaluations = RunPaths(run).job / "evaluations"
    evaluations.mkdir()
    models = [
        {"label": "a", "run": "saves/base/lora/a", "checkpoint": None, "estimates": {"bleu4": {"value": 0.5}}}
    ]
    (evaluations / "e.json").write_text(json.dumps({"name": "e", "dataset": "held", "models": models}))
    alone = tmp_path / "bought"
    alone.mkdir()
    (alone / "lora_config.json").write_text("{}")
    facts = card_facts(home, run, [run, alone], "m", "base")
    assert [told.name for told in facts.runs] == ["a", "bought"]
    assert facts.scores == []


def test_an_adapter_of_another_studio_home_is_on_the_card(
    home: Home, base: Path, run: Path, tmp_path: Path
) -> None:
    other = write_adapter(Home(tmp_path / "other"), "b", base)
    facts = card_facts(home, run, [run, other], "m", "base")
    assert [(told.name, told.data[0].name) for told in facts.runs] == [("a", "d"), ("b", "d")]


def test_an_export_that_cannot_be_begun_leaves_no_folders(home: Home, run: Path) -> None:
    (home.models / ".m.a.partial").write_text("in the way")
    refusal(lambda: start_export(home, "a", to="m"))
    assert list(RunPaths(run).exports.glob("*")) == []


def test_a_merged_model_is_known_by_its_report(home: Home, base: Path) -> None:
    assert list_merged(home) == []
    (base / "export_report.json").write_text("{}")
    assert list_merged(home) == [("base", str(base))]
