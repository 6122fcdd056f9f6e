"""Ask the warm engine, where there is one: it starts a job in a fraction of the time, and parses a config.

It is an accelerator and nothing else: whoever is told no runs the plain command, and gets the same result.
"""

import json
import os
import socket
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import psutil

from studio.core.paddleformers.config import CPU_ENVIRONMENT
from studio.errors import JobFailed
from studio.jobs.launch import TetheredProcess, scrubbed_environment
from studio.jobs.processes import JOB_VARIABLE

# Longer than the server takes for any answer, or two would supervise the job that it got late.
ANSWER_S = 30.0
# It takes half a gigabyte itself; where a run would hardly find room beside it, it does not start.
ROOM_BYTES = 2_000_000_000
# The kernel shows a process's environment as it was at its start: a fork can only write into what was there.
ROOM_FOR_A_FOLDER = 4096


class WarmEngine:
    """The warm process of a home, from start to stop; it ends with the studio, the jobs that it forked do not."""

    def __init__(self) -> None:
        self._log: IO[bytes] | None = None
        self._process: TetheredProcess | None = None

    def start(self, address: Path) -> None:
        """Begin to warm up, unless somebody else answers at this address, or memory is short. Returns at once."""
        if ask(address, {"do": "hello"}) is not None or psutil.virtual_memory().available < ROOM_BYTES:
            return
        self._log = tempfile.TemporaryFile()
        env = {**CPU_ENVIRONMENT, JOB_VARIABLE: " " * ROOM_FOR_A_FOLDER}
        argv = [sys.executable, "-m", "studio.jobs.warm_server", str(address)]
        try:
            self._process = TetheredProcess(argv, env, self._log)
        except JobFailed:
            # Then every job takes its plain command.
            self.close()

    def close(self) -> None:
        if self._process:
            self._process.stop()
        if self._log:
            self._log.close()
        self._process = self._log = None


def supervise_warm(address: Path, folder: Path) -> bool:
    """Have the warm engine supervise a job in our environment; False where there is none."""
    answer = ask(address, {"do": "supervise", "folder": str(folder), "env": scrubbed_environment()})
    return answer is not None and answer.get("done") is True


def parse_warm(address: Path, config: Mapping[str, Any]) -> str | None:
    """What the engine's own parser says against a config: a traceback, empty for nothing; None for no answer."""
    answer = ask(address, {"do": "parse", "config": dict(config)})
    return None if answer is None else answer.get("refused")


def ask(address: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """One question and its answer; None when nobody answers."""
    if not address.is_socket():
        return None
    try:
        with (
            short_address(address) as name,
            socket.socket(socket.AF_UNIX) as line,
        ):
            line.settimeout(ANSWER_S)
            line.connect(name)
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("r", encoding="utf-8") as answers:
                answer: Any = json.loads(answers.readline() or "null")
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None


@contextmanager
def short_address(address: Path) -> Generator[str]:
    """A path to a socket that is short, as the kernel wants it (some 100 bytes), wherever its folder is."""
    folder = os.open(address.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{address.name}"
    finally:
        os.close(folder)
