"""What a run is: its states, and what a reader of its folder learns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.errors import Problem

QUEUED = "queued"
# An engine that says nothing for so long is worth a word; a large model may load in silence.
SILENCE_S = 300.0
ACTIVE_STATES = frozenset({QUEUED, "preparing", "running", "stopping"})


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the page, the command line and the tests see it; times are Unix seconds or durations in s."""

    run: str
    name: str
    path: str
    state: str
    phase: str
    model: str
    stage: str
    method: str
    datasets: tuple[str, ...]
    step: int
    total_steps: int | None
    elapsed_s: float | None
    remaining_s: float | None
    tokens_per_s: float | None
    loss: float | None
    eval_loss: float | None
    cause: Problem | None
    started_at: float | None
    silent_s: float | None
    # Its place in the queue, from 1, and whether it is held there.
    place: int | None
    held: bool
    checkpoints: tuple[int, ...]

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES


def read_cause(stored: Mapping[str, Any] | None) -> Problem | None:
    """The cause as `state.json` keeps it."""
    return Problem("", stored["code"], stored.get("values", {})) if stored else None
