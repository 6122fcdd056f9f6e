"""Who waits for a device, in which order: a file a waiting job, named by its place.

No daemon keeps the queue: each job's supervisor looks whether it is the first that is not held, and takes the
device's lock. What is gone without a word is passed over.
"""

import fcntl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from studio.errors import StudioError
from studio.jobs.state import job_state

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


def join_queue(lock: Path, folder: Path) -> None:
    """Stand at the end of the queue for a device; tickets of jobs that wait no more go."""
    with _alone(lock):
        for ticket in _tickets(lock):
            if ticket.folder == folder or not _waits(ticket):
                ticket.path.unlink()
        (_queue(lock) / _name(time.time(), False)).write_text(str(folder), encoding="utf-8")


def leave_queue(lock: Path, folder: Path) -> None:
    with _alone(lock):
        for ticket in _tickets(lock):
            if ticket.folder == folder:
                ticket.path.unlink()


def read_queue(lock: Path) -> list[Ticket]:
    """Every job that waits for a device, the next one first."""
    with _alone(lock):
        return _waiting(lock)


def is_next(lock: Path, folder: Path) -> bool:
    """Whether it is this job's turn; also when somebody has removed its ticket.

    Looks at those before it only, and at no more than it must: every waiting job asks again and again.
    """
    with _alone(lock):
        for ticket in _tickets(lock):
            if ticket.folder == folder:
                return not ticket.held
            if not ticket.held and _waits(ticket):
                return False
    return True


def hold(lock: Path, folder: Path, held: bool) -> None:
    """Let a job wait although its turn comes, or no longer. Raises StudioError when it does not wait."""
    with _alone(lock):
        ticket, _ = _find(lock, folder)
        ticket.put(ticket.place, held)


def move(lock: Path, folder: Path, places: int) -> None:
    """Put a job so many places later (negative: earlier). Raises StudioError when it does not wait."""
    with _alone(lock):
        ticket, position = _find(lock, folder)
        others = [other.place for other in _waiting(lock) if other.folder != folder]
        target = max(0, min(len(others), position + places))
        if not others:
            return
        before = others[target - 1] if target else others[0] - 2
        after = others[target] if target < len(others) else before + 2
        ticket.put((before + after) / 2, ticket.held)


def _find(lock: Path, folder: Path) -> tuple[Ticket, int]:
    for position, ticket in enumerate(_waiting(lock)):
        if ticket.folder == folder:
            return ticket, position
    raise StudioError("not_queued", "run", run=folder.parent.name)


def _waiting(lock: Path) -> list[Ticket]:
    return [ticket for ticket in _tickets(lock) if _waits(ticket)]


def _tickets(lock: Path) -> Iterator[Ticket]:
    """All tickets in their order, also of jobs that are gone."""
    named: list[tuple[float, Path]] = []
    for path in _queue(lock).glob("[0-9]*"):
        with suppress(ValueError):
            named.append((float(path.name.removesuffix(HELD)), path))
    for place, path in sorted(named):
        yield Ticket(path, Path(path.read_text(encoding="utf-8")), place, path.name.endswith(HELD))


def _waits(ticket: Ticket) -> bool:
    return job_state(ticket.folder).get("state") == "queued"


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    """Nobody else reads or changes the queue meanwhile: a ticket that is being renamed is nowhere for a moment."""
    queue = _queue(lock)
    queue.mkdir(parents=True, exist_ok=True)
    with (queue / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _queue(lock: Path) -> Path:
    return lock.with_suffix(".queue")


def _name(place: float, held: bool) -> str:
    return f"{place:.9f}{HELD if held else ''}"
