"""Register data, and change what is registered."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

from studio.actions.rows import check_file, existing_file, pages_of
from studio.actions.runs import list_runs
from studio.core.formats import STAGES_OF, detect_format, entry_format
from studio.core.mapping import check_entry, propose_entry
from studio.core.parsing import RowFault, parse_row
from studio.core.plain_json import count_characters
from studio.core.rows import Fault, Row
from studio.core.runs import QUEUED
from studio.errors import NotFound, Problem, RequestRefused, StudioError
from studio.stores.datafiles import data_files, data_suffix, iter_raw, read_encoding
from studio.stores.home import Home
from studio.stores.jail import allowed_path, is_allowed
from studio.stores.registry import (
    add_entry,
    change_entry,
    entry_file,
    find_entry,
    read_registry,
    remove_entry,
    rename_entry,
)
from studio.stores.runs import read_request

NAME = re.compile(r"\w[\w.\-]{0,63}")
SAMPLED_ROWS = 50
# A row may be as large as a book; fifty of those would take half a gigabyte.
SAMPLED_CHARACTERS = 20_000_000
# What a person may change of an entry: how its file is read. The rest is the studio's, or others'.
MAPPING_KEYS = ("formatting", "ranking", "columns", "tags")


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A line of the registry's table; `problem` says why it cannot be used.

    `rows` is None for a file so large that counting it would take a while.
    """

    name: str
    format: str
    file: str
    rows: int | None
    size_bytes: int | None
    stages: tuple[str, ...]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a file or folder is, before it is registered.

    `evidence` are the columns that gave the format away; without any it was `guessed` by the columns' contents
    and wants a look, or is what a person wrote. `sample` are the first rows as `entry` reads them.
    """

    file: str
    format: str
    evidence: tuple[str, ...]
    columns: tuple[str, ...]
    rows: int
    encodings: tuple[str, ...]
    fault_count: int
    faults: list[Fault]
    entry: Mapping[str, Any]
    sample: list[Row]
    guessed: bool


def list_datasets(home: Home) -> list[DatasetSummary]:
    """Every registered dataset, also those that cannot be used. Raises StudioError for a broken registry."""
    return [_summary(home, name, entry) for name, entry in read_registry(home).items()]


def inspect_file(path: Path, entry: Mapping[str, Any] | None = None) -> FileReport:
    """Recognise a file or folder: format with its evidence, columns, rows, faults; or see how an entry that a
    person wrote reads it. Raises StudioError.
    """
    sample = _sample(path)
    columns = tuple(dict.fromkeys(name for row in sample for name in row))
    found = detect_format(sample)
    evidence = found.evidence if found and entry is None else ()
    guessed = entry is None and found is None
    if entry is None:
        try:
            entry = propose_entry(sample)
        except ValueError:
            raise StudioError("unknown_format", "file", given=path.name, columns=", ".join(columns)) from None
    else:
        refuse_bad_mapping(entry)
    check = check_file(path, entry)
    kinds = (file for file in data_files(path) if data_suffix(file) != ".parquet")
    encodings = tuple(dict.fromkeys(read_encoding(file) for file in kinds))
    return FileReport(
        path.name,
        entry_format(entry),
        evidence,
        columns,
        check.rows,
        encodings,
        len(check.numbers),
        check.faults,
        entry,
        _read(sample, entry),
        guessed,
    )


def read_mapping(home: Home, name: str) -> dict[str, Any]:
    """How a registered file is read: what of its entry a person may change. Raises NotFound."""
    return {key: value for key, value in find_entry(home, name).items() if key in MAPPING_KEYS}


def add_dataset(home: Home, file: Path, name: str, mapping: Mapping[str, Any] | None = None) -> DatasetSummary:
    """Register a file or a folder of files under a name; what lies elsewhere is copied into `data/`.

    Without a mapping the file is read as it is recognised. Raises StudioError.
    """
    check_new_name(home, name)
    if not file.exists():
        raise NotFound("no_such_file", "file", given=str(file))
    entry = dict(inspect_file(file, mapping).entry)
    source = file.resolve()
    copied = not source.is_relative_to(home.data.resolve())
    if copied:
        source = _copy_in(home, source, name + _suffixes(file))
    try:
        add_entry(home, name, {"file_name": source.relative_to(home.data.resolve()).as_posix(), **entry})
    except StudioError:
        if copied:
            _delete(source)
        raise
    return _summary(home, name, find_entry(home, name))


def edit_dataset(home: Home, name: str, mapping: Mapping[str, Any]) -> DatasetSummary:
    """Change how a registered file is read; what else its entry holds stays. Raises StudioError."""
    refuse_bad_mapping(mapping)
    change_entry(home, name, {key: mapping.get(key) for key in MAPPING_KEYS})
    return _summary(home, name, find_entry(home, name))


def rename_dataset(home: Home, name: str, new_name: str) -> None:
    """Give a dataset another name; its file keeps its own. Raises StudioError."""
    check_new_name(home, new_name)
    _refuse_if_needed(home, name)
    rename_entry(home, name, new_name)


def remove_dataset(home: Home, name: str, delete_file: bool = False) -> None:
    """Take a dataset out of the registry; its file stays unless that was asked for.

    A file outside of `data/`, or one that another dataset reads too, is not the studio's to delete.
    Raises StudioError, also for a dataset that a waiting run needs.
    """
    entry = find_entry(home, name)
    _refuse_if_needed(home, name)
    path = entry_file(home, entry)
    doomed = path if delete_file and path is not None and allowed_path(home, path).exists() else None
    if doomed is not None:
        data, real = home.data.resolve(), doomed.resolve()
        files = (entry_file(home, other) for key, other in read_registry(home).items() if key != name)
        others = [file.resolve() for file in files if file is not None and is_allowed(home, file)]
        # A folder takes along what lies in it.
        if data not in real.parents or any(other.is_relative_to(real) for other in others):
            raise StudioError("not_ours_to_delete", "file", path=str(doomed))
    remove_entry(home, name)
    if doomed is not None:
        _delete(doomed)


def check_new_name(home: Home, name: str) -> None:
    """Raise StudioError for a name that a new dataset cannot have."""
    if not NAME.fullmatch(name) or ".." in name:
        raise StudioError("bad_dataset_name", "name", given=name)
    if name in read_registry(home):
        raise StudioError("dataset_taken", "name", given=name)


def refuse_bad_mapping(mapping: Mapping[str, Any]) -> None:
    """Raise RequestRefused with all that is wrong with a mapping."""
    problems = check_entry(mapping)
    problems += [
        Problem("mapping", "mapping_unknown_key", {"given": key}) for key in mapping if key not in MAPPING_KEYS
    ]
    if problems:
        raise RequestRefused(problems)


def _refuse_if_needed(home: Home, name: str) -> None:
    for view in list_runs(home):
        if view.state == QUEUED:
            request = read_request(Path(view.path))
            if name in (*request.datasets, request.eval_dataset):
                raise StudioError("dataset_needed", "name", given=name, run=view.name)


def _sample(path: Path) -> list[Mapping[str, Any]]:
    """The first rows that are objects. Raises StudioError when there is none."""
    sample: list[Mapping[str, Any]] = []
    left = SAMPLED_CHARACTERS
    for row in islice((raw.value for raw in iter_raw(path) if _is_object(raw.value)), SAMPLED_ROWS):
        sample.append(row)
        left -= count_characters(row)
        if left <= 0:
            break
    if not sample:
        fault = next((raw.value for raw in iter_raw(path) if isinstance(raw.value, Fault)), None)
        if fault is None:
            raise StudioError("empty_file", "file", given=path.name)
        reason = fault.values.get("reason", fault.code)
        raise StudioError("no_rows", "file", given=path.name, line=fault.line, reason=reason)
    return sample


def _is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, dict)


def _read(sample: Sequence[Mapping[str, Any]], entry: Mapping[str, Any]) -> list[Row]:
    found: list[Row] = []
    for raw in sample:
        try:
            found.append(parse_row(raw, entry))
        except RowFault:
            continue
    return found


def _summary(home: Home, name: str, entry: Mapping[str, Any]) -> DatasetSummary:
    kind = entry_format(entry)
    stages = STAGES_OF.get(kind, ())
    try:
        path = existing_file(home, name, entry)
    except StudioError as error:
        problem = Problem("datasets", error.code, error.values)
        return DatasetSummary(name, kind, str(entry.get("file_name", "-")), None, None, stages, problem)
    file = path.relative_to(home.data).as_posix() if path.is_relative_to(home.data) else str(path)
    try:
        size = sum(part.stat().st_size for part in data_files(path))
        rows = pages_of(home).quick_count(path)
    except StudioError as error:
        return DatasetSummary(name, kind, file, None, None, stages, Problem("datasets", error.code, error.values))
    return DatasetSummary(name, kind, file, rows, size, stages)


def _suffixes(file: Path) -> str:
    if file.is_dir():
        return ""
    return "".join(Path(file.name.lower()).suffixes[-2:]) if file.suffix == ".gz" else file.suffix.lower()


def _copy_in(home: Home, source: Path, name: str) -> Path:
    target = home.data.resolve() / name
    if target.exists():
        raise StudioError("data_file_taken", "name", given=target.name)
    partial = target.with_name(f".{target.name}.partial")
    try:
        if source.is_dir():
            partial.mkdir()
            for file in data_files(source):
                shutil.copyfile(file, partial / file.name)
        else:
            shutil.copyfile(source, partial)
        os.rename(partial, target)
    except OSError as error:
        _delete(partial)
        raise StudioError("write_failed", path=str(target), reason=error.strerror or str(error)) from error
    return target


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
