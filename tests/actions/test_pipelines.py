"""Pipelines make new datasets, the same bytes each time, and say what became of every row."""

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from studio.actions.pipelines import preview_pipeline, run_pipeline
from studio.actions.rows import check_dataset, read_page
from studio.actions.tokens import Encoders
from studio.errors import RequestRefused, StudioError
from studio.stores.home import Home
from studio.stores.registry import add_entry, find_entry
from tests.conftest import write_jsonl


class CharacterEncoder:
    """An encoder whose tokens are characters."""

    def lengths(self, stage: str, rows: Sequence[Any]) -> list[tuple[int, int, int]]:
        counted = [[len(message["content"]) for message in row["messages"]] for row in rows]
        return [(sum(turns[:-1]), turns[-1], sum(turns)) for turns in counted]


class CharacterEncoders(Encoders):
    def get(self, model: str) -> Any:
        return CharacterEncoder()


@pytest.fixture
def data(home: Home) -> Home:
    rows = [
        {"instruction": f"高血压第{i}问？", "input": "背景" if i % 2 else "", "output": "答" * (i % 10 + 1)}
        for i in range(100)
    ]
    rows[7]["output"] = "这是广告。"
    write_jsonl(home.data / "zh.jsonl", [*rows, {"instruction": "faulty"}])
    write_jsonl(
        home.data / "en.jsonl", [{"instruction": f"Question {i}?", "output": f"Answer {i}."} for i in range(20)]
    )
    for name in ("zh", "en"):
        add_entry(home, name, {"file_name": f"{name}.jsonl", "formatting": "alpaca"})
    return home


def run(home: Home, name: str, **config: Any) -> dict[str, list[Any]]:
    made = run_pipeline(
        home, yaml.safe_dump(config, allow_unicode=True, sort_keys=False), name, "tiny", CharacterEncoders()
    )
    return {version.dataset.name: read_page(home, version.dataset.name, 1, 1000).rows for version in made}


def test_steps_follow_each_other_and_what_is_left_out_is_counted(data: Home) -> None:
    rows = run(
        data,
        "new",
        sources=[{"dataset": "zh"}],
        steps=[
            {"length": {"part": "response", "min": 3, "max": 8}},
            {"banned": {"phrases": ["广告"]}},
            {"template": {"with_context": "据{context}答：{question}", "without_context": "{question}"}},
        ],
    )["new"]
    assert len(rows) == 59
    assert rows[1] == {"instruction": "据背景答：高血压第3问？", "input": "", "output": "答答答答"}
    made = find_entry(data, "new")["made"]
    assert made["left_out"] == {"faulty": 1, "length": 40, "banned": 1}
    assert (made["sources"][0]["from"], len(made["sources"][0]["sha256"])) == ("zh", 64)
    assert check_dataset(data, "new").faults == []


MIXED = {
    "sources": [{"dataset": "zh", "weight": 0.5}, {"dataset": "en", "weight": 2}],
    "steps": [{"rewrite": {"forms": ["请问，{question}", "{question}谢谢"], "share": 0.5}}],
    "split": {"parts": {"train": 0.8, "test": 0.2}, "by": "language"},
}


def test_a_rerun_gives_the_same_bytes_and_another_seed_others(data: Home) -> None:
    first = run(data, "a", **MIXED)
    run(data, "b", **MIXED)
    run(data, "c", **MIXED, seed=1)
    for part in ("train", "test"):
        assert (data.data / f"a-{part}.jsonl").read_bytes() == (data.data / f"b-{part}.jsonl").read_bytes()
        assert (data.data / f"a-{part}.jsonl").read_bytes() != (data.data / f"c-{part}.jsonl").read_bytes()
    assert list(first) == ["a-train", "a-test"]
    english = [sum("Question" in row["instruction"] for row in rows) for rows in first.values()]
    assert abs(english[0] / sum(english) - 0.8) < 0.05
    # The YAML beside them makes them again.
    kept = (data.data / "a.pipeline.yaml").read_text()
    run_pipeline(data, kept, "d", "tiny", CharacterEncoders())
    assert (data.data / "d-train.jsonl").read_bytes() == (data.data / "a-train.jsonl").read_bytes()


def test_a_sample_has_the_wanted_number_of_rows(data: Home) -> None:
    rows = run(data, "few", sources=[{"dataset": "zh"}, {"dataset": "en"}], rows=30)["few"]
    assert len(rows) == 30
    assert 0 < sum("Question" in row["instruction"] for row in rows) < 30


def test_doubtful_rows_are_dropped_by_the_doctor(data: Home) -> None:
    rows = run(
        data,
        "unique",
        sources=[{"dataset": "en", "weight": 3}],
        steps=[{"doctor": {"drop": ["duplicate"]}}],
    )["unique"]
    assert len(rows) == 20
    leak = [{"doctor": {"drop": ["leak"], "against": "en"}}]
    with pytest.raises(StudioError, match="nothing_left"):
        run(data, "none", sources=[{"dataset": "en"}], steps=leak)


def test_a_preview_shows_ten_rows_before_and_after_and_writes_nothing(data: Home) -> None:
    before = sorted(path.name for path in data.data.iterdir())
    config = {"sources": [{"dataset": "zh"}], "steps": [{"banned": {"phrases": ["广告"]}}]}
    shown = preview_pipeline(
        data, yaml.safe_dump(config, allow_unicode=True, sort_keys=False), "tiny", CharacterEncoders()
    )
    assert [(draft.number, draft.left_out) for draft in shown if draft.left_out] == [(7, "banned")]
    assert len(shown) == 10
    assert shown[1].rows == (shown[1].before,)
    assert sorted(path.name for path in data.data.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "field"),
    [("steps: [", "pipeline"), ("3", "pipeline"), ("sources: [{dataset: gone}]", "sources"), ("{}", "sources")],
)
def test_what_cannot_run_is_refused_before_anything_is_written(data: Home, text: str, field: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        run_pipeline(data, text, "new", "tiny", CharacterEncoders())
    assert caught.value.problems[0].field == field


def test_a_taken_name_is_refused(data: Home) -> None:
    write_jsonl(data.data / "a-test.jsonl", [{}])
    with pytest.raises(StudioError, match="data_file_taken"):
        run(data, "a", **MIXED)
    with pytest.raises(StudioError, match="dataset_taken"):
        run(data, "en", sources=[{"dataset": "zh"}])


def test_preference_and_plain_rows_go_through_too(data: Home) -> None:
    pair = {"instruction": "高血压？", "chosen": "好", "rejected": "坏"}
    write_jsonl(data.data / "pref.jsonl", [pair])
    columns = {"chosen": "chosen", "rejected": "rejected"}
    add_entry(
        data, "pref", {"file_name": "pref.jsonl", "formatting": "alpaca", "ranking": True, "columns": columns}
    )
    rewrite = [{"rewrite": {"forms": ["请问{question}"], "add": False}}]
    rows = run(data, "pref2", sources=[{"dataset": "pref"}], steps=rewrite)["pref2"]
    assert rows == [{"instruction": "请问高血压？", "input": "", "chosen": "好", "rejected": "坏"}]
    rows = run(data, "plain2", sources=[{"dataset": "plain"}], steps=rewrite)["plain2"]
    assert rows == [{"text": "一段文字。"}]
