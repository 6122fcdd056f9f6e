"""`python -m studio.jobs.pack MODEL TARGET JOB`: a model folder as one tar, with checksums."""

import hashlib
import io
import os
import signal
import sys
import tarfile
from pathlib import Path
from typing import IO, Any

from studio.jobs.progress import Progress
from studio.stores.models import shipped_files

SUMS = "SHA256SUMS"


class _Hashed(io.RawIOBase):
    """A file that is read or written to its end, hashed on the way."""

    def __init__(self, file: IO[bytes], progress: Progress | None = None) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        if self._progress:
            self._progress.add(len(data))
        return data

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self.file.write(data)


def pack(model: Path, target: Path, job: Path) -> None:
    """Write `target` and, beside it, `<target>.sha256`; both are there when they are whole."""
    files = shipped_files(model)
    sizes = {path: path.stat().st_size for path in files}
    progress = Progress(job, sum(sizes.values()))
    listed = target.with_name(f"{target.name}.sha256")
    beside, listed_beside = partial_of(target), partial_of(listed)
    sums: list[str] = []
    with beside.open("wb") as output:
        whole = _Hashed(output)
        with tarfile.open(fileobj=whole, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for path in files:
                name = path.relative_to(model).as_posix()
                progress.begin(name)
                told = tarfile.TarInfo(f"{model.name}/{name}")
                told.size, told.mtime, told.mode = sizes[path], int(path.stat().st_mtime), 0o644
                with path.open("rb") as file:
                    read = _Hashed(file, progress)
                    archive.addfile(told, read)
                sums.append(f"{read.digest.hexdigest()}  {name}\n")
            text = "".join(sums).encode()
            told = tarfile.TarInfo(f"{model.name}/{SUMS}")
            told.size, told.mode = len(text), 0o644
            archive.addfile(told, io.BytesIO(text))
        output.flush()
        os.fsync(output.fileno())
    listed_beside.write_text(f"{whole.digest.hexdigest()}  {target.name}\n")
    made = fingerprint(beside)
    # From here on they are there, and the exit status is to say so.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.replace(listed_beside, listed)
    os.replace(beside, target)
    progress.end(made=made)


def partial_of(path: Path) -> Path:
    """Where a file is written before it is moved into place."""
    return path.with_name(f".{path.name}.partial")


def fingerprint(path: Path) -> list[int]:
    """What tells a file from another of its name unread: its size in bytes, the time of its last change in ns."""
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


if __name__ == "__main__":
    pack(*(Path(argument) for argument in sys.argv[1:4]))
