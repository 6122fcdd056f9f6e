"""Why a job of ours failed: what it said itself, what its supervisor saw, or the last line of its log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from studio.errors import JobFailed
from studio.jobs.serving import read_error
from studio.stores.logs import read_log_tail
from studio.stores.runs import JobPaths

REASON_BYTES = 20_000


def read_end(job: Path, state: Mapping[str, Any], field: str) -> JobFailed:
    """The error of a job that has failed; `field` is what in the form it is about."""
    lines = [line for line in read_log_tail(JobPaths(job).log, REASON_BYTES).splitlines() if line.strip()]
    told = next(filter(None, map(read_error, reversed(lines))), None)
    if told:
        return told
    cause = cast("Mapping[str, Any]", state.get("cause") or {})
    match cause.get("code"):
        case "killed_for_memory":
            return JobFailed("job_out_of_memory", field)
        case "killed":
            return JobFailed("job_killed", field, signal=cause["values"].get("signal"))
        case _:
            return JobFailed("hand_on_failed", field, reason=lines[-1].strip() if lines else "–")
