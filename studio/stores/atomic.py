"""Writes that are either whole or not there."""

import errno
import json
import os
import tempfile
from pathlib import Path

from studio.errors import StoreFailed


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file's content so that a reader or a crash sees the old bytes or the new, never half.

    Raises StoreFailed when the disk is full or the folder cannot be written.
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
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StoreFailed(
            "disk_full" if full else "write_failed", path=str(path), reason=error.strerror or str(error)
        ) from error


def write_text(path: Path, text: str) -> None:
    """Replace a file's text, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write a value as readable JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
