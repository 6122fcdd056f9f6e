"""Register data, look at it, check it, and write it for the engine."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from studio.core.formats import STAGES_OF, detect_format, entry_format
from studio.core.parsing import RowFault, parse_row
from studio.core.rows import Fault, Row
from studio.core.writing import engine_row
from studio.errors import NotFound, Problem, StudioError
from studio.stores.datafiles import DataPages, count_and_hash, data_suffix, iter_raw, read_encoding
from studio.stores.home import Home
from studio.stores.registry import add_entry, entry_file, find_entry, read_registry, remove_entry

NAME = re.compile(r"\w[\w.\-]{0,63}")
SAMPLED_ROWS = 50
# More of the same helps nobody; the count says how many there are.
SHOWN_FAULTS = 1000

_PAGES = DataPages()


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A line of the registry's table; `problem` says why it cannot be used."""

    name: str
    format: str
    file: str
    rows: int | None
    size_bytes: int | None
    stages: tuple[str, ...]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a file is, before it is registered."""

    file: str
    format: str
    evidence: tuple[str, ...]
    columns: tuple[str, ...]
    rows: int
    encoding: str
    faults: list[Fault]
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Every row checked: `rows` in all, `fault_count` of them faulty; the first faults are listed."""

    name: str
    rows: int
    format: str
    fault_count: int
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class DataPage:
    """Some rows as they are, and as conversations (or what is wrong with them)."""

    name: str
    total: int
    page: int
    pages: int
    lines: list[int]
    rows: list[Any]
    parsed: list[Row | Fault]


@dataclass(frozen=True, slots=True)
class PreparedData:
    """A file written for the engine, and from what."""

    rows: int
    dataset_type: str
    sources: list[dict[str, Any]]


def list_datasets(home: Home) -> list[DatasetSummary]:
    """Every registered dataset, also those that cannot be used. Raises StudioError for a broken registry."""
    return [_summary(home, name, entry) for name, entry in read_registry(home).items()]


def inspect_file(path: Path) -> FileReport:
    """Recognise a file: format with its evidence, columns, rows, faults. Raises StudioError."""
    suffix = data_suffix(path)
    encoding = "-" if suffix == ".parquet" else read_encoding(path)
    sample: list[Mapping[str, Any]] = []
    for _, raw in iter_raw(path):
        if isinstance(raw, dict):
            sample.append(cast("Mapping[str, Any]", raw))
        if len(sample) == SAMPLED_ROWS:
            break
    if not sample:
        fault = next((raw for _, raw in iter_raw(path) if isinstance(raw, Fault)), None)
        if fault is None:
            raise StudioError("empty_file", "file", given=path.name)
        raise StudioError(
            "no_rows", "file", given=path.name, line=fault.line, reason=fault.values.get("reason", fault.code)
        )
    columns = tuple(dict.fromkeys(name for row in sample for name in row))
    found = detect_format(sample)
    if found is None:
        raise StudioError("unknown_format", "file", given=path.name, columns=", ".join(columns))
    rows, _, faults = _check(path, found.entry)
    return FileReport(path.name, found.format, found.evidence, columns, rows, encoding, faults, found.entry)


def add_dataset(home: Home, file: Path, name: str) -> DatasetSummary:
    """Register a file under a name; one from outside is copied into `data/`. Raises StudioError."""
    check_new_name(home, name)
    if not file.is_file():
        raise NotFound("no_such_file", "file", given=str(file))
    entry = dict(inspect_file(file).entry)
    source = file.resolve()
    copied = not source.is_relative_to(home.data.resolve())
    if copied:
        suffixes = "".join(Path(file.name.lower()).suffixes[-2:]) if file.suffix == ".gz" else file.suffix.lower()
        source = _copy_in(home, source, f"{name}{suffixes}")
    try:
        add_entry(home, name, {"file_name": source.relative_to(home.data.resolve()).as_posix(), **entry})
    except StudioError:
        if copied:
            source.unlink(missing_ok=True)
        raise
    return _summary(home, name, find_entry(home, name))


def check_new_name(home: Home, name: str) -> None:
    """Raise StudioError for a name that a new dataset cannot have."""
    if not NAME.fullmatch(name) or ".." in name:
        raise StudioError("bad_dataset_name", "name", given=name)
    if name in read_registry(home):
        raise StudioError("dataset_taken", "name", given=name)


def remove_dataset(home: Home, name: str) -> None:
    """Take a dataset out of the registry; its file stays. Raises NotFound."""
    remove_entry(home, name)


def check_dataset(home: Home, name: str) -> CheckReport:
    """Check every row of a registered dataset. Raises StudioError."""
    entry = find_entry(home, name)
    rows, count, faults = _check(existing_file(home, name, entry), entry)
    return CheckReport(name, rows, entry_format(entry), count, faults)


def read_page(home: Home, name: str, page: int, size: int) -> DataPage:
    """Rows of one page, counted from 1; a page beyond the end is the last. Raises StudioError."""
    if size < 1 or size > 1000:
        raise StudioError("bad_page_size", "size", given=size)
    entry = find_entry(home, name)
    path = existing_file(home, name, entry)
    total = _PAGES.count(path)
    pages = max(1, -(-total // size))
    page = min(max(1, page), pages)
    found = _PAGES.read(path, (page - 1) * size, size)
    parsed = [_parse(raw, entry, path.name, line) for line, raw in found]
    rows = [None if isinstance(raw, Fault) else raw for _, raw in found]
    return DataPage(name, total, page, pages, [line for line, _ in found], rows, parsed)


def iter_rows(home: Home, name: str) -> Iterator[tuple[int, object, Row | Fault]]:
    """Every row of a dataset: its line, as it is, and as it was read. Raises StudioError."""
    entry = find_entry(home, name)
    path = existing_file(home, name, entry)
    for line, raw in iter_raw(path):
        yield line, raw, _parse(raw, entry, path.name, line)


def faulty(name: str, fault: Fault) -> StudioError:
    """The refusal of a dataset because of one row."""
    return StudioError("faulty_row", "datasets", **_fault_values(name, fault))


def prepare_data(home: Home, names: Sequence[str], stage: str, target: Path) -> PreparedData:
    """Write the rows of some datasets, one after the other, as clean JSONL that the engine takes.

    The engine hangs for ever on data it cannot use, so nothing reaches it but what is written here.
    Raises StudioError at the first faulty row; nothing stays then.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sources: list[dict[str, Any]] = []
    total = 0
    try:
        with target.open("w", encoding="utf-8") as file:
            for name in names:
                path = existing_file(home, name, find_entry(home, name))
                rows = 0
                for _, _, row in iter_rows(home, name):
                    if isinstance(row, Fault):
                        raise faulty(name, row)
                    file.write(json.dumps(engine_row(row, stage), ensure_ascii=False) + "\n")
                    rows += 1
                sources.append({"name": name, "rows": rows, "sha256": count_and_hash(path)[1]})
                total += rows
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)
        raise StudioError("write_failed", path=str(target), reason=error.strerror or str(error)) from error
    except StudioError:
        target.unlink(missing_ok=True)
        raise
    return PreparedData(total, "messages", sources)


def find_data_problems(home: Home, names: Sequence[str], stage: str, field: str) -> list[Problem]:
    """Everything that keeps these datasets from being trained on in a stage."""
    registry = read_registry(home)
    problems: list[Problem] = []
    for name in names:
        if name not in registry:
            known = ", ".join(registry) or "-"
            problems.append(Problem(field, "unknown_dataset", {"given": name, "known": known}))
            continue
        problems += _dataset_problems(home, name, registry[name], stage, field)
    return problems


def _dataset_problems(home: Home, name: str, entry: Mapping[str, Any], stage: str, field: str) -> Iterator[Problem]:
    kind = entry_format(entry)
    path = entry_file(home, entry)
    if path is None or not path.is_file():
        yield Problem(field, "dataset_file_missing", {"given": name, "path": str(path or "-")})
        return
    if stage not in STAGES_OF.get(kind, ()):
        values = {
            "given": name,
            "format": kind,
            "stage": stage,
            "fits": ", ".join(STAGES_OF.get(kind, ())) or "-",
        }
        yield Problem(field, "dataset_wrong_stage", values)
        return
    try:
        rows, count, faults = _check(path, entry)
    except StudioError as error:
        yield Problem(field, error.code, error.values)
        return
    if faults:
        yield Problem(field, "dataset_faulty", {**_fault_values(name, faults[0]), "count": count})
    elif rows == 0:
        yield Problem(field, "dataset_empty", {"given": name})


def _fault_values(name: str, fault: Fault) -> dict[str, Any]:
    return {
        "name": name,
        "file": fault.file,
        "line": fault.line,
        "field_name": fault.field,
        "fault": fault.code,
        "fault_values": dict(fault.values),
    }


def _check(path: Path, entry: Mapping[str, Any]) -> tuple[int, int, list[Fault]]:
    """Rows, faulty rows, and the first faults of a file; read again only when the file has changed."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise NotFound("no_such_file", "file", given=str(path)) from None
    return _check_version(path, status.st_mtime_ns, status.st_size, json.dumps(entry, sort_keys=True))


@lru_cache(maxsize=32)
def _check_version(path: Path, _modified: int, _size: int, told: str) -> tuple[int, int, list[Fault]]:
    entry: Mapping[str, Any] = json.loads(told)
    rows = count = 0
    faults: list[Fault] = []
    for line, raw in iter_raw(path):
        rows += 1
        row = _parse(raw, entry, path.name, line)
        if isinstance(row, Fault):
            count += 1
            if len(faults) < SHOWN_FAULTS:
                faults.append(row)
    return rows, count, faults


def _parse(raw: object, entry: Mapping[str, Any], file: str, line: int) -> Row | Fault:
    if isinstance(raw, Fault):
        return replace(raw, file=file)
    try:
        return parse_row(raw, entry)
    except RowFault as fault:
        return Fault(file, line, fault.field, fault.code, fault.values)


def _summary(home: Home, name: str, entry: Mapping[str, Any]) -> DatasetSummary:
    kind = entry_format(entry)
    stages = STAGES_OF.get(kind, ())
    path = entry_file(home, entry)
    if path is None or not path.is_file():
        problem = Problem("datasets", "dataset_file_missing", {"given": name, "path": str(path or "-")})
        return DatasetSummary(name, kind, str(entry.get("file_name", "-")), None, None, stages, problem)
    file = path.relative_to(home.data).as_posix() if path.is_relative_to(home.data) else str(path)
    try:
        rows = _PAGES.count(path)
    except StudioError as error:
        problem = Problem("datasets", error.code, error.values)
        return DatasetSummary(name, kind, file, None, path.stat().st_size, stages, problem)
    return DatasetSummary(name, kind, file, rows, path.stat().st_size, stages)


def existing_file(home: Home, name: str, entry: Mapping[str, Any]) -> Path:
    """The file of an entry. Raises NotFound when it is gone."""
    path = entry_file(home, entry)
    if path is None or not path.is_file():
        raise NotFound("dataset_file_missing", "datasets", given=name, path=str(path or "-"))
    return path


def _copy_in(home: Home, source: Path, name: str) -> Path:
    target = home.data.resolve() / name
    if target.exists():
        raise StudioError("data_file_taken", "name", given=target.name)
    partial = target.with_name(f".{target.name}.partial")
    try:
        shutil.copyfile(source, partial)
        os.rename(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StudioError("write_failed", path=str(target), reason=error.strerror or str(error)) from error
    return target
