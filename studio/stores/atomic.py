"""Writes that are either whole or not there."""

import errno
import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock

from studio.errors import StoreFailed

LOCK_TIMEOUT_S = 30


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file's content so that a reader or a crash sees the old bytes or the new, never half.

    With `mode` 0o600 it is at no moment readable for others. Raises StoreFailed when the disk is full or the
    folder cannot be written.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a registry is meant to be read by its owner's other tools.
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise _store_failed(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Replace a file's text, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write a value as readable JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def alone(path: Path) -> Generator[None]:
    """Nobody else changes a file meanwhile who asks in this way, too. Raises StoreFailed."""
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT_S)
    try:
        lock.acquire()
    except OSError as error:
        raise _store_failed(path, error) from error
    try:
        yield
    finally:
        lock.release()


def append_line(path: Path, line: str) -> None:
    """Put a line at a text file's end, after what others put there, and on the disk before this returns.

    A last line that lacks its newline gets one. Raises StoreFailed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path), path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                torn = file.read(1) != b"\n"
            else:
                torn = False
            file.write(b"\n" * torn + line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _store_failed(path, error) from error


@contextmanager
def open_whole(path: Path) -> Generator[IO[str]]:
    """A text file to write row by row, which is there when all is written, and not when something failed.

    Raises StoreFailed; what the caller raises goes on.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise _store_failed(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _store_failed(path: Path, error: OSError) -> StoreFailed:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreFailed("disk_full" if full else "write_failed", path=str(path), reason=error.strerror or str(error))
