"""Data as a model sees it: rows with their loss mask, and statistics with the model's own tokenizer."""

import hashlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.actions.chat import resolve_model
from studio.actions.rows import existing_file, iter_rows, pages_of, read_page
from studio.core.formats import STAGES_OF, entry_format
from studio.core.rows import Fault
from studio.core.statistics import DataStatistics
from studio.core.writing import engine_row
from studio.errors import StudioError
from studio.jobs.encoder import EncoderProcess
from studio.jobs.measuring import measure_apart
from studio.stores.atomic import write_json
from studio.stores.hashes import file_hash, known_hash
from studio.stores.home import Home
from studio.stores.registry import find_entry

CHUNK_ROWS = 500
# Starting a process costs seconds; fewer rows than this are done by one.
ROWS_FOR_A_SECOND_PROCESS = 5000
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A row as the model sees it, or what is wrong with it; `encoded` is an `EncodedRow` of the engine."""

    number: int
    fault: Fault | None
    encoded: dict[str, Any] | None


class Encoders:
    """The encoder process that a studio keeps warm: that of the model asked for last."""

    def __init__(self) -> None:
        self._encoder: EncoderProcess | None = None
        self._lock = threading.Lock()

    def get(self, model: str) -> EncoderProcess:
        """Raises JobFailed when the model's tokenizer cannot be loaded."""
        with self._lock:
            if self._encoder and (self._encoder.model != model or not self._encoder.is_running):
                self._encoder.stop()
                self._encoder = None
            self._encoder = self._encoder or EncoderProcess(model)
            return self._encoder

    def close(self) -> None:
        with self._lock:
            if self._encoder:
                self._encoder.stop()
                self._encoder = None


def see_rows(
    home: Home,
    encoders: Encoders,
    name: str,
    numbers: Sequence[int],
    model: str,
    max_seq_len: int,
) -> list[SeenRow]:
    """Some rows (by their number, from 1) of a dataset as a model sees them. Raises StudioError."""
    stage = dataset_stage(home, name)
    parsed = [read_page(home, name, number, 1).parsed[0] for number in numbers]
    sound = [engine_row(row, stage) for row in parsed if not isinstance(row, Fault)]
    folder, _ = resolve_model(home, model, ())
    encoded = iter(encoders.get(folder).encode(stage, max_seq_len, sound) if sound else [])
    return [
        SeenRow(number, row, None) if isinstance(row, Fault) else SeenRow(number, None, next(encoded))
        for number, row in zip(numbers, parsed, strict=True)
    ]


def read_statistics(home: Home, name: str, model: str) -> DataStatistics | None:
    """The statistics of a dataset with a model's tokenizer when they were made before; quick for any size.

    Raises StudioError.
    """
    if known_hash(home, existing_file(home, name, find_entry(home, name))) is None:
        return None
    try:
        return DataStatistics.from_json(json.loads(_cached(home, name, model).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def follow_measure(home: Home, name: str, model: str) -> Generator[DataStatistics | tuple[int, int]]:
    """`measure` in a process of its own: (rows done, rows in all) again and again, then the statistics.

    Closing it ends the process. Raises StudioError.
    """
    yield from measure_apart(home.root, name, model)
    found = read_statistics(home, name, model)
    if found is None:
        # The file or the tokenizer was changed meanwhile.
        raise StudioError("changed_meanwhile", "name", given=name)
    yield found


def measure(home: Home, name: str, model: str, progress: Progress | None = None) -> DataStatistics:
    """Statistics of a whole dataset with a model's tokenizer; made once and kept. Raises StudioError.

    `progress` is told rows done and rows in all. Interrupting it leaves nothing behind.
    """
    known = read_statistics(home, name, model)
    if known:
        return known
    target = _cached(home, name, model)
    stage = dataset_stage(home, name)
    folder, _ = resolve_model(home, model, ())
    total = pages_of(home).count(existing_file(home, name, find_entry(home, name)))
    found = DataStatistics()
    count = 1 if total < ROWS_FOR_A_SECOND_PROCESS else max(1, min(os.cpu_count() or 1, 4))
    with _started(folder, count) as processes, ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[list[tuple[int, int, int]]]] = deque()
        free = deque(processes)

        def send(rows: list[object]) -> list[tuple[int, int, int]]:
            process = free.popleft()
            try:
                return process.lengths(stage, rows)
            finally:
                free.append(process)

        def receive() -> None:
            for lengths in waiting.popleft().result():
                found.add_lengths(*lengths)
            if progress:
                progress(min(found.lengths["total"].total() + found.faulty, total), total)

        for chunk in _chunks(home, name, stage, found):
            waiting.append(pool.submit(send, chunk))
            if len(waiting) > 2 * count:
                receive()
        while waiting:
            receive()
    write_json(target, found.to_json())
    return found


def _chunks(home: Home, name: str, stage: str, found: DataStatistics) -> Iterator[list[object]]:
    chunk: list[object] = []
    for _, raw, row in iter_rows(home, name):
        if isinstance(row, Fault):
            found.faulty += 1
            continue
        found.add(raw, row)
        chunk.append(engine_row(row, stage))
        if len(chunk) == CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _started(model: str, count: int) -> Generator[list[EncoderProcess]]:
    """Encoder processes, started side by side and ended together."""
    with ThreadPoolExecutor(count) as pool:
        starting = [pool.submit(EncoderProcess, model) for _ in range(count)]
    failed = next((future.exception() for future in starting if future.exception()), None)
    processes = [future.result() for future in starting if not future.exception()]
    try:
        if failed:
            raise failed
        yield processes
    finally:
        for process in processes:
            process.stop()


def dataset_stage(home: Home, name: str) -> str:
    """The stage a dataset is for; what no stage takes is looked at as a conversation."""
    kind = entry_format(find_entry(home, name))
    return next(iter(STAGES_OF.get(kind, ())), "SFT")


def _cached(home: Home, name: str, model: str) -> Path:
    """Where the statistics are kept: by the data's hash, how it is read, and the tokenizer's hash."""
    entry = find_entry(home, name)
    folder, _ = resolve_model(home, model, ())
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode())
    digest.update(file_hash(home, existing_file(home, name, entry)).encode())
    for file in TOKENIZER_FILES:
        path = Path(folder) / file
        if path.is_file():
            digest.update(path.read_bytes())
    return home.cache / "tokens" / f"{digest.hexdigest()}.json"


def refuse_bad_length(given: object) -> int:
    """A `max_seq_len` that a person typed. Raises StudioError for what is none."""
    text = str(given).strip()
    if not text.isdigit() or int(text) < 1:
        raise StudioError("bad_length", "max_seq_len", given=text)
    return int(text)
