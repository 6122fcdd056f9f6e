"""Several models that answer the same messages, and what a vote on their answers means."""

from dataclasses import dataclass, replace

from studio.core.conversation import Conversation
from studio.core.rows import Turn
from studio.core.votes import Vote


@dataclass(frozen=True, slots=True)
class Arena:
    """A conversation a model, by label. After a vote all go on from the better one, which keeps them comparable."""

    labels: tuple[str, ...] = ()
    sides: tuple[Conversation, ...] = ()
    voted: bool = False
    best: int | None = None

    def ask(self, labels: tuple[str, ...], text: str, system: str) -> "Arena":
        """The same message to every model; other models than before begin anew."""
        before = self._histories() if labels == self.labels else (Conversation(),) * len(labels)
        return Arena(labels, tuple(replace(side, system=system).ask(text) for side in before))

    def with_side(self, place: int, side: Conversation) -> "Arena":
        return replace(self, sides=(*self.sides[:place], side, *self.sides[place + 1 :]))

    @property
    def can_vote(self) -> bool:
        """Whether there are answers to compare that nobody has voted on."""
        answered = [side for side in self.sides if side.turns and not side.awaits_answer]
        return len(answered) >= 2 and not self.voted

    def vote(self, best: int | None) -> Vote:
        """The vote on what was answered last; a model that failed has no answer in it."""
        places = [place for place, side in enumerate(self.sides) if not side.awaits_answer]
        winner = self.sides[best if best in places else places[0]]
        return Vote(
            _asked(winner),
            tuple(self.labels[place] for place in places),
            tuple(self.sides[place].turns[-1].content for place in places),
            places.index(best) if best in places else None,
            tuple(i for i, place in enumerate(places) if _asked(self.sides[place]) != _asked(winner)),
        )

    def _histories(self) -> tuple[Conversation, ...]:
        """What each model is told was said before: the better answers; of one that failed, without its question."""
        sides = tuple(side.undo()[0] if side.awaits_answer else side for side in self.sides)
        return sides if self.best is None else (sides[self.best],) * len(sides)


def _asked(side: Conversation) -> tuple[Turn, ...]:
    opening = (Turn("system", side.system),) if side.system.strip() else ()
    return (*opening, *(Turn(turn.role, turn.content) for turn in side.turns[:-1]))
