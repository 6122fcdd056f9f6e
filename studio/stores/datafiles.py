"""Data files: JSON, JSONL, CSV, TSV, Parquet and TXT, read row by row."""

import csv
import gzip
import hashlib
import importlib
import io
import json
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from studio.core.rows import Fault
from studio.errors import NotFound, StudioError

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".txt")
SNIFFED_BYTES = 1_000_000
# One remembered offset per this many lines: a page starts at most this many lines too early.
INDEX_STRIDE = 64
T = TypeVar("T")
csv.field_size_limit(16_000_000)


def data_suffix(path: Path) -> str:
    """`.jsonl` for `x.jsonl` and `x.jsonl.gz`. Raises StudioError for a kind that is not read."""
    name = path.name.lower().removesuffix(".gz")
    suffix = Path(name).suffix
    if suffix not in SUFFIXES:
        raise StudioError("unknown_file_kind", "file", given=path.name, known=", ".join(SUFFIXES))
    return suffix


def read_encoding(path: Path) -> str:
    """`utf-8`, `utf-8-sig` (with a byte order mark) or `gb18030`, judged by the first megabyte.

    Raises StudioError when it is neither.
    """
    with open_bytes(path) as file:
        start = file.read(SNIFFED_BYTES)
    if start.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    for encoding in ("utf-8", "gb18030"):
        try:
            start.decode(encoding)
        except UnicodeDecodeError as error:
            # The last character may be cut in two where the sniffing ends.
            if error.start >= len(start) - 4 and len(start) == SNIFFED_BYTES:
                return encoding
        else:
            return encoding
    raise StudioError("unknown_encoding", "file", given=path.name)


@contextmanager
def open_bytes(path: Path) -> Generator[IO[bytes]]:
    """A file's bytes, unpacked when it is gzipped. Raises NotFound, StudioError."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            yield cast("IO[bytes]", file)
    except FileNotFoundError:
        raise NotFound("no_such_file", "file", given=str(path)) from None
    except (gzip.BadGzipFile, EOFError, IsADirectoryError, PermissionError) as error:
        raise StudioError("unreadable_file", "file", given=str(path), reason=str(error)) from error


def iter_raw(path: Path, name: str = "") -> Iterator[tuple[int, object]]:
    """Every row with its line (JSONL, TXT) or number (the others), from 1; a Fault where it cannot be read.

    Only a `.json` file is read whole, as its format demands. Raises NotFound, StudioError.
    """
    name = name or path.name
    match data_suffix(path):
        case ".jsonl":
            yield from _iter_jsonl(path, name)
        case ".json":
            yield from _iter_json(path, name)
        case ".csv" | ".tsv" as suffix:
            yield from _iter_csv(path, name, "\t" if suffix == ".tsv" else ",")
        case ".parquet":
            yield from _iter_parquet(path)
        case _:
            yield from _iter_text(path)


def count_and_hash(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file as it lies on the disk."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _iter_jsonl(path: Path, name: str) -> Iterator[tuple[int, object]]:
    encoding = read_encoding(path)
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _read_line(line, encoding if number == 1 else _plain(encoding), name, number)


def _read_line(line: bytes, encoding: str, name: str, number: int) -> object:
    try:
        return json.loads(line.decode(encoding))
    except UnicodeDecodeError as error:
        return Fault(name, number, "-", "bad_encoding", {"position": error.start})
    except RecursionError:
        return Fault(name, number, "-", "bad_json", {"reason": "nested too deeply"})
    except ValueError as error:
        return Fault(name, number, "-", "bad_json", {"reason": str(error)})


def _plain(encoding: str) -> str:
    return "utf-8" if encoding == "utf-8-sig" else encoding


def _iter_json(path: Path, name: str) -> Iterator[tuple[int, object]]:
    encoding = read_encoding(path)
    with open_bytes(path) as file:
        try:
            value: Any = json.loads(file.read().decode(encoding))
        except UnicodeDecodeError as error:
            yield 1, Fault(name, 1, "-", "bad_encoding", {"position": error.start})
            return
        except (ValueError, RecursionError) as error:
            # A file of JSON lines is often called .json.
            if "Extra data" in str(error):
                yield from _iter_jsonl(path, name)
                return
            line = getattr(error, "lineno", 1)
            yield line, Fault(name, line, "-", "bad_json", {"reason": str(error)})
            return
    if isinstance(value, dict):
        yield 1, cast("object", value)
    elif isinstance(value, list):
        yield from enumerate(cast("list[object]", value), 1)
    else:
        yield 1, Fault(name, 1, "-", "not_rows", {"given": type(value).__name__})


def _iter_csv(path: Path, name: str, delimiter: str) -> Iterator[tuple[int, object]]:
    encoding = read_encoding(path)
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as lines:
        rows = csv.DictReader(lines, delimiter=delimiter)
        number = 0
        try:
            for number, row in enumerate(rows, 1):
                if None in row:
                    yield number, Fault(name, number, "-", "too_many_columns", {"given": len(row)})
                else:
                    yield number, cast("object", row)
        except (csv.Error, UnicodeDecodeError) as error:
            yield number + 1, Fault(name, number + 1, "-", "bad_csv", {"reason": str(error)})


def _iter_parquet(path: Path) -> Iterator[tuple[int, object]]:
    # pyarrow ships no types.
    parquet: Any = importlib.import_module("pyarrow.parquet")
    arrow_error: type[Exception] = importlib.import_module("pyarrow").ArrowException
    try:
        file = parquet.ParquetFile(path)
    except (arrow_error, OSError) as error:
        raise StudioError("unreadable_file", "file", given=str(path), reason=str(error)) from error
    number = 0
    with file:
        for batch in file.iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _iter_text(path: Path) -> Iterator[tuple[int, object]]:
    """Paragraphs: blocks of lines with blank lines between."""
    encoding = read_encoding(path)
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, errors="replace") as lines:
        begun, block = 0, list[str]()
        for number, line in enumerate(lines, 1):
            if line.strip():
                begun = begun if block else number
                block.append(line.rstrip("\n"))
            elif block:
                yield begun, {"text": "\n".join(block)}
                block = []
        if block:
            yield begun, {"text": "\n".join(block)}


class _JsonlIndex:
    """Where every INDEX_STRIDE-th row of a JSONL file begins."""

    def __init__(self, path: Path) -> None:
        self.offsets = array("Q")
        self.lines = array("Q")
        self.rows = 0
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    if self.rows % INDEX_STRIDE == 0:
                        self.offsets.append(offset)
                        self.lines.append(number)
                    self.rows += 1
                offset += len(line)


def _read_all(path: Path) -> list[tuple[int, object]]:
    return list(iter_raw(path))


class DataPages:
    """Pages of data files by row number; a JSONL file is never loaded, others are kept while unchanged."""

    def __init__(self, kept: int = 8) -> None:
        self._indexes: OrderedDict[tuple[str, int, int], _JsonlIndex] = OrderedDict()
        self._rows: OrderedDict[tuple[str, int, int], list[tuple[int, object]]] = OrderedDict()
        self._kept = kept
        self._lock = threading.Lock()

    def count(self, path: Path) -> int:
        """Rows of a file. Raises NotFound, StudioError."""
        if self._is_plain_jsonl(path):
            return self._index(path).rows
        return len(self._all(path))

    def read(self, path: Path, start: int, size: int) -> list[tuple[int, object]]:
        """Rows `start` (from 0) to `start + size` with their line or number; fewer at the end."""
        if not self._is_plain_jsonl(path):
            return self._all(path)[start : start + size]
        index = self._index(path)
        if start >= index.rows:
            return []
        encoding = read_encoding(path)
        found: list[tuple[int, object]] = []
        row = start // INDEX_STRIDE * INDEX_STRIDE
        number = index.lines[start // INDEX_STRIDE] - 1
        with path.open("rb") as file:
            file.seek(index.offsets[start // INDEX_STRIDE])
            for line in file:
                number += 1
                if not line.strip():
                    continue
                if row >= start:
                    by = encoding if number == 1 else _plain(encoding)
                    found.append((number, _read_line(line, by, path.name, number)))
                    if len(found) == size:
                        break
                row += 1
        return found

    def _is_plain_jsonl(self, path: Path) -> bool:
        return data_suffix(path) == ".jsonl" and path.suffix.lower() != ".gz"

    def _index(self, path: Path) -> _JsonlIndex:
        return self._remember(self._indexes, path, _JsonlIndex)

    def _all(self, path: Path) -> list[tuple[int, object]]:
        return self._remember(self._rows, path, _read_all)

    def _remember(self, kept: "OrderedDict[tuple[str, int, int], T]", path: Path, make: Callable[[Path], T]) -> T:
        try:
            status = path.stat()
        except FileNotFoundError:
            raise NotFound("no_such_file", "file", given=str(path)) from None
        key = (str(path), status.st_mtime_ns, status.st_size)
        with self._lock:
            if key not in kept:
                kept[key] = make(path)
                if len(kept) > self._kept:
                    kept.popitem(last=False)
            kept.move_to_end(key)
            return kept[key]
