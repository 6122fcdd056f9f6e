"""Who waits for a device, in which order: a file a waiting job, named by its place.

No daemon keeps the queue: each job's supervisor looks whether it is the first that is not held, and takes the
device's lock. What is gone without a word is passed over.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from studio.errors import StudioError
from studio.jobs.state import job_state
from studio.stores.atomic import write_text

HELD = ".held"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A waiting job; smaller places come first."""

    path: Path
    folder: Path
    place: float
    held: bool


def join_queue(lock: Path, folder: Path) -> None:
    """Stand at the end of the queue for a device."""
    queue = _queue(lock)
    queue.mkdir(parents=True, exist_ok=True)
    write_text(queue / _name(time.time()), str(folder))


def leave_queue(lock: Path, folder: Path) -> None:
    ticket = _find(lock, folder)
    if ticket:
        ticket.path.unlink(missing_ok=True)


def read_queue(lock: Path) -> list[Ticket]:
    """Every job that waits for a device, the next one first."""
    found: list[Ticket] = []
    for path in _queue(lock).glob("[0-9]*"):
        try:
            folder = Path(path.read_text(encoding="utf-8"))
            place = float(path.name.removesuffix(HELD))
        except (OSError, ValueError):
            # It was moved or taken just now.
            continue
        if job_state(folder).get("state") == "queued":
            found.append(Ticket(path, folder, place, path.name.endswith(HELD)))
    return sorted(found, key=lambda ticket: ticket.place)


def is_next(lock: Path, folder: Path) -> bool:
    """Whether it is this job's turn; also when somebody has removed its ticket."""
    waiting = read_queue(lock)
    mine = next((ticket for ticket in waiting if ticket.folder == folder), None)
    if mine is None:
        return True
    return not mine.held and mine == next(ticket for ticket in waiting if not ticket.held)


def hold(lock: Path, folder: Path, held: bool) -> None:
    """Let a job wait although its turn comes, or no longer. Raises StudioError when it does not wait."""
    ticket = _waiting(lock, folder)
    ticket.path.rename(ticket.path.with_name(_name(ticket.place, held)))


def move(lock: Path, folder: Path, places: int) -> None:
    """Put a job so many places later (negative: earlier). Raises StudioError when it does not wait."""
    ticket = _waiting(lock, folder)
    waiting = read_queue(lock)
    others = [other.place for other in waiting if other.folder != folder]
    position = next(i for i, other in enumerate(waiting) if other.folder == folder)
    target = max(0, min(len(others), position + places))
    before = others[target - 1] if target else (others[0] - 2 if others else ticket.place - 1)
    after = others[target] if target < len(others) else before + 2
    ticket.path.rename(ticket.path.with_name(_name((before + after) / 2, ticket.held)))


def _waiting(lock: Path, folder: Path) -> Ticket:
    ticket = _find(lock, folder)
    if ticket is None:
        raise StudioError("not_queued", "run", run=folder.parent.name)
    return ticket


def _find(lock: Path, folder: Path) -> Ticket | None:
    return next((ticket for ticket in read_queue(lock) if ticket.folder == folder), None)


def _queue(lock: Path) -> Path:
    return lock.with_suffix(".queue")


def _name(place: float, held: bool = False) -> str:
    return f"{place:.9f}{HELD if held else ''}"
