"""Who answers in the Talk panel: models are loaded and unloaded, servers are named, and the choice is kept up."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.models import list_adapters
from studio.texts import say
from studio.ui.model_picker import Connection, choices, connect, name_of, read_endpoint
from studio.ui.words import attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts
    from studio.ui.talk_panel import TalkFields


def wire_models(
    parts: "StudioParts", page: gr.Blocks, language: gr.Radio, tab: gr.Tab, fields: "TalkFields", connection: Any
) -> None:
    def load(
        picked: str | None, chosen: list[str] | None, servers: Any, spoken: str, request: gr.Request
    ) -> Iterator[Any]:
        yield notice(say("chat.loading", spoken, model=name_of(parts, picked or ""))), gr.skip()
        begun, user = time.monotonic(), str(request.session_hash)
        found, told = attempt(lambda: connect(parts, picked or "", chosen or [], servers, user), spoken)
        if told:
            yield told, gr.skip()
            return
        _, told = attempt(lambda: parts.models.keep(user, [found.key]), spoken)
        yield say_loaded(found, spoken, time.monotonic() - begun) + told, found

    def unload(loaded: Connection | None, spoken: str, request: gr.Request) -> Any:
        if loaded is None:
            return notice(say("chat.none", spoken)), None
        ended, told = attempt(lambda: parts.models.unload(loaded.key, str(request.session_hash)), spoken)
        word = "chat.unloaded" if ended else ("chat.shared" if parts.models.find(loaded.key) else "chat.none")
        return told or notice(say(word, spoken)), None

    def arrive(chosen: list[str] | None, servers: Any, spoken: str, request: gr.Request) -> Any:
        """After a reload, the model that is loaded is the one that answers, and the one that is picked."""
        loaded = parts.models.loaded()
        if not loaded:
            return *_choices(parts, None, chosen, servers), gr.skip(), None
        last = loaded[-1]
        user = str(request.session_hash)
        found, told = attempt(lambda: connect(parts, last.model, list(last.adapters), {}, user), spoken)
        if told:
            return *_choices(parts, None, chosen, servers), told, None
        model, adapters = _choices(parts, last.model, chosen, servers)
        model, adapters = {**model, "value": last.model}, {**adapters, "value": list(last.adapters)}
        return model, adapters, say_loaded(found, spoken), found

    def leave(request: gr.Request) -> None:
        parts.models.leave(str(request.session_hash))

    def add_server(address: str, name: str, key: str, servers: dict[str, Any], spoken: str) -> Any:
        found, told = attempt(lambda: read_endpoint(parts.home, address, name, key), spoken)
        if told:
            return gr.skip(), gr.skip(), told
        label, endpoint = found
        servers = {**servers, label: endpoint}
        update = gr.update(choices=choices(parts, servers), value=label)
        return servers, update, notice(say("outside.added", spoken, label=label), "good")

    outside = fields.outside
    tab.select(
        lambda picked, chosen, servers: _choices(parts, picked, chosen, servers),
        [fields.model, fields.adapters, outside.servers],
        [fields.model, fields.adapters],
        show_progress="hidden",
    )
    page.load(
        arrive,
        [fields.adapters, outside.servers, language],
        [fields.model, fields.adapters, fields.status, connection],
        show_progress="hidden",
    )
    language.change(
        lambda spoken, loaded: _status(parts, loaded, spoken),
        [language, connection],
        fields.status,
        show_progress="hidden",
    )
    page.unload(leave)
    fields.load.click(
        load,
        [fields.model, fields.adapters, outside.servers, language],
        [fields.status, connection],
        trigger_mode="once",
    )
    fields.unload.click(unload, [connection, language], [fields.status, connection])
    outside.add.click(
        add_server,
        [outside.address, outside.model, outside.key, outside.servers, language],
        [outside.servers, fields.model, outside.told],
        show_progress="hidden",
    )


def _choices(parts: "StudioParts", picked: str | None, chosen: list[str] | None, servers: Any) -> Any:
    found = choices(parts, servers)
    adapters = [(choice.label, choice.path) for choice in list_adapters(parts.home)]
    # Only where nothing was picked yet: a late answer must not undo a quick pick.
    model: dict[str, Any] = {} if picked or not found else {"value": found[0][1]}
    known = {path for _, path in adapters}
    kept = [path for path in chosen or [] if path in known]
    lost: dict[str, Any] = {"value": kept} if chosen and len(kept) < len(chosen) else {}
    return gr.update(choices=found, **model), gr.update(choices=adapters, **lost)


def _status(parts: "StudioParts", loaded: Connection | None, language: str) -> str:
    if loaded is None or (loaded.key and not parts.models.find(loaded.key)):
        return notice(say("chat.none", language))
    return say_loaded(loaded, language)


def say_loaded(found: Connection, language: str, seconds: float | None = None) -> str:
    if not found.key:
        text = say("chat.outside", language, model=found.label)
    elif seconds is None:
        text = say("chat.adopted", language, model=found.label)
    else:
        text = say("chat.loaded", language, model=found.label, seconds=f"{seconds:.1f}")
    return notice(f"{text}\n{found.endpoint.address}", "good")
