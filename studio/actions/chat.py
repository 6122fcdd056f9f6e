"""Load models for chat, talk to them, unload them."""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.core.problems import MODEL_FILES, WEIGHT_FILES
from studio.errors import NotFound, StudioError
from studio.jobs.chat import ModelServer, stream_chat
from studio.stores.home import Home
from studio.stores.models import ADAPTER_CONFIG, find_adapters, is_model, model_files
from studio.stores.runs import find_run_folder


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model that is loaded and answers at `address`."""

    key: str
    address: str
    model: str
    adapters: tuple[str, ...]


class ChatModels:
    """The models one studio has loaded; each is a process that ends with the studio.

    A user is a browser window that talks to a model. A model that its last user exchanged for another is
    unloaded, so that trying five models does not hold the memory of five. What was loaded for nobody in
    particular stays until it is unloaded.
    """

    def __init__(self) -> None:
        self._servers: dict[str, ModelServer] = {}
        self._users: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def load(self, home: Home, model: str, adapters: Sequence[str] = (), user: str = "") -> ChatModel:
        """Load a model with its adapters, or return it when it is loaded already. Raises StudioError."""
        model, adapters = resolve_model(home, model, adapters)
        key = "|".join([model, *adapters])
        with self._lock:
            server = self._servers.get(key)
            if server is None or not server.is_running:
                server = ModelServer(model, adapters)
                server.wait_until_ready()
                self._servers[key] = server
                self._users[key] = set()
        if user:
            self.use(key, user)
        return ChatModel(key, server.address, model, tuple(adapters))

    def use(self, key: str, user: str) -> None:
        """Talk to one model from now on; those that nobody talks to any more are unloaded."""
        with self._lock:
            left = [other for other, users in self._users.items() if other != key and users == {user}]
            self._forget(user)
            self._users.setdefault(key, set()).add(user)
        for other in left:
            self.unload(other)

    def leave(self, user: str) -> None:
        """A window was closed. Its model stays loaded: a reload is a close as well."""
        with self._lock:
            self._forget(user)

    def _forget(self, user: str) -> None:
        for users in self._users.values():
            users.discard(user)

    def loaded(self) -> list[ChatModel]:
        return [
            ChatModel(key, server.address, server.model, server.adapters)
            for key, server in list(self._servers.items())
            if server.is_running
        ]

    def unload(self, key: str) -> None:
        """End a model's process; nothing happens when it is gone already."""
        with self._lock:
            server = self._servers.pop(key, None)
            self._users.pop(key, None)
        if server is not None:
            server.stop()

    def close(self) -> None:
        for key in list(self._servers):
            self.unload(key)


@contextmanager
def serve_model(home: Home, model: str, adapters: Sequence[str], port: int) -> Generator[ModelServer]:
    """A model behind an OpenAI-compatible address for as long as the block lasts. Raises StudioError."""
    model, found = resolve_model(home, model, adapters)
    server = ModelServer(model, found, port)
    server.wait_until_ready()
    try:
        yield server
    finally:
        server.stop()


def stream_reply(
    chat_model: ChatModel,
    messages: Sequence[Mapping[str, str]],
    system: str = "",
    temperature: float = 0.0,
    top_p: float = 1.0,
    max_tokens: int = 256,
) -> Generator[str]:
    """The reply to a conversation, piece by piece; closing the iterator cancels it."""
    opening = [{"role": "system", "content": system}] if system.strip() else []
    return stream_chat(chat_model.address, [*opening, *messages], temperature, top_p, max_tokens)


def resolve_model(home: Home, model: str, adapters: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Folders for a model and adapters that were given as names, runs or paths; a LoRA run as a model
    means its base with that adapter. Raises StudioError."""
    if not model:
        raise StudioError("no_model", "model")
    found = tuple(str(_find_folder(home, adapter)) for adapter in adapters)
    for folder in found:
        if not (Path(folder) / ADAPTER_CONFIG).is_file():
            raise StudioError("not_an_adapter", "adapters", given=folder)
    folder = _find_folder(home, model)
    if (folder / ADAPTER_CONFIG).is_file():
        bases = {choice.path: choice.base for choice in find_adapters(home)}
        if str(folder) not in bases:
            raise StudioError("adapter_without_base", "model", given=str(folder))
        return bases[str(folder)], (str(folder), *found)
    if not is_model(folder):
        names = model_files(folder) or frozenset()
        missing = [name for name in MODEL_FILES if name not in names]
        if not names.intersection(WEIGHT_FILES):
            missing.append(WEIGHT_FILES[0])
        raise StudioError("not_a_model", "model", given=str(folder), missing=", ".join(missing))
    return str(folder), found


def _find_folder(home: Home, given: str) -> Path:
    for folder in (home.models / given, Path(given).expanduser().absolute()):
        if folder.is_dir():
            return folder
    try:
        return find_run_folder(home, given)
    except NotFound:
        raise NotFound("model_not_found", "model", given=given) from None
