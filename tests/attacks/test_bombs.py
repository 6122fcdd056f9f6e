"""What unpacks, nests or widens without end: refused in words, and in bounded memory."""

import ast
import gzip
import json
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.actions.bundles import read_bundle
from studio.actions.datasets import list_datasets
from studio.actions.train import import_config, import_file
from studio.core.plain_json import read_json_text
from studio.core.plain_yaml import BadYaml, read_yaml
from studio.core.request import TrainRequest
from studio.core.sweep import read_axes
from studio.errors import StudioError
from studio.stores import datafiles, parquet
from studio.stores.datafiles import iter_raw
from studio.stores.home import Home
from studio.texts import LANGUAGES, word_error

Note = Callable[[str, int], None]
BUDGET_MB = 300
STUDIO = Path(__file__).parents[2] / "studio"
LAUGHS = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12)
)
YAML = {
    "a billion laughs": LAUGHS,
    "merged keys": MERGES,
    "a list in itself": "a: &a [*a]",
    "a mapping in itself": "a: &a {b: *a}",
    "deep lists": "[" * 20_000,
    "deep and closed lists": "[" * 400 + "]" * 400,
    "deep mappings": "{a: " * 20_000,
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(300)),
    "a number of a million digits": "a: " + "9" * 900_000,
    "a number of base 60": "a: " + "1:" * 400_000 + "1",
    "a binary number": "a: 0b" + "1" * 900_000,
    "a 13th month": "a: 2001-13-45",
    "too much text": "a: " + "x" * 1_100_000,
    "too many values": "[" + "1," * 200_000 + "]",
    "an object of Python": "a: !!python/object/apply:os.system ['true']",
    "a module of Python": "a: !!python/name:os.system",
    "a new object of Python": "a: !!python/object/new:os.system ['true']",
    "an unknown anchor": "*nobody",
    "NUL": "a: \0",
    "half a character": "a: '\ud800'",
    "a list as a key": "? [1]\n: 2\n",
    "a mapping as a key": "{{a: 1}: 2}",
    "nothing but tabs": "\t\t",
    "a set of lists": "!!set {[1]}",
}
JSON = {
    "deep lists": "[" * 100_000,
    "deep and closed lists": "[" * 900 + "]" * 900,
    "deep objects": '{"a":' * 900 + "1" + "}" * 900,
    "a number of a million digits": "9" * 900_000,
    "too many values": "[" + "[]," * 1_200_000 + "[]]",
}


@pytest.mark.parametrize("how", YAML)
def test_yaml_is_refused_in_words(how: str, home: Home) -> None:
    text = YAML[how]
    with pytest.raises(BadYaml) as refused:
        read_yaml(text)
    assert len(str(refused.value)) < 1000
    for act in (lambda: import_config(home, text), lambda: read_axes(text)):
        with pytest.raises(StudioError):
            act()


def test_yaml_of_people_is_read() -> None:
    assert read_yaml("base: &b {lr: 1e-4, steps: 10}\nmore: {<<: *b, steps: 20}\n")["more"] == {
        "lr": "1e-4",
        "steps": 20,
    }
    assert read_yaml("") is None
    assert read_yaml("a: [1, 2.5, no, 2020-01-01, '你好']")["a"][:3] == [1, 2.5, False]


def test_yaml_and_json_are_counted(tried: Note) -> None:
    tried("bombs.yaml", 3 * len(YAML))
    tried("bombs.json", 4 * len(JSON))


@pytest.mark.parametrize("how", JSON)
def test_json_is_refused_in_words(how: str, home: Home, tmp_path: Path) -> None:
    text = JSON[how]
    with pytest.raises(ValueError, match=r"too deeply|values|digits"):
        read_json_text(text)
    home.registry.write_text(text)
    with pytest.raises(StudioError, match="broken_registry"):
        list_datasets(home)
    settings = tmp_path / "settings.json"
    settings.write_text(text)
    with pytest.raises(StudioError):
        import_file(home, settings)
    with pytest.raises(StudioError, match="bad_bundle"):
        read_bundle(home, zipped(tmp_path / "run.zip", text.encode()))


def zipped(path: Path, manifest: bytes, kind: int = zipfile.ZIP_DEFLATED, **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w", kind) as bundle:
        for name, content in {**more, "bundle.json": manifest}.items():
            bundle.writestr(name, content)
    return path


def bad_bundles(folder: Path) -> dict[str, Path]:
    """Archives that unpack to too much, lie about themselves, or name what is not theirs."""
    good = json.dumps({"format": 1, "record": {"request": {}}}).encode()
    made = {
        "too large": zipped(folder / "large.zip", b" " * 17_000_000),
        "a kind without a limit": zipped(folder / "bz2.zip", good, zipfile.ZIP_BZIP2),
        "another without a limit": zipped(folder / "lzma.zip", good, zipfile.ZIP_LZMA),
        "too many entries": zipped(folder / "many.zip", good, **{f"{n}": b"" for n in range(2000)}),
        "outside": zipped(folder / "outside.zip", b"x", **{"../bundle.json": good, "/bundle.json": good}),
        "an archive within": zipped(folder / "nested.zip", b"PK\x03\x04", **{"a/bundle.json": good}),
        "a path of Windows": zipped(
            folder / "drive.zip", b"{", **{"C:\\bundle.json": good, "..\\bundle.json": good}
        ),
        "no archive": folder / "none.zip",
        "a folder": folder / "folder.zip",
        "nothing": folder / "nothing.zip",
    }
    made["no archive"].write_bytes(gzip.compress(good))
    made["a folder"].mkdir()
    made["nothing"].write_bytes(b"")
    twice = folder / "twice.zip"
    with zipfile.ZipFile(twice, "w") as bundle:
        bundle.writestr("bundle.json", good)
        with pytest.warns(UserWarning, match="Duplicate"):
            bundle.writestr("bundle.json", good)
    link = folder / "link.zip"
    with zipfile.ZipFile(link, "w") as bundle:
        entry = zipfile.ZipInfo("bundle.json")
        entry.external_attr = 0o120777 << 16
        bundle.writestr(entry, "/etc/passwd")
    plain = zipped(folder / "plain.zip", good).read_bytes()
    place = plain.index(b"PK\x01\x02") + 20
    changed = {
        "4 GB as is said": plain[:place] + b"\xfe\xff\xff\xff" * 2 + plain[place + 8 :],
        "2⁶⁴ bytes as is said": plain[:place] + b"\xff\xff\xff\xff" * 2 + plain[place + 8 :],
        "places that are none": plain[: place + 22] + b"\xff\xff\xff\x7f" + plain[place + 26 :],
        "locked": plain.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"),
        "a size that is a lie": plain.replace(struct.pack("<L", len(good)), struct.pack("<L", 3)),
        "cut off": plain[:-30],
        "broken inside": plain[:60] + b"\xff" * 20 + plain[80:],
    }
    for how, content in changed.items():
        made[how] = folder / f"{how}.zip"
        made[how].write_bytes(content)
    return {**made, "twice the same name": twice, "a link": link, **tars(folder, good)}


def tars(folder: Path, good: bytes) -> dict[str, Path]:
    """Archives of another kind, with everything that may stand in one, under the ending of ours."""
    kinds = {
        "a device": tarfile.CHRTYPE,
        "a disk": tarfile.BLKTYPE,
        "a pipe": tarfile.FIFOTYPE,
        "a symbolic link": tarfile.SYMTYPE,
        "a hard link": tarfile.LNKTYPE,
    }
    made: dict[str, Path] = {}
    for how, kind in kinds.items():
        made[f"{how} of a tar"] = folder / f"{how}.zip"
        with tarfile.open(made[f"{how} of a tar"], "w") as archive:
            entry = tarfile.TarInfo("../bundle.json")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    return made


def test_archives_are_refused_in_words_and_nothing_is_unpacked(home: Home, tmp_path: Path, tried: Note) -> None:
    bundles = bad_bundles(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*"))
    for how, path in bundles.items():
        with pytest.raises(StudioError, match="bad_bundle"):
            read_bundle(home, path)
        assert sorted(path for path in tmp_path.rglob("*")) == before, how
    tried("bombs.zip", len(bundles))


def test_what_else_stands_in_a_bundle_is_not_looked_at(home: Home, tmp_path: Path, tried: Note) -> None:
    """Devices, pipes, links, and names that lead out, beside a run that is whole."""
    request = TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name="run")
    manifest = json.dumps({"format": 1, "record": {"request": request.to_json()}})
    kinds = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFLNK, stat.S_IFSOCK, stat.S_IFDIR)
    names = ("../../x", "/tmp/x", "a/../../x", "..\\x", "C:\\x", "x/", "\0x", "x" * 5000, "inner.zip")
    for number, (kind, name) in enumerate((kind, name) for kind in kinds for name in names):
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as bundle:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.create_system = (kind | 0o777) << 16, 3
            bundle.writestr(entry, b"/etc/passwd")
            bundle.writestr("bundle.json", manifest)
        before = sorted(tmp_path.rglob("*"))
        assert read_bundle(home, path)[0].model == str(home.models / "tiny")
        assert sorted(tmp_path.rglob("*")) == before
    tried("bombs.zip", len(kinds) * len(names))


def test_no_archive_is_unpacked_to_the_disk_anywhere() -> None:
    """Who reads an archive is known, and so is who writes one."""
    known = {"zipfile": {"actions/bundles.py"}, "tarfile": {"jobs/pack.py"}, "gzip": {"stores/datafiles.py"}}
    readers = {name: set[str]() for name in (*known, "bz2", "lzma", "zstandard", "py7zr", "rarfile")}
    for path in STUDIO.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    readers.get(alias.name, set[str]()).add(str(path.relative_to(STUDIO)))
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("extract", "extractall", "unpack_archive", "_extract_member"), path
    assert {name: places for name, places in readers.items() if places} == known


READER = """
import resource, sys
from pathlib import Path
from studio.actions.rows import check_dataset, read_page
from studio.actions.datasets import add_dataset, inspect_file, list_datasets
from studio.errors import StudioError
from studio.stores.datafiles import iter_raw
from studio.stores.home import Home
import ijson, pyarrow.parquet, numpy, csv, gzip
home, path = Home(Path(sys.argv[1])), Path(sys.argv[2])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
base = peak()
def rows():
    for raw in iter_raw(path): pass
said = []
for act in (rows, lambda: inspect_file(path), lambda: read_page(home, "bomb", 1, 10), lambda: read_page(home, "bomb", 1, 10, "x"), lambda: check_dataset(home, "bomb"), lambda: list_datasets(home)):
    try:
        act(); said.append("read")
    except StudioError as error:
        said.append(error.code)
print(peak() - base, *said)
"""


def one_line(path: Path, size: int, begin: bytes = b'{"text": "') -> None:
    with path.open("wb") as file:
        file.write(begin)
        for _ in range(size >> 20):
            file.write(b"x" * (1 << 20))


def wide_csv(path: Path, columns: int) -> None:
    with path.open("w") as file:
        for _ in range(3):
            file.write(",".join(f"c{n}" for n in range(columns)) + "\n")


def wide_parquet(path: Path, columns: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({f"c{n}": [1] for n in range(columns)}), path)


def packed(path: Path, size: int, begin: bytes = b"") -> None:
    with gzip.open(path, "wb", 1) as file:
        file.write(begin)
        for _ in range(size >> 20):
            file.write(b"x" * (1 << 20) if begin else b"{}\n" + b" " * ((1 << 20) - 3))


def endless_record(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(b"text\n")
        for _ in range(size >> 20):
            file.write(b'"\n",' * (1 << 18))


def large_cell(path: Path, size: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["x" * size]}), path, compression="zstd")


def packed_lines(path: Path, size: int, line: bytes = b"\n") -> None:
    with gzip.open(path, "wb", 1) as file:
        for _ in range(size >> 20):
            file.write(line * ((1 << 20) // len(line)))


def text_in_every_row(path: Path, size: int) -> None:
    """A text that stands once in the file, and in each of 5,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.array([0] * 5000, pa.int32())
    table = pa.table({"text": pa.DictionaryArray.from_arrays(rows, pa.array(["x" * (size // 100)]))})
    pq.write_table(table, path, compression="zstd")


def text_all_over_a_row(path: Path, size: int) -> None:
    """A text that stands once in the file, and 5,000 times in its one row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = pa.array([0] * 5000, pa.int32())
    texts = pa.DictionaryArray.from_arrays(places, pa.array(["x" * (size // 100)]))
    pq.write_table(
        pa.table({"text": pa.ListArray.from_arrays(pa.array([0, 5000]), texts)}), path, compression="zstd"
    )


def text_all_over_a_late_row(path: Path, size: int) -> None:
    """The same after 99 empty rows, in a file that does not say that it keeps texts once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * (size // 50)]))
    table = pa.table({"text": pa.ListArray.from_arrays(pa.array([0] * 100 + [5000]), texts)})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=size, store_schema=False)


def endless_cells(path: Path, size: int) -> None:
    """As many rows as there may be bytes, of one zero each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": pa.nulls(min(size, 1 << 24), pa.int8()).fill_null(0)})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as file:
        for _ in range(max(1, size >> 24)):
            file.write_table(table)


def many_values(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(b'[{"a": [')
        for _ in range(size >> 20):
            file.write(b"[],\n" * (1 << 18))
        file.write(b"1]}]")


BOMBS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "one line": ("bomb.jsonl", one_line),
    "one line of a list": ("bomb.json", lambda path, size: one_line(path, size, b'[{"text": "')),
    "one line of an object": ("object.json", one_line),
    "one line of CSV": ("bomb.csv", lambda path, size: one_line(path, size, b"text\n")),
    "one quoted cell": ("quoted.csv", lambda path, size: one_line(path, size, b'text\n"')),
    "one paragraph": ("bomb.txt", lambda path, size: one_line(path, size, b"")),
    "a record without an end": ("record.csv", endless_record),
    "empty lists": ("values.json", many_values),
    "many columns": ("wide.csv", lambda path, size: wide_csv(path, size // 1000)),
    "gzipped blanks": ("bomb.jsonl.gz", packed),
    "a gzipped line": ("line.jsonl.gz", lambda path, size: packed(path, size, b'{"text": "')),
    "a gzipped list": ("list.json.gz", lambda path, size: packed(path, size, b'[{"text": "')),
    "gzipped line ends": ("ends.jsonl.gz", packed_lines),
    "gzipped line ends of text": ("ends.txt.gz", lambda path, size: packed_lines(path, size, b"a\r")),
    "gzipped rows of nothing": ("rows.csv.gz", lambda path, size: packed_lines(path, size, b"a,\n")),
    "line ends": ("ends.jsonl", lambda path, size: path.write_bytes(b"\n" * (size // 8))),
    "a text in every row of Parquet": ("every.parquet", text_in_every_row),
    "a text all over a row of Parquet": ("all.parquet", text_all_over_a_row),
    "a text all over a late row of Parquet": ("late.parquet", text_all_over_a_late_row),
    "cells of Parquet": ("cells.parquet", endless_cells),
    "a cell of Parquet": ("cell.parquet", lambda path, size: large_cell(path, size // 8)),
}


def peak_mb(home: Home, path: Path) -> tuple[int, list[str]]:
    home.registry.write_text(json.dumps({"bomb": {"file_name": path.name, "formatting": "text"}}))
    done = subprocess.run(
        [sys.executable, "-c", READER, str(home.root), str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    peak, *said = done.stdout.split()
    return int(peak), said


@pytest.mark.parametrize("how", ["one line"])
def test_a_file_takes_bounded_memory(how: str, home: Home) -> None:
    name, write = BOMBS[how]
    write(home.data / name, 100_000_000)
    peak, said = peak_mb(home, home.data / name)
    # A row that is held costs its length several times over.
    assert peak < 150, (how, said)


# Small files that unpack to so much.
SMALL = (
    "gzipped line ends",
    "gzipped line ends of text",
    "gzipped rows of nothing",
    "cells of Parquet",
    "a text in every row of Parquet",
    "a text all over a row of Parquet",
    "a text all over a late row of Parquet",
)


@pytest.mark.parametrize("how", SMALL)
def test_what_takes_few_bytes_and_endless_time_is_refused(
    how: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datafiles, "UNPACKED_LINES", 200_000)
    monkeypatch.setattr(parquet, "REPEATED_BYTES", 20_000_000)
    monkeypatch.setattr(parquet, "REPEATED_RATIO", 1)
    name, write = BOMBS[how]
    path = home.data / name
    write(path, 3 << 20)
    assert path.stat().st_size < 50_000
    with pytest.raises(StudioError) as refused:
        for _ in iter_raw(path):
            pass
    assert refused.value.code in ("unpacks_to_too_much", "unreadable_file")
    assert all(name in word_error(refused.value, language) for language in LANGUAGES)


def test_what_is_kept_once_is_read_as_it_is_meant(home: Home) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    turns = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": None}]
    rows = [{"messages": turns, "tags": ["a", None], "n": 1}, {"messages": None, "tags": [], "n": None}] * 700
    table = pa.Table.from_pylist(rows).append_column("kind", pa.array([7, 8] * 700).dictionary_encode())
    table = table.append_column("raw", pa.array([b"ab", None] * 700, pa.binary(2)))
    table = table.append_column("view", pa.array(["x", "y"] * 700, pa.string_view()))
    table = table.append_column("map", pa.array([[("k", "v")], None] * 700, pa.map_(pa.string(), pa.string())))
    for columns in (table.column_names, [name for name in table.column_names if name != "view"]):
        path = home.data / "kept.parquet"
        pq.write_table(table.select(columns), path, row_group_size=500)
        assert [raw.value for raw in iter_raw(path)] == pq.read_table(path).to_pylist()


@pytest.mark.attacks
@pytest.mark.parametrize("how", BOMBS)
def test_a_gigabyte_takes_bounded_memory(how: str, home: Home, tried: Note) -> None:
    name, write = BOMBS[how]
    write(home.data / name, 1 << 30)
    peak, said = peak_mb(home, home.data / name)
    assert peak < BUDGET_MB, (how, peak, said)
    tried("bombs.files", len(said))


@pytest.mark.attacks
def test_a_million_columns_of_parquet_take_bounded_memory(home: Home, tried: Note) -> None:
    wide_parquet(home.data / "wide.parquet", 1_000_000)
    peak, said = peak_mb(home, home.data / "wide.parquet")
    assert peak < BUDGET_MB
    assert set(said) <= {"unreadable_file", "read"}
    tried("bombs.files", len(said))
