"""Data files: JSON, JSONL, CSV, TSV, Parquet and TXT, plain or gzipped, read row by row; or a folder of them."""

import csv
import gzip
import importlib
import io
import json
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from studio.core.plain_json import DEEPEST, MOST_VALUES, count_values, is_deep
from studio.core.rows import Fault
from studio.errors import NotFound, StudioError
from studio.stores.limits import (
    LINES_PER_BYTE,
    MOST_COLUMNS,
    MOST_ROW_BYTES,
    UNPACKED_BYTES,
    UNPACKED_LINES,
    UNPACKED_RATIO,
)
from studio.stores.parquet import iter_parquet

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".txt")
SNIFFED_BYTES = 1_000_000
READ_BYTES = 1 << 20
# A JSON file up to this size is read whole, so that its faults have lines.
WHOLE_JSON_BYTES = 32_000_000
USUAL_COMPRESSION = 8
# It ships no types.
_ijson: Any = importlib.import_module("ijson")
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
        with _unpacked(path) if is_gzipped(path) else path.open("rb") as file:
            yield cast("IO[bytes]", file)
    except FileNotFoundError:
        raise NotFound("no_such_file", "file", given=str(path)) from None
    except (gzip.BadGzipFile, zlib.error, EOFError, IsADirectoryError, PermissionError) as error:
        raise StudioError("unreadable_file", "file", given=str(path), reason=str(error)) from error


def _unpacked(path: Path) -> io.BufferedReader:
    return io.BufferedReader(_Rationed(path), READ_BYTES)


class _Rationed(io.RawIOBase):
    """What a gzipped file unpacks to; raises StudioError once its bytes or lines are out of all proportion."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path)
        self._name = path.name
        size = path.stat().st_size
        self._left = max(UNPACKED_BYTES, UNPACKED_RATIO * size)
        self._lines_left = max(UNPACKED_LINES, LINES_PER_BYTE * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._file.readinto(buffer)
        self._left -= count
        data = bytes(memoryview(buffer)[:count])
        # Old Macs ended lines with a carriage return alone.
        self._lines_left -= max(data.count(b"\n"), data.count(b"\r"))
        if self._left < 0 or self._lines_left < 0:
            raise StudioError("unpacks_to_too_much", "file", given=self._name)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def iter_lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """The lines of a file; None for one that is longer than a row may be, which is passed over."""
    while line := file.readline(MOST_ROW_BYTES + 1):
        if len(line) <= MOST_ROW_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(READ_BYTES)
        yield None


def too_large(name: str, number: int) -> Fault:
    return Fault(name, number, "-", "row_too_large", {"most": f"{MOST_ROW_BYTES:,}"})


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
        for number, line in enumerate(iter_lines(file), 1):
            if line is None or line.strip():
                yield number, read_json_line(line, encoding, path.name, number)


def read_json_line(line: bytes | None, encoding: str, name: str, number: int) -> object:
    """The value of one line of JSONL, or a Fault; None is a line that is too long to be read.

    Only the first line can begin with a byte order mark.
    """
    if line is None or (len(line) > MOST_VALUES and count_values(line) > MOST_VALUES):
        return too_large(name, number)
    try:
        value: object = json.loads(line.decode(encoding if number == 1 else encoding.removesuffix("-sig")))
        if line.count(b"[") + line.count(b"{") > DEEPEST and is_deep(value):
            raise RecursionError
        return value
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
    else:
        yield from _iter_large_json(path)


def _iter_large_json(path: Path) -> Iterator[tuple[int, object]]:
    if _first_character(path) == "[":
        yield from _stream_json(path)
    elif isinstance(next(_iter_jsonl(path), (1, None))[1], dict):
        yield from _iter_jsonl(path)
    else:
        yield 1, too_large(path.name, 1)


class _RowTooLarge(Exception):
    """More was read for one row than a row may have."""


def _stream_json(path: Path) -> Iterator[tuple[int, object]]:
    number = 0
    with open_bytes(path) as file:
        encoding = read_encoding(path)
        recoded = encoding != "utf-8"
        source = _Watched(_Utf8(io.TextIOWrapper(file, encoding=encoding, newline="")) if recoded else file)
        try:
            for number, value in enumerate(_ijson.items(source, "item", use_float=True), 1):
                source.begin_row()
                if is_deep(value):
                    raise RecursionError
                yield number, value
        except _RowTooLarge:
            yield number + 1, too_large(path.name, number + 1)
        except RecursionError:
            yield number, Fault(path.name, number, "-", "bad_json", {"reason": "nested too deeply"})
        except UnicodeDecodeError as error:
            yield number + 1, Fault(path.name, number + 1, "-", "bad_encoding", {"position": error.start})
        except _ijson.JSONError as error:
            told = error.args[0]
            text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
            yield (
                number + 1,
                Fault(path.name, number + 1, "-", "bad_json", {"reason": text.strip().splitlines()[0]}),
            )


class _Watched:
    """Bytes on their way to ijson; raises _RowTooLarge when more than a row may have went by since the last one."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._bytes = self._values = 0

    def read(self, size: int) -> bytes:
        data: bytes = self._source.read(size)
        self._bytes += len(data)
        self._values += count_values(data)
        if self._bytes > MOST_ROW_BYTES or self._values > MOST_VALUES:
            raise _RowTooLarge
        return data

    def begin_row(self) -> None:
        self._bytes = self._values = 0


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
            data = file.read(WHOLE_JSON_BYTES + 1)
            if len(data) > WHOLE_JSON_BYTES or count_values(data) > MOST_VALUES:
                yield from _iter_large_json(path)
                return
            value: Any = json.loads(data.decode(encoding))
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
        for number, row in enumerate(cast("list[object]", value), 1):
            yield (
                number,
                Fault(name, number, "-", "bad_json", {"reason": "nested too deeply"}) if is_deep(row) else row,
            )
    else:
        yield 1, Fault(name, 1, "-", "not_rows", {"given": type(value).__name__})


def csv_delimiter(path: Path) -> str:
    return "\t" if data_suffix(path) == ".tsv" else ","


def _iter_csv(path: Path) -> Iterator[tuple[int, object]]:
    encoding = read_encoding(path)
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as lines:
        yield from read_csv(_bounded_lines(lines), csv_delimiter(path), path.name)


def _bounded_lines(lines: io.TextIOWrapper) -> Iterator[str]:
    """Raises csv.Error at a line that is longer than a row may be."""
    while line := lines.readline(MOST_ROW_BYTES + 1):
        yield line


def read_csv(
    lines: Iterable[str], delimiter: str, name: str, header: list[str] | None = None, number: int = 1
) -> Iterator[tuple[int, object]]:
    """Rows of CSV text with their number, the first being `number`; without a header the first record is one.

    A record that cannot be read is a Fault and the last: what follows cannot be told apart.
    """
    size = cells = 0

    def counted() -> Iterator[str]:
        nonlocal size, cells
        for line in lines:
            size, cells = size + len(line), cells + line.count(delimiter)
            if size > MOST_ROW_BYTES or cells > MOST_VALUES:
                raise csv.Error(f"a row of more than {MOST_ROW_BYTES:,} characters or {MOST_VALUES:,} cells")
            yield line

    rows = csv.DictReader(counted(), fieldnames=header, delimiter=delimiter)
    try:
        if len(rows.fieldnames or ()) > MOST_COLUMNS:
            yield number, _too_wide(name, number, len(rows.fieldnames or ()))
            return
        for row in rows:
            size = cells = 0
            if None in row:
                yield number, Fault(name, number, "-", "too_many_columns", {"given": len(row)})
            else:
                yield number, cast("object", row)
            number += 1
    except (csv.Error, UnicodeDecodeError) as error:
        yield number, Fault(name, number, "-", "bad_csv", {"reason": str(error)})


def _too_wide(name: str, number: int, columns: int) -> Fault:
    return Fault(name, number, "-", "too_wide", {"given": f"{columns:,}", "most": f"{MOST_COLUMNS:,}"})


def _iter_text(path: Path) -> Iterator[tuple[int, object]]:
    """Paragraphs: blocks of lines with blank lines between."""
    encoding = read_encoding(path)
    begun, size, block = 0, 0, list[str]()
    for number, line in enumerate(_iter_text_lines(path), 1):
        if line is None or line.strip():
            begun = begun if size else number
            size += MOST_ROW_BYTES + 1 if line is None else len(line) + 1
            if line is not None and size <= MOST_ROW_BYTES:
                block.append(line.decode(encoding if number == 1 else encoding.removesuffix("-sig"), "replace"))
        elif size:
            yield begun, _paragraph(path.name, begun, size, block)
            size, block = 0, []
    if size:
        yield begun, _paragraph(path.name, begun, size, block)


def _iter_text_lines(path: Path) -> Iterator[bytes | None]:
    with open_bytes(path) as file:
        for line in iter_lines(file):
            # Old Macs ended lines with a carriage return alone.
            yield from [None] if line is None else line.splitlines()


def _paragraph(name: str, begun: int, size: int, block: list[str]) -> object:
    return too_large(name, begun) if size > MOST_ROW_BYTES else {"text": "\n".join(block)}
