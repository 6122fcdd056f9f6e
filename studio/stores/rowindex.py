"""Pages of data files of any size by row number: a sparse index says where to begin, so nothing is loaded."""

import csv
import json
import os
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from studio.core.rows import Fault
from studio.errors import NotFound, StudioError
from studio.stores.atomic import write_bytes
from studio.stores.datafiles import (
    RawRow,
    csv_delimiter,
    data_files,
    data_suffix,
    is_gzipped,
    iter_lines,
    iter_raw,
    read_csv,
    read_encoding,
    read_json_line,
)
from studio.stores.limits import MOST_ROW_BYTES
from studio.stores.parquet import iter_parquet, open_parquet

# One remembered place per this many rows: a page starts at most this many rows too early.
STRIDE = 64
BLOCK_BYTES = 1 << 22
KEPT_FILES = 256
# A file up to this size is counted while a person looks on.
QUICK_BYTES = 64_000_000
NEWLINE = 10
# A line that begins with none of these is certainly not blank.
BLANKS = np.zeros(256, dtype=bool)
BLANKS[list(b" \t\r\n\v\f")] = True


@dataclass(frozen=True, slots=True)
class RowIndex:
    """Where every STRIDE-th row of a file begins: its byte offset and its line."""

    rows: int
    offsets: "array[int]"
    lines: "array[int]"


class _Pages:
    """A file that can be read from any row on."""

    rows: int

    def read(self, start: int) -> Iterator[RawRow]:
        raise NotImplementedError

    def is_there(self) -> bool:
        """Whether what was made to read it is still there."""
        return True


class DataPages:
    """Rows of data files by number, from 0. Indexes are kept in a folder and outlive the process."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._open: OrderedDict[str, _Pages] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def count(self, path: Path) -> int:
        """Rows of a file or folder. Raises NotFound, StudioError."""
        return sum(self._pages(file).rows for file in data_files(path))

    def quick_count(self, path: Path) -> int | None:
        """Rows of a file or folder when that is known or soon counted; else None."""
        for file in data_files(path):
            key = file_identity(file)
            known = key in self._open or (self._cache / f"{key}.index").is_file()
            if not known and data_suffix(file) != ".parquet" and file.stat().st_size > QUICK_BYTES:
                return None
        return self.count(path)

    def read(self, path: Path, start: int, size: int) -> list[RawRow]:
        """Rows `start` to `start + size`; fewer at the end."""
        found: list[RawRow] = []
        for file in data_files(path):
            pages = self._pages(file)
            if start < pages.rows:
                found += islice(pages.read(start), min(size - len(found), pages.rows - start))
                if len(found) == size:
                    break
            start = max(0, start - pages.rows)
        return found

    def read_rows(self, path: Path, numbers: Sequence[int]) -> list[RawRow]:
        """The rows of these numbers, in their order."""
        return [row for number in numbers for row in self.read(path, number, 1)]

    def find(self, path: Path, text: str) -> "array[int]":
        """The numbers of all rows of which some text contains `text`, whatever the case of its letters."""
        found: array[int] = array("Q")
        before = 0
        wanted = text.lower()
        for file in data_files(path):
            pages = self._pages(file)
            for number, row in pages.search(text) if isinstance(pages, _JsonLines) else enumerate(pages.read(0)):
                if not isinstance(row.value, Fault) and _holds(row.value, wanted):
                    found.append(before + number)
            before += pages.rows
        return found

    def _pages(self, file: Path) -> _Pages:
        key = file_identity(file)
        with self._lock:
            if key in self._open and self._open[key].is_there():
                self._open.move_to_end(key)
                return self._open[key]
            building = self._locks.setdefault(key, threading.Lock())
        with building:
            # Somebody else may have made it meanwhile.
            pages = self._open.get(key)
            if pages is None or not pages.is_there():
                pages = self._make(file, key)
        with self._lock:
            self._open[key] = pages
            self._locks.pop(key, None)
            while len(self._open) > KEPT_FILES:
                self._open.popitem(last=False)
        return pages

    def _make(self, file: Path, key: str) -> _Pages:
        match data_suffix(file):
            case ".parquet":
                return _Parquet(file)
            case ".jsonl" if not is_gzipped(file):
                return _JsonLines(file, self._index(file, key, _index_lines))
            case ".csv" | ".tsv" if not is_gzipped(file):
                return _Csv(file, self._index(file, key, _index_csv))
            case _:
                spool = self._cache / f"{key}.jsonl"
                if not spool.is_file():
                    self._make_room()
                    _write_spool(file, spool)
                return _Spooled(file, spool, self._index(spool, key, _index_lines))

    def _index(self, file: Path, key: str, build: Callable[[Path], RowIndex]) -> RowIndex:
        saved = self._cache / f"{key}.index"
        index = _read_index(saved)
        if index is None:
            index = build(file)
            self._make_room()
            table = np.empty((2, 1 + len(index.offsets)), dtype="<u8")
            table[:, 0] = index.rows, 0
            table[0, 1:], table[1, 1:] = index.offsets, index.lines
            write_bytes(saved, table.tobytes())
        return index

    def _make_room(self) -> None:
        """Forget what was made longest ago."""
        self._cache.mkdir(parents=True, exist_ok=True)
        made = sorted(self._cache.iterdir(), key=lambda file: file.stat().st_mtime)
        for file in made[: max(0, len(made) - KEPT_FILES)]:
            file.unlink(missing_ok=True)


def file_identity(file: Path) -> str:
    """A file that was written to is another file; one that was renamed is the same."""
    try:
        status = file.stat()
    except FileNotFoundError:
        raise NotFound("no_such_file", "file", given=str(file)) from None
    return f"{status.st_dev:x}-{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def _read_index(saved: Path) -> RowIndex | None:
    try:
        table = np.frombuffer(saved.read_bytes(), dtype="<u8").reshape(2, -1)
    except (FileNotFoundError, ValueError):
        return None
    rows = int(table[0, 0])
    if table.shape[1] != 1 + -(-rows // STRIDE):
        return None
    return RowIndex(rows, array("Q", table[0, 1:].tobytes()), array("Q", table[1, 1:].tobytes()))


def _index_lines(path: Path) -> RowIndex:
    """Index a file of lines; blank ones are no rows."""
    offsets, lines = array("Q"), array("Q")
    rows = number = done = 0
    rest = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            block = rest + block
            whole = block.rfind(b"\n") + 1
            rest = block[whole:]
            rows, number = _index_block(block[:whole], done, rows, number, offsets, lines)
            done += whole
            if len(rest) > MOST_ROW_BYTES:
                # Too long to be read: a row whatever stands in it, and its end is where the next one begins.
                rows, number = _index_block(b"x\n", done, rows, number, offsets, lines)
                done += len(rest) + _skip_line(file)
                rest = b""
    if rest:
        rows, _ = _index_block(rest + b"\n", done, rows, number, offsets, lines)
    return RowIndex(rows, offsets, lines)


def _skip_line(file: IO[bytes]) -> int:
    """Pass over the rest of a line; returns its bytes."""
    skipped = 0
    while part := file.readline(BLOCK_BYTES):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _index_block(
    block: bytes, offset: int, rows: int, number: int, offsets: "array[int]", lines: "array[int]"
) -> tuple[int, int]:
    """Index whole lines that begin at a byte offset; returns the rows and lines so far."""
    if not block:
        return rows, number
    data = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(data == NEWLINE)
    begins = np.concatenate(([0], ends[:-1] + 1))
    if BLANKS[data[begins]].any():
        # How many letters of each line are none of these.
        kept = np.flatnonzero(np.add.reduceat(~BLANKS[data], begins, dtype=np.int64))
    else:
        kept = np.arange(len(begins))
    marked = kept[(-rows) % STRIDE :: STRIDE]
    offsets.frombytes((begins[marked] + offset).astype("<u8").tobytes())
    lines.frombytes((marked + number + 1).astype("<u8").tobytes())
    return rows + len(kept), number + len(begins)


class _CountedLines:
    """The lines of a file from an offset on, and where the next one begins."""

    def __init__(self, path: Path, encoding: str, offset: int = 0) -> None:
        self.path = path
        self.encoding = encoding
        self.offset = offset

    def __iter__(self) -> Iterator[str]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            # Of a line that is too long only so much is handed on: whoever reads rows refuses it.
            while line := file.readline(MOST_ROW_BYTES + 1):
                # Old Macs ended lines with a carriage return alone.
                for part in line.splitlines(keepends=True):
                    encoding = self.encoding if self.offset == 0 else self.encoding.removesuffix("-sig")
                    self.offset += len(part)
                    yield part.decode(encoding)


def _index_csv(path: Path) -> RowIndex:
    """Index a CSV file with the reader that reads it, as only that knows which line breaks are quoted."""
    lines = _CountedLines(path, read_encoding(path))
    offsets = array("Q")
    rows = 0
    before = 0
    records = read_csv(iter(lines), csv_delimiter(path), path.name)
    # The first record is read with the header, so both begin at 0.
    while next(records, None) is not None:
        if rows % STRIDE == 0:
            offsets.append(before)
        rows += 1
        before = lines.offset
    return RowIndex(rows, offsets, array("Q", [0]) * len(offsets))


class _JsonLines(_Pages):
    def __init__(self, path: Path, index: RowIndex) -> None:
        self.path = path
        self.index = index
        self.rows = index.rows

    def lines(self, start: int) -> Iterator[tuple[int, int, bytes | None]]:
        """Row, line and bytes of every row from the nearest remembered place before `start` on; None for bytes that
        are more than a row may have."""
        place = start // STRIDE
        if place >= len(self.index.offsets):
            return
        row, number = place * STRIDE, self.index.lines[place] - 1
        with self.path.open("rb") as file:
            file.seek(self.index.offsets[place])
            for line in iter_lines(file):
                number += 1
                if line is None or line.strip():
                    yield row, number, line
                    row += 1

    def read(self, start: int) -> Iterator[RawRow]:
        encoding = read_encoding(self.path)
        for row, number, line in self.lines(start):
            if row >= start:
                yield RawRow(self.path.name, number, read_json_line(line, encoding, self.path.name, number))

    def search(self, text: str) -> Iterator[tuple[int, RawRow]]:
        """Row and value wherever the bytes may hold the text, as it is or escaped as JSON allows."""
        encoding = read_encoding(self.path)
        plain = json.dumps(text, ensure_ascii=False)[1:-1].encode(encoding.removesuffix("-sig"), "replace")
        escaped = json.dumps(text)[1:-1].encode()
        # Bytes know only the case of ASCII; other letters may differ more than their bytes show.
        needles = {plain.lower(), escaped.lower()} if text.isascii() or text.lower() == text.upper() else {b""}
        for row, number, line in self.lines(0):
            if line is None:
                continue
            small = line.lower()
            if any(needle in small for needle in needles):
                yield row, RawRow(self.path.name, number, read_json_line(line, encoding, self.path.name, number))


class _Csv(_Pages):
    def __init__(self, path: Path, index: RowIndex) -> None:
        self.path = path
        self.index = index
        self.rows = index.rows

    def read(self, start: int) -> Iterator[RawRow]:
        encoding = read_encoding(self.path)
        place = start // STRIDE
        header = None
        if place:
            first = iter(_CountedLines(self.path, encoding))
            header = next(csv.reader(first, delimiter=csv_delimiter(self.path)))
        offset = self.index.offsets[place] if place else 0
        lines = iter(_CountedLines(self.path, encoding, offset))
        rows = read_csv(lines, csv_delimiter(self.path), self.path.name, header, place * STRIDE + 1)
        for number, value in islice(rows, start - place * STRIDE, None):
            yield RawRow(self.path.name, number, value)


class _Parquet(_Pages):
    def __init__(self, path: Path) -> None:
        self.path = path
        with open_parquet(path) as file:
            self.groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        self.rows = sum(self.groups)

    def read(self, start: int) -> Iterator[RawRow]:
        group = before = 0
        while group < len(self.groups) and before + self.groups[group] <= start:
            before += self.groups[group]
            group += 1
        rows = iter_parquet(self.path, list(range(group, len(self.groups))))
        for number, value in enumerate(islice(rows, start - before, None), start + 1):
            yield RawRow(self.path.name, number, value)


class _Spooled(_Pages):
    """A file that can only be read from its beginning, written out once as lines of `[line, row, fault]`."""

    def __init__(self, path: Path, spool: Path, index: RowIndex) -> None:
        self.path = path
        self.spool = spool
        self.lines = _JsonLines(spool, index)
        self.rows = index.rows

    def is_there(self) -> bool:
        return self.spool.is_file()

    def read(self, start: int) -> Iterator[RawRow]:
        for _, _, written in self.lines.read(start):
            line, value, fault = cast("list[Any]", written)
            yield RawRow(self.path.name, line, value if fault is None else Fault(**fault))


def _write_spool(file: Path, spool: Path) -> None:
    partial = spool.with_suffix(f".{os.getpid()}.part")
    try:
        # Half a character stands in JSON as its number.
        with partial.open("w", encoding="utf-8", errors="backslashreplace") as out:
            for _, line, value in iter_raw(file):
                row = [line, None, asdict(value)] if isinstance(value, Fault) else [line, value, None]
                out.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        partial.replace(spool)
    except OSError as error:
        raise StudioError("write_failed", path=str(spool), reason=error.strerror or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _holds(value: object, wanted: str) -> bool:
    """Whether some text in a value contains what is wanted, in any case."""
    if isinstance(value, str):
        return wanted in value.lower()
    if isinstance(value, dict):
        return any(_holds(item, wanted) for item in cast("dict[str, object]", value).values())
    if isinstance(value, list):
        return any(_holds(item, wanted) for item in cast("list[object]", value))
    return wanted in str(value).lower() if isinstance(value, int | float) else False
