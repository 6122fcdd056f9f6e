"""VisualDL's own server, for one click."""

import sys
import tempfile
import time
from pathlib import Path

import httpx2

from studio.errors import JobFailed
from studio.jobs.launch import TetheredProcess, free_port

START_TIMEOUT_S = 60
# `-m visualdl` does not exist; this is what its console script calls.
ENTRY = "from visualdl.server.app import main; main()"


def visualdl_command(logs: Path, port: int, language: str) -> list[str]:
    """The arguments that show a folder of logs; without a language its page fails for a client that names none."""
    where = ("--logdir", str(logs), "--host", "127.0.0.1", "--port", str(port))
    return [sys.executable, "-c", ENTRY, *where, f"--language={language}"]


class VisualDLServer:
    """A VisualDL process on a free port of 127.0.0.1, which ends with the studio."""

    def __init__(self, logs: Path, language: str) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}/app"
        self._log = tempfile.TemporaryFile()
        self._process = TetheredProcess(visualdl_command(logs, port, language), {}, self._log)

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    def wait_until_ready(self) -> None:
        """Return when its page opens. Raises JobFailed."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.is_running:
            try:
                if httpx2.get(f"{self.address}/index", timeout=5, trust_env=False).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.2)
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        self.stop()
        raise JobFailed("visualdl_failed", reason=lines[-1] if lines else "-")

    def stop(self) -> None:
        self._process.stop()
        self._log.close()
