"""What a run is: its states, and what a reader of its folder learns."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from studio.errors import Problem
from studio.texts import has_words

QUEUED = "queued"
# An engine that says nothing for so long is worth a word; a large model may load in silence.
SILENCE_S = 300.0
# A checkpoint has two forms, in a folder each: the one that loads, and the one from which training goes on.
LOADABLE_CHECKPOINT = re.compile(r"hf_checkpoint-(\d+)")
RESUMABLE_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
# The step behind the training in which base and result answer the rows that were held out.
COMPARING = "comparing"
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
    # Each phase that it was in, and for how long.
    phases: Mapping[str, float]
    checkpoints: tuple[int, ...]
    # Why nobody could be told that it has ended.
    webhook_error: str = ""
    # Why base and result could not be compared at the end; the training itself went well.
    not_done: Problem | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES


def checkpoint_steps(form: re.Pattern[str], names: Iterable[str]) -> list[int]:
    """The steps of the checkpoints of one form among some folders' names, in order."""
    return sorted(int(match[1]) for match in map(form.fullmatch, names) if match)


def phase_times(
    asked_at: float | None,
    created_at: float | None,
    started_at: float | None,
    begun_at: float | None,
    spent: Mapping[str, float],
    current: tuple[str, float] | None,
    now: float,
) -> dict[str, float]:
    """Seconds of each phase in their order, from the times at which one gave way to the next (Unix seconds).

    `spent` is what the engine has told of its own phases, `current` the one it is in, and since when.
    """
    marks = (("preparing", asked_at), ("queued", created_at), ("loading", started_at), ("", begun_at))
    times: dict[str, float] = {}
    for (phase, since), (_, until) in pairwise(marks):
        if since is not None:
            times[phase] = max(0.0, (now if until is None else until) - since)
        if until is None:
            break
    times |= spent
    if current:
        phase, since = current
        times[phase] = times.get(phase, 0.0) + max(0.0, now - since)
    return times


def read_cause(stored: Mapping[str, Any] | None) -> Problem | None:
    """The cause as `state.json` keeps it; another version may have kept one that is not known here."""
    if not stored:
        return None
    cause = Problem("", str(stored.get("code", "?")), stored.get("values", {}))
    return cause if has_words(cause) else Problem("", "unknown_cause", {"given": cause.code})
