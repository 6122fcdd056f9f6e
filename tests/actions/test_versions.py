"""New datasets come from old ones, say how, and leave the old ones alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.actions.rows import check_dataset, read_page
from studio.actions.versions import clean_dataset, convert_dataset, examine_dataset, split_dataset
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.registry import add_entry, find_entry
from tests.conftest import write_jsonl


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


MESSY = [
    chat("a", "one"),
    chat("b", "two"),
    chat("a", "one"),
    chat("c", "X"),
    {"messages": []},
    chat("发烧怎么办？", "睡觉"),
]


@pytest.fixture
def messy(home: Home) -> Home:
    write_jsonl(home.data / "messy.jsonl", [*MESSY])
    add_entry(home, "messy", {"file_name": "messy.jsonl", "formatting": "messages", "note": "kept"})
    return home


def test_long_rows_are_left_out_only_with_a_limit(messy: Home) -> None:
    with pytest.raises(StudioError, match="no_length_limit"):
        clean_dataset(messy, "messy", "short", ["too_long"])


def rows_of(home: Home, name: str) -> list[Any]:
    return [json.loads(line) for line in (home.data / f"{name}.jsonl").read_text().splitlines()]


def test_doubtful_rows_are_counted_by_kind(messy: Home) -> None:
    found = examine_dataset(messy, "messy", against="pairs")
    assert found.rows == 6
    assert [(f.code, f.lines) for f in found.findings] == [
        ("faulty", [5]),
        ("duplicate", [3]),
        ("leak", [6]),
        ("short_answer", [4]),
    ]


def test_a_cleaned_version_has_only_the_sound_rows_and_says_what_was_left_out(messy: Home) -> None:
    before = (messy.data / "messy.jsonl").read_bytes()
    made = clean_dataset(messy, "messy", "clean", ["duplicate", "leak"], against="pairs")
    assert rows_of(messy, "clean") == [MESSY[0], MESSY[1], MESSY[3]]
    assert made.left_out == {"duplicate": 1, "faulty": 1, "leak": 1}
    assert (messy.data / "messy.jsonl").read_bytes() == before
    entry = find_entry(messy, "clean")
    assert (entry["formatting"], entry["note"]) == ("messages", "kept")
    record = entry["made"]
    assert (record["from"], record["drop"], record["against"]) == (
        "messy",
        ["faulty", "duplicate", "leak"],
        "pairs",
    )
    assert (record["rows"], len(record["sha256"])) == (3, 64)
    assert check_dataset(messy, "clean").faults == []


def test_a_split_is_the_same_for_the_same_seed_and_loses_no_row(home: Home) -> None:
    rows = [chat(f"q{i}", f"a{i}") for i in range(50)]
    write_jsonl(home.data / "many.jsonl", [*rows])
    add_entry(home, "many", {"file_name": "many.jsonl", "formatting": "messages"})
    first = split_dataset(home, "many", 0.2, 7, ("t1", "e1"))
    assert [part.dataset.rows for part in first] == [40, 10]
    split_dataset(home, "many", 0.2, 7, ("t2", "e2"))
    split_dataset(home, "many", 0.2, 8, ("t3", "e3"))
    assert rows_of(home, "e1") == rows_of(home, "e2") != rows_of(home, "e3")
    key = json.dumps
    assert sorted(map(key, rows_of(home, "t1") + rows_of(home, "e1"))) == sorted(map(key, rows))


@pytest.mark.parametrize(("share", "code"), [(0, "bad_share"), (1, "bad_share"), (0.01, "too_few_rows")])
def test_a_split_that_leaves_a_side_empty_is_refused(home: Home, share: float, code: str) -> None:
    with pytest.raises(StudioError, match=code):
        split_dataset(home, "pairs", share, 1, ("t", "e"))
    assert not (home.data / "t.jsonl").exists()


@pytest.mark.parametrize("target", ["alpaca", "sharegpt", "messages", "erniekit"])
def test_a_converted_dataset_reads_as_the_same_conversations(home: Home, target: str) -> None:
    convert_dataset(home, "pairs", target, f"as-{target}")
    assert read_page(home, f"as-{target}", 1, 10).parsed == read_page(home, "pairs", 1, 10).parsed


def test_a_conversion_that_leaves_nothing_is_refused_and_leaves_nothing(home: Home) -> None:
    with pytest.raises(StudioError, match="nothing_left"):
        convert_dataset(home, "pairs", "text", "texts")
    assert sorted(path.name for path in home.data.iterdir()) == ["pairs.jsonl", "plain.jsonl"]


@pytest.mark.parametrize("name", ["pairs", "../x", ""])
def test_a_taken_or_impossible_name_is_refused_before_anything_is_written(home: Home, name: str) -> None:
    with pytest.raises(StudioError, match=r"dataset_taken|bad_dataset_name"):
        clean_dataset(home, "pairs", name, [])
    assert sorted(path.name for path in Path(home.data).iterdir()) == ["pairs.jsonl", "plain.jsonl"]
