"""Who may in: the rules for passwords, sessions, tokens and tries. No files, and the clock is passed in."""

import hashlib
import hmac
import ipaddress
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass

from studio.core.exposure import host_name

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024
# A session nobody used for a day is over, and any is after a week.
IDLE_S = 24 * 3600
LONGEST_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Cost:
    """What one try of a password costs in scrypt: `128 * n * r` bytes, and time along with it."""

    n: int = 2**17
    r: int = 8
    p: int = 1


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password as it is kept: what scrypt makes of it, and all it takes to make that again."""

    salt: str
    key: str
    cost: Cost

    @property
    def id(self) -> str:
        """Tells one password from the next; sessions carry it, and end when it changes."""
        return hashlib.sha256(f"{self.salt}{self.key}".encode()).hexdigest()[:32]


def hash_password(password: str, salt: bytes, cost: Cost) -> PasswordHash:
    """Hash a password; takes about half a second at the usual cost."""
    # The same characters may be typed in two ways, and must not be two passwords.
    typed = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    room = 2**20 + 256 * cost.n * cost.r * cost.p
    key = hashlib.scrypt(typed, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=room, dklen=32)
    return PasswordHash(salt.hex(), key.hex(), cost)


def is_password(given: str, kept: PasswordHash) -> bool:
    """Whether a password is the one kept, compared in a time that tells nothing."""
    tried = hash_password(given, bytes.fromhex(kept.salt), kept.cost)
    return hmac.compare_digest(tried.key, kept.key)


def hash_token(token: str) -> str:
    """How a session or an API token is kept: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Session:
    """A login of one browser: when it began, when it was last used, and with which password."""

    began: float
    seen: float
    password: str


def is_alive(session: Session, password: str, now: float) -> bool:
    """Whether a session still lets in."""
    in_time = now - session.seen < IDLE_S and now - session.began < LONGEST_S
    return in_time and hmac.compare_digest(session.password, password)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries are free; each further one waits twice as long as the one before, up to `longest_s`."""

    free: int
    longest_s: float

    def wait_s(self, tries: int) -> float:
        return 0.0 if tries < self.free else min(2.0 ** min(tries - self.free, 30), self.longest_s)


EACH = Limit(5, 900)
# High enough that somebody else's tries cost the owner a minute and not the day.
ALL = Limit(50, 60)
FORGET_S = 3600
MOST_ADDRESSES = 1000
MOST_KNOWN = 100


class Throttle:
    """How long somebody must wait before the next try, by address and for all addresses together.

    A try counts when it begins, so that many at once are no way around it. An address that was right before
    does not wait for the tries of others. Memory is bounded, whoever asks.
    """

    def __init__(self, each: Limit = EACH, everybody: Limit = ALL) -> None:
        self._each = each
        self._all = everybody
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._total = (0, 0.0)
        self._known: OrderedDict[str, None] = OrderedDict()

    def begin(self, address: str, now: float) -> float:
        """Seconds to wait; 0 lets the try through, and counts it."""
        place = group_address(address)
        wait = self._rest(self._tries.get(place, (0, 0.0)), self._each, now)
        if place not in self._known:
            wait = max(wait, self._rest(self._total, self._all, now))
        if wait > 0:
            return wait
        self._tries[place] = self._next(self._tries.get(place, (0, 0.0)), now)
        self._tries.move_to_end(place)
        self._total = self._next(self._total, now)
        while len(self._tries) > MOST_ADDRESSES:
            self._tries.popitem(last=False)
        return 0.0

    def succeed(self, address: str) -> None:
        """Forget the tries of an address that had the right password in the end."""
        place = group_address(address)
        self._tries.pop(place, None)
        self._total = max(0, self._total[0] - 1), self._total[1]
        self._known[place] = None
        self._known.move_to_end(place)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    @staticmethod
    def _rest(tried: tuple[int, float], limit: Limit, now: float) -> float:
        tries, last = tried
        return 0.0 if now - last >= FORGET_S else max(0.0, last + limit.wait_s(tries) - now)

    @staticmethod
    def _next(tried: tuple[int, float], now: float) -> tuple[int, float]:
        tries, last = tried
        return (1 if now - last >= FORGET_S else tries + 1), now


def group_address(address: str) -> str:
    """An address as tries are counted: a whole /64 of IPv6 is one person's."""
    # Some proxies tell the port, too, which is another one each time.
    bare = host_name(address) or address.partition("%")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return bare[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
