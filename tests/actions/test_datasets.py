"""Registering, checking, paging and preparing data."""

import gzip
import json
from pathlib import Path

import pytest

from studio.actions.datasets import (
    add_dataset,
    check_dataset,
    inspect_file,
    list_datasets,
    prepare_data,
    read_page,
    remove_dataset,
)
from studio.core.rows import Fault
from studio.errors import NotFound, StudioError
from studio.stores.home import Home
from studio.stores.registry import read_registry
from tests.conftest import write_jsonl

CHECKOUT = Path(__file__).parents[2]
GOOD = {"instruction": "问", "output": "答"}


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_file_is_recognised_with_its_evidence(tmp_path: Path) -> None:
    report = inspect_file(write_jsonl(tmp_path / "x.jsonl", [GOOD, {"instruction": "问", "output": ""}]))
    assert (report.format, report.evidence, report.rows) == ("alpaca", ("instruction", "output"), 2)
    assert [(fault.line, fault.field, fault.code) for fault in report.faults] == [(2, "output", "empty")]


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "empty_file"), ("{broken", "no_rows"), ('{"a": 1, "b": 2}', "unknown_format"), ("[1, 2]", "empty_file")],
)
def test_a_file_that_holds_no_training_data_is_refused(home: Home, tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    before = home.registry.read_text()
    with pytest.raises(StudioError, match=code):
        add_dataset(home, tmp_path / "x.jsonl", "new")
    assert home.registry.read_text() == before
    assert not (home.data / "new.jsonl").exists()


def test_a_file_from_elsewhere_is_copied_under_the_chosen_name(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "My Data.JSONL.gz"
    source.write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    added = add_dataset(home, source, "mine")
    assert (added.file, added.rows, added.stages) == ("mine.jsonl.gz", 1, ("SFT",))
    assert (home.data / "mine.jsonl.gz").read_bytes() == source.read_bytes()


def test_a_file_under_data_is_registered_where_it_lies(home: Home) -> None:
    write_jsonl(home.data / "sub" / "deep.jsonl", [GOOD])
    assert add_dataset(home, home.data / "sub" / "deep.jsonl", "deep").file == "sub/deep.jsonl"
    assert not (home.data / "deep.jsonl").exists()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "x" * 65])
def test_a_name_that_is_no_name_is_refused(home: Home, tmp_path: Path, name: str) -> None:
    with pytest.raises(StudioError, match="bad_dataset_name"):
        add_dataset(home, write_jsonl(tmp_path / "x.jsonl", [GOOD]), name)


def test_a_taken_name_and_a_missing_file_are_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="dataset_taken"):
        add_dataset(home, write_jsonl(tmp_path / "x.jsonl", [GOOD]), "pairs")
    with pytest.raises(NotFound, match="no_such_file"):
        add_dataset(home, tmp_path / "gone.jsonl", "new")


def test_every_row_is_checked_and_faults_are_counted(home: Home) -> None:
    rows = [GOOD if i % 10 else {"instruction": "问"} for i in range(5000)]
    write_jsonl(home.data / "many.jsonl", rows)
    add_dataset(home, home.data / "many.jsonl", "many")
    report = check_dataset(home, "many")
    assert (report.rows, report.fault_count, len(report.faults)) == (5000, 500, 500)
    assert report.faults[1].line == 11


def test_pages_show_rows_and_what_is_wrong_with_them(home: Home) -> None:
    append(home.data / "pairs.jsonl", "{broken\n")
    page = read_page(home, "pairs", page=2, size=2)
    assert (page.page, page.pages, page.total, page.lines) == (2, 2, 3, [3])
    (fault,) = page.parsed
    assert isinstance(fault, Fault)
    assert fault.code == "bad_json"
    assert read_page(home, "pairs", page=99, size=2).page == 2


def test_an_entry_whose_file_is_gone_is_listed_with_the_reason(home: Home) -> None:
    (home.data / "pairs.jsonl").unlink()
    found = {dataset.name: dataset.problem and dataset.problem.code for dataset in list_datasets(home)}
    assert found == {"pairs": "dataset_file_missing", "plain": None}


def test_a_removed_dataset_is_gone_from_the_registry_only(home: Home) -> None:
    remove_dataset(home, "pairs")
    assert "pairs" not in read_registry(home)
    assert (home.data / "pairs.jsonl").exists()


def test_prepared_data_is_clean_jsonl_of_all_sources_in_order(home: Home, tmp_path: Path) -> None:
    write_jsonl(home.data / "more.jsonl", [GOOD])
    add_dataset(home, home.data / "more.jsonl", "more")
    target = tmp_path / "out" / "train.jsonl"
    made = prepare_data(home, ["pairs", "more"], "SFT", target)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert (made.rows, made.dataset_type, len(rows)) == (3, "messages", 3)
    assert rows[2]["messages"] == [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]


def test_nothing_stays_of_a_preparation_that_failed(home: Home, tmp_path: Path) -> None:
    append(home.data / "pairs.jsonl", "{broken\n")
    with pytest.raises(StudioError, match="faulty_row"):
        prepare_data(home, ["pairs"], "SFT", tmp_path / "train.jsonl")
    assert not (tmp_path / "train.jsonl").exists()


def test_the_demo_data_is_whole_distinct_and_in_every_promised_format() -> None:
    demo = Home(CHECKOUT)
    found = {dataset.name: dataset for dataset in list_datasets(demo)}
    assert {dataset.format for dataset in found.values()} >= {
        "alpaca",
        "messages",
        "erniekit_sft",
        "erniekit_dpo",
        "text",
    }
    for name in found:
        assert check_dataset(demo, name).faults == []
    for name, least in (("medical_zh", 200), ("medical_en", 50)):
        page = read_page(demo, name, 1, 1000)
        questions = [row.turns[0].content for row in page.parsed if not isinstance(row, Fault)]
        assert len(questions) == len(set(questions)) >= least
    trained = {json.dumps(row) for row in read_page(demo, "medical_zh", 1, 1000).rows}
    assert not trained & {json.dumps(row) for row in read_page(demo, "medical_zh_eval", 1, 1000).rows}
