"""Who waits for a device of a pool, in which order: a file a waiting job, named by its place.

No daemon keeps the queue: each job's supervisor looks whether it is the first that is not held, and takes its
devices. What is gone without a word is passed over.
"""

import fcntl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from studio.errors import StudioError
from studio.jobs.devices import Claim, read_claim
from studio.jobs.state import job_state
from studio.stores.atomic import write_text

HELD = ".held"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job in the queue; smaller places come first."""

    path: Path
    folder: Path
    place: float
    held: bool

    def put(self, place: float, held: bool) -> None:
        self.path.rename(self.path.with_name(_name(place, held)))


def join_queue(pool: Path, folder: Path) -> None:
    """Stand at the end of the queue for a device; tickets of jobs that wait no more go. Raises StoreFailed."""
    with _alone(pool):
        for ticket in _tickets(pool):
            if ticket.folder == folder or not _waits(ticket):
                ticket.path.unlink()
        # Behind those who wait, also when the clock was set back meanwhile.
        last = max((ticket.place for ticket in _tickets(pool)), default=0.0)
        write_text(_queue(pool) / _name(max(time.time(), last + 1e-3), False), str(folder))


def leave_queue(pool: Path, folder: Path) -> None:
    with _alone(pool):
        for ticket in _tickets(pool):
            if ticket.folder == folder:
                ticket.path.unlink()


def read_queue(pool: Path) -> list[Ticket]:
    """Every job that waits for a device, the next one first."""
    with _alone(pool):
        return _waiting(pool)


def is_next(claim: Claim, folder: Path) -> bool:
    """Whether it is this job's turn; also when somebody has removed its ticket.

    Whoever came before and wants none of the same devices is passed. Looks at those before it only, and at no more
    than it must: every waiting job asks again and again.
    """
    with _alone(claim.pool):
        for ticket in _tickets(claim.pool):
            if ticket.folder == folder:
                return not ticket.held
            if not ticket.held and _waits(ticket) and _meets(ticket, claim):
                return False
    return True


def _meets(ticket: Ticket, claim: Claim) -> bool:
    other = read_claim(ticket.folder)
    return other is not None and other.meets(claim)


def hold(pool: Path, folder: Path, held: bool) -> None:
    """Let a job wait although its turn comes, or no longer. Raises StudioError when it does not wait."""
    with _alone(pool):
        ticket, _ = _find(pool, folder)
        ticket.put(ticket.place, held)


def move(pool: Path, folder: Path, places: int) -> None:
    """Put a job so many places later (negative: earlier). Raises StudioError when it does not wait."""
    with _alone(pool):
        ticket, position = _find(pool, folder)
        others = [other.place for other in _waiting(pool) if other.folder != folder]
        target = max(0, min(len(others), position + places))
        if not others:
            return
        before = others[target - 1] if target else others[0] - 2
        after = others[target] if target < len(others) else before + 2
        ticket.put((before + after) / 2, ticket.held)


def _find(pool: Path, folder: Path) -> tuple[Ticket, int]:
    for position, ticket in enumerate(_waiting(pool)):
        if ticket.folder == folder:
            return ticket, position
    raise StudioError("not_queued", "run", run=folder.parent.name)


def _waiting(pool: Path) -> list[Ticket]:
    return [ticket for ticket in _tickets(pool) if _waits(ticket)]


def _tickets(pool: Path) -> Iterator[Ticket]:
    """All tickets in their order, also of jobs that are gone."""
    named: list[tuple[float, Path]] = []
    for path in _queue(pool).glob("[0-9]*"):
        with suppress(ValueError):
            named.append((float(path.name.removesuffix(HELD)), path))
    for place, path in sorted(named):
        yield Ticket(path, Path(path.read_text(encoding="utf-8")), place, path.name.endswith(HELD))


def _waits(ticket: Ticket) -> bool:
    return job_state(ticket.folder).get("state") == "queued"


@contextmanager
def _alone(pool: Path) -> Generator[None]:
    """Nobody else reads or changes the queue meanwhile: a ticket that is being renamed is nowhere for a moment."""
    queue = _queue(pool)
    queue.mkdir(parents=True, exist_ok=True)
    with (queue / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _queue(pool: Path) -> Path:
    return pool / "queue"


def _name(place: float, held: bool) -> str:
    return f"{place:.9f}{HELD if held else ''}"
