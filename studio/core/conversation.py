"""A conversation with a model: what was said, what can be changed of it, and what can be learnt from it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from studio.core.endpoint import AnswerFacts
from studio.core.rows import Row, Turn
from studio.errors import StudioError

# Thinking models mark what they think in their text, where no server has taken it apart.
THINKING = ("<think>", "</think>")
USER, ASSISTANT, TOOL = "user", "assistant", "tool"


@dataclass(frozen=True, slots=True)
class Said:
    """Something one side said. Of an answer: who gave it, its facts, and what stood in its place before.

    `others` are answers that were regenerated or corrected, the newest last.
    """

    role: str
    content: str
    reasoning: str = ""
    model: str = ""
    facts: AnswerFacts | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A system prompt, turns, and the tools that the model is offered (a JSON list as text, or nothing)."""

    turns: tuple[Said, ...] = ()
    system: str = ""
    tools: str = ""
    # What the next answer takes the place of, and the turns that are given back when none comes.
    replaced: tuple[str, ...] = ()
    dropped: tuple[Said, ...] = ()

    @property
    def awaits_answer(self) -> bool:
        return bool(self.turns) and self.turns[-1].role != ASSISTANT

    def ask(self, content: str, role: str = USER) -> "Conversation":
        return replace(self, turns=(*self.turns, Said(role, content)), replaced=(), dropped=())

    def answer(self, said: Said) -> "Conversation":
        """With an answer at its end."""
        answered = replace(said, others=self.replaced)
        return replace(self, turns=(*self.turns, answered), replaced=(), dropped=())

    def give_back(self) -> "Conversation":
        """As it was before an answer was asked for again that did not come."""
        return replace(self, turns=(*self.turns, *self.dropped), replaced=(), dropped=())

    def regenerate(self, index: int | None = None) -> "Conversation":
        """Without the answer at `index` (the last one) and what followed; the next one remembers it."""
        place = len(self.turns) - 1 if index is None else index
        while place >= 0 and self.turns[place].role != ASSISTANT:
            place -= 1
        if place < 0:
            return self
        gone = self.turns[place]
        before = _without_repeats((*gone.others, gone.content))
        return replace(self, turns=self.turns[:place], replaced=before, dropped=self.turns[place:])

    def edit(self, index: int, content: str) -> "Conversation":
        """A past turn in other words: a question is asked again, an answer is corrected and keeps what follows."""
        turn = self.turns[index]
        if turn.content == content:
            return self
        if turn.role != ASSISTANT:
            return replace(
                self, turns=(*self.turns[:index], replace(turn, content=content)), replaced=(), dropped=()
            )
        # Counts are those of what the model said, which this is no more.
        corrected = replace(
            turn, content=content, facts=None, others=_without_repeats((*turn.others, turn.content))
        )
        return replace(self, turns=(*self.turns[:index], corrected, *self.turns[index + 1 :]))

    def undo(self) -> "tuple[Conversation, str]":
        """Without the last question and what followed, and that question, to be worded anew."""
        asked = [place for place, turn in enumerate(self.turns) if turn.role == USER]
        if not asked:
            return self, ""
        left = replace(self, turns=self.turns[: asked[-1]], replaced=(), dropped=())
        return left, self.turns[asked[-1]].content

    def messages(self) -> list[dict[str, Any]]:
        """What is sent: what a model thought is not told it again."""
        return [{"role": turn.role, "content": turn.content} for turn in self.turns]

    def row(self) -> Row:
        """The conversation up to its last answer, as training data. Raises StudioError when there is none."""
        turns = list(self.turns)
        while turns and turns[-1].role != ASSISTANT:
            turns.pop()
        if not turns:
            raise StudioError("nothing_answered")
        return Row(turns=self._opened(turns), tools=self.tools.strip() or None)

    def pair(self) -> Row:
        """The last answer as the better one, and the one before it in its place as the worse.

        Raises StudioError when there was none.
        """
        if not self.turns or self.turns[-1].role != ASSISTANT or not self.turns[-1].others:
            raise StudioError("no_other_answer")
        last = self.turns[-1]
        return preference_row(self._opened(self.turns[:-1]), last.content, last.others[-1])

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Conversation":
        """Raises StudioError for what is no conversation."""
        try:
            turns = tuple(_read_turn(cast("Mapping[str, Any]", turn)) for turn in told["turns"])
            kept = cls(
                turns,
                str(told.get("system", "")),
                str(told.get("tools", "")),
                tuple(str(text) for text in told.get("replaced", ())),
                tuple(_read_turn(turn) for turn in told.get("dropped", ())),
            )
            return kept.give_back() if kept.dropped else kept
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StudioError("not_a_conversation", reason=f"{type(error).__name__}: {error}") from error

    def _opened(self, turns: Sequence[Said]) -> tuple[Turn, ...]:
        opening = (Turn("system", self.system),) if self.system.strip() else ()
        return (*opening, *(Turn(turn.role, turn.content) for turn in turns))


def preference_row(turns: Sequence[Turn], better: str, worse: str) -> Row:
    """A pair to learn a preference from."""
    return Row(turns=tuple(turns), chosen=(Turn(ASSISTANT, better),), rejected=(Turn(ASSISTANT, worse),))


def split_thinking(text: str) -> tuple[str, str]:
    """What was thought, and what was said, of an answer that may still be on its way."""
    begin, end = THINKING
    before, mark, rest = text.partition(begin)
    if not mark or before.strip():
        # Some templates open the mark in the prompt, so that only its end is in the answer, at the end of a line.
        thought, mark, said = text.partition(end)
        is_end = bool(mark) and begin not in thought and said[:1] in ("", "\n")
        return (thought.strip(), said.lstrip()) if is_end else ("", text)
    thought, _, said = rest.partition(end)
    return thought.strip(), said.lstrip()


def read_tools(text: str) -> list[dict[str, Any]]:
    """Tool definitions as the protocol takes them. Raises StudioError for what is no list of objects."""
    if not text.strip():
        return []
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise StudioError("bad_tools", "tools", reason=str(error)) from error
    items: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) for item in items):
        raise StudioError("bad_tools", "tools", reason="[{…}]")
    # A bare function is as good as one that is wrapped, which is how datasets keep them.
    return [item if "function" in item else {"type": "function", "function": item} for item in items]


def _read_turn(told: Mapping[str, Any]) -> Said:
    if told["role"] not in (USER, ASSISTANT, TOOL):
        raise ValueError(str(told["role"]))
    facts = told.get("facts")
    return Said(
        str(told["role"]),
        str(told["content"]),
        str(told.get("reasoning", "")),
        str(told.get("model", "")),
        AnswerFacts(**facts) if facts else None,
        tuple(str(other) for other in told.get("others", ())),
    )


def _without_repeats(texts: Sequence[str]) -> tuple[str, ...]:
    """The newest of equal texts stays."""
    return tuple(reversed(dict.fromkeys(reversed(texts))))
