"""Devices that jobs take for themselves: a folder a pool, a lock file a device, and a queue before them."""

import fcntl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.stores.atomic import write_text
from studio.stores.runs import JobPaths, read_json

LIMIT = "limit"
# More at once than this is a slip of the finger.
MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Claim:
    """So many devices of a pool, of these or, when none is named, of any within the pool's limit.

    `variable` is the environment variable that tells a command which it got; empty for none.
    """

    pool: Path
    count: int = 1
    names: tuple[str, ...] = ()
    variable: str = ""

    def to_json(self) -> dict[str, Any]:
        kept = {"count": self.count, "names": list(self.names), "variable": self.variable}
        return {"pool": str(self.pool), **kept}

    def meets(self, other: "Claim") -> bool:
        """Whether both may want the same device."""
        return not self.names or not other.names or not set(self.names).isdisjoint(other.names)

    def candidates(self) -> list[str]:
        """Where no device is named, places enough for all that may work, also those of a limit that was higher."""
        return list(self.names) or [str(number) for number in range(MOST_AT_ONCE)]


def read_claim(folder: Path) -> Claim | None:
    """What a job asked for when it was started; None for a job that needs no device."""
    asked: Mapping[str, Any] | None = read_json(JobPaths(folder).job).get("claim")
    if not asked:
        return None
    return Claim(Path(asked["pool"]), asked["count"], tuple(asked["names"]), asked["variable"])


def read_limit(pool: Path) -> int:
    """How many jobs may work at once where no device is named."""
    try:
        return max(1, int((pool / LIMIT).read_text()))
    except (FileNotFoundError, ValueError):
        return 1


def set_limit(pool: Path, limit: int) -> None:
    """Raises StoreFailed. Jobs that wait see it at once."""
    write_text(pool / LIMIT, str(limit))


def take_devices(claim: Claim, held: ExitStack) -> dict[str, int]:
    """The devices that are free, with the descriptors that keep them, or nothing as long as there are too few.

    Commands inherit the descriptors: a device stays taken as long as one of them lives.
    """
    claim.pool.mkdir(parents=True, exist_ok=True)
    with ExitStack() as trying:
        taken: dict[str, int] = {}
        busy = 0
        for name in claim.candidates():
            path = claim.pool / f"{name}.lock"
            if not claim.names and not path.exists() and len(taken) == claim.count:
                break
            with ExitStack() as looking:
                file = looking.enter_context(path.open("w"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    busy += 1
                    continue
                if len(taken) < claim.count:
                    taken[name] = file.fileno()
                    trying.enter_context(looking.pop_all())
        if len(taken) == claim.count and (claim.names or busy + claim.count <= read_limit(claim.pool)):
            held.enter_context(trying.pop_all())
            return taken
    return {}


def device_environment(claim: Claim | None, taken: Mapping[str, int]) -> dict[str, str]:
    """What tells a command which devices it got."""
    return {claim.variable: ",".join(taken)} if claim and claim.variable else {}
