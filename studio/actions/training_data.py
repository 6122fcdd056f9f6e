"""What of some datasets can be trained on, and writing it for the engine."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from studio.actions.rows import check_file, existing_file, iter_rows
from studio.core.formats import MEDIA_MARKS, STAGES_OF, entry_format
from studio.core.options import VISION_STAGES
from studio.core.rows import Fault, Row
from studio.core.writing import ADDRESS, engine_row, with_media_in
from studio.errors import Problem, StudioError
from studio.stores.atomic import open_whole
from studio.stores.hashes import file_hash
from studio.stores.home import Home
from studio.stores.registry import entry_file, find_entry, read_registry


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A share of each dataset's rows (0 to 1) that is not trained on; the same seed picks the same rows."""

    share: float
    seed: int
    target: Path

    def size(self, rows: int) -> int:
        """How many of so many sound rows: at least one, and never all."""
        return max(0, min(rows - 1, max(1, round(rows * self.share))))

    def pick(self, name: str, rows: int) -> set[int]:
        """Their positions among the sound rows."""
        return set(random.Random(f"{self.seed}/{name}").sample(range(rows), self.size(rows)))


def prepare_data(
    home: Home,
    names: Sequence[str],
    stage: str,
    target: Path,
    drop_faulty: bool = False,
    held_out: HeldOut | None = None,
) -> list[dict[str, Any]]:
    """Write the rows of some datasets, one after the other, as clean JSONL that the engine takes.

    Returns a record of each dataset. The engine hangs for ever on data it cannot use, so nothing reaches it
    but what is written here. Faulty rows are left out and counted when that was asked for; else the first one
    raises StudioError, and nothing stays. Rows that are held out are appended to their own file.
    """
    sources: list[dict[str, Any]] = []
    with open_whole(target) as file, ExitStack() as opened:
        other = opened.enter_context(held_out.target.open("a", encoding="utf-8")) if held_out else file
        for name in names:
            chosen = held_out.pick(name, _sound_rows(home, name)) if held_out else set[int]()
            sources.append(_write_rows(home, name, stage, (file, other), chosen, drop_faulty))
        if not any(source["rows"] > source.get("held_out", 0) for source in sources):
            raise StudioError("nothing_left", "datasets", given=", ".join(names))
    return sources


def _write_rows(
    home: Home, name: str, stage: str, files: tuple[IO[str], IO[str]], held_out: Set[int], drop_faulty: bool
) -> dict[str, Any]:
    """Write a dataset's rows into the first file, those held out into the second; returns its record."""
    path = existing_file(home, name, find_entry(home, name))
    rows = dropped = 0
    folder = path if path.is_dir() else path.parent
    for line, _, row in iter_rows(home, name):
        if stage in VISION_STAGES and not isinstance(row, Fault):
            row = _with_media(row, folder, path.name, line)
        if isinstance(row, Fault):
            if not drop_faulty:
                raise faulty(name, row)
            dropped += 1
            continue
        files[rows in held_out].write(json.dumps(engine_row(row, stage), ensure_ascii=False) + "\n")
        rows += 1
    source: dict[str, Any] = {"name": name, "rows": rows, "sha256": file_hash(home, path)}
    if dropped:
        source["dropped"] = dropped
    if held_out:
        source["held_out"] = len(held_out)
    return source


def _with_media(row: Row, folder: Path, name: str, line: int) -> Row | Fault:
    """The row with whole paths to its images, or the first that is not there."""
    row = with_media_in(row, folder)
    for role in MEDIA_MARKS:
        for file in getattr(row, role):
            if not ADDRESS.match(file) and not Path(file).is_file():
                return Fault(name, line, role, "media_missing", {"path": file})
    return row


def _sound_rows(home: Home, name: str) -> int:
    rows, faulty_rows = count_rows(home, [name])[name]
    return rows - faulty_rows


def faulty(name: str, fault: Fault) -> StudioError:
    """The refusal of a dataset because of one row."""
    return StudioError("faulty_row", "datasets", **_fault_values(name, fault))


def find_data_problems(
    home: Home, names: Sequence[str], stage: str, field: str, drop_faulty: bool = False
) -> list[Problem]:
    """Everything that keeps these datasets from being trained on in a stage."""
    registry = read_registry(home)
    problems: list[Problem] = []
    for name in names:
        if name not in registry:
            known = ", ".join(registry) or "-"
            problems.append(Problem(field, "unknown_dataset", {"given": name, "known": known}))
            continue
        problems += _dataset_problems(home, name, registry[name], stage, field, drop_faulty)
    return problems


def count_rows(home: Home, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of each usable dataset its rows, and how many of them are faulty."""
    registry = read_registry(home)
    found: dict[str, tuple[int, int]] = {}
    for name in names:
        path = entry_file(home, registry[name]) if name in registry else None
        if path is None or not path.exists():
            continue
        try:
            check = check_file(path, registry[name])
        except StudioError:
            # It is told as a problem of the dataset.
            continue
        found[name] = (check.rows, len(check.numbers))
    return found


def _dataset_problems(
    home: Home, name: str, entry: Mapping[str, Any], stage: str, field: str, drop_faulty: bool
) -> Iterator[Problem]:
    kind = entry_format(entry)
    path = entry_file(home, entry)
    if path is None or not path.exists():
        yield Problem(field, "dataset_file_missing", {"given": name, "path": str(path or "-")})
        return
    if stage not in STAGES_OF.get(kind, ()):
        fits = ", ".join(STAGES_OF.get(kind, ())) or "-"
        yield Problem(field, "dataset_wrong_stage", {"given": name, "format": kind, "stage": stage, "fits": fits})
        return
    try:
        found = check_file(path, entry)
    except StudioError as error:
        yield Problem(field, error.code, error.values)
        return
    sound = found.rows - len(found.numbers)
    if found.faults and (not drop_faulty or not sound):
        count = {"count": len(found.numbers), "rows": found.rows}
        yield Problem(field, "dataset_faulty", {**_fault_values(name, found.faults[0]), **count})
    elif found.rows == 0:
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
