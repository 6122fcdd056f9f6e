"""What a job is doing, as its folder and its processes say."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from studio.jobs.processes import is_alive
from studio.stores.runs import JobPaths, read_json

# Longer than `warm.ANSWER_S`, or a job that is being started would be taken for lost, and started again.
STARTING_S = 50.0


def job_state(folder: Path) -> dict[str, object]:
    """A job's state as it is: one whose processes are gone without a word is `lost`."""
    try:
        state = read_json(JobPaths(folder).state)
    except ValueError:
        # Nobody of ours leaves half a file.
        return {"state": "lost"}
    if state.get("state") not in ("queued", "preparing", "running", "stopping"):
        return state
    if is_alive(state.get("supervisor_pid"), state.get("supervisor_started")):
        return state
    if is_alive(state.get("pid"), state.get("pid_started")):
        return state
    # A supervisor takes a moment to write its first line; a warm engine is waited for before that.
    if "supervisor_pid" not in state and time.time() - float(state.get("created_at", 0)) < STARTING_S:
        return state
    # It may have ended, in order, between the two looks.
    again = read_json(JobPaths(folder).state)
    return again if again != state else {**state, "state": "lost"}


def remove_scratch(folder: Path) -> None:
    """What a job needed while it worked, and what it did not bring to its end, is no result."""
    for path in map(Path, read_json(JobPaths(folder).job).get("scratch", [])):
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            path.unlink()
