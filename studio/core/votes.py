"""Votes on answers to one message, and the preference pairs that they make."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from studio.core.conversation import preference_row
from studio.core.rows import Row, Turn


@dataclass(frozen=True, slots=True)
class Vote:
    """Which of some models' answers to a conversation was best; None for a tie, which makes no pair.

    `turns` are what the best one answered to. An answer of `elsewhere` was given to others, as what its model had
    said before was different; it counts, and makes no pair.
    """

    turns: tuple[Turn, ...]
    models: tuple[str, ...]
    answers: tuple[str, ...]
    best: int | None
    elsewhere: tuple[int, ...] = ()

    def pairs(self) -> Iterator[Row]:
        """The best answer with each of the others that differs from it; who says nothing teaches nothing."""
        if self.best is None or not self.answers[self.best].strip():
            return
        better = self.answers[self.best]
        comparable = [answer for place, answer in enumerate(self.answers) if place not in self.elsewhere]
        for worse in dict.fromkeys(comparable):
            if worse != better and worse.strip():
                yield preference_row(self.turns, better, worse)

    def to_json(self) -> dict[str, Any]:
        return {
            "turns": [{"role": turn.role, "content": turn.content} for turn in self.turns],
            "models": list(self.models),
            "answers": list(self.answers),
            "best": self.best,
            "elsewhere": list(self.elsewhere),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Vote":
        turns = cast("Sequence[Mapping[str, str]]", told["turns"])
        said = tuple(Turn(turn["role"], turn["content"]) for turn in turns)
        elsewhere = tuple(told.get("elsewhere", ()))
        return cls(said, tuple(told["models"]), tuple(told["answers"]), told["best"], elsewhere)


def count_wins(votes: Sequence[Vote]) -> dict[str, tuple[int, int]]:
    """For each model, how often it was best and how often it was among those that were voted on."""
    counts: dict[str, tuple[int, int]] = {}
    for vote in votes:
        for place, model in enumerate(vote.models):
            won, shown = counts.get(model, (0, 0))
            counts[model] = (won + (vote.best == place), shown + 1)
    return counts
