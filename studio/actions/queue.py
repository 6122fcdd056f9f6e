"""Runs that wait for their devices: change their order, hold one, let it go; and how many work at once."""

from collections.abc import Callable
from pathlib import Path

from studio.actions.runs import view_run
from studio.core.runs import RunView
from studio.errors import StudioError
from studio.jobs.devices import MOST_AT_ONCE, read_claim, read_limit, set_limit
from studio.jobs.queue import hold, move
from studio.stores.home import Home
from studio.stores.runs import RunPaths, find_run_folder


def hold_run(home: Home, run: str, held: bool) -> RunView:
    """Let a queued run wait although its turn comes, or no longer. Raises StudioError."""
    return _change(home, run, lambda pool, job: hold(pool, job, held))


def move_run(home: Home, run: str, places: int) -> RunView:
    """Put a queued run so many places later; earlier, when negative. Raises StudioError."""
    return _change(home, run, lambda pool, job: move(pool, job, places))


def cpu_runs(home: Home) -> int:
    """How many runs may work on the CPU at once."""
    return read_limit(home.pool("cpu"))


def set_cpu_runs(home: Home, given: object) -> int:
    """Let so many runs work on the CPU at once; those that wait see it at once. Raises StudioError."""
    text = str(given).strip()
    if not text.isdecimal() or not 1 <= int(text) <= MOST_AT_ONCE:
        raise StudioError("bad_cpu_runs", given=text, most=MOST_AT_ONCE)
    set_limit(home.pool("cpu"), int(text))
    return int(text)


def _change(home: Home, run: str, change: Callable[[Path, Path], None]) -> RunView:
    folder = find_run_folder(home, run)
    job = RunPaths(folder).job
    claim = read_claim(job)
    if claim is None:
        raise StudioError("not_queued", "run", run=folder.name)
    change(claim.pool, job)
    return view_run(home, folder)
