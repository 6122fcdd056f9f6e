"""Open a run in VisualDL."""

import threading

from studio.jobs.visualdl import VisualDLServer
from studio.stores.home import Home
from studio.stores.runs import RunPaths, find_run_folder
from studio.texts import LANGUAGES


class VisualDL:
    """The VisualDL servers of one studio: one a run and language, ended with the studio."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, str], VisualDLServer] = {}
        self._lock = threading.Lock()

    def open(self, home: Home, run: str, language: str = "en") -> str:
        """The address at which VisualDL shows a run, started when it is not. Raises StudioError."""
        folder = find_run_folder(home, run)
        logs = RunPaths(folder).visualdl
        logs.mkdir(parents=True, exist_ok=True)
        # Each language is a server of its own.
        language = language if language in LANGUAGES else LANGUAGES[0]
        key = (str(folder), language)
        with self._lock:
            server = self._servers.get(key)
            if server is None or not server.is_running:
                server = VisualDLServer(logs, language)
                server.wait_until_ready()
                self._servers[key] = server
        return server.address

    def close(self) -> None:
        with self._lock:
            for server in self._servers.values():
                server.stop()
            self._servers.clear()
