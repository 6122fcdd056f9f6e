"""Put questions to models, one model after the other: what a batch and an evaluation have in common.

Nothing here knows of files. What happens is told as it happens, as a stream of events; whoever reads the stream
keeps what it needs, and may end it at any moment.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from studio.actions.contenders import OpenedModel, OpenModel, Pieces
from studio.core.batch import BatchAnswer, Contender, answered, problem_of
from studio.core.endpoint import Answer, AnswerFacts, AnswerPiece
from studio.core.evaluation import (
    Measured,
    read_weights,
    texts_to_weigh,
    wants_text,
    with_verdict,
)
from studio.core.judging import fill_rubric
from studio.core.questions import Question, Wording, messages_of
from studio.errors import Problem, StudioError
from studio.jobs.endpoint import Messages

# A server that is gone will not come back for the next question.
GONE = frozenset({"endpoint_unreachable", "endpoint_silent"})
GONE_TIMES = 3
# By HTTP: the key is wrong, this is not allowed, there is no such model. It would say so to every question.
DENIED = (401, 403, 404)
LOOK_S = 0.1
# Stands for the judge among labels of models, of which it can be none.
JUDGE_KEY = "\0judge"


@dataclass(frozen=True, slots=True)
class Opening:
    """A model is being loaded."""

    label: str


@dataclass(frozen=True, slots=True)
class Asking:
    """A model is ready and is asked."""

    label: str


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A model could not be had, or is gone: the rest of its questions stay without an answer."""

    label: str
    reason: Problem


@dataclass(frozen=True, slots=True)
class Judging:
    """The answers of a model are judged."""

    label: str


Event = Opening | Asking | Judging | BatchAnswer | GaveUp


Item = TypeVar("Item")


class Cancelled(Exception):
    """Somebody wants the answers to end."""


def answer_questions(
    work: Sequence[tuple[Contender, Sequence[Question]]],
    wording: Wording,
    open_model: OpenModel,
    is_cancelled: Callable[[], bool],
    measures: Sequence[str] = (),
) -> Iterator[Event]:
    """Ask each model its questions in order; ends early, in the midst of an answer, once `is_cancelled`.

    With `measures` each answer carries what an evaluation measures. A question that fails is told as an answer with
    an error, and the next is asked. A model that does not load, that refuses us altogether, or that is gone three
    times in a row is given up, and the next one is opened.
    """
    for contender, questions in work:
        if not questions:
            continue
        if is_cancelled():
            return
        yield Opening(contender.label)
        try:
            with open_model(contender) as opened:
                yield Asking(contender.label)
                asked = _Asked(contender.label, wording, measures, opened, is_cancelled)
                yield from _unless_gone(questions, asked.answer, asked.failed)
        except Cancelled:
            return
        except StudioError as error:
            yield GaveUp(contender.label, problem_of(error))


def judge_answers(
    work: Sequence[tuple[Question, BatchAnswer]],
    rubric: str,
    judge: Callable[[Messages], Pieces],
    is_cancelled: Callable[[], bool],
) -> Iterator[Event]:
    """Have answers judged: each comes again, with what the judge said and the points that it gave.

    Ends early once `is_cancelled`; a judge that is gone, or refuses us altogether, is given up.
    """
    questions = {(answer.question, answer.label): question for question, answer in work}

    def ask(answer: BatchAnswer) -> BatchAnswer:
        question = questions[answer.question, answer.label]
        said = messages_of(question, Wording())[-1]["content"]
        asked = fill_rubric(rubric, said, question.reference, answer.text)
        verdict = whole_answer(judge([{"role": "user", "content": asked}]), is_cancelled).content
        return with_verdict(answer, verdict)

    try:
        for label, answers in groupby((answer for _, answer in work), key=lambda answer: answer.label):
            yield Judging(label)
            # A verdict that failed is asked for again by whoever goes on; the answer stays as it is.
            yield from _unless_gone(list(answers), ask, _keep_unjudged)
    except Cancelled:
        return
    except StudioError as error:
        yield GaveUp(JUDGE_KEY, problem_of(error))


def _keep_unjudged(_answer: BatchAnswer, _error: StudioError) -> None:
    return None


def _unless_gone(
    items: Iterable[Item],
    ask: Callable[[Item], BatchAnswer],
    failed: Callable[[Item, StudioError], BatchAnswer | None],
) -> Iterator[BatchAnswer]:
    """What is said to each item, or `failed`. Raises StudioError once nobody will say anything to the next."""
    gone = 0
    for item in items:
        try:
            yield ask(item)
        except StudioError as error:
            if told := failed(item, error):
                yield told
            gone = gone + 1 if error.code in GONE else 0
            if gone == GONE_TIMES or getattr(error.__cause__, "status_code", None) in DENIED:
                raise
        else:
            gone = 0


class _Asked:
    """One model, and how it is asked."""

    def __init__(
        self,
        label: str,
        wording: Wording,
        measures: Sequence[str],
        opened: OpenedModel,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._label = label
        self._wording = wording
        self._measures = measures
        self._opened = opened
        self._is_cancelled = is_cancelled
        self._can_weigh = True

    def answer(self, question: Question) -> BatchAnswer:
        """What the model says to a question and what was measured. Raises StudioError, and Cancelled."""
        # Plain text follows upon nothing.
        messages = messages_of(question, self._wording) if question.text else []
        answer = BatchAnswer(question.number, self._label)
        begun = time.monotonic()
        if wants_text(self._measures):
            answer = answered(
                question, self._label, whole_answer(self._opened.stream(messages), self._is_cancelled)
            )
        measured = self._weigh(question, messages)
        return replace(answer, measured=measured, seconds=round(time.monotonic() - begun, 3))

    def failed(self, question: Question, error: StudioError) -> BatchAnswer:
        return BatchAnswer(question.number, self._label, error=problem_of(error))

    def _weigh(self, question: Question, messages: Messages) -> Measured:
        measured: dict[str, float | str | None] = {}
        for texts, with_end in texts_to_weigh(question, self._measures):
            if self._is_cancelled():
                raise Cancelled
            if not self._can_weigh:
                break
            try:
                found = self._opened.weigh(messages, list(texts.values()), with_end)
            except StudioError as error:
                if error.code == "endpoint_no_likelihood":
                    # A server elsewhere: it will not tell of the next one either, and answers all the same.
                    self._can_weigh = False
                elif error.code == "endpoint_refused":
                    # Too long, most likely. What the model has said to the question stays.
                    measured["refused"] = str(error.values.get("reason", ""))
                else:
                    raise
            else:
                measured |= read_weights(dict(zip(texts, found, strict=True)))
        return measured


def whole_answer(pieces: Pieces, is_cancelled: Callable[[], bool]) -> Answer:
    """The whole of a streamed answer. Raises Cancelled at most a moment after `is_cancelled`, and StudioError."""
    content, reasoning = "", ""
    for piece in until_cancelled(pieces, is_cancelled):
        if isinstance(piece, AnswerFacts):
            return Answer(content, reasoning, piece)
        content, reasoning = content + piece.content, reasoning + piece.reasoning
    raise StudioError("endpoint_ended_early", "model")


def until_cancelled(pieces: Pieces, is_cancelled: Callable[[], bool]) -> Iterator[AnswerPiece | AnswerFacts]:
    """The pieces as they come. Raises Cancelled also while a server is silent, which may be for minutes.

    Waiting is left to a thread of its own, since nothing can close a stream that somebody waits for: once we have
    left, it closes the stream at the next piece, or when the server has been silent for too long.
    """
    found: queue.SimpleQueue[AnswerPiece | AnswerFacts | Exception | None] = queue.SimpleQueue()
    left = threading.Event()

    def pull() -> None:
        try:
            for piece in pieces:
                found.put(piece)
                if left.is_set():
                    break
        except Exception as error:
            found.put(error)
        finally:
            pieces.close()
            found.put(None)

    threading.Thread(target=pull, name="answer", daemon=True).start()
    try:
        while True:
            if is_cancelled():
                raise Cancelled
            try:
                piece = found.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        left.set()
