"""Watchdogs over a run: what is logged says whether going on makes sense."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# A spike is measured against the loss's moving average over about so many points.
SPIKE_WINDOW = 50
SPIKE_MINIMUM_POINTS = 10


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why a run should stop: a code and values for `studio.texts`, and whether its weights are worth saving."""

    code: str
    values: Mapping[str, Any]
    save: bool = True


@dataclass(slots=True)
class Watch:
    """Judges losses as they come; 0 switches a watchdog off.

    `patience` is how many evaluations in a row may bring no lower loss; `spike` how many times its moving average
    the loss may be.
    """

    nan: bool = True
    patience: int = 0
    spike: float = 0.0
    best_step: int | None = None
    best_loss: float = math.inf
    _without_gain: int = 0
    _average: float = 0.0
    _points: int = field(default=0, repr=False)

    def see_loss(self, step: int, loss: float) -> Alarm | None:
        """A point of the training curve."""
        if not math.isfinite(loss):
            return Alarm("not_a_number", {"step": step}, save=False) if self.nan else None
        usual = self._average / (1 - (1 - 1 / SPIKE_WINDOW) ** self._points) if self._points else loss
        if self.spike and self._points >= SPIKE_MINIMUM_POINTS and loss > self.spike * usual:
            values = {"step": step, "loss": f"{loss:.4g}", "usual": f"{usual:.4g}"}
            return Alarm("loss_spike", values, save=False)
        self._average += (loss - self._average) / SPIKE_WINDOW
        self._points += 1
        return None

    def see_evaluation(self, step: int, loss: float) -> Alarm | None:
        """A point of the evaluation's curve; `best_step` is its step when it is the lowest so far."""
        if self.recall(step, loss):
            self._without_gain = 0
            return None
        self._without_gain += 1
        if not self.patience or self._without_gain < self.patience:
            return None
        values = {"count": self._without_gain, "best": self.best_step, "loss": f"{self.best_loss:.4g}"}
        return Alarm("no_improvement", values)

    def recall(self, step: int, loss: float) -> bool:
        """Whether an evaluation is the best so far; then it is remembered."""
        # Not the other way round: a loss that is no number is no best.
        if not loss < self.best_loss:
            return False
        self.best_step, self.best_loss = step, loss
        return True


def outdated_checkpoints(steps: Iterable[int], resumable: Collection[int], best: int | None) -> list[int]:
    """Which checkpoints that load go, of which the newest was just written.

    The engine counts only those that training can go on from; the others stay as long as these do, and the best.
    """
    ordered = sorted(steps)
    kept = {best, *ordered[-1:], *resumable}
    return [step for step in ordered if step not in kept]
