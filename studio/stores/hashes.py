"""SHA-256 of data files, computed once for as long as a file stays as it is."""

import hashlib
from pathlib import Path

from studio.stores.atomic import write_text
from studio.stores.datafiles import READ_BYTES, data_files
from studio.stores.home import Home
from studio.stores.rowindex import file_identity


def known_hash(home: Home, path: Path) -> str | None:
    """The hash of a file or folder when it was computed before, without reading it. Raises NotFound."""
    try:
        return _kept(home, path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def file_hash(home: Home, path: Path) -> str:
    """The hash of a file as it lies on the disk; of a folder, over its files in order. Raises NotFound."""
    known = known_hash(home, path)
    if known is not None:
        return known
    kept = _kept(home, path)
    digest = hashlib.sha256()
    for part in data_files(path):
        with part.open("rb") as file:
            while block := file.read(READ_BYTES):
                digest.update(block)
    write_text(kept, digest.hexdigest())
    return digest.hexdigest()


def _kept(home: Home, path: Path) -> Path:
    identity = "+".join(file_identity(part) for part in data_files(path))
    return home.cache / "hashes" / hashlib.sha256(identity.encode()).hexdigest()
