"""Put questions to models, one model after the other: what a batch and an evaluation have in common.

Nothing here knows of files. What happens is told as it happens, as a stream of events; whoever reads the stream
keeps what it needs, and may end it at any moment.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from studio.actions.chat import ChatModels
from studio.core.batch import BatchAnswer, Contender, answered, problem_of
from studio.core.endpoint import Answer, AnswerFacts, AnswerPiece, Endpoint, Sampling
from studio.core.questions import Question, Wording, messages_of
from studio.errors import Problem, StudioError
from studio.jobs.endpoint import Messages, stream_answer
from studio.stores.home import Home

Pieces = Generator[AnswerPiece | AnswerFacts]
# One model that was opened: messages in, pieces of an answer out.
Answerer = Callable[[Messages], Pieces]
# Gets a model ready for as long as a block lasts. Raises StudioError when it cannot be had.
OpenModel = Callable[[Contender], AbstractContextManager[Answerer]]
# A server that is gone will not come back for the next question.
GONE = frozenset({"endpoint_unreachable", "endpoint_silent"})
GONE_TIMES = 3
# By HTTP: the key is wrong, this is not allowed, there is no such model. It would say so to every question.
DENIED = (401, 403, 404)
LOOK_S = 0.1


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


Event = Opening | Asking | BatchAnswer | GaveUp


class Cancelled(Exception):
    """Somebody wants the answers to end."""


def answer_questions(
    work: Sequence[tuple[Contender, Sequence[Question]]],
    wording: Wording,
    open_model: OpenModel,
    is_cancelled: Callable[[], bool],
) -> Iterator[Event]:
    """Ask each model its questions in order; ends early, in the midst of an answer, once `is_cancelled`.

    A question that fails is told as an answer with an error, and the next is asked. A model that does not load,
    that refuses us altogether, or that is gone three times in a row is given up, and the next one is opened.
    """
    for contender, questions in work:
        if not questions:
            continue
        if is_cancelled():
            return
        yield Opening(contender.label)
        try:
            with open_model(contender) as answerer:
                yield Asking(contender.label)
                yield from _answers(contender.label, questions, wording, answerer, is_cancelled)
        except Cancelled:
            return
        except StudioError as error:
            yield GaveUp(contender.label, problem_of(error))


def _answers(
    label: str,
    questions: Sequence[Question],
    wording: Wording,
    answerer: Answerer,
    is_cancelled: Callable[[], bool],
) -> Iterator[BatchAnswer]:
    gone = 0
    for question in questions:
        try:
            answer = whole_answer(answerer(messages_of(question, wording)), is_cancelled)
        except StudioError as error:
            yield BatchAnswer(question.number, label, error=problem_of(error))
            gone = gone + 1 if error.code in GONE else 0
            if gone == GONE_TIMES or getattr(error.__cause__, "status_code", None) in DENIED:
                raise
        else:
            gone = 0
            yield answered(question, label, answer)


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
) -> AbstractContextManager[Answerer]:
    """A model that answers with `sampling`: an outside one at its address, one of ours loaded for the time.

    `user` is the name under which it is loaded: nobody else's model is unloaded in the end.
    """
    if contender.address:
        return _outside(Endpoint(contender.address, contender.model, key_of(contender)), sampling)
    return _loaded(home, models, contender, sampling, user)


@contextmanager
def _outside(endpoint: Endpoint, sampling: Sampling) -> Generator[Answerer]:
    yield partial(_stream, endpoint, sampling)


@contextmanager
def _loaded(
    home: Home, models: ChatModels, contender: Contender, sampling: Sampling, user: str
) -> Generator[Answerer]:
    before = {model.key for model in models.loaded()}
    loaded = models.load(home, contender.model, contender.adapters, user)
    try:
        yield partial(_stream, loaded.endpoint, sampling)
    finally:
        if loaded.key not in before:
            # To go over to no model unloads what only this user has used.
            models.keep(user, [])
        models.leave(user)


def _stream(endpoint: Endpoint, sampling: Sampling, messages: Messages) -> Pieces:
    return stream_answer(endpoint, messages, sampling)
