"""One small process a job: `python -m studio.jobs.supervisor FOLDER`.

It waits for its device, runs the job's commands one after another, records how each ended, and stops them
when the folder holds a `stop` file. It is detached from the studio: a browser that closes or a studio that
is killed changes nothing. Commands write to `log.txt` themselves, so that not even the death of this
process disturbs them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import IO, Any, Protocol

from studio.core.metrics import read_metric
from studio.core.paddleformers.failures import diagnose
from studio.core.runs import read_cause
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


def run_job(folder: Path, spawn: Spawn = spawn_command) -> str:
    """Run a job to its end, tell it where somebody wants to know, and return its final state."""
    state = _run_steps(folder, spawn)
    # The devices are free by now: an address that does not answer keeps nobody waiting.
    _tell_webhook(folder, state)
    return state


def _run_steps(folder: Path, spawn: Spawn) -> str:
    paths = JobPaths(folder)
    job = read_json(paths.job)
    log_before = paths.log.stat().st_size if paths.log.exists() else 0
    me = ProcessIdentity.of(os.getpid())
    write_state(folder, state="queued", supervisor_pid=me.pid, supervisor_started=me.started)
    signal.signal(signal.SIGTERM, _on_terminate)
    with ExitStack() as held:
        claim = read_claim(folder)
        taken = _wait_for_devices(paths, claim, held)
        if taken is None:
            return _end(folder, "stopped")
        write_state(folder, state="running", started_at=time.time(), devices=list(taken))
        given, took = device_environment(claim, taken), dict[str, float]()
        for step in job["steps"]:
            write_state(folder, phase=step["name"])
            kills_before, begun = count_memory_kills(), time.time()
            step["env"] |= given
            meter = MachineMeter(paths.machine, [name for name in taken if given])
            silence_s = float(job.get("silence_s", 0))
            exit_code, cause = _run_step(paths, step, list(taken.values()), silence_s, spawn, meter)
            took[step["name"]] = round(time.time() - begun, 2)
            write_state(folder, steps=took)
            if not step.get("needed", True):
                # What the job is for has been done by now.
                if (cause or exit_code != 0) and not paths.stop.exists():
                    why = cause or find_cause(paths, exit_code, log_before, count_memory_kills() > kills_before)
                    write_state(folder, not_done=why)
                continue
            if cause:
                return _end(folder, "failed", exit_code, cause)
            if exit_code != 0:
                if paths.stop.exists():
                    return _end(folder, "stopped", exit_code)
                memory_kill = count_memory_kills() > kills_before
                return _end(folder, "failed", exit_code, find_cause(paths, exit_code, log_before, memory_kill))
            # What was made public before anybody could stop it is there.
            if paths.stop.exists() and not step.get("publishes"):
                return _end(folder, "stopped", exit_code)
            alarm = _read_alarm(paths.folder / "metrics.jsonl", begun)
            if alarm:
                return _end(folder, "stopped", exit_code, alarm)
            missing = [path for path in step.get("makes", []) if not Path(path).exists()]
            if missing:
                # The engine's exit status 0 proves nothing.
                return _end(folder, "failed", 0, {"code": "nothing_written", "values": {"path": missing[0]}})
    return _end(folder, "finished", 0)


def _on_terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _end(folder: Path, state: str, exit_code: int | None = None, cause: Mapping[str, Any] | None = None) -> str:
    # Ahead of the last word: whoever reads it may begin anew, in the same places.
    remove_scratch(folder)
    write_state(folder, state=state, ended_at=time.time(), exit_code=exit_code, cause=cause, webhook_error="")
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
        if paths.stop.exists():
            return None
        if is_next(claim, paths.folder):
            taken = take_devices(claim, held)
        if not taken:
            time.sleep(POLL_S)
    if claim:
        leave_queue(claim.pool, paths.folder)
    return None if paths.stop.exists() else taken


def _run_step(
    paths: JobPaths,
    step: Mapping[str, Any],
    locks: list[int],
    silence_s: float,
    spawn: Spawn,
    meter: MachineMeter,
) -> tuple[int, dict[str, Any] | None]:
    """Run one command; returns its exit status (negative: the signal) and a cause the supervisor saw."""
    env = {**os.environ, **step["env"], JOB_VARIABLE: str(paths.folder)}
    with paths.log.open("ab") as log:
        try:
            process = spawn(step["argv"], step["folder"] or None, env, log, locks)
        except OSError as error:
            return 127, {
                "code": "cannot_start",
                "values": {"command": step["argv"][0], "reason": error.strerror},
            }
    started = time.time()
    identity = ProcessIdentity.of(process.pid)
    write_state(paths.folder, pid=identity.pid, pid_started=identity.started)
    asked = ""
    while (status := process.poll()) is None:
        time.sleep(POLL_S)
        meter.measure(process.pid)
        how = paths.stop.read_text() if paths.stop.exists() else ""
        if how and how != asked:
            asked = how
            write_state(paths.folder, state="stopping")
            # Before training begins there is nothing to save, and the hook is not listening yet.
            if how == "now" or not _has_begun(paths.folder / "metrics.jsonl", started):
                end_job(paths.folder, TERMINATE_GRACE_S)
        # The log of a run that goes on may be days old.
        if silence_s and time.time() - max(started, paths.log.stat().st_mtime) > silence_s:
            end_job(paths.folder, TERMINATE_GRACE_S)
            return process.wait(), {"code": "silent", "values": {"minutes": f"{silence_s / 60:g}"}}
        if paths.log.stat().st_size > LOG_LIMIT_BYTES:
            end_job(paths.folder, TERMINATE_GRACE_S)
            return process.wait(), {"code": "log_flood", "values": {"limit": "1 GB"}}
    # The command is over; what it left behind must not outlive the job.
    if processes_of(paths.folder):
        end_job(paths.folder, TERMINATE_GRACE_S)
    return status, None


def _has_begun(metrics: Path, since: float) -> bool:
    """Whether training has begun in this job; a resumed run has begun before, too."""
    return next(_records(metrics, "begin", since), None) is not None


def _read_alarm(metrics: Path, since: float) -> dict[str, Any] | None:
    """Why a watchdog ended the training, if one did."""
    alarm = next(_records(metrics, "alarm", since), None)
    return {"code": alarm["code"], "values": alarm["values"]} if alarm else None


def _records(metrics: Path, kind: str, since: float) -> Iterator[dict[str, Any]]:
    if not metrics.exists():
        return
    with metrics.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            record = read_metric(line)
            if record and record["kind"] == kind and record.get("time", 0) >= since:
                yield record


def find_cause(paths: JobPaths, exit_code: int, log_before: int = 0, memory_kill: bool = False) -> dict[str, Any]:
    """Why a command failed, from its exit status and the end of its log, behind what was there before."""
    size = min(SEARCHED_LOG_BYTES, max(1, paths.log.stat().st_size - log_before)) if paths.log.exists() else 1
    cause = diagnose(exit_code, read_log_tail(paths.log, size), memory_kill=memory_kill)
    return {"code": cause.code, "values": dict(cause.values)}


def count_memory_kills() -> int:
    """How many processes the kernel has killed for memory since it started; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


if __name__ == "__main__":
    run_job(Path(sys.argv[1]))
