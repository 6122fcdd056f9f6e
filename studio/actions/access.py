"""Let people in, and nobody else: set the password, log in and out, make tokens for scripts."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import BoundedSemaphore, Lock

from studio.core.access import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    Cost,
    Session,
    Throttle,
    hash_password,
    hash_token,
    is_alive,
    is_password,
)
from studio.errors import NotFound, StoreFailed, StudioError
from studio.stores.access import AccessStore, Token
from studio.stores.home import Home

Clock = Callable[[], float]

TOKEN_PREFIX = "studio_"
TOKEN_DAYS = 365
DAY_S = 24 * 3600
LONGEST_NAME = 64
MOST_SESSIONS = 200
# How old the note of a session's last use gets before it is written again.
TOUCH_S = 300
# Each try takes some 130 MB for half a second.
TRIES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token without what it opens: name, when it was made and when it ends (seconds since 1970; 0 never)."""

    name: str
    made: float
    ends: float
    is_over: bool


class Access:
    """Who may in, for a studio that serves; what the terminal changes meanwhile holds at once."""

    def __init__(self, home: Home, clock: Clock = time.time, throttle: Throttle | None = None) -> None:
        self.home = home
        self._store = AccessStore(home)
        self._clock = clock
        self._throttle = throttle or Throttle()
        self._lock = Lock()
        self._trying = BoundedSemaphore(TRIES_AT_ONCE)

    @property
    def has_password(self) -> bool:
        """Whether there is one; a file that cannot be read is one that nobody knows."""
        try:
            return self._store.password() is not None
        except StoreFailed:
            return True

    def log_in(self, password: str, address: str, earlier: str = "") -> str:
        """Begin a session and end the `earlier` one; returns the cookie's value.

        Raises StudioError: `wrong_password`, or `too_many_tries` with the seconds to wait.
        """
        kept = self._store.password()
        if kept is None:
            raise StudioError("no_password")
        if not self._trying.acquire(blocking=False):
            raise StudioError("too_many_tries", "password", seconds=1)
        try:
            with self._lock:
                wait = self._throttle.begin(address, self._clock())
            if wait > 0:
                raise StudioError("too_many_tries", "password", seconds=max(1, round(wait + 0.5)))
            if len(password) > LONGEST_PASSWORD or not is_password(password, kept):
                raise StudioError("wrong_password", "password")
        finally:
            self._trying.release()
        with self._lock:
            self._throttle.succeed(address)
        token = secrets.token_urlsafe(32)
        now = self._clock()

        def change(sessions: dict[str, Session]) -> None:
            sessions.pop(hash_token(earlier), None)
            for key in [key for key, one in sessions.items() if not is_alive(one, kept.id, now)]:
                del sessions[key]
            for key in sorted(sessions, key=lambda key: sessions[key].seen)[: len(sessions) - MOST_SESSIONS + 1]:
                del sessions[key]
            sessions[hash_token(token)] = Session(now, now, kept.id)

        self._store.change_sessions(change)
        return token

    def knows_session(self, token: str) -> bool:
        """Whether a cookie lets in. Raises StoreFailed when the files cannot be read."""
        kept = self._store.password()
        found = self._store.session(hash_token(token)) if token and kept else None
        return bool(kept and found and is_alive(found, kept.id, self._clock()))

    def is_to_touch(self, token: str) -> bool:
        """Whether it is time to note that a session was used."""
        found = self._store.session(hash_token(token))
        return found is not None and self._clock() - found.seen > TOUCH_S

    def touch(self, token: str) -> None:
        """Note that a session was used."""
        now, key = self._clock(), hash_token(token)

        def change(sessions: dict[str, Session]) -> None:
            if key in sessions:
                sessions[key] = replace(sessions[key], seen=now)

        self._store.change_sessions(change)

    def log_out(self, token: str) -> None:
        """End a session."""

        def change(sessions: dict[str, Session]) -> None:
            sessions.pop(hash_token(token), None)

        self._store.change_sessions(change)

    def knows_token(self, token: str) -> bool:
        """Whether a script's token lets in. Raises StoreFailed."""
        found = self._store.token(hash_token(token)) if token else None
        return found is not None and not _is_over(found, self._clock())


def set_password(home: Home, password: str, cost: Cost | None = None) -> None:
    """Keep a password, hashed; whoever is logged in must log in again. Raises StudioError for a short one."""
    if len(password) < SHORTEST_PASSWORD:
        raise StudioError("short_password", "password", shortest=SHORTEST_PASSWORD)
    if len(password) > LONGEST_PASSWORD:
        raise StudioError("long_password", "password", longest=LONGEST_PASSWORD)
    store = AccessStore(home)
    hashed = hash_password(password, secrets.token_bytes(16), cost or Cost())
    store.forget_broken()
    store.keep_password(hashed)


def remove_password(home: Home) -> None:
    """Forget the password: the studio opens without one, on this machine only."""
    store = AccessStore(home)
    store.forget_broken()
    store.keep_password(None)


def has_password(home: Home) -> bool:
    """Whether the home has a password."""
    return Access(home).has_password


def make_token(home: Home, name: str, days: int = TOKEN_DAYS, clock: Clock = time.time) -> str:
    """A new token for scripts, told this once; it ends after `days`, or never for 0. Raises StudioError."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise StudioError("bad_token_name", "name", longest=LONGEST_NAME)
    if not 0 <= days <= 3650:
        raise StudioError("bad_token_days", "days", given=days)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = clock()

    def change(tokens: dict[str, Token]) -> None:
        if any(one.name == name for one in tokens.values()):
            raise StudioError("token_name_taken", "name", given=name)
        tokens[hash_token(token)] = Token(name, now, now + days * DAY_S if days else 0.0)

    AccessStore(home).change_tokens(change)
    return token


def list_tokens(home: Home, clock: Clock = time.time) -> list[TokenView]:
    """The tokens there are, without what they open."""
    now = clock()
    return [TokenView(one.name, one.made, one.ends, _is_over(one, now)) for one in AccessStore(home).tokens()]


def revoke_token(home: Home, name: str) -> None:
    """End a token. Raises NotFound."""

    def change(tokens: dict[str, Token]) -> None:
        found = [key for key, one in tokens.items() if one.name == name]
        if not found:
            raise NotFound("unknown_token", "name", given=name)
        for key in found:
            del tokens[key]

    AccessStore(home).change_tokens(change)


def _is_over(token: Token, now: float) -> bool:
    return bool(token.ends) and now >= token.ends
