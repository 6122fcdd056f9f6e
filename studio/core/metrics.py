"""Logged steps: read a line, thin out a curve, tell how far a run is."""

import json
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; times in seconds, None where it cannot be told yet."""

    step: int
    total_steps: int | None
    elapsed_s: float | None
    remaining_s: float | None


def read_metric(line: str) -> dict[str, Any] | None:
    """One line of `metrics.jsonl`, or None for a torn or corrupted one, which costs that line only."""
    try:
        record: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    fields = cast("dict[str, Any]", record)
    return fields if isinstance(fields.get("kind"), str) else None


def find_progress(
    begin_step: int, begin_time: float | None, step: int, total_steps: int | None, now: float
) -> Progress:
    """Elapsed and remaining time from the pace since training began (a resumed run begins past step 0)."""
    if begin_time is None:
        return Progress(step, total_steps, None, None)
    elapsed = max(0.0, now - begin_time)
    done = step - begin_step
    if not total_steps or done <= 0:
        return Progress(step, total_steps, elapsed, None)
    return Progress(step, total_steps, elapsed, elapsed / done * max(0, total_steps - step))
