"""Registering, checking, paging and preparing data."""

import gzip
import json
from pathlib import Path

import pytest

from studio.actions import datasets
from studio.actions.datasets import (
    add_dataset,
    edit_dataset,
    inspect_file,
    list_datasets,
    read_mapping,
    remove_dataset,
    rename_dataset,
)
from studio.actions.rows import check_dataset, iter_faulty, read_page
from studio.actions.training_data import prepare_data
from studio.core.plain_json import count_characters
from studio.core.rows import Fault
from studio.errors import NotFound, RequestRefused, StudioError
from studio.stores.home import Home
from studio.stores.registry import change_entry, find_entry, read_registry
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


def test_of_long_rows_few_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [{"role": "user", "content": "问" * 30}, {"role": "assistant", "content": "答" * 30}]
    file = write_jsonl(tmp_path / "x.jsonl", [{"messages": turns}] * 9)
    letters = 30 + 30 + len("user" + "assistant")
    for most, looked_at in ((1, 1), (letters, 1), (letters + 1, 2), (letters * 10, 9)):
        monkeypatch.setattr(datasets, "SAMPLED_CHARACTERS", most)
        assert len(inspect_file(file).sample) == looked_at, most


def test_bytes_count_as_much_as_letters() -> None:
    # A picture in a Parquet file.
    assert count_characters({"text": ["问", {"image": b"1234"}, 5, None]}) == 5


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
    assert (added.file, added.rows, added.stages[0]) == ("mine.jsonl.gz", 1, "SFT")
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


ASKED = {"ask": "头痛怎么办？", "reply": "先休息。", "id": 7}


def test_columns_of_other_names_get_a_mapping_to_look_at(home: Home, tmp_path: Path) -> None:
    rows = [{**ASKED, "ask": f"{i}?", "reply": f"{i}."} for i in range(3)]
    file = write_jsonl(tmp_path / "x.jsonl", rows)
    report = inspect_file(file)
    assert report.evidence == ()
    assert report.entry == {"formatting": "alpaca", "columns": {"prompt": "ask", "response": "reply"}}
    assert [turn.content for turn in report.sample[1].turns] == ["1?", "1."]
    turned = {"formatting": "alpaca", "columns": {"prompt": "reply", "response": "ask"}}
    assert [turn.content for turn in inspect_file(file, turned).sample[1].turns] == ["1.", "1?"]
    assert add_dataset(home, file, "turned", turned).rows == 3
    assert read_mapping(home, "turned") == turned


def test_a_mapping_is_edited_and_nothing_else_of_the_entry(home: Home) -> None:
    change_entry(home, "pairs", {"note": "ours", "hf_hub_url": "somebody/else"})
    with pytest.raises(RequestRefused) as caught:
        edit_dataset(home, "pairs", {"formatting": "alpaca", "columns": {"promt": "q", "system": 1}, "x": 2})
    assert [(p.field, p.code) for p in caught.value.problems] == [
        ("columns", "mapping_unknown_role"),
        ("columns", "mapping_no_column"),
        ("mapping", "mapping_unknown_key"),
    ]
    assert (
        edit_dataset(home, "pairs", {"formatting": "sharegpt", "columns": {"messages": "talk"}}).format
        == "sharegpt"
    )
    entry = find_entry(home, "pairs")
    assert (entry["note"], entry["hf_hub_url"], entry["columns"]) == ("ours", "somebody/else", {"messages": "talk"})


def test_a_renamed_dataset_keeps_its_place_and_its_file(home: Home) -> None:
    rename_dataset(home, "pairs", "couples")
    assert list(read_registry(home)) == ["couples", "plain"]
    assert read_page(home, "couples", 1, 5).total == 2
    with pytest.raises(StudioError, match="dataset_taken"):
        rename_dataset(home, "couples", "plain")


def test_a_file_is_deleted_only_when_asked_and_only_when_it_is_ours(home: Home, tmp_path: Path) -> None:
    add_dataset(home, home.data / "pairs.jsonl", "again")
    with pytest.raises(StudioError, match="not_ours_to_delete"):
        remove_dataset(home, "again", delete_file=True)
    outside = write_jsonl(tmp_path / "outside.jsonl", [GOOD])
    change_entry(home, "again", {"file_name": str(outside), "formatting": "alpaca"})
    with pytest.raises(StudioError, match="not_ours_to_delete"):
        remove_dataset(home, "again", delete_file=True)
    assert outside.exists()
    assert "again" in read_registry(home)
    remove_dataset(home, "pairs", delete_file=True)
    assert not (home.data / "pairs.jsonl").exists()


def test_a_folder_is_one_dataset(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    write_jsonl(folder / "b.jsonl", [GOOD, {"instruction": "?"}])
    (folder / "a.csv").write_text("instruction,output\n一,二\n")
    added = add_dataset(home, folder, "parts")
    assert (added.file, added.rows, added.format) == ("parts", 3, "alpaca")
    (fault,) = check_dataset(home, "parts").faults
    assert (fault.file, fault.line, fault.field) == ("b.jsonl", 2, "output")
    assert prepare_data(home, ["parts"], "SFT", tmp_path / "t.jsonl", drop_faulty=True)[0]["rows"] == 2


def test_rows_are_searched_and_the_faulty_ones_listed(home: Home) -> None:
    rows = [{"instruction": f"第 {i} 问", "output": "" if i % 10 == 3 else "答"} for i in range(100)]
    write_jsonl(home.data / "many.jsonl", rows)
    add_dataset(home, home.data / "many.jsonl", "many")
    found = read_page(home, "many", 1, 3, search="第 4")
    assert (found.total, found.pages, found.numbers) == (11, 4, [5, 41, 42])
    bad = read_page(home, "many", 2, 4, only_faulty=True)
    assert (bad.total, bad.numbers) == (10, [44, 54, 64, 74])
    both = read_page(home, "many", 1, 5, search="第 43", only_faulty=True)
    assert (both.total, both.rows) == (1, [rows[43]])
    assert check_dataset(home, "many").kinds == {"empty": 10}
    assert next((fault.line, raw) for fault, raw in iter_faulty(home, "many")) == (4, rows[3])


def test_faulty_rows_are_left_out_when_that_was_asked_for(home: Home, tmp_path: Path) -> None:
    append(home.data / "pairs.jsonl", "{broken\n")
    (made,) = prepare_data(home, ["pairs"], "SFT", tmp_path / "train.jsonl", drop_faulty=True)
    assert (made["rows"], made["dropped"]) == (2, 1)


def test_prepared_data_is_clean_jsonl_of_all_sources_in_order(home: Home, tmp_path: Path) -> None:
    write_jsonl(home.data / "more.jsonl", [GOOD])
    add_dataset(home, home.data / "more.jsonl", "more")
    target = tmp_path / "out" / "train.jsonl"
    made = prepare_data(home, ["pairs", "more"], "SFT", target)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert ([source["rows"] for source in made], len(rows)) == ([2, 1], 3)
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


def test_images_that_are_not_there_are_faulty_rows_of_the_stage_that_sees(home: Home, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "<image>?"}, {"role": "assistant", "content": "A rash."}]
    rows = [{"messages": turns, "images": [name]} for name in ("here.png", "gone.png")]
    write_jsonl(home.data / "seen.jsonl", [*rows])
    (home.data / "here.png").touch()
    add_dataset(home, home.data / "seen.jsonl", "seen")
    target = tmp_path / "train.jsonl"
    with pytest.raises(StudioError, match="faulty_row") as caught:
        prepare_data(home, ["seen"], "VL-SFT", target)
    assert caught.value.values["fault"] == "media_missing"
    (made,) = prepare_data(home, ["seen"], "VL-SFT", target, drop_faulty=True)
    assert (made["rows"], made["dropped"]) == (1, 1)
    assert json.loads(target.read_text())["images"] == [str(home.data / "here.png")]
    # Other stages train on the words alone.
    assert prepare_data(home, ["seen"], "SFT", target)[0]["rows"] == 2
