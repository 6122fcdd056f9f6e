"""Runs that wait for their device: change their order, hold one, let it go."""

from collections.abc import Callable
from pathlib import Path

from studio.actions.runs import read_locks, view_run
from studio.core.runs import RunView
from studio.errors import StudioError
from studio.jobs.queue import hold, move
from studio.stores.home import Home
from studio.stores.runs import RunPaths, find_run_folder


def hold_run(home: Home, run: str, held: bool) -> RunView:
    """Let a queued run wait although its turn comes, or no longer. Raises StudioError."""
    return _change(home, run, lambda lock, job: hold(lock, job, held))


def move_run(home: Home, run: str, places: int) -> RunView:
    """Put a queued run so many places later; earlier, when negative. Raises StudioError."""
    return _change(home, run, lambda lock, job: move(lock, job, places))


def _change(home: Home, run: str, change: Callable[[Path, Path], None]) -> RunView:
    folder = find_run_folder(home, run)
    job = RunPaths(folder).job
    locks = read_locks(job)
    if not locks:
        raise StudioError("not_queued", "run", run=folder.name)
    for lock in locks:
        change(lock, job)
    return view_run(home, folder)
