"""Put questions to models, one model after the other: what a batch and an evaluation have in common.

Nothing here knows of files. What happens is told as it happens, as a stream of events; whoever reads the stream
keeps what it needs, and may end it at any moment.
"""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from studio.actions.chat import ChatModels
from studio.core.batch import BatchAnswer, Contender, answered, problem_of
from studio.core.endpoint import Answer, AnswerFacts, AnswerPiece, Endpoint, Likelihood, Sampling
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
from studio.jobs.endpoint import Messages, read_likelihoods, stream_answer
from studio.stores.home import Home

Pieces = Generator[AnswerPiece | AnswerFacts]
# A server that is gone will not come back for the next question.
GONE = frozenset({"endpoint_unreachable", "endpoint_silent"})
GONE_TIMES = 3
# By HTTP: the key is wrong, this is not allowed, there is no such model. It would say so to every question.
DENIED = (401, 403, 404)
LOOK_S = 0.1
# Under what name it is told that a judge was given up.
JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that is ready: `stream` answers messages, `weigh` tells how likely given answers are."""

    stream: Callable[[Messages], Pieces]
    weigh: Callable[[Messages, Sequence[str], bool], list[Likelihood]]


# Gets a model ready for as long as a block lasts. Raises StudioError when it cannot be had.
OpenModel = Callable[[Contender], AbstractContextManager[OpenedModel]]


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
        asked = fill_rubric(rubric, question.text, question.reference, answer.text)
        said = whole_answer(judge([{"role": "user", "content": asked}]), is_cancelled).content
        return with_verdict(answer, said)

    try:
        for label, answers in groupby((answer for _, answer in work), key=lambda answer: answer.label):
            yield Judging(label)
            # A verdict that failed is asked for again by whoever goes on; the answer stays as it is.
            yield from _unless_gone(list(answers), ask, _keep_unjudged)
    except Cancelled:
        return
    except StudioError as error:
        yield GaveUp(JUDGE, problem_of(error))


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
        messages = messages_of(question, self._wording)
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
        measured: dict[str, float | str] = {}
        for texts, with_end in texts_to_weigh(question, self._measures):
            if self._is_cancelled():
                raise Cancelled
            if not self._can_weigh:
                break
            try:
                found = self._opened.weigh(messages, list(texts.values()), with_end)
            except StudioError as error:
                if error.code != "endpoint_no_likelihood":
                    raise
                # A server elsewhere: it will not tell of the next one either, and answers all the same.
                self._can_weigh = False
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


def open_contender(
    home: Home,
    models: ChatModels,
    sampling: Sampling,
    key_of: Callable[[Contender], str],
    user: str,
    contender: Contender,
) -> AbstractContextManager[OpenedModel]:
    """A model that answers with `sampling`: an outside one at its address, one of ours loaded for the time.

    `user` is the name under which it is loaded: nobody else's model is unloaded in the end.
    """
    if contender.address:
        return _outside(Endpoint(contender.address, contender.model, key_of(contender)), sampling)
    return _loaded(home, models, contender, sampling, user)


@contextmanager
def _outside(endpoint: Endpoint, sampling: Sampling) -> Generator[OpenedModel]:
    yield opened_model(endpoint, sampling)


@contextmanager
def _loaded(
    home: Home, models: ChatModels, contender: Contender, sampling: Sampling, user: str
) -> Generator[OpenedModel]:
    before = {model.key for model in models.loaded()}
    loaded = models.load(home, contender.model, contender.adapters, user)
    try:
        yield opened_model(loaded.endpoint, sampling)
    finally:
        if loaded.key not in before:
            # To go over to no model unloads what only this user has used.
            models.keep(user, [])
        models.leave(user)


def opened_model(endpoint: Endpoint, sampling: Sampling) -> OpenedModel:
    """A model that answers at an address."""

    def stream(messages: Messages) -> Pieces:
        return stream_answer(endpoint, messages, sampling)

    def weigh(messages: Messages, answers: Sequence[str], with_end: bool) -> list[Likelihood]:
        return read_likelihoods(endpoint, messages, answers, with_end=with_end)

    return OpenedModel(stream, weigh)
