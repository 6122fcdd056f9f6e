"""Get the models of a batch ready, one after the other."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from studio.actions.chat import ChatModels, resolve_model
from studio.actions.serving import endpoint_reach
from studio.core.batch import Contender
from studio.core.endpoint import AnswerFacts, AnswerPiece, Endpoint, Likelihood, Sampling
from studio.jobs.endpoint import Messages, read_likelihoods, stream_answer
from studio.stores.home import Home

Pieces = Generator[AnswerPiece | AnswerFacts]


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that is ready: `stream` answers messages, `weigh` tells how likely given answers are."""

    stream: Callable[[Messages], Pieces]
    weigh: Callable[[Messages, Sequence[str], bool], list[Likelihood]]


# Gets a model ready for as long as a block lasts. Raises StudioError when it cannot be had.
OpenModel = Callable[[Contender], AbstractContextManager[OpenedModel]]


class ContenderModels:
    """Models that answer with one `sampling`: outside ones at their address, ours loaded when their turn comes.

    A base stays loaded while the next model is made of it, too: the checkpoints of a LoRA run take one load. `user`
    is the name under which they are loaded, and what somebody else had loaded before is left to them.
    """

    def __init__(
        self, home: Home, models: ChatModels, sampling: Sampling, key_of: Callable[[Contender], str], user: str
    ) -> None:
        self._home = home
        self._models = models
        self._sampling = sampling
        self._key_of = key_of
        self._user = user
        # What was loaded for this, by key.
        self._own: list[str] = []

    def open(self, contender: Contender) -> AbstractContextManager[OpenedModel]:
        """A model for as long as a block lasts. Raises StudioError when it cannot be had."""
        if contender.address:
            return self._outside(contender)
        return self._loaded(contender)

    def close(self) -> None:
        """Unload what was loaded for this, and is nobody else's by now."""
        self._unload(lambda _: True)
        self._models.leave(self._user)

    @contextmanager
    def _outside(self, contender: Contender) -> Generator[OpenedModel]:
        reach = endpoint_reach(self._home, contender.address)
        endpoint = Endpoint(contender.address, contender.model, self._key_of(contender), reach)
        yield opened_model(endpoint, self._sampling)

    @contextmanager
    def _loaded(self, contender: Contender) -> Generator[OpenedModel]:
        base, _ = resolve_model(self._home, contender.model, contender.adapters)
        # Two bases may not fit into memory at once.
        self._unload(lambda key: key.partition("|")[0] != base)
        before = {model.key for model in self._models.loaded()}
        loaded = self._models.load(self._home, contender.model, contender.adapters, self._user)
        self._unload(lambda key: key != loaded.key)
        if loaded.key not in before:
            self._own.append(loaded.key)
        yield opened_model(loaded.endpoint, self._sampling)

    def _unload(self, wanted: Callable[[str], bool]) -> None:
        for key in [key for key in self._own if wanted(key)]:
            self._own.remove(key)
            self._models.unload(key, self._user)


def opened_model(endpoint: Endpoint, sampling: Sampling) -> OpenedModel:
    """A model that answers at an address."""

    def stream(messages: Messages) -> Pieces:
        return stream_answer(endpoint, messages, sampling)

    def weigh(messages: Messages, answers: Sequence[str], with_end: bool) -> list[Likelihood]:
        return read_likelihoods(endpoint, messages, answers, with_end=with_end)

    return OpenedModel(stream, weigh)
