"""What can answer on the page: models and runs of this home, and servers that were named in this window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import gradio as gr

from studio.actions.models import list_adapters, list_models
from studio.actions.serving import endpoint_reach
from studio.core.endpoint import Endpoint
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import say
from studio.ui.words import Words, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

# Servers by what they are called in this window; their keys live in its session and nowhere else.
Outside = Mapping[str, Endpoint]


@dataclass(frozen=True, slots=True)
class Connection:
    """Something that answers: a loaded model by its `key`, or a server elsewhere; and how it was picked."""

    label: str
    endpoint: Endpoint
    picked: tuple[str, tuple[str, ...]]
    key: str = ""


def connect(parts: "StudioParts", model: str, adapters: Sequence[str], outside: Outside, user: str) -> Connection:
    """Load what was picked, or take the server of that name. Raises StudioError."""
    picked = (model, tuple(adapters))
    if model in outside:
        return Connection(model, outside[model], picked)
    found = parts.models.load(parts.home, model, adapters, user)
    # A run's name says its base.
    label = " + ".join(name_of(parts, path) for path in found.adapters or (found.model,))
    return Connection(label, found.endpoint, picked, found.key)


def choices(parts: "StudioParts", outside: Outside) -> list[tuple[str, str]]:
    """Models, runs and their checkpoints, and this window's servers; LoRA runs answer with their base."""
    models = [(choice.label, choice.path) for choice in list_models(parts.home)]
    adapters = [(choice.label, choice.path) for choice in list_adapters(parts.home)]
    return [*models, *adapters, *((label, label) for label in outside)]


def name_of(parts: "StudioParts", path: str) -> str:
    """A folder as a person knows it: without the home that it lies in."""
    for root in (parts.home.models, parts.home.saves):
        if path.startswith(f"{root}/"):
            return path[len(str(root)) + 1 :]
    return path


def read_endpoint(home: Home, address: str, model: str, key: str) -> tuple[str, Endpoint]:
    """A server as it was typed, and what it is called. Raises StudioError for what is no address."""
    address = address.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        named = parts.username or parts.password or parts.query
    except ValueError:
        raise StudioError("bad_endpoint", "address", given=address) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or named:
        # A password in an address would be shown.
        raise StudioError("bad_endpoint", "address", given="…" if named else address)
    if not (key.isascii() and key.isprintable()):
        raise StudioError("bad_key_characters", "key")
    for resource in ("/chat/completions", "/completions", "/models"):
        address = address.removesuffix(resource)
    if not urlsplit(address).path:
        address += "/v1"
    place = parts.netloc + urlsplit(address).path.removesuffix("/v1")
    label = f"{model.strip()} @ {place}" if model.strip() else place
    return label, Endpoint(address, model.strip(), key.strip(), endpoint_reach(home, address))


@dataclass(frozen=True, slots=True)
class OutsidePanel:
    """The folded part in which a server is named; `servers` is the window's state."""

    servers: Any
    address: Any
    model: Any
    key: Any
    add: Any
    told: Any


def build_outside_panel(words: Words, panel: str) -> OutsidePanel:
    """Fields for an OpenAI-compatible server elsewhere."""
    with words.on(
        gr.Accordion(say("outside.panel"), open=False, elem_id=f"{panel}-outside"), label="outside.panel"
    ):
        address = words.on(
            gr.Textbox(
                "", label=say("outside.address"), info=say("outside.address.help"), elem_id=f"{panel}-address"
            ),
            label="outside.address",
            info="outside.address.help",
        )
        model = words.on(
            gr.Textbox("", label=say("outside.model"), info=say("outside.model.help"), elem_id=f"{panel}-name"),
            label="outside.model",
            info="outside.model.help",
        )
        key = words.on(
            gr.Textbox(
                "",
                label=say("outside.key"),
                info=say("outside.key.help"),
                type="password",
                elem_id=f"{panel}-key",
            ),
            label="outside.key",
            info="outside.key.help",
        )
        add = words.button("outside.add", f"{panel}-outside-add")
        told = gr.HTML(notice(""), elem_classes="plain", elem_id=f"{panel}-outside-told")
        servers = gr.State({})
    return OutsidePanel(servers, address, model, key, add, told)
