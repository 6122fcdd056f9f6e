"""Server folders: `serving/<name>/`, each a job with what was asked, and the key where there is one."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio.core.problems import RUN_NAME
from studio.core.serving import ServeRequest
from studio.errors import NotFound, StoreFailed
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.runs import read_json

REQUEST_FILE = "serving.json"
KEY_FILE = "api_key"


@dataclass(frozen=True, slots=True)
class StoredServer:
    """A server as it was asked for, and when (Unix seconds)."""

    folder: Path
    request: ServeRequest
    created_at: float


def find_servers(home: Home) -> Iterator[StoredServer]:
    """Every server that can be read, in no order."""
    for path in home.serving.glob(f"*/{REQUEST_FILE}"):
        # It may be thrown away just now, or be somebody else's file.
        with suppress(ValueError, KeyError, TypeError):
            yield _read(path.parent)


def find_server(home: Home, name: str) -> StoredServer:
    """The server of a name. Raises NotFound, naming what there is."""
    if RUN_NAME.fullmatch(name):
        with suppress(ValueError, KeyError, TypeError):
            return _read(home.serving / name)
    known = ", ".join(sorted(server.folder.name for server in find_servers(home)))
    raise NotFound("unknown_server", "name", given=name, known=known or "-")


def write_server(folder: Path, request: ServeRequest, created_at: float) -> None:
    """Keep what was asked. Raises StoreFailed."""
    write_json(folder / REQUEST_FILE, {"request": request.to_json(), "created_at": created_at})


def write_key(path: Path, key: str) -> None:
    """Write a key into a file that only its owner reads, from its first byte on. Raises StoreFailed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key + "\n")
    except OSError as error:
        raise StoreFailed("write_failed", path=str(path), reason=error.strerror or str(error)) from error


def read_key(folder: Path) -> str:
    """The key of a server; empty where it has none."""
    with suppress(FileNotFoundError):
        return (folder / KEY_FILE).read_text(encoding="utf-8").strip()
    return ""


def _read(folder: Path) -> StoredServer:
    """Raises KeyError and the like for what is no server."""
    stored = read_json(folder / REQUEST_FILE)
    return StoredServer(folder, ServeRequest.from_json(stored["request"]), float(stored["created_at"]))
