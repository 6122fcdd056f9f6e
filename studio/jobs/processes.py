"""Processes by identity: a pid together with its start, since pids are used again."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

# Every process of a job inherits this variable, also those that the distributed launcher starts in
# sessions of their own, and those whose parent is gone.
JOB_VARIABLE = "STUDIO_JOB"
POLL_S = 0.05
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process; `started` is the machine's start and the clock ticks from there to the process's own.

    The time of day would not do: a clock that is set moves the start times of all processes.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """Raises FileNotFoundError, ProcessLookupError."""
        return cls(pid, _read_stat(pid)[1])


def is_alive(pid: int | None, started: str | None) -> bool:
    """Whether that very process still runs; a zombie does not."""
    if not pid or started is None:
        return False
    try:
        status, since = _read_stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return since == started and status not in "ZX"


def _read_stat(pid: int) -> tuple[str, str]:
    """The state of a process, a letter, and when it started. See proc_pid_stat(5)."""
    # Its second field, a name, may hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    boot = BOOT.read_text().strip() if BOOT.exists() else ""
    return fields[0], f"{boot} {fields[19]}"


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
