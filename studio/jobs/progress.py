"""How far a job is that handles bytes, in a file that the page reads."""

import time
from pathlib import Path
from typing import Any

from studio.stores.atomic import write_json
from studio.stores.runs import read_json

NAME = "progress.json"
EVERY_S = 0.3


class Progress:
    """Bytes done of all, written now and then."""

    def __init__(self, job: Path, total: int) -> None:
        self._path = job / NAME
        self._told: dict[str, Any] = {"done": 0, "total": total, "file": ""}
        self._written = 0.0

    def begin(self, file: str) -> None:
        self._told["file"] = file
        self._write()

    def add(self, count: int) -> None:
        self._told["done"] += count
        if time.monotonic() - self._written > EVERY_S:
            self._write()

    def end(self, **more: Any) -> None:
        self._told |= {"done": self._told["total"], "file": "", **more}
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        write_json(self._path, self._told)


def read_progress(job: Path) -> dict[str, Any]:
    """`done` and `total` in bytes, the `file` in work, and what the job told at its end."""
    return {"done": 0, "total": 0, "file": "", **read_json(job / NAME)}
