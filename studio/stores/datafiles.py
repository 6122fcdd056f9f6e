"""Data files: JSON, JSONL, CSV, TSV, Parquet and TXT, plain or gzipped, read row by row; or a folder of them."""

import csv
import gzip
import importlib
import io
import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from studio.core.rows import Fault
from studio.errors import NotFound, StudioError

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".txt")
SNIFFED_BYTES = 1_000_000
READ_BYTES = 1 << 20
# A JSON file up to this size is read whole, so that its faults have lines.
WHOLE_JSON_BYTES = 32_000_000
USUAL_COMPRESSION = 8
# It ships no types.
_ijson: Any = importlib.import_module("ijson")
PARQUET_BATCH_ROWS = 1000
csv.field_size_limit(16_000_000)


class RawRow(NamedTuple):
    """A row as it is in its file, or the Fault for which it cannot be read.

    `line` is its line in JSONL and TXT, its number (from 1) in the others.
    """

    file: str
    line: int
    value: object


def data_suffix(path: Path) -> str:
    """`.jsonl` for `x.jsonl` and `x.jsonl.gz`. Raises StudioError for a kind that is not read."""
    name = path.name.lower().removesuffix(".gz")
    suffix = Path(name).suffix
    if suffix not in SUFFIXES:
        raise StudioError("unknown_file_kind", "file", given=path.name, known=", ".join(SUFFIXES))
    return suffix


def is_gzipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def data_files(path: Path) -> list[Path]:
    """The file itself, or the data files in a folder by name; what is hidden or of another kind is no data.

    Raises NotFound, StudioError.
    """
    if path.is_file():
        data_suffix(path)
        return [path]
    if not path.is_dir():
        raise NotFound("no_such_file", "file", given=str(path))
    found = [file for file in sorted(path.iterdir()) if _is_data(file)]
    if not found:
        raise StudioError("empty_folder", "file", given=str(path), known=", ".join(SUFFIXES))
    return found


def _is_data(path: Path) -> bool:
    plain = path.name.lower().removesuffix(".gz")
    return path.is_file() and not path.name.startswith(".") and Path(plain).suffix in SUFFIXES


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
        with gzip.open(path) if is_gzipped(path) else path.open("rb") as file:
            yield cast("IO[bytes]", file)
    except FileNotFoundError:
        raise NotFound("no_such_file", "file", given=str(path)) from None
    except (gzip.BadGzipFile, EOFError, IsADirectoryError, PermissionError) as error:
        raise StudioError("unreadable_file", "file", given=str(path), reason=str(error)) from error


def iter_raw(path: Path) -> Iterator[RawRow]:
    """Every row of a file, or of the files in a folder.

    Raises NotFound, StudioError.
    """
    for file in data_files(path):
        for line, value in _iter_file(file):
            yield RawRow(file.name, line, value)


def _iter_file(path: Path) -> Iterator[tuple[int, object]]:
    match data_suffix(path):
        case ".jsonl":
            yield from _iter_jsonl(path)
        case ".json":
            yield from _iter_json(path)
        case ".csv" | ".tsv":
            yield from _iter_csv(path)
        case ".parquet":
            yield from enumerate(iter_parquet(path), 1)
        case _:
            yield from _iter_text(path)


def _iter_jsonl(path: Path) -> Iterator[tuple[int, object]]:
    encoding = read_encoding(path)
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, read_json_line(line, encoding, path.name, number)


def read_json_line(line: bytes, encoding: str, name: str, number: int) -> object:
    """The value of one line of JSONL, or a Fault. Only the first line can begin with a byte order mark."""
    try:
        return json.loads(line.decode(encoding if number == 1 else encoding.removesuffix("-sig")))
    except UnicodeDecodeError as error:
        return Fault(name, number, "-", "bad_encoding", {"position": error.start})
    except RecursionError:
        return Fault(name, number, "-", "bad_json", {"reason": "nested too deeply"})
    except ValueError as error:
        return Fault(name, number, "-", "bad_json", {"reason": str(error)})


def _iter_json(path: Path) -> Iterator[tuple[int, object]]:
    """A list of rows, one row, or JSON lines, which are often called `.json`.

    Small files are read whole; of a large list one row after the other.
    """
    size = path.stat().st_size * (USUAL_COMPRESSION if path.suffix == ".gz" else 1)
    if size <= WHOLE_JSON_BYTES:
        yield from _read_json(path)
    elif _first_character(path) == "[":
        yield from _stream_json(path)
    elif isinstance(next(_iter_jsonl(path), (1, None))[1], dict):
        yield from _iter_jsonl(path)
    else:
        yield from _read_json(path)


def _stream_json(path: Path) -> Iterator[tuple[int, object]]:
    number = 0
    with open_bytes(path) as file:
        encoding = read_encoding(path)
        source = file if encoding == "utf-8" else _Utf8(io.TextIOWrapper(file, encoding=encoding, newline=""))
        try:
            for number, value in enumerate(_ijson.items(source, "item", use_float=True), 1):
                yield number, value
        except UnicodeDecodeError as error:
            yield number + 1, Fault(path.name, number + 1, "-", "bad_encoding", {"position": error.start})
        except _ijson.JSONError as error:
            told = error.args[0]
            text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
            yield (
                number + 1,
                Fault(path.name, number + 1, "-", "bad_json", {"reason": text.strip().splitlines()[0]}),
            )


class _Utf8:
    """A text in any encoding, as the bytes that ijson reads."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def read(self, size: int) -> bytes:
        return self._text.read(size).encode("utf-8")


def _first_character(path: Path) -> str:
    with open_bytes(path) as file:
        return file.read(1000).decode(read_encoding(path), "ignore").lstrip()[:1]


def _read_json(path: Path) -> Iterator[tuple[int, object]]:
    name = path.name
    encoding = read_encoding(path)
    with open_bytes(path) as file:
        try:
            value: Any = json.loads(file.read().decode(encoding))
        except UnicodeDecodeError as error:
            yield 1, Fault(name, 1, "-", "bad_encoding", {"position": error.start})
            return
        except (ValueError, RecursionError) as error:
            if "Extra data" in str(error):
                yield from _iter_jsonl(path)
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


def csv_delimiter(path: Path) -> str:
    return "\t" if data_suffix(path) == ".tsv" else ","


def _iter_csv(path: Path) -> Iterator[tuple[int, object]]:
    encoding = read_encoding(path)
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as lines:
        yield from read_csv(lines, csv_delimiter(path), path.name)


def read_csv(
    lines: Iterable[str], delimiter: str, name: str, header: list[str] | None = None, number: int = 1
) -> Iterator[tuple[int, object]]:
    """Rows of CSV text with their number, the first being `number`; without a header the first record is one.

    A record that cannot be read is a Fault and the last: what follows cannot be told apart.
    """
    rows = csv.DictReader(lines, fieldnames=header, delimiter=delimiter)
    try:
        for row in rows:
            if None in row:
                yield number, Fault(name, number, "-", "too_many_columns", {"given": len(row)})
            else:
                yield number, cast("object", row)
            number += 1
    except (csv.Error, UnicodeDecodeError) as error:
        yield number, Fault(name, number, "-", "bad_csv", {"reason": str(error)})


@contextmanager
def open_parquet(path: Path) -> Generator[Any]:
    """A `pyarrow.parquet.ParquetFile`. Raises StudioError for what is none."""
    # pyarrow ships no types.
    parquet: Any = importlib.import_module("pyarrow.parquet")
    arrow_error: type[Exception] = importlib.import_module("pyarrow").ArrowException
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise NotFound("no_such_file", "file", given=str(path)) from None
    except (arrow_error, OSError) as error:
        raise StudioError("unreadable_file", "file", given=str(path), reason=str(error)) from error


def iter_parquet(path: Path, groups: list[int] | None = None) -> Iterator[object]:
    """The rows of some row groups of a Parquet file, or of all. Raises StudioError."""
    with open_parquet(path) as file:
        for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS, row_groups=groups):
            yield from batch.to_pylist()


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
