"""Every kind of file is read row by row, and pages open anywhere."""

import gzip
import json
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from studio.core.rows import Fault
from studio.errors import NotFound, StudioError
from studio.stores.datafiles import iter_raw, read_encoding

ROWS = [{"instruction": "发烧怎么办？", "output": "多喝水。"}, {"instruction": "a", "output": "b"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def rows_of(path: Path) -> list[object]:
    return [raw.value for raw in iter_raw(path)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.tsv", "x.jsonl.gz", "x.json.gz"])
def test_the_same_rows_come_from_every_kind_of_file(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    kind = name.removesuffix(".gz").partition(".")[2]
    mark = "\t" if kind == "tsv" else ","
    text = {"jsonl": LINES, "json": json.dumps(ROWS, ensure_ascii=False)}.get(kind) or (
        f"instruction{mark}output\n" + "".join(f"{row['instruction']}{mark}{row['output']}\n" for row in ROWS)
    )
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert rows_of(path) == ROWS
    assert read_encoding(path) == encoding


def test_parquet_is_read_too(tmp_path: Path) -> None:
    parquet.write_table(arrow.Table.from_pylist(ROWS), tmp_path / "x.parquet")
    assert rows_of(tmp_path / "x.parquet") == ROWS


def test_paragraphs_of_a_text_file_are_rows(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("one\ntwo\n\n\nthree\n")
    assert list(iter_raw(tmp_path / "x.txt")) == [
        ("x.txt", 1, {"text": "one\ntwo"}),
        ("x.txt", 5, {"text": "three"}),
    ]


def test_json_lines_in_a_json_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(LINES)
    assert rows_of(tmp_path / "x.json") == ROWS
    (tmp_path / "x.json").write_text(json.dumps(ROWS[0], indent=1))
    assert rows_of(tmp_path / "x.json") == ROWS[:1]


def test_a_bad_line_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n\n{"a": \n{"a": 2}\n')
    first, (_, number, bad), last = iter_raw(tmp_path / "x.jsonl")
    assert (first.value, last.value) == ({"a": 1}, {"a": 2})
    assert isinstance(bad, Fault)
    assert (number, bad.line, bad.code) == (3, 3, "bad_json")


def test_a_deeply_nested_line_does_not_crash_the_reader(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("[" * 100_000 + "\n")
    (row,) = rows_of(tmp_path / "x.jsonl")
    assert isinstance(row, Fault)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("x.doc", b"", "unknown_file_kind"),
        ("x.jsonl.gz", b"not gzip", "unreadable_file"),
        ("x.parquet", b"not parquet", "unreadable_file"),
        ("x.jsonl", b"\xff\xfe\x00\x01", "unknown_encoding"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(StudioError, match=code):
        rows_of(tmp_path / name)
    with pytest.raises(NotFound, match="no_such_file"):
        rows_of(tmp_path / "gone.jsonl")


def test_a_folder_is_its_files_in_order_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "b.jsonl").write_text(LINES)
    (folder / "a.csv").write_text("instruction,output\nx,y\n")
    (folder / "README.md").write_text("no data")
    (folder / ".hidden.jsonl").write_text("{")
    assert [raw.file for raw in iter_raw(folder)] == ["a.csv", "b.jsonl", "b.jsonl"]
    assert rows_of(folder) == [{"instruction": "x", "output": "y"}, *ROWS]
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match="empty_folder"):
        rows_of(tmp_path / "empty")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("name", ["x.json", "x.json.gz"])
def test_a_large_json_list_gives_the_same_rows_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, encoding: str
) -> None:
    rows = [{"问": f"第{i}味药？", "n": [i, 0.5, None, True, {"a": "b"}], "long": "长" * i} for i in range(300)]
    data = json.dumps(rows, ensure_ascii=False, indent=1).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    whole = list(iter_raw(tmp_path / name))
    monkeypatch.setattr("studio.stores.datafiles.WHOLE_JSON_BYTES", 0)
    assert list(iter_raw(tmp_path / name)) == whole
    assert [raw.value for raw in whole] == rows


def test_a_large_json_list_that_is_torn_keeps_its_rows_and_ends_in_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.stores.datafiles.WHOLE_JSON_BYTES", 0)
    for tail in (',{"a": ', "] trailing", ',{"a": \ufffd}]'):
        (tmp_path / "x.json").write_text('[{"a": 1},{"a": 2}' + tail)
        first, second, bad = iter_raw(tmp_path / "x.json")
        assert (first.value, second.value) == ({"a": 1}, {"a": 2})
        assert isinstance(bad.value, Fault)
        assert (bad.value.line, bad.value.code) == (3, "bad_json")
    (tmp_path / "x.json").write_text(LINES)
    assert rows_of(tmp_path / "x.json") == ROWS
