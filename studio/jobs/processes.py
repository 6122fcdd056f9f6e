"""Processes by identity: a pid together with its start time, since pids are used again."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

# Every process of a job inherits this variable, also those that the distributed launcher starts in
# sessions of their own, and those whose parent is gone.
JOB_VARIABLE = "STUDIO_JOB"
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        return cls(pid, psutil.Process(pid).create_time())


def is_alive(pid: int | None, started: float | None) -> bool:
    """Whether that very process still runs; a zombie does not."""
    if not pid or started is None:
        return False
    try:
        process = psutil.Process(pid)
        # The kernel keeps start times in clock ticks; a clock that is set moves them all by a little.
        return abs(process.create_time() - started) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(job_folder: Path) -> list[psutil.Process]:
    """Every living process of a job, the supervisor left out (it does not carry the variable)."""
    wanted = str(job_folder)
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(JOB_VARIABLE) == wanted and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_job(job_folder: Path, grace_s: float) -> None:
    """Terminate every process of a job, then kill what is left; returns when none is."""
    deadline = time.monotonic() + grace_s
    for process in processes_of(job_folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    while (left := processes_of(job_folder)) and time.monotonic() < deadline:
        # Not by waiting for them: that would take a child's exit status from whoever started it.
        time.sleep(POLL_S)
    while left := processes_of(job_folder):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(POLL_S)
