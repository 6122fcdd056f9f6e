"""One small process a job: `python -m studio.jobs.supervisor FOLDER`.

It waits for its device, runs the job's commands one after another, records how each ended, and stops them
when the folder holds a `stop` file. It is detached from the studio: a browser that closes or a studio that
is killed changes nothing. Commands write to `log.txt` themselves, so that not even the death of this
process disturbs them.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from studio.core.metrics import read_metric
from studio.jobs.processes import JOB_VARIABLE, ProcessIdentity, end_job, processes_of
from studio.stores.runs import JobPaths, read_json, write_state
from studio.stores.tails import read_log_tail

POLL_S = 0.2
TERMINATE_GRACE_S = 5.0
# Bad input can make the engine write some 100 MB of log a minute for ever.
LOG_LIMIT_BYTES = 1_000_000_000
SEARCHED_LOG_BYTES = 100_000
ERROR_LINE = re.compile(r"^\s*(?:\w+\.)*\w*(?:Error|Exception|Interrupt)\b.*", re.MULTILINE)


def run_job(folder: Path) -> str:
    """Run a job to its end and return its final state."""
    paths = JobPaths(folder)
    job = read_json(paths.job)
    log_before = paths.log.stat().st_size if paths.log.exists() else 0
    me = ProcessIdentity.of(os.getpid())
    write_state(folder, state="queued", supervisor_pid=me.pid, supervisor_started=me.started)
    signal.signal(signal.SIGTERM, _on_terminate)
    with ExitStack() as held:
        locks = _wait_for_devices(paths, job, held)
        if locks is None:
            return _end(folder, "stopped")
        write_state(folder, state="running", started_at=time.time())
        for step in job["steps"]:
            write_state(folder, phase=step["name"])
            exit_code, cause = _run_step(paths, step, locks)
            if cause:
                return _end(folder, "failed", exit_code, cause)
            if exit_code != 0:
                if paths.stop.exists():
                    return _end(folder, "stopped", exit_code)
                return _end(folder, "failed", exit_code, find_cause(paths, exit_code, log_before))
            if paths.stop.exists():
                return _end(folder, "stopped", exit_code)
            missing = [path for path in step.get("makes", []) if not Path(path).exists()]
            if missing:
                # The engine's exit status 0 proves nothing.
                return _end(folder, "failed", 0, {"code": "nothing_written", "values": {"path": missing[0]}})
    return _end(folder, "finished", 0)


def _on_terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _end(folder: Path, state: str, exit_code: int | None = None, cause: Mapping[str, Any] | None = None) -> str:
    write_state(folder, state=state, ended_at=time.time(), exit_code=exit_code, cause=cause)
    return state


def _wait_for_devices(paths: JobPaths, job: Mapping[str, Any], held: ExitStack) -> list[int] | None:
    """Take the device locks, first come first served as far as the poll tells; None when stopped.

    The commands inherit the returned descriptors: a device stays taken as long as one of them lives, even
    when this process is killed.
    """
    taken: list[int] = []
    for lock in job.get("locks", []):
        Path(lock).parent.mkdir(parents=True, exist_ok=True)
        file = held.enter_context(open(lock, "w"))
        while True:
            if paths.stop.exists():
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                taken.append(file.fileno())
                break
            except BlockingIOError:
                time.sleep(POLL_S)
    return taken


def _run_step(paths: JobPaths, step: Mapping[str, Any], locks: list[int]) -> tuple[int, dict[str, Any] | None]:
    """Run one command; returns its exit status (negative: the signal) and a cause the supervisor saw."""
    env = {**os.environ, **step["env"], JOB_VARIABLE: str(paths.folder)}
    with paths.log.open("ab") as log:
        try:
            process = subprocess.Popen(
                step["argv"],
                cwd=step["folder"] or None,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=locks,
            )
        except OSError as error:
            return 127, {
                "code": "cannot_start",
                "values": {"command": step["argv"][0], "reason": error.strerror},
            }
    started = time.time()
    identity = ProcessIdentity.of(process.pid)
    write_state(paths.folder, pid=identity.pid, pid_started=identity.started)
    asked = ""
    while process.poll() is None:
        time.sleep(POLL_S)
        how = paths.stop.read_text() if paths.stop.exists() else ""
        if how and how != asked:
            asked = how
            write_state(paths.folder, state="stopping")
            # Before training begins there is nothing to save, and the hook is not listening yet.
            if how == "now" or not _has_begun(paths.folder / "metrics.jsonl", started):
                end_job(paths.folder, TERMINATE_GRACE_S)
        if paths.log.stat().st_size > LOG_LIMIT_BYTES:
            end_job(paths.folder, TERMINATE_GRACE_S)
            return process.wait(), {"code": "log_flood", "values": {"limit": "1 GB"}}
    # The command is over; what it left behind must not outlive the job.
    if processes_of(paths.folder):
        end_job(paths.folder, TERMINATE_GRACE_S)
    return process.returncode, None


def _has_begun(metrics: Path, since: float) -> bool:
    """Whether training has begun in this job; a resumed run has begun before, too."""
    if not metrics.exists():
        return False
    with metrics.open(encoding="utf-8", errors="replace") as lines:
        records = (record for line in lines if (record := read_metric(line)))
        return any(record["kind"] == "begin" and record.get("time", 0) >= since for record in records)


def find_cause(paths: JobPaths, exit_code: int, log_before: int = 0) -> dict[str, Any]:
    """Why a command failed, from its exit status and the end of its log, behind what was there before."""
    if exit_code < 0:
        return {"code": "killed", "values": {"signal": signal.Signals(-exit_code).name}}
    size = min(SEARCHED_LOG_BYTES, max(1, paths.log.stat().st_size - log_before)) if paths.log.exists() else 1
    errors = ERROR_LINE.findall(read_log_tail(paths.log, size))
    if errors:
        return {"code": "engine_error", "values": {"reason": errors[-1].strip()[:500]}}
    return {"code": "engine_failed", "values": {"exit_code": exit_code}}


if __name__ == "__main__":
    run_job(Path(sys.argv[1]))
