"""Every run there ever was: listed, noted, compared, put away and thrown away."""

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock

from studio.actions.curves import TAILS
from studio.actions.runs import Queues, view_run
from studio.core.history import About, Difference, RunSummary, find_differences
from studio.core.runs import ACTIVE_STATES
from studio.errors import NotFound, StoreFailed, StudioError
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.runs import (
    JobPaths,
    RunPaths,
    find_run_folder,
    find_run_folders,
    read_json,
    read_request,
    run_id,
)

# Changes when a summary says more or otherwise than before.
FORMAT = 1
NOTE_LENGTH = 2000
TAG_LENGTH = 40

Stamp = list[list[int] | None]


@dataclass(frozen=True, slots=True)
class Trashed:
    """A run that was thrown away: by `key` it is brought back."""

    key: str
    run: str
    deleted_at: float


class _Summaries:
    """Summaries of runs that have ended, kept in memory and in a file; each is read anew when its run changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._kept: dict[str, tuple[Stamp, RunSummary]] = {}
        # Whatever is wrong with a cache, it can be made again.
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            stored = read_json(path)
            if stored.get("format") == FORMAT:
                self._kept = {
                    run: (entry["stamp"], RunSummary.from_json(entry["summary"]))
                    for run, entry in stored["runs"].items()
                }

    def read(self, home: Home) -> list[RunSummary]:
        with self._lock:
            found: dict[str, tuple[Stamp, RunSummary]] = {}
            alive: list[RunSummary] = []
            queues: Queues = {}
            for folder in find_run_folders(home):
                run = run_id(home, folder)
                stamp = _stamp(folder)
                known = self._kept.get(run)
                if known and known[0] == stamp:
                    found[run] = known
                    continue
                try:
                    summary, active = _summarise(home, folder, queues)
                except StudioError:
                    # It can only be looked for by its name, and is then told to be broken.
                    continue
                if active:
                    alive.append(summary)
                else:
                    found[run] = stamp, summary
            if found != self._kept:
                self._kept = found
                runs = {
                    run: {"stamp": stamp, "summary": summary.to_json()} for run, (stamp, summary) in found.items()
                }
                # Only time is lost where it cannot be written, as on a full disk.
                with contextlib.suppress(StoreFailed):
                    write_json(self._path, {"format": FORMAT, "runs": runs})
            return alive + [summary for _, summary in found.values()]


_homes: dict[Path, _Summaries] = {}
_homes_lock = Lock()


def list_summaries(home: Home) -> list[RunSummary]:
    """Every run in one line, the newest first."""
    with _homes_lock:
        kept = _homes.setdefault(home.root, _Summaries(home.cache / "runs.json"))
    return sorted(kept.read(home), key=lambda summary: (summary.started_at or 0.0, summary.run), reverse=True)


def compare_runs(home: Home, runs: Sequence[str]) -> tuple[list[RunSummary], list[Difference]]:
    """Some runs in one line each, and what differs in their options, data and versions. Raises NotFound."""
    folders = [find_run_folder(home, run) for run in runs]
    summaries = [_summarise(home, folder, {})[0] for folder in folders]
    return summaries, find_differences([read_json(RunPaths(folder).request) for folder in folders])


def note_run(
    home: Home, run: str, note: str | None = None, tags: Sequence[str] | None = None, archived: bool | None = None
) -> About:
    """Change what is noted about a run; what is None stays. Raises StudioError."""
    folder = find_run_folder(home, run)
    about = read_about(folder)
    if note is not None:
        about = replace(about, note=note.strip()[:NOTE_LENGTH])
    if tags is not None:
        kept = dict.fromkeys(tag.strip()[:TAG_LENGTH] for tag in tags)
        about = replace(about, tags=tuple(tag for tag in kept if tag))
    if archived is not None:
        about = replace(about, archived=archived)
    write_json(_about_path(folder), asdict(about))
    return about


def read_about(folder: Path) -> About:
    """What is noted about a run; nothing of it where the file cannot be read."""
    try:
        return About.from_json(read_json(_about_path(folder)))
    except (ValueError, TypeError):
        return About()


def trash_run(home: Home, run: str) -> Trashed:
    """Move a run into the trash. Raises StudioError while it is at work, or another that needs it."""
    folder = find_run_folder(home, run)
    if view_run(home, folder).is_active:
        raise StudioError("run_is_active", "run", run=run)
    for other in list_summaries(home):
        request = read_request(find_run_folder(home, other.run)) if other.state in ACTIVE_STATES else None
        if request and any(Path(path).is_relative_to(folder) for path in (request.model, request.adapter) if path):
            raise StudioError("run_is_needed", "run", run=run, by=other.run)
    key = f"{time.time_ns()}"
    target = home.trash / key / run_id(home, folder)
    target.parent.mkdir(parents=True)
    folder.rename(target)
    return Trashed(key, run_id(home, folder), int(key) / 1e9)


def list_trash(home: Home) -> list[Trashed]:
    """What was thrown away, the latest first."""
    found: list[Trashed] = []
    for request in home.trash.glob("*/*/*/*/studio/request.json"):
        folder, place = request.parents[1], request.parents[4]
        found.append(Trashed(place.name, folder.relative_to(place).as_posix(), _when(place)))
    return sorted(found, key=lambda trashed: trashed.deleted_at, reverse=True)


def restore_run(home: Home, key: str) -> str:
    """Bring a run back from the trash. Raises StudioError where another has its place by now."""
    trashed = next((one for one in list_trash(home) if one.key == key), None)
    if trashed is None:
        raise NotFound("unknown_trash", "run", given=key)
    target = home.saves / trashed.run
    if any(folder.name == target.name for folder in find_run_folders(home)):
        raise StudioError("name_is_taken", "run", given=target.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    (home.trash / key / trashed.run).rename(target)
    shutil.rmtree(home.trash / key, ignore_errors=True)
    return trashed.run


def empty_trash(home: Home) -> int:
    """Delete for good what was thrown away; returns how many runs."""
    count = len(list_trash(home))
    if home.trash.exists():
        shutil.rmtree(home.trash)
    return count


def _when(place: Path) -> float:
    return int(place.name) / 1e9 if place.name.isdecimal() else place.stat().st_mtime


def _about_path(folder: Path) -> Path:
    return RunPaths(folder).job / "about.json"


def _stamp(folder: Path) -> Stamp:
    """What changes when anything does that a summary tells of a run that has ended."""
    paths = RunPaths(folder)
    files = (paths.request, JobPaths(paths.job).state, paths.metrics, _about_path(folder))
    return [_file_stamp(path) for path in files]


def _file_stamp(path: Path) -> list[int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


def _summarise(home: Home, folder: Path, queues: Queues) -> tuple[RunSummary, bool]:
    """A run in one line, and whether it is at work."""
    view, about = view_run(home, folder, queues), read_about(folder)
    with TAILS.reading(RunPaths(folder).metrics) as tail:
        best = tail.curves.best("eval_loss")
    summary = RunSummary(
        run=view.run,
        name=view.name,
        state=view.state,
        model=Path(view.model).name,
        stage=view.stage,
        method=view.method,
        datasets=view.datasets,
        step=view.step,
        total_steps=view.total_steps,
        loss=view.loss,
        best_loss=best[0] if best else None,
        best_step=best[1] if best else None,
        elapsed_s=view.elapsed_s,
        started_at=view.started_at,
        note=about.note,
        tags=about.tags,
        archived=about.archived,
    )
    return summary, view.is_active
