"""Pages open anywhere in files of any kind, and agree with reading the whole."""

import gzip
import json
import random
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from studio.core.rows import Fault
from studio.stores import rowindex
from studio.stores.datafiles import iter_raw
from studio.stores.rowindex import DataPages


@pytest.fixture
def pages(tmp_path: Path) -> DataPages:
    return DataPages(tmp_path / "cache")


def values(rows: list[rowindex.RawRow]) -> list[object]:
    return [row.value for row in rows]


LONG = "".join(f'{{"n": {i}}}\n' + (" \t\n" if i % 3 == 0 else "\r\n" if i % 5 == 0 else "") for i in range(1000))
QUOTED = "n,text\n" + "".join(f'{i},"a ""b""\nc, {i}"\n' + ("\n" if i % 7 == 0 else "") for i in range(1000))


def write_all_kinds(folder: Path) -> list[Path]:
    objects = [{"n": i, "text": f"发烧 {i}"} for i in range(1000)]
    written = {
        "x.jsonl": LONG.encode(),
        "bom.jsonl": b"\xef\xbb\xbf" + LONG.encode(),
        "cut.jsonl": LONG.rstrip().encode(),
        "bad.jsonl": LONG.replace('{"n": 300}', '{"n": ').encode(),
        "old.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in objects).encode("gb18030"),
        "x.jsonl.gz": gzip.compress(LONG.encode()),
        "x.csv": QUOTED.encode(),
        "bom.csv": b"\xef\xbb\xbf" + QUOTED.encode(),
        "mac.csv": b"n,text\r" + b"".join(b"%d,x\r" % i for i in range(200)),
        "x.tsv": ("n\ttext\n" + "".join(f'{i}\t5" pipe\n' for i in range(500))).encode(),
        "wide.csv": QUOTED.replace("\n500,", "\n500,too,many,").encode(),
        "x.json": json.dumps(objects).encode(),
        "broken.json": b"[1, 2",
        "x.txt": "".join(f"paragraph {i}\nmore\n\n" for i in range(300)).encode(),
    }
    for name, data in written.items():
        (folder / name).write_bytes(data)
    parquet.write_table(arrow.Table.from_pylist(objects), folder / "x.parquet", row_group_size=128)
    return [*(folder / name for name in written), folder / "x.parquet"]


def test_a_page_is_what_reading_the_whole_finds_there(
    tmp_path: Path, pages: DataPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small blocks, so that rows lie across their borders.
    monkeypatch.setattr(rowindex, "BLOCK_BYTES", 37)
    (tmp_path / "files").mkdir()
    for path in write_all_kinds(tmp_path / "files"):
        whole = list(iter_raw(path))
        assert pages.count(path) == len(whole), path.name
        for start in (0, 1, 63, 64, 65, 300, len(whole) - 3):
            if start >= 0:
                assert pages.read(path, start, 5) == whole[start : start + 5], (path.name, start)
        assert pages.read(path, len(whole), 5) == []
        numbers = sorted(random.Random(0).sample(range(len(whole)), min(7, len(whole))))
        assert pages.read_rows(path, numbers) == [whole[number] for number in numbers]


def test_a_folder_is_paged_as_one_file(tmp_path: Path, pages: DataPages) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("a.jsonl", "b.csv", "c.jsonl"):
        text = "n\n" + "".join(f"{i}\n" for i in range(100)) if name == "b.csv" else LONG
        (folder / name).write_text(text)
    whole = list(iter_raw(folder))
    assert pages.count(folder) == len(whole) == 2100
    assert pages.read(folder, 995, 110) == whole[995:1105]


def test_an_index_outlives_its_process_and_a_changed_file_gets_another(
    tmp_path: Path, pages: DataPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"n": 1}\n')
    assert pages.count(path) == 1
    later = DataPages(tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(rowindex, "_index_lines", None)
        assert values(later.read(path, 0, 2)) == [{"n": 1}]
    path.write_text('{"n": 1}\n{"n": 22}\n')
    assert values(later.read(path, 0, 5)) == [{"n": 1}, {"n": 22}]
    # A damaged index is made again.
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(b"damaged")
    assert DataPages(tmp_path / "cache").count(path) == 2


def test_a_large_file_is_not_counted_by_the_way(
    tmp_path: Path, pages: DataPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(LONG)
    monkeypatch.setattr(rowindex, "QUICK_BYTES", 100)
    assert pages.quick_count(path) is None
    assert pages.count(path) == 1000
    assert pages.quick_count(path) == 1000


def test_text_is_found_whatever_its_case_or_escapes(tmp_path: Path, pages: DataPages) -> None:
    rows = [
        {"a": "Fever and 发烧"},
        {"a": [{"b": "FEVER"}]},
        {"fever": "a column's name is no text"},
        {"a": 'say "fever"\nagain'},
        {"a": "Straße", "n": 4711},
    ]
    for name, ascii_only in (("plain.jsonl", False), ("escaped.jsonl", True)):
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows) + "\n{bad fever\n")
        assert list(pages.find(path, "fEver")) == [0, 1, 3]
        assert list(pages.find(path, "发烧")) == [0]
        assert list(pages.find(path, '"fever"\nag')) == [3]
        assert list(pages.find(path, "STRAßE")) == list(pages.find(path, "4711")) == [4]
    (tmp_path / "x.csv").write_text('a\nfever\n"x\nFEVER"\nother\n')
    assert list(pages.find(tmp_path / "x.csv", "fever")) == [0, 1]


def test_a_spool_that_was_cleaned_away_is_made_again(tmp_path: Path, pages: DataPages) -> None:
    path = tmp_path / "x.json"
    path.write_text('[{"n": 1}, 2]')
    assert pages.count(path) == 2
    for file in (tmp_path / "cache").iterdir():
        file.unlink()
    assert values(pages.read(path, 1, 1)) == [2]


def test_a_fault_survives_being_spooled(tmp_path: Path, pages: DataPages) -> None:
    path = tmp_path / "x.json"
    path.write_text('[{"a": 1},\n oops]')
    (row,) = pages.read(path, 0, 5)
    assert isinstance(row.value, Fault)
    assert (row.value.code, row.value.line) == ("bad_json", 2)
