"""Batch folders: `batches/<name>/`, the one truth about a batch."""

import errno
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from studio.core.batch import BatchAnswer, BatchRequest
from studio.core.problems import RUN_NAME
from studio.core.questions import Question
from studio.errors import NotFound, StoreFailed
from studio.stores.atomic import open_whole
from studio.stores.home import Home


@dataclass(frozen=True, slots=True)
class BatchPaths:
    """Where each thing of a batch lies. `stop` is there when somebody wants it to end."""

    folder: Path

    @property
    def request(self) -> Path:
        return self.folder / "request.json"

    @property
    def questions(self) -> Path:
        return self.folder / "questions.jsonl"

    @property
    def answers(self) -> Path:
        return self.folder / "answers.jsonl"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    @property
    def stop(self) -> Path:
        return self.folder / "stop"

    @property
    def lock(self) -> Path:
        return self.folder / ".lock"


def find_batch_folders(root: Path) -> list[Path]:
    """Every folder that holds a batch, the newest first."""
    found = [path.parent for path in root.glob("*/request.json") if RUN_NAME.fullmatch(path.parent.name)]
    return sorted(found, key=lambda folder: (folder / "request.json").stat().st_mtime, reverse=True)


def find_batch(home: Home, name: str) -> BatchPaths:
    """Raises NotFound, naming what there is."""
    paths = BatchPaths(home.batches / name)
    if RUN_NAME.fullmatch(name) and paths.request.is_file():
        return paths
    known = ", ".join(folder.name for folder in find_batch_folders(home.batches)) or "-"
    raise NotFound("unknown_batch", "batch", given=name, known=known)


def read_batch_request(paths: BatchPaths) -> BatchRequest:
    """What was asked; it never changes, so that it is read but once."""
    status = paths.request.stat()
    return _request(paths.request, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _request(path: Path, _inode: int, _written: int) -> BatchRequest:
    return BatchRequest.from_json(json.loads(path.read_text(encoding="utf-8")))


def write_questions(paths: BatchPaths, questions: Iterable[Question]) -> None:
    """Keep what is asked, so that a batch stays whole when its dataset changes or goes."""
    with open_whole(paths.questions) as file:
        file.writelines(json.dumps(question.to_json(), ensure_ascii=False) + "\n" for question in questions)


def read_questions(paths: BatchPaths) -> Sequence[Question]:
    status = paths.questions.stat()
    return _questions(paths.questions, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _questions(path: Path, _inode: int, _written: int) -> tuple[Question, ...]:
    with path.open(encoding="utf-8") as file:
        return tuple(Question.from_json(json.loads(line)) for line in file)


def append_answer(paths: BatchPaths, answer: BatchAnswer) -> None:
    """Add an answer as a line of its own. Raises StoreFailed."""
    try:
        with paths.answers.open("ab") as file:
            file.write(json.dumps(answer.to_json(), ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        raise _store_failed(paths.answers, error) from error


def drop_torn_line(paths: BatchPaths) -> None:
    """Take away a last line that was only half written, so that the next begins on its own. Raises StoreFailed."""
    try:
        with paths.answers.open("r+b") as file:
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _store_failed(paths.answers, error) from error


class AnswersTail:
    """The answers of one batch, kept up to date by reading only what was added.

    A later answer to the same question stands in for an earlier one; a line that cannot be read costs only itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._identity: tuple[int, int] = (0, 0)
        self._answers: dict[tuple[int, str], BatchAnswer] = {}

    def read(self) -> dict[tuple[int, str], BatchAnswer]:
        """By question and label, in the order in which they came; a copy."""
        with self._lock:
            self._update()
            return dict(self._answers)

    def _update(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._identity, self._answers = (0, 0), {}
            return
        inode, offset = self._identity
        if status.st_ino != inode or status.st_size < offset:
            self._answers, offset = {}, 0
        if status.st_size > offset:
            with self.path.open("rb") as file:
                file.seek(offset)
                added = file.read()
            whole = added.rfind(b"\n") + 1
            offset += whole
            for line in added[:whole].splitlines():
                self._take(line)
        self._identity = (status.st_ino, offset)

    def _take(self, line: bytes) -> None:
        try:
            answer = BatchAnswer.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError):
            return
        key = (answer.question, answer.label)
        # The order tells the pace, so an answer that was asked for again moves to the end.
        self._answers.pop(key, None)
        self._answers[key] = answer


def answers_of(paths: BatchPaths) -> dict[tuple[int, str], BatchAnswer]:
    """The answers so far; who asks every second reads only what is new."""
    # A request is written once, so its time tells a batch from a later one of the same name.
    return _tail_of(paths.answers, paths.request.stat().st_mtime_ns).read()


@lru_cache(maxsize=16)
def _tail_of(path: Path, _created: int) -> AnswersTail:
    return AnswersTail(path)


def _store_failed(path: Path, error: OSError) -> StoreFailed:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreFailed("disk_full" if full else "write_failed", path=str(path), reason=error.strerror or str(error))
