"""One small process a job: `python -m studio.jobs.supervisor FOLDER`.

It waits for its device, runs the job's commands one after another, records how each ended, and stops them
when the folder holds a `stop` file. It is detached from the studio: a browser that closes or a studio that
is killed changes nothing. Commands write to `log.txt` themselves, so that not even the death of this
process disturbs them.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any, Protocol

from studio.core.metrics import read_metric
from studio.core.paddleformers.failures import diagnose
from studio.core.runs import read_cause
from studio.errors import StoreFailed
from studio.jobs.devices import Claim, device_environment, read_claim, take_devices
from studio.jobs.machine import MachineMeter
from studio.jobs.notify import say_end, send
from studio.jobs.processes import JOB_VARIABLE, ProcessIdentity, end_job, processes_of
from studio.jobs.queue import is_next, leave_queue
from studio.jobs.state import remove_scratch
from studio.stores.logs import read_log_tail
from studio.stores.runs import JobPaths, read_json, write_state
from studio.stores.webhook import read_webhook
from studio.texts import word_problem

POLL_S = 0.2
TERMINATE_GRACE_S = 5.0
# Bad input can make the engine write some 100 MB of log a minute for ever.
LOG_LIMIT_BYTES = 1_000_000_000
SEARCHED_LOG_BYTES = 100_000
METRICS = "metrics.jsonl"
# What is kept free for the last word, and how long it is tried.
ROOM_BYTES = 65_536
LAST_WORD_S = 10.0
FULL_BYTES = 1_000_000


class Spawned(Protocol):
    """A command that was started; its exit status is negative for a signal."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...


# From arguments, folder, environment, log and the descriptors to keep.
Spawn = Callable[[list[str], str | None, Mapping[str, str], IO[bytes], list[int]], Spawned]


def spawn_command(
    argv: list[str], folder: str | None, env: Mapping[str, str], log: IO[bytes], locks: list[int]
) -> Spawned:
    """Start a command in a session of its own. Raises OSError."""
    return subprocess.Popen(
        argv,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        pass_fds=locks,
    )


class _Told:
    """Writes a job's state. What cannot be written now goes with what is written next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, object] = {}
        self._room = folder / ".room"
        with suppress(OSError), self._room.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)

    def write(self, **fields: object) -> bool:
        """Returns whether all is written. A folder that somebody has deleted stays deleted."""
        self._waiting |= fields
        with suppress(StoreFailed):
            if self._waiting and self._folder.is_dir():
                write_state(self._folder, **self._waiting)
                self._waiting = {}
        return not self._waiting

    def write_last(self, **fields: object) -> None:
        """The last word has room kept for it on a disk that is full."""
        with suppress(OSError):
            self._room.unlink()
        deadline = time.monotonic() + LAST_WORD_S
        while not self.write(**fields) and self._folder.is_dir() and time.monotonic() < deadline:
            time.sleep(POLL_S)


def run_job(folder: Path, spawn: Spawn = spawn_command) -> str:
    """Run a job to its end, tell it where somebody wants to know, and return its final state."""
    state = _run_steps(folder, spawn)
    # The devices are free by now: an address that does not answer keeps nobody waiting.
    _tell_webhook(folder, state)
    return state


def _run_steps(folder: Path, spawn: Spawn) -> str:
    paths = JobPaths(folder)
    job = read_json(paths.job)
    metrics = folder / METRICS
    log_before = _size(paths.log)
    me = ProcessIdentity.of(os.getpid())
    told = _Told(folder)
    told.write(state="queued", supervisor_pid=me.pid, supervisor_started=me.started)
    signal.signal(signal.SIGTERM, _on_terminate)
    with ExitStack() as held:
        claim = read_claim(folder)
        taken = _wait_for_devices(paths, claim, held)
        if taken is None:
            return _end(folder, told, "stopped")
        told.write(state="running", started_at=time.time(), devices=list(taken))
        given, took = device_environment(claim, taken), dict[str, float]()
        for step in job["steps"]:
            told.write(phase=step["name"])
            kills_before, begun = count_memory_kills(), time.monotonic()
            said_before = _size(metrics)
            step["env"] |= given
            meter = MachineMeter(paths.machine, [name for name in taken if given])
            silence_s = float(job.get("silence_s", 0))
            exit_code, cause = _run_step(paths, step, list(taken.values()), silence_s, spawn, meter, told)
            took[step["name"]] = round(time.monotonic() - begun, 2)
            told.write(steps=took)
            if not step.get("needed", True):
                # What the job is for has been done by now.
                if (cause or exit_code != 0) and not paths.stop.exists():
                    why = cause or find_cause(paths, exit_code, log_before, count_memory_kills() > kills_before)
                    told.write(not_done=why)
                continue
            if cause:
                return _end(folder, told, "failed", exit_code, cause)
            if exit_code != 0:
                if paths.stop.exists():
                    return _end(folder, told, "stopped", exit_code)
                memory_kill = count_memory_kills() > kills_before
                cause = find_cause(paths, exit_code, log_before, memory_kill)
                return _end(folder, told, "failed", exit_code, cause)
            # What was made public before anybody could stop it is there.
            if paths.stop.exists() and not step.get("publishes"):
                return _end(folder, told, "stopped", exit_code)
            alarm = _read_alarm(metrics, said_before)
            if alarm:
                return _end(folder, told, "stopped", exit_code, alarm)
            missing = [path for path in step.get("makes", []) if not Path(path).exists()]
            if missing:
                # The engine's exit status 0 proves nothing.
                return _end(folder, told, "failed", 0, {"code": "nothing_written", "values": {"path": missing[0]}})
    return _end(folder, told, "finished", 0)


def _on_terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _end(
    folder: Path, told: _Told, state: str, exit_code: int | None = None, cause: Mapping[str, Any] | None = None
) -> str:
    # Ahead of the last word: whoever reads it may begin anew, in the same places.
    remove_scratch(folder)
    told.write_last(state=state, ended_at=time.time(), exit_code=exit_code, cause=cause, webhook_error="")
    return state


def _tell_webhook(folder: Path, state: str) -> None:
    """The run has ended, whether or not anybody can be told so."""
    paths = JobPaths(folder)
    path = read_json(paths.job).get("webhook")
    webhook = read_webhook(Path(path)) if path else None
    if webhook is None:
        return
    cause = read_cause(read_json(paths.state).get("cause"))
    name = folder.parent.name
    text = say_end(name, state, word_problem(cause, webhook.language) if cause else "", webhook.language)
    failed = send(webhook, text, {"event": "run_ended", "run": name, "state": state, "cause": cause and cause.code})
    # Somebody may have gone on with the run meanwhile; then its state is another's to write.
    if failed and read_json(paths.state).get("state") == state:
        write_state(folder, webhook_error=failed)


def _wait_for_devices(paths: JobPaths, claim: Claim | None, held: ExitStack) -> dict[str, int] | None:
    """Take the job's devices when its turn comes: names, with the descriptors that keep them. None when stopped."""
    taken: dict[str, int] = {}
    while claim and not taken:
        if paths.stop.exists() or not paths.folder.is_dir():
            break
        if is_next(claim, paths.folder):
            taken = take_devices(claim, held)
        if not taken:
            time.sleep(POLL_S)
    if claim:
        leave_queue(claim.pool, paths.folder)
    return None if paths.stop.exists() or not paths.folder.is_dir() else taken


def _run_step(
    paths: JobPaths,
    step: Mapping[str, Any],
    locks: list[int],
    silence_s: float,
    spawn: Spawn,
    meter: MachineMeter,
    told: _Told,
) -> tuple[int, dict[str, Any] | None]:
    """Run one command; returns its exit status (negative: the signal) and a cause the supervisor saw."""
    env = {**os.environ, **step["env"], JOB_VARIABLE: str(paths.folder)}
    metrics = paths.folder / METRICS
    said_before = _size(metrics)
    try:
        with paths.log.open("ab") as log:
            process = spawn(step["argv"], step["folder"] or None, env, log, locks)
    except OSError as error:
        return 127, {
            "code": "cannot_start",
            "values": {"command": step["argv"][0], "reason": error.strerror},
        }
    identity = ProcessIdentity.of(process.pid)
    told.write(pid=identity.pid, pid_started=identity.started)
    asked = ""
    # Not the log's time, which a clock that is set would turn into hours of silence.
    log_size, spoke_at = _size(paths.log), time.monotonic()
    while (status := process.poll()) is None:
        time.sleep(POLL_S)
        if not paths.folder.is_dir():
            # No time to save, which would bring back a part of what was deleted.
            end_job(paths.folder, 0)
            return process.wait(), {"code": "lost", "values": {}}
        told.write()
        meter.measure(process.pid)
        how = paths.stop.read_text() if paths.stop.exists() else ""
        if how and how != asked:
            asked = how
            told.write(state="stopping")
            # Before training begins there is nothing to save, and the hook is not listening yet.
            if how == "now" or not _has_begun(metrics, said_before):
                end_job(paths.folder, TERMINATE_GRACE_S)
        if _size(paths.log) != log_size:
            log_size, spoke_at = _size(paths.log), time.monotonic()
        if silence_s and time.monotonic() - spoke_at > silence_s:
            end_job(paths.folder, TERMINATE_GRACE_S)
            return process.wait(), {"code": "silent", "values": {"minutes": f"{silence_s / 60:g}"}}
        if log_size > LOG_LIMIT_BYTES:
            end_job(paths.folder, TERMINATE_GRACE_S)
            return process.wait(), {"code": "log_flood", "values": {"limit": "1 GB"}}
    # The command is over; what it left behind must not outlive the job.
    if processes_of(paths.folder):
        end_job(paths.folder, TERMINATE_GRACE_S)
    return status, None


def _size(path: Path) -> int:
    """In bytes; 0 where there is nothing."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _has_begun(metrics: Path, since: int) -> bool:
    """Whether training has begun behind a byte of what was said; a resumed run has begun before, too."""
    return next(_records(metrics, "begin", since), None) is not None


def _read_alarm(metrics: Path, since: int) -> dict[str, Any] | None:
    """Why a watchdog ended the training, if one did."""
    alarm = next(_records(metrics, "alarm", since), None)
    return {"code": alarm["code"], "values": alarm["values"]} if alarm else None


def _records(metrics: Path, kind: str, since: int) -> Iterator[dict[str, Any]]:
    if not metrics.exists():
        return
    with metrics.open("rb") as lines:
        lines.seek(since)
        for line in lines:
            record = read_metric(line.decode(errors="replace"))
            if record and record["kind"] == kind:
                yield record


def find_cause(paths: JobPaths, exit_code: int, log_before: int = 0, memory_kill: bool = False) -> dict[str, Any]:
    """Why a command failed, from its exit status and the end of its log, behind what was there before."""
    size = min(SEARCHED_LOG_BYTES, max(1, _size(paths.log) - log_before))
    cause = diagnose(exit_code, read_log_tail(paths.log, size), memory_kill=memory_kill)
    if cause.code in ("engine_error", "engine_failed") and _is_disk_full(paths.folder):
        # The log had no room for the reason.
        return {"code": "disk_full", "values": {}}
    return {"code": cause.code, "values": dict(cause.values)}


def _is_disk_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def count_memory_kills() -> int:
    """How many processes the kernel has killed for memory since it started; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


if __name__ == "__main__":
    run_job(Path(sys.argv[1]))
