"""Start jobs that outlive the studio, and helpers that must not."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from studio.core.command import Command
from studio.core.hiding import is_secret_variable
from studio.errors import JobFailed
from studio.jobs.devices import Claim
from studio.jobs.processes import end_job, is_alive
from studio.jobs.queue import join_queue
from studio.jobs.state import job_state, remove_scratch
from studio.stores.atomic import write_json
from studio.stores.runs import JobPaths, ask_stop, read_json, write_state

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a job, and the files that must be there when it has ended well.

    Without one that is not `needed` the job has been done all the same. One that `publishes` cannot be taken back:
    when it has ended well the job has finished, also when it was asked to stop meanwhile.
    """

    name: str
    command: Command
    makes: tuple[Path, ...] = ()
    needed: bool = True
    publishes: bool = False


def own_command(module: str, *arguments: str, threads: int = 0) -> Command:
    """The command that runs a module of ours; `threads` limits those of its arithmetic, 0 does not."""
    env = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    return Command((sys.executable, "-m", f"studio.{module}", *arguments), env, str(CHECKOUT))


def scrubbed_environment() -> dict[str, str]:
    """Our environment without secrets, with the checkout on the module path."""
    # The engine is one process or many, and writes down what it finds there.
    kept = {name: value for name, value in os.environ.items() if not is_secret_variable(name, value)}
    path = os.pathsep.join(filter(None, [str(CHECKOUT), kept.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def start_job(
    folder: Path,
    steps: Sequence[Step],
    claim: Claim | None = None,
    silence_s: float = 0,
    supervise: Callable[[Path], bool] | None = None,
    webhook: Path | None = None,
    scratch: Sequence[Path] = (),
    secrets: Mapping[str, str] | None = None,
) -> None:
    """Hand a job to a supervisor of its own, detached from this process.

    It ends a command that has printed nothing for `silence_s` seconds; 0 waits for ever. `supervise` may have
    somebody supervise it who is quicker, and says whether it did. The address in the file `webhook` is told how the
    job ended, if there is one by then. Whatever its end, the paths of `scratch` are removed.
    """
    described = [
        {
            "name": step.name,
            "argv": list(step.command.argv),
            "env": dict(step.command.env),
            "folder": step.command.folder,
            "makes": [str(path) for path in step.makes],
            "needed": step.needed,
            "publishes": step.publishes,
        }
        for step in steps
    ]
    job = {
        "steps": described,
        "claim": claim.to_json() if claim else None,
        "silence_s": silence_s,
        "webhook": str(webhook or ""),
        "scratch": [str(path) for path in scratch],
    }
    write_json(JobPaths(folder).job, job)
    write_state(
        folder, state="queued", created_at=time.time(), started_at=None, ended_at=None, phase="queued", steps={}
    )
    if claim:
        join_queue(claim.pool, folder)
    if supervise and not secrets and supervise(folder):
        return
    with (folder / "supervisor.txt").open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "studio.jobs.supervisor", str(folder)],
            cwd=CHECKOUT,
            env={**scrubbed_environment(), **(secrets or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    # Somebody must collect the exit status while the studio lives, or a zombie stays.
    threading.Thread(target=supervisor.wait, daemon=True).start()


def stop_job(folder: Path, *, now: bool) -> None:
    """Ask a job to stop, and do it ourselves when nobody supervises it any more."""
    ask_stop(folder, "now" if now else "save")
    state = read_json(JobPaths(folder).state)
    supervised = is_alive(state.get("supervisor_pid"), state.get("supervisor_started"))
    if not supervised and "supervisor_pid" in state:
        end_job(folder, 5)
        remove_scratch(folder)
        write_state(folder, state="stopped", ended_at=time.time())


def wait_job(folder: Path, poll_s: float = 0.2) -> dict[str, object]:
    """Wait until a job has ended and return its last state."""
    while (state := job_state(folder)).get("state") in ("queued", "preparing", "running", "stopping"):
        time.sleep(poll_s)
    return state


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_port_free(port: int, host: str = "") -> bool:
    """Whether somebody could listen on a port now: at an address of this machine, or at all of them."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class TetheredProcess:
    """A process that ends with the studio, also when the studio is killed: it holds our end of a pipe."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> None:
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "studio.jobs.tether", *argv],
                cwd=CHECKOUT,
                env={**scrubbed_environment(), **env},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise JobFailed("cannot_start", command=argv[0], reason=error.strerror) from error

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, grace_s: float = 10) -> None:
        """Let go of the tether; returns when the process and all it started are gone."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
