"""Rows as the model sees them are the rows that the engine really feeds."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from studio.actions.datasets import add_dataset
from studio.actions.pipelines import run_pipeline
from studio.actions.rows import read_page
from studio.actions.tokens import Encoders, follow_measure, measure, read_statistics, see_rows
from studio.actions.versions import clean_dataset, examine_dataset
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.registry import find_entry
from tests.conftest import write_jsonl
from tests.engine.conftest import fed_rows

pytestmark = pytest.mark.slow
MODEL = "ernie-4.5-demo"


@pytest.fixture(scope="module")
def encoders() -> Iterator[Encoders]:
    encoders = Encoders()
    yield encoders
    encoders.close()


@pytest.mark.parametrize(
    ("dataset", "max_seq_len"),
    [
        ("medical_zh", 48),
        # Some rows are cut at this length, and some lose their whole answer and are skipped.
        ("medical_zh", 20),
        ("medical_zh_erniekit", 128),
        ("medical_zh_text", 128),
        ("medical_zh_text", 40),
        ("medical_zh_preference", 128),
        ("talks", 128),
    ],
)
def test_what_is_shown_is_what_the_trainer_is_fed(
    engine_home: Home, encoders: Encoders, tmp_path: Path, dataset: str, max_seq_len: int
) -> None:
    if dataset == "talks":
        add_dataset(engine_home, write_jsonl(tmp_path / "talks.jsonl", [*TALKS]), "talks")
    numbers = range(1, read_page(engine_home, dataset, 1, 1).total + 1)
    seen = see_rows(engine_home, encoders, dataset, numbers, MODEL, max_seq_len)
    shown = {
        (tuple(row.encoded["ids"]), tuple(row.encoded["labels"])) for row in seen if not row.encoded["skipped"]
    }
    fed = fed_rows(engine_home, tmp_path, dataset, max_seq_len=max_seq_len)
    assert fed - shown == shown - fed == set()
    assert len(fed) > 2
    if max_seq_len == 20:
        assert 0 < sum(row.encoded["skipped"] for row in seen) < len(seen)


TALKS = [
    {
        "system": "请简短。",
        "conversations": [
            {"from": "human", "value": f"第{i}问？"},
            {"from": "gpt", "value": f"答{i}。"},
            {"from": "human", "value": "还有呢？"},
            {"from": "gpt", "value": f"没有了，{i}。"},
        ],
    }
    for i in range(20)
]


def test_pieces_are_the_row_and_mark_what_counts_and_what_is_cut(engine_home: Home, encoders: Encoders) -> None:
    (row,) = see_rows(engine_home, encoders, "medical_zh", [1], MODEL, 30)
    pieces = row.encoded["pieces"]
    assert sum(piece["tokens"] for piece in pieces) == row.encoded["total"]
    user, assistant = (turn.content for turn in read_page(engine_home, "medical_zh", 1, 1).parsed[0].turns)
    text = "".join(piece["text"] for piece in pieces)
    assert text.index(user) < text.index(assistant)
    learnt = "".join(piece["text"] for piece in pieces if piece["counts"])
    assert assistant in learnt
    assert user not in learnt
    assert sum(piece["tokens"] for piece in pieces if not piece["cut"]) == 30


def test_a_preference_row_shows_both_answers(engine_home: Home, encoders: Encoders) -> None:
    (row,) = see_rows(engine_home, encoders, "medical_zh_preference", [1], MODEL, 128)
    parsed = read_page(engine_home, "medical_zh_preference", 1, 1).parsed[0]
    for part, wanted in (("chosen", parsed.chosen), ("rejected", parsed.rejected)):
        text = "".join(piece["text"] for piece in row.encoded["pieces"] if piece["part"] == part)
        assert wanted[0].content in text


def test_statistics_count_what_the_engine_counts(engine_home: Home, tmp_path: Path) -> None:
    rows = [{"instruction": f"问题 {i}", "input": "", "output": "答" * (i % 7 + 1)} for i in range(6000)]
    add_dataset(engine_home, write_jsonl(tmp_path / "x.jsonl", [*rows, {"instruction": "?"}, rows[0]]), "counted")
    assert read_statistics(engine_home, "counted", MODEL) is None
    told: list[tuple[int, int]] = []
    found = measure(engine_home, "counted", MODEL, lambda done, total: told.append((done, total)))
    assert (found.rows, found.faulty, found.duplicates, found.empty) == (6001, 1, 1, {"input": 6001})
    assert told[-1] == (6002, 6002)
    assert found.lengths["total"].total() == 6001
    assert max(found.lengths["response"]) - min(found.lengths["response"]) == 6
    assert read_statistics(engine_home, "counted", MODEL) == found


def test_interrupting_leaves_no_process_and_no_result(engine_home: Home, tmp_path: Path) -> None:
    rows = [{"instruction": f"问题 {i}", "output": "答"} for i in range(20000)]
    add_dataset(engine_home, write_jsonl(tmp_path / "x.jsonl", rows), "interrupted")
    before = set(psutil.Process().children(recursive=True))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(engine_home, "interrupted", MODEL, stop)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert read_statistics(engine_home, "interrupted", MODEL) is None


def test_a_folder_without_a_tokenizer_is_said(engine_home: Home, tmp_path: Path, fresh_model: Path) -> None:
    for file in fresh_model.glob("tokenizer*"):
        file.write_text("{}")
    encoders = Encoders()
    with pytest.raises(StudioError, match="encoder_failed"):
        see_rows(engine_home, encoders, "medical_zh", [1], str(fresh_model), 64)
    encoders.close()


def test_rows_beyond_the_length_limit_are_found_and_left_out(
    engine_home: Home, encoders: Encoders, tmp_path: Path
) -> None:
    answers = ["".join(chr(0x4E00 + 97 * i + k) for k in range(5 if i else 200)) for i in range(9)]
    rows = [{"instruction": f"问{i}？", "output": answer} for i, answer in enumerate(answers)]
    add_dataset(engine_home, write_jsonl(tmp_path / "x.jsonl", [*rows]), "long_ones")
    encoder = encoders.get(str(engine_home.models / MODEL))
    found = examine_dataset(engine_home, "long_ones", None, encoder, 64)
    assert [(finding.code, finding.lines) for finding in found.findings] == [("too_long", [1])]
    lost = {"instruction": "长" * 100, "output": "答案"}
    add_dataset(engine_home, write_jsonl(tmp_path / "y.jsonl", [rows[0], lost, *rows[1:]]), "cut_ones")
    cut = examine_dataset(engine_home, "cut_ones", None, encoder, 64)
    assert {finding.code: finding.lines for finding in cut.findings} == {"too_long": [1, 2], "answer_cut": [2]}
    kept = clean_dataset(engine_home, "cut_ones", "answered", ["answer_cut"], None, encoder, 64)
    assert (kept.dataset.rows, kept.left_out) == (9, {"answer_cut": 1})
    made = clean_dataset(engine_home, "long_ones", "short_ones", ["too_long"], None, encoder, 64)
    assert (made.dataset.rows, made.left_out) == (8, {"too_long": 1})
    assert find_entry(engine_home, "short_ones")["made"]["max_seq_len"] == 64


def test_a_length_step_counts_the_engines_tokens(engine_home: Home, encoders: Encoders) -> None:
    text = "sources: [{dataset: medical_zh}]\nsteps: [{length: {part: total, max: 35}}]\n"
    (made,) = run_pipeline(engine_home, text, "short_medical", MODEL, encoders)
    lengths = measure(engine_home, "medical_zh", MODEL).lengths["total"]
    assert made.dataset.rows == sum(count for length, count in lengths.items() if length <= 35)


def test_measuring_apart_gives_the_same_and_says_why_it_cannot(engine_home: Home, tmp_path: Path) -> None:
    rows = [{"instruction": f"问{i}？", "output": f"答案{i}。"} for i in range(40)]
    add_dataset(engine_home, write_jsonl(tmp_path / "x.jsonl", [*rows]), "apart")
    *progress, found = follow_measure(engine_home, "apart", MODEL)
    assert progress[-1] == (40, 40)
    assert found == measure(engine_home, "apart", MODEL)
    with pytest.raises(StudioError, match="unknown_dataset") as caught:
        list(follow_measure(engine_home, "--nothing", MODEL))
    assert caught.value.values["given"] == "--nothing"
