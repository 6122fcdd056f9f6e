"""Files that grow while they are read: metrics and logs, each byte read once."""

import os
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from studio.core.metrics import read_metric

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class MetricsTail:
    """The points of one `metrics.jsonl`, kept up to date by reading only what was added.

    A half-written last line waits for its end; a corrupted line costs that line only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clear()

    def _clear(self) -> None:
        self.inode = 0
        self.offset = 0
        self.series: dict[str, tuple[list[float], list[float]]] = {}
        self.begin: dict[str, Any] = {}
        self.phase = ""
        self.phase_since: float | None = None
        self.phase_times: dict[str, float] = {}
        self.ended = False
        self.last_step = 0
        self.last_time: float | None = None
        self.last: dict[str, float] = {}
        self._steps: dict[str, dict[float, int]] = {}

    def update(self) -> None:
        """Read what was appended since the last call; start over when the file was replaced or cut."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return
        if status.st_ino != self.inode or status.st_size < self.offset:
            self._clear()
            self.inode = status.st_ino
        if status.st_size == self.offset:
            return
        with self.path.open("rb") as file:
            file.seek(self.offset)
            added = file.read()
        whole = added.rfind(b"\n") + 1
        self.offset += whole
        for line in added[:whole].decode("utf-8", "replace").splitlines():
            record = read_metric(line)
            if record is not None:
                self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        step = record.get("step")
        if isinstance(step, int):
            self.last_step = step
        if isinstance(record.get("time"), int | float):
            self.last_time = float(record["time"])
        match record["kind"]:
            case "begin":
                self.begin = record
                self.ended = False
                # Between two sessions of a run nothing works.
                self.phase_since = None
            case "end":
                self.ended = True
                self._leave_phase()
            case "phase":
                self._leave_phase()
                self.phase = str(record.get("phase", ""))
                self.phase_since = self.last_time
            case "log" | "eval" if isinstance(step, int):
                for name, value in record.items():
                    if name in ("kind", "time", "step") or isinstance(value, bool):
                        continue
                    if isinstance(value, int | float):
                        self._add(name, float(step), float(value))
            case _:
                pass

    def _leave_phase(self) -> None:
        if self.phase_since is not None and self.last_time is not None:
            spent = self.phase_times.get(self.phase, 0.0) + self.last_time - self.phase_since
            self.phase_times[self.phase] = spent
        self.phase_since = None

    def _add(self, name: str, step: float, value: float) -> None:
        self.last[name] = value
        xs, ys = self.series.setdefault(name, ([], []))
        # A resumed run logs some steps again: the later value stands, no point is doubled.
        known = self._steps.setdefault(name, {})
        if step in known:
            ys[known[step]] = value
        else:
            known[step] = len(xs)
            xs.append(step)
            ys.append(value)


class MetricsTails:
    """One shared tail a file, so that thirty browsers cost one reading."""

    def __init__(self, kept: int = 64) -> None:
        self._tails: OrderedDict[Path, MetricsTail] = OrderedDict()
        self._kept = kept
        self._lock = threading.Lock()

    def read(self, path: Path) -> MetricsTail:
        """The up-to-date tail of a file. Callers copy what they keep."""
        with self._lock:
            tail = self._tails.setdefault(path, MetricsTail(path))
            self._tails.move_to_end(path)
            if len(self._tails) > self._kept:
                self._tails.popitem(last=False)
            tail.update()
            return tail


def read_log_tail(path: Path, size_bytes: int) -> str:
    """The end of a log as plain text: whole lines, no colour codes, progress bars at their last state."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - size_bytes)
            file.seek(start)
            text = file.read(size_bytes).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    if start:
        text = text.partition("\n")[2]
    text = ANSI.sub("", text).replace("\r\n", "\n")
    return "\n".join(line.rpartition("\r")[2] for line in text.split("\n"))
