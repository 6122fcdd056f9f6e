"""Metrics that grow while they are read, each byte read once."""

import importlib
import io
import threading
import zlib
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.curves import Curves
from studio.core.metrics import read_metric

# What comes at once, from a file opened for the first time, is parsed in columns, a block at a time.
BLOCK_BYTES = 1 << 22
MANY_BYTES = 1 << 16
POINTS = ("log", "eval")
BEGIN = b'{"kind": "begin"'
# A run's first line begins with the time at which it began.
HEAD_BYTES = 64
NO_MEASURES = ("kind", "time", "step")


class MetricsTail:
    """What one `metrics.jsonl` says, kept up to date by reading only what was added.

    A half-written last line waits for its end; a corrupted line costs that line only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clear()

    def _clear(self) -> None:
        self.inode = 0
        self.written_ns = 0
        self.head = b""
        self.offset = 0
        self.curves = Curves()
        self.begin: dict[str, Any] = {}
        self.phase = ""
        self.phase_since: float | None = None
        self.phase_times: dict[str, float] = {}
        self.ended = False
        self.last_step = 0
        self.last_time: float | None = None

    @property
    def version(self) -> str:
        """Changes when something was added."""
        return f"{self.inode}-{self.offset}-{zlib.crc32(self.head):x}"

    def update(self) -> None:
        """Read what was appended since the last call; start over when the file was replaced or cut.

        A file that takes the place of a deleted one often gets its inode, so the beginning is looked at, too.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return
        if status.st_ino == self.inode and status.st_size == self.offset and status.st_mtime_ns == self.written_ns:
            return
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if status.st_ino != self.inode or status.st_size < self.offset or not head.startswith(self.head):
                self._clear()
            self.inode, self.written_ns, self.head = status.st_ino, status.st_mtime_ns, head
            file.seek(self.offset)
            added = file.read()
        whole = added.rfind(b"\n") + 1
        self.offset += whole
        for block in _blocks(added[:whole]):
            if len(block) < MANY_BYTES or not self._take_columns(block):
                for line in block.decode("utf-8", "replace").splitlines():
                    record = read_metric(line)
                    if record is not None:
                        self._take(record)

    def _take(self, record: Mapping[str, Any]) -> None:
        step, time = record.get("step"), record.get("time")
        known = isinstance(step, int)
        if known:
            self.last_step = step
        if isinstance(time, int | float):
            self.last_time = float(time)
        match record["kind"]:
            case "begin":
                self.begin = dict(record)
                self.ended = False
                # Between two sessions of a run nothing works.
                self.phase_since = None
                if known:
                    self.curves.begin(step, self.last_time or 0.0, record.get("devices") or 1)
            case "end":
                self.ended = True
                self._leave_phase()
            case "phase":
                self._leave_phase()
                self.phase = str(record.get("phase", ""))
                self.phase_since = self.last_time
            case "save" if known:
                self.curves.save(step)
            case "log" | "eval" if known:
                numbers = {
                    name: float(value)
                    for name, value in record.items()
                    if name not in NO_MEASURES and type(value) in (int, float)
                }
                self.curves.add(step, self.last_time or 0.0, numbers)
            case _:
                pass

    def _take_columns(self, block: bytes) -> bool:
        """Many lines at once; False, and nothing is taken, where they must be looked at one by one."""
        # Takes a moment to import, which a command in a terminal need not wait for; and it ships no types.
        arrow: Any = importlib.import_module("pyarrow")
        compute: Any = importlib.import_module("pyarrow.compute")
        reader: Any = importlib.import_module("pyarrow.json")
        try:
            table = reader.read_json(io.BytesIO(block))
            kinds = table["kind"].cast(arrow.string())
            steps: Any = table["step"].cast(arrow.int64()).to_numpy()
            times: Any = table["time"].cast(arrow.float64()).to_numpy()
        except (arrow.ArrowException, KeyError):
            return False
        if kinds.null_count or np.isnan(steps).any() or np.isnan(times).any():
            return False
        are_points: Any = compute.is_in(kinds, value_set=arrow.array(POINTS)).to_numpy()
        others: list[dict[str, Any]] = table.take(np.flatnonzero(~are_points)).to_pylist()
        if any(record["kind"] == "begin" for record in others):
            return False
        points = np.flatnonzero(are_points)
        part = table.take(points)
        numbers: dict[str, tuple[Any, Any]] = {}
        for name in part.column_names:
            column = part[name]
            if name in NO_MEASURES or not (
                arrow.types.is_floating(column.type) or arrow.types.is_integer(column.type)
            ):
                continue
            rows: Any = np.flatnonzero(column.is_valid().to_numpy())
            numbers[name] = rows, column.drop_null().cast(arrow.float64()).to_numpy()
        try:
            self.curves.extend(steps[points], times[points], numbers)
        except ValueError:
            return False
        for record in others:
            self._take(record)
        self.last_step, self.last_time = int(steps[-1]), float(times[-1])
        return True

    def _leave_phase(self) -> None:
        if self.phase_since is not None and self.last_time is not None:
            spent = self.phase_times.get(self.phase, 0.0) + self.last_time - self.phase_since
            self.phase_times[self.phase] = spent
        self.phase_since = None


def _blocks(added: bytes) -> Iterator[bytes]:
    """Whole lines, in blocks; a session's first line stands alone, for something may have to be forgotten there."""
    start = 0
    while start < len(added):
        end = start + BLOCK_BYTES
        end = len(added) if end >= len(added) else added.rfind(b"\n", start, end) + 1
        if end <= start or added.startswith(BEGIN, start):
            end = added.find(b"\n", start) + 1
        elif (begin := added.find(b"\n" + BEGIN, start, end)) >= 0:
            end = begin + 1
        yield added[start:end]
        start = end


class MetricsTails:
    """One shared tail a file, so that thirty browsers cost one reading."""

    # A run of 100,000 steps takes some 20 MB.
    def __init__(self, kept: int = 24) -> None:
        self._tails: OrderedDict[Path, tuple[MetricsTail, threading.Lock]] = OrderedDict()
        self._kept = kept
        self._lock = threading.Lock()

    @contextmanager
    def reading(self, path: Path) -> Generator[MetricsTail]:
        """The up-to-date tail of a file, which nobody else changes meanwhile."""
        with self._lock:
            tail, lock = self._tails.setdefault(path, (MetricsTail(path), threading.Lock()))
            self._tails.move_to_end(path)
            if len(self._tails) > self._kept:
                self._tails.popitem(last=False)
        with lock:
            tail.update()
            yield tail
