"""Load models for chat, talk to them, unload them."""

import contextlib
import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import psutil

from studio.core.endpoint import AnswerFacts, AnswerPiece, Endpoint, Sampling
from studio.core.estimates import FLOAT_BYTES, PROCESS_BYTES
from studio.core.model_check import folder_problems, model_problems
from studio.errors import NotFound, RequestRefused, StudioError
from studio.jobs.chat import ModelServer
from studio.jobs.endpoint import Line, stream_answer
from studio.jobs.gpus import visible_gpus
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.models import adapter_base, is_adapter, is_model, is_training_state, model_files, read_model
from studio.stores.runs import find_run_folder, read_request

# A model that nobody has asked for so long gives its memory back; the next message loads it again.
IDLE_S = 30 * 60.0


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model that is loaded, with its adapters, and where it answers; `key` tells it from others."""

    key: str
    endpoint: Endpoint
    model: str
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A way in which a base is used, and the windows that talk to it."""

    told: ChatModel
    users: set[str]


class ChatModels:
    """The models one studio has loaded: a process a base, which holds any number of adapters beside it.

    A user is a browser window. A model that its last user exchanged for another is unloaded, so that trying five
    models does not hold the memory of five. What was loaded for nobody in particular stays until it is unloaded.
    Processes end with the studio.
    """

    def __init__(
        self, idle_s: float = IDLE_S, available_bytes: Callable[[], int] = lambda: psutil.virtual_memory().available
    ) -> None:
        self._idle_s = idle_s
        self._available_bytes = available_bytes
        self._servers: dict[str, ModelServer] = {}
        self._loaded: dict[str, _Loaded] = {}
        self._changing: dict[str, threading.Lock] = {}
        self._starting = threading.Lock()
        self._lock = threading.Lock()

    def load(self, home: Home, model: str, adapters: Sequence[str] = (), user: str = "") -> ChatModel:
        """Load a model with its adapters, or return it when it is loaded already. Raises StudioError.

        An adapter of a base that is loaded joins it, which takes no second base; one whose files have changed is
        read again. A base that does not fit into the memory that is free is refused with both numbers.
        """
        model, adapters = resolve_model(home, model, adapters)
        key = "|".join([model, *adapters])
        with self._base(model):
            server = self._servers.get(model)
            if server is None or not server.is_running:
                server = self._start(model)
            try:
                name = name_in_protocol(home, adapters)
                if adapters:
                    server.add_adapter(name, adapters)
            except BaseException:
                self._stop_if_unused(model)
                raise
            with self._lock:
                found = _Loaded(ChatModel(key, server.endpoint(name), model, tuple(adapters)), set())
                found = self._loaded.setdefault(key, found)
                if user:
                    found.users.add(user)
        return found.told

    def keep(self, user: str, keys: Collection[str]) -> None:
        """Talk to these models and no others from now on; those that nobody talks to any more are unloaded."""
        with self._lock:
            left = [key for key, item in self._loaded.items() if user in item.users and key not in keys]
            for key in keys:
                if key in self._loaded:
                    self._loaded[key].users.add(user)
        for key in left:
            self.unload(key, user)

    def leave(self, user: str) -> None:
        """A window was closed. Its models stay loaded: a reload is a close as well."""
        with self._lock:
            for item in self._loaded.values():
                item.users.discard(user)

    def find(self, key: str) -> ChatModel | None:
        """A model that is loaded and whose process lives."""
        return next((item for item in self.loaded() if item.key == key), None)

    def loaded(self) -> list[ChatModel]:
        with self._lock:
            return [
                item.told
                for item in self._loaded.values()
                if item.told.model in self._servers and self._servers[item.told.model].is_running
            ]

    def unload(self, key: str, user: str = "") -> bool:
        """Forget a model; with the last that is made of a base, the base's process ends. Returns whether it did.

        With a `user`, only when nobody else talks to it. Nothing happens when it is gone already.
        """
        with self._base(key.partition("|")[0]):
            with self._lock:
                item = self._loaded.get(key)
                if item is None:
                    return False
                item.users.discard(user)
                if user and item.users:
                    return False
                del self._loaded[key]
                server = self._servers.get(item.told.model)
            self._stop_if_unused(item.told.model)
            if item.told.adapters and server is not None and server.is_running:
                server.remove_adapter(item.told.endpoint.model)
        return True

    def close(self) -> None:
        for key in list(self._loaded):
            # One that cannot be unloaded in order must not keep the others.
            with contextlib.suppress(StudioError):
                self.unload(key)

    @contextlib.contextmanager
    def _base(self, model: str) -> Generator[None]:
        """One change of what is made of a base at a time."""
        with self._lock:
            changing = self._changing.setdefault(model, threading.Lock())
        with changing:
            yield

    def _stop_if_unused(self, model: str) -> None:
        with self._lock:
            used = any(item.told.model == model for item in self._loaded.values())
            server = None if used else self._servers.pop(model, None)
        if server:
            server.stop()

    def _start(self, model: str) -> ModelServer:
        # One after the other, so that what the first takes is not offered to the second.
        with self._starting:
            with self._lock:
                # Of a process that is gone, everything that it held is gone.
                gone = self._servers.pop(model, None)
                self._loaded = {key: item for key, item in self._loaded.items() if item.told.model != model}
            if gone is not None:
                gone.stop()
            refuse_if_too_large(model, self._available_bytes())
            server = ModelServer(model, idle_s=self._idle_s)
            server.wait_until_ready()
            with self._lock:
                self._servers[model] = server
        return server


def refuse_if_too_large(model: str, available_bytes: int) -> None:
    """Raise StudioError for a model that does not fit into the memory that is free.

    On a CPU it is held in float32, whatever its files hold. A GPU's memory is judged by the engine.
    """
    if visible_gpus():
        return
    folder = Path(model)
    # What training goes on from has the sizes of the model that it began with.
    folder = Path(read_request(folder.parent).model) if is_training_state(folder) else folder
    parameters = sum(prod(shape) for shape in read_model(folder).shapes.values())
    needed = parameters * FLOAT_BYTES + PROCESS_BYTES
    if needed > available_bytes:
        values = {"needed": f"{needed / 1e9:.1f}", "free": f"{available_bytes / 1e9:.1f}"}
        raise StudioError("model_too_large", "model", given=model, **values)


@contextlib.contextmanager
def serve_model(home: Home, model: str, adapters: Sequence[str], port: int) -> Generator[ModelServer]:
    """A model behind an OpenAI-compatible address for as long as the block lasts. Raises StudioError."""
    model, found = resolve_model(home, model, adapters)
    server = ModelServer(model, port, adapters=found)
    server.wait_until_ready()
    try:
        yield server
    finally:
        server.stop()


def name_in_protocol(home: Home, adapters: Sequence[str]) -> str:
    """What a model is called in requests: its runs by their names, with the steps of checkpoints.

    Empty is the base. An adapter from elsewhere is called by its whole path, as its name may be another's.
    """
    return " + ".join(_adapter_name(home, Path(adapter)) for adapter in adapters)


def _adapter_name(home: Home, folder: Path) -> str:
    is_checkpoint = folder.name.startswith(("hf_checkpoint-", "checkpoint-"))
    run = folder.parent if is_checkpoint else folder
    if not run.is_relative_to(home.saves):
        return str(folder)
    # With its method, which tells it from a base of the same name.
    name = f"{run.parent.name}/{run.name}"
    return f"{name}@{folder.name.rpartition('-')[2]}" if is_checkpoint else name


def stream_reply(
    endpoint: Endpoint,
    messages: Sequence[Mapping[str, Any]],
    system: str = "",
    sampling: Sampling | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    line: Line | None = None,
) -> Generator[AnswerPiece | AnswerFacts]:
    """The reply to a conversation, piece by piece, and its facts; closing the iterator cancels it, as does cutting
    the `line`, which any thread may."""
    opening = [{"role": "system", "content": system}] if system.strip() else []
    return stream_answer(endpoint, [*opening, *messages], sampling or Sampling(), tools, line=line)


def resolve_model(home: Home, model: str, adapters: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Folders for a model and adapters that were given as names, runs or paths; a LoRA run as a model
    means its base with that adapter. Raises StudioError for what cannot be loaded."""
    if not model:
        raise StudioError("no_model", "model")
    found = tuple(str(_find_folder(home, adapter)) for adapter in adapters)
    for folder in found:
        if not is_adapter(Path(folder)):
            raise StudioError("not_an_adapter", "adapters", given=folder)
    folder = _find_folder(home, model)
    if is_adapter(folder):
        base = adapter_base(folder)
        if base is None:
            raise StudioError("adapter_without_base", "model", given=str(folder))
        found = (str(folder), *found)
        folder = allowed_path(home, base, "model")
    if is_training_state(folder):
        return str(folder), found
    if not is_model(folder):
        wrong = folder_problems(str(folder), model_files(folder) or frozenset())
        raise StudioError(wrong[0].code, "model", **wrong[0].values)
    if problems := list(model_problems(str(folder), read_model(folder))):
        raise RequestRefused(problems)
    return str(folder), found


def _find_folder(home: Home, given: str) -> Path:
    for place in (home.models / given, given):
        folder = allowed_path(home, place, "model")
        if folder.is_dir():
            return folder
    try:
        return find_run_folder(home, given)
    except NotFound:
        raise NotFound("model_not_found", "model", given=given) from None
