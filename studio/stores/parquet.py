"""Parquet files in bounded memory and time: few bytes of one can say that a text stands there a million times."""

import importlib
import io
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.core.plain_json import MOST_VALUES
from studio.errors import NotFound, StudioError
from studio.stores.limits import MOST_COLUMNS, MOST_ROW_BYTES, UNPACKED_RATIO

BATCH_ROWS = 1000
BATCH_BYTES = 64_000_000
# What says how a file is laid out; read whole, and some ten times as large in memory.
MOST_FOOTER_BYTES = 16_000_000
# Each cell costs time; what is larger than a small file may have so many for each of its bytes.
CELLS_PER_BYTE = 20
# What texts that are kept once may come to: a system prompt that is the same in all rows is no attack.
REPEATED_BYTES = 10_000_000_000
REPEATED_RATIO = 1000
# What all texts of a list may come to, if one row held them all.
LISTED_BYTES = 500_000_000


@contextmanager
def open_parquet(path: Path) -> Generator[Any]:
    """A `pyarrow.parquet.ParquetFile`. Raises StudioError for what is none."""
    # pyarrow ships no types.
    parquet: Any = importlib.import_module("pyarrow.parquet")
    arrow_error: type[Exception] = importlib.import_module("pyarrow").ArrowException
    try:
        _refuse_large_footer(path)
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_columns > MOST_COLUMNS:
                raise StudioError("unreadable_file", "file", given=str(path), reason=f"> {MOST_COLUMNS:,} columns")
            _refuse_too_many_cells(path, file.metadata)
            yield file
    except FileNotFoundError:
        raise NotFound("no_such_file", "file", given=str(path)) from None
    except (arrow_error, OSError) as error:
        raise StudioError("unreadable_file", "file", given=str(path), reason=str(error)) from error


def iter_parquet(path: Path, groups: list[int] | None = None) -> Iterator[object]:
    """The rows of some row groups of a Parquet file, or of all. Raises StudioError."""
    parquet: Any = importlib.import_module("pyarrow.parquet")
    left = max(REPEATED_BYTES, REPEATED_RATIO * path.stat().st_size)
    with open_parquet(path) as file:
        for group in range(file.num_row_groups) if groups is None else groups:
            told = file.metadata.row_group(group)
            _refuse_large_group(path, told)
            longest = _longest_texts(path, file, group)
            with parquet.ParquetFile(
                path, metadata=file.metadata, read_dictionary=_read_as_kept(file, group, longest)
            ) as reader:
                for batch in reader.iter_batches(batch_size=_rows_at_once(told, longest), row_groups=[group]):
                    for part, size in _parts(path, batch):
                        left -= size
                        if left < 0:
                            raise StudioError("unpacks_to_too_much", "file", given=path.name)
                        yield from _plain(part, file.schema_arrow).to_pylist()


def _plain(batch: Any, schema: Any) -> Any:
    """A batch with its texts where they are meant: so it is taken apart quicker. Arrow has no way to its views."""
    return batch if batch.schema.equals(schema) or "_view" in str(schema) else batch.cast(schema)


def _longest_texts(path: Path, file: Any, group: int) -> dict[str, int]:
    """The bytes of the longest text that each large column keeps once."""
    large = (
        column.path_in_schema
        for column in _columns(file.metadata.row_group(group))
        if column.has_dictionary_page and column.total_uncompressed_size > MOST_ROW_BYTES
    )
    return {name: _longest(path, group, name) for name in large}


def _read_as_kept(file: Any, group: int, longest: Mapping[str, int]) -> list[str]:
    """The columns of texts that are kept once, and are small or may fill the memory with one row.

    All others are read quicker with each text where it is meant.
    """
    return [
        column.path_in_schema
        for number, column in enumerate(_columns(file.metadata.row_group(group)))
        if column.has_dictionary_page
        and (
            column.path_in_schema not in longest
            or (
                file.schema.column(number).max_repetition_level
                and longest[column.path_in_schema] * column.num_values > LISTED_BYTES
            )
        )
    ]


def _rows_at_once(told: Any, longest: Mapping[str, int]) -> int:
    """How many rows of a group are read together: texts that are kept once count in each row."""
    row_bytes = told.total_byte_size // max(1, told.num_rows)
    for column in _columns(told):
        row_bytes += longest.get(column.path_in_schema, 0) * (-(-column.num_values // told.num_rows))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, row_bytes)))


def _longest(path: Path, group: int, column: str) -> int:
    """The bytes of the longest text that a column keeps once."""
    parquet: Any = importlib.import_module("pyarrow.parquet")
    compute: Any = importlib.import_module("pyarrow.compute")
    types: Any = importlib.import_module("pyarrow.types")
    with parquet.ParquetFile(path, read_dictionary=[column]) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], columns=[column]):
            array = batch.column(0)
            while not types.is_dictionary(array.type) and array.type.num_fields:
                array = array.flatten()[0] if types.is_struct(array.type) else array.flatten()
            if not types.is_dictionary(array.type):
                return 0
            # Of rows that are empty lists nothing is read, nor what is kept.
            if len(array.dictionary):
                return compute.max(compute.binary_length(array.dictionary)).as_py() or 0
    return 0


def _columns(group: Any) -> Iterator[Any]:
    return (group.column(number) for number in range(group.num_columns))


def _refuse_too_many_cells(path: Path, metadata: Any) -> None:
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    cells = sum(column.num_values for group in groups for column in _columns(group))
    if cells > max(MOST_VALUES, CELLS_PER_BYTE * path.stat().st_size):
        raise StudioError("unpacks_to_too_much", "file", given=path.name)


def _refuse_large_group(path: Path, group: Any) -> None:
    """Raises StudioError for a row group whose pages unpack to too much, or whose rows are too large."""
    packed = sum(column.total_compressed_size for column in _columns(group))
    if group.total_byte_size > max(BATCH_BYTES, UNPACKED_RATIO * packed):
        raise StudioError("unpacks_to_too_much", "file", given=path.name)
    if group.total_byte_size > MOST_ROW_BYTES * max(1, group.num_rows):
        raise _large_row(path)


def _large_row(path: Path) -> StudioError:
    return StudioError("unreadable_file", "file", given=str(path), reason=f"> {MOST_ROW_BYTES:,} B / row")


def _parts(path: Path, batch: Any) -> Iterator[tuple[Any, int]]:
    """A batch in parts that take bounded memory when each text stands in each of its rows, with what they take.

    Raises StudioError for a row that is too large.
    """
    size = sum(map(_whole_bytes, batch.columns))
    if size <= MOST_ROW_BYTES:
        yield batch, size
    elif batch.num_rows == 1:
        raise _large_row(path)
    else:
        half = batch.num_rows // 2
        yield from _parts(path, batch.slice(0, half))
        yield from _parts(path, batch.slice(half))


def _whole_bytes(array: Any) -> int:
    """What a column takes when each text that is kept once stands where it is meant."""
    types: Any = importlib.import_module("pyarrow.types")
    compute: Any = importlib.import_module("pyarrow.compute")
    if types.is_dictionary(array.type) and not types.is_primitive(array.type.value_type):
        return int(compute.sum(compute.binary_length(array.dictionary).take(array.indices)).as_py() or 0)
    if types.is_struct(array.type):
        return sum(map(_whole_bytes, array.flatten()))
    if types.is_map(array.type):
        return _whole_bytes(array.keys) + _whole_bytes(array.items)
    if array.type.num_fields:
        return _whole_bytes(array.flatten())
    # Arrow does not say it of its views.
    return 0 if "_view" in str(array.type) else int(array.nbytes)


def _refuse_large_footer(path: Path) -> None:
    """Format: the length of the footer stands before the last four bytes. Raises StudioError, and OSError."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(4), "little")
    if length > MOST_FOOTER_BYTES:
        reason = f"footer > {MOST_FOOTER_BYTES:,} B"
        raise StudioError("unreadable_file", "file", given=str(path), reason=reason)
