"""The password, who is logged in, and API tokens: all as hashes, in files that only their owner reads.

A file is read again when another process has changed it, so that a command of the terminal holds at once.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, cast

from filelock import FileLock

from studio.core.access import Cost, PasswordHash, Session
from studio.errors import StoreFailed
from studio.stores.atomic import write_bytes
from studio.stores.home import Home

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
LOCK_S = 30

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Token:
    """An API token: its name, and when it was made and ends (seconds since 1970; 0 never)."""

    name: str
    made: float
    ends: float


class PrivateTable:
    """A small JSON object in a file of its owner's alone; a file that is broken opens nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._seen: tuple[int, int, int] | None = None
        self._table: Table = {}

    def read(self) -> Table:
        """What it holds; empty when there is no file. Raises StoreFailed for one that cannot be read."""
        with self._lock:
            try:
                told = self.path.stat()
                stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
                if stamp != self._seen:
                    self._table = _as_table(json.loads(self.path.read_text(encoding="utf-8")))
                    self._seen = stamp
            except FileNotFoundError:
                self._table, self._seen = {}, None
            except (OSError, ValueError) as error:
                self._seen = None
                raise StoreFailed("access_unreadable", path=self.path.name) from error
            return self._table

    def change(self, change: Callable[[Table], None]) -> None:
        """Change it, beside other processes that do. Raises StoreFailed."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
            with FileLock(self.path.with_suffix(".lock"), timeout=LOCK_S, mode=PRIVATE_FILE):
                table = dict(self.read())
                change(table)
                write_bytes(self.path, json.dumps(table, indent=1).encode(), PRIVATE_FILE)
        except OSError as error:
            raise StoreFailed("write_failed", path=str(self.path), reason=str(error)) from error


class AccessStore:
    """The three tables of a home."""

    def __init__(self, home: Home) -> None:
        self._password = PrivateTable(home.access / "password.json")
        self._sessions = PrivateTable(home.access / "sessions.json")
        self._tokens = PrivateTable(home.access / "tokens.json")

    def password(self) -> PasswordHash | None:
        """The password's hash; None where there is none. Raises StoreFailed for a file that is broken."""
        kept = self._password.read()
        if not kept:
            return None
        try:
            cost = Cost(**kept["cost"])
            found = PasswordHash(str(kept["salt"]), str(kept["key"]), cost)
            bytes.fromhex(found.salt + found.key)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreFailed("access_unreadable", path="password.json") from error
        return found

    def keep_password(self, password: PasswordHash | None) -> None:
        """Keep a password, or forget it; who is logged in is logged out."""

        def change(table: Table) -> None:
            table.clear()
            table.update(asdict(password) if password else {})

        self._password.change(change)
        # Also one that is broken; a login that is just written has the password of before, and is none.
        self._sessions.path.unlink(missing_ok=True)

    def forget_broken(self) -> None:
        """Make room for a new password where the file is broken."""
        try:
            self.password()
        except StoreFailed:
            self._password.path.unlink(missing_ok=True)

    def session(self, key: str) -> Session | None:
        """The session of a cookie's hash, at no cost beyond a look at the file."""
        told = self._sessions.read().get(key)
        return Session(**told) if told else None

    def change_sessions(self, change: Callable[[dict[str, Session]], None]) -> None:
        def write(table: Table) -> None:
            sessions = {key: Session(**told) for key, told in table.items()}
            change(sessions)
            table.clear()
            table.update({key: asdict(session) for key, session in sessions.items()})

        self._sessions.change(write)

    def token(self, key: str) -> Token | None:
        """The token of a hash."""
        told = self._tokens.read().get(key)
        return Token(**told) if told else None

    def tokens(self) -> list[Token]:
        return [Token(**told) for told in self._tokens.read().values()]

    def change_tokens(self, change: Callable[[dict[str, Token]], None]) -> None:
        def write(table: Table) -> None:
            tokens = {key: Token(**told) for key, told in table.items()}
            change(tokens)
            table.clear()
            table.update({key: asdict(token) for key, token in tokens.items()})

        self._tokens.change(write)


def _as_table(value: object) -> Table:
    if not isinstance(value, dict):
        raise ValueError("no object")
    return cast("Table", value)
