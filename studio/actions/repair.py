"""Run again what has failed, with the change that its cause asks for."""

from dataclasses import replace
from pathlib import Path

from studio.actions.resume import resume_run
from studio.actions.runs import find_run
from studio.actions.train import free_name, start_run
from studio.core.paddleformers.remedies import Remedy, find_remedy
from studio.core.runs import RunView
from studio.errors import Problem, StudioError
from studio.stores.home import Home
from studio.stores.runs import find_resumable, read_request


def find_repair(view: RunView) -> Remedy | None:
    """What would be changed to run a failed or lost run again; None where the studio knows nothing."""
    folder = Path(view.path)
    if view.state not in ("failed", "lost"):
        return None
    cause = view.cause or Problem("", "lost")
    return find_remedy(cause, read_request(folder), can_resume=bool(find_resumable(folder)))


def repair_run(home: Home, run: str) -> RunView:
    """Apply the remedy and run again: in its own folder from the newest checkpoint, or as a new run.

    Raises NotFound, and StudioError where there is none.
    """
    remedy = find_repair(find_run(home, run))
    if remedy is None:
        raise StudioError("no_remedy", "run", run=run)
    if remedy.resume:
        return resume_run(home, run)
    return start_run(home, replace(remedy.request, name=free_name(home, remedy.request.name)))
