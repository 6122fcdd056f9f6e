"""Look into registered datasets: pages, search, and what is wrong with which row."""

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from studio.core.formats import detect_format, entry_format
from studio.core.parsing import RowFault, parse_row
from studio.core.rows import Fault, Row
from studio.errors import NotFound, StudioError
from studio.stores.datafiles import RawRow, data_files, iter_raw
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.registry import entry_file, find_entry
from studio.stores.rowindex import DataPages, file_identity
from studio.stores.runs import RunPaths, find_run_folder

# More of the same helps nobody; the count says how many there are.
SHOWN_FAULTS = 1000


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Every row checked: `rows` in all, `fault_count` of them faulty, `kinds` of fault; the first are listed."""

    name: str
    rows: int
    format: str
    fault_count: int
    kinds: Mapping[str, int]
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class DataPage:
    """Some rows as they are, and as conversations (or what is wrong with them).

    `total` rows are on `pages` pages: all of the dataset, or those that were asked for. `numbers` count the
    rows of the dataset from 1; `lines` are where they stand in their file.
    """

    name: str
    total: int
    page: int
    pages: int
    numbers: list[int]
    lines: list[int]
    rows: list[Any]
    parsed: list[Row | Fault]


@dataclass(slots=True)
class FileCheck:
    """What checking a file found; `numbers` are the faulty rows, counted from 0."""

    rows: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])
    numbers: "array[int]" = field(default_factory=lambda: array("Q"))
    kinds: Counter[str] = field(default_factory=Counter[str])

    def add(self, fault: Fault) -> None:
        self.numbers.append(self.rows - 1)
        self.kinds[fault.code] += 1
        if len(self.faults) < SHOWN_FAULTS:
            self.faults.append(fault)


@lru_cache(maxsize=8)
def pages_of(home: Home) -> DataPages:
    return DataPages(home.cache / "rows")


def existing_file(home: Home, name: str, entry: Mapping[str, Any]) -> Path:
    """The file or folder of an entry. Raises NotFound when it is gone, StudioError where it may not be read."""
    path = entry_file(home, entry)
    if path is None or not allowed_path(home, path, "datasets").exists():
        raise NotFound("dataset_file_missing", "datasets", given=name, path=str(path or "-"))
    return allowed_data(home, path)


def allowed_data(home: Home, given: str | Path) -> Path:
    """A file or folder that may be read, with all that lies in it. Raises StudioError."""
    path = allowed_path(home, given)
    for file in data_files(path) if path.is_dir() and home.roots is not None else ():
        # A link in a folder leads anywhere.
        allowed_path(home, file)
    return path


def read_page(home: Home, name: str, page: int, size: int, search: str = "", only_faulty: bool = False) -> DataPage:
    """Rows of one page, counted from 1; a page beyond the end is the last. Raises StudioError.

    `search` keeps the rows that hold a text, in any case; `only_faulty` those that cannot be trained on.
    """
    if size < 1 or size > 1000:
        raise StudioError("bad_page_size", "size", given=size)
    entry = find_entry(home, name)
    path = existing_file(home, name, entry)
    wanted = _wanted_rows(home, path, entry, search.strip(), only_faulty)
    total = pages_of(home).count(path) if wanted is None else len(wanted)
    pages = max(1, -(-total // size))
    page = min(max(1, page), pages)
    start = (page - 1) * size
    numbers = list(range(start, min(start + size, total))) if wanted is None else wanted[start : start + size]
    found = pages_of(home).read(path, start, size) if wanted is None else pages_of(home).read_rows(path, numbers)
    rows = [None if isinstance(raw.value, Fault) else raw.value for raw in found]
    parsed = [_parse(raw, entry) for raw in found]
    lines = [raw.line for raw in found]
    return DataPage(name, total, page, pages, [number + 1 for number in numbers], lines, rows, parsed)


def _wanted_rows(
    home: Home, path: Path, entry: Mapping[str, Any], search: str, only_faulty: bool
) -> Sequence[int] | None:
    """The numbers of the rows to show; None for all."""
    faulty = check_file(path, entry).numbers if only_faulty else None
    if not search:
        return faulty
    found = _find(home, "+".join(map(file_identity, data_files(path))), path, search)
    return found if faulty is None else sorted(set(found).intersection(faulty))


@lru_cache(maxsize=16)
def _find(home: Home, _version: str, path: Path, search: str) -> "array[int]":
    return pages_of(home).find(path, search)


def iter_rows(home: Home, name: str) -> Iterator[tuple[int, object, Row | Fault]]:
    """Every row of a dataset: its line, as it is, and as it was read. Raises StudioError."""
    entry = find_entry(home, name)
    for raw in iter_raw(existing_file(home, name, entry)):
        yield raw.line, raw.value, _parse(raw, entry)


def iter_held_out(home: Home, run: str) -> Iterator[Row | Fault]:
    """Every row that a run was evaluated on while it trained, from the run's own copy. Raises NotFound."""
    path = RunPaths(find_run_folder(home, run)).data / "eval.jsonl"
    if not path.is_file():
        raise NotFound("nothing_held_out", "run", given=run)
    entry: Mapping[str, Any] | None = None
    for raw in iter_raw(path):
        if entry is None:
            # Written by the studio, so that all rows are alike.
            found = detect_format([cast("Mapping[str, Any]", raw.value)])
            entry = found.entry if found else {}
        yield _parse(raw, entry)


def check_dataset(home: Home, name: str) -> CheckReport:
    """Check every row of a registered dataset. Raises StudioError."""
    entry = find_entry(home, name)
    found = check_file(existing_file(home, name, entry), entry)
    kinds = dict(found.kinds.most_common())
    return CheckReport(name, found.rows, entry_format(entry), len(found.numbers), kinds, found.faults)


def iter_faulty(home: Home, name: str) -> Iterator[tuple[Fault, object]]:
    """Every faulty row with its fault; None for a row that could not be read at all. Raises StudioError."""
    for _, raw, row in iter_rows(home, name):
        if isinstance(row, Fault):
            yield row, None if isinstance(raw, Fault) else raw


def check_file(path: Path, entry: Mapping[str, Any]) -> FileCheck:
    """Check a file or folder; read again only when it has changed. Raises StudioError."""
    version = "+".join(file_identity(file) for file in data_files(path))
    return _check_version(path, version, json.dumps(entry, sort_keys=True))


@lru_cache(maxsize=32)
def _check_version(path: Path, _version: str, told: str) -> FileCheck:
    entry: Mapping[str, Any] = json.loads(told)
    found = FileCheck()
    for raw in iter_raw(path):
        found.rows += 1
        row = _parse(raw, entry)
        if isinstance(row, Fault):
            found.add(row)
    return found


def _parse(raw: RawRow, entry: Mapping[str, Any]) -> Row | Fault:
    if isinstance(raw.value, Fault):
        return replace(raw.value, file=raw.file)
    try:
        return parse_row(raw.value, entry)
    except RowFault as fault:
        return Fault(raw.file, raw.line, fault.field, fault.code, fault.values)
