"""Talk to one model: load it, ask it, go back, correct it, keep what was said."""

import html
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.chat import stream_reply
from studio.actions.models import list_adapters
from studio.core.conversation import Conversation, Said, read_tools, split_thinking
from studio.core.endpoint import AnswerFacts
from studio.core.sampling import BOUNDS, read_sampling
from studio.errors import StudioError
from studio.jobs.endpoint import see_prompt
from studio.texts import say
from studio.ui.keep_panel import build_keep_panel
from studio.ui.model_picker import (
    Connection,
    OutsidePanel,
    build_outside_panel,
    choices,
    connect,
    name_of,
    read_endpoint,
    reconnect,
)
from studio.ui.sampling_fields import build_sampling_fields
from studio.ui.turns import LATEX, plain_text, show_turns, turn_of
from studio.ui.words import Words, attempt, notice, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

# A small model says hundreds of tokens a second; nobody reads more than twenty pictures of them.
REDRAW_S = 0.05


@dataclass(frozen=True, slots=True)
class _Fields:
    """The panel's components that its events share."""

    model: Any
    adapters: Any
    load: Any
    unload: Any
    status: Any
    system: Any
    sampling: dict[str, Any]
    tools: Any
    outside: OutsidePanel
    talk: Any
    failed: Any
    role: Any
    prompt: Any
    send: Any
    stop: Any
    clear: Any
    see: Any
    seen: Any


def build_talk_panel(
    parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio, tab: gr.Tab
) -> OutsidePanel:
    """Build the panel and wire it; returns the part in which servers are named, which others share."""
    # Inside of the tab: Gradio numbers the tabs by their place among all children.
    connection, conversation = gr.State(None), gr.State(Conversation())
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            model, adapters, load, unload, status = _build_picker(words)
            outside = build_outside_panel(words, "chat")
            system = words.on(
                gr.Textbox("", label=say("chat.system"), lines=2, elem_id="chat-system"), label="chat.system"
            )
            sampling = build_sampling_fields(words, "chat")
            with words.on(
                gr.Accordion(say("chat.tools"), open=False, elem_id="chat-tool-part"), label="chat.tools"
            ):
                tools = words.on(
                    gr.Textbox(
                        "",
                        label=say("chat.tools.definitions"),
                        info=say("chat.tools.help"),
                        lines=4,
                        elem_id="chat-tools",
                    ),
                    label="chat.tools.definitions",
                    info="chat.tools.help",
                )
                role = words.on(
                    gr.Radio(
                        [(say("chat.role.user"), "user"), (say("chat.role.tool"), "tool")],
                        value="user",
                        label=say("chat.role"),
                        elem_id="chat-role",
                    ),
                    label="chat.role",
                    choices=[("chat.role.user", "user"), ("chat.role.tool", "tool")],
                )
        with gr.Column(scale=6, min_width=320):
            talk, failed, prompt, send, stop, clear = _build_talk(words)
            with words.on(gr.Accordion(say("chat.seen"), open=False, elem_id="chat-seen"), label="chat.seen"):
                see = words.button("chat.seen.show", "chat-see")
                seen = gr.HTML("", elem_classes="plain", elem_id="chat-prompt-seen")
            keep = build_keep_panel(parts, words, language, conversation)
    fields = _Fields(
        model, adapters, load, unload, status, system, sampling, tools, outside, talk, failed, role, prompt, send,
        stop, clear, see, seen,
    )  # fmt: skip
    _wire_models(parts, page, language, tab, fields, connection)
    _wire_talk(parts, language, fields, connection, conversation)
    keep.opened.then(
        lambda kept, spoken: (show_turns(kept, spoken), kept.system, kept.tools),
        [conversation, language],
        [talk, system, tools],
        show_progress="hidden",
    )
    return outside


def _build_picker(words: Words) -> tuple[Any, ...]:
    model = words.on(
        gr.Dropdown([], label=say("chat.model"), allow_custom_value=True, elem_id="chat-model"),
        label="chat.model",
    )
    adapters = words.on(
        gr.Dropdown(
            [],
            label=say("chat.adapters"),
            info=say("chat.adapters.help"),
            multiselect=True,
            elem_id="chat-adapters",
        ),
        label="chat.adapters",
        info="chat.adapters.help",
    )
    with gr.Row(elem_classes="actions"):
        load = words.button("chat.load", "chat-load", variant="primary")
        unload = words.button("chat.unload", "chat-unload")
    status = gr.HTML(notice(say("chat.none")), elem_classes="plain", elem_id="chat-status")
    return model, adapters, load, unload, status


def _build_talk(words: Words) -> tuple[Any, ...]:
    talk = words.on(
        gr.Chatbot(
            [],
            label=say("chat.conversation"),
            placeholder=say("chat.placeholder"),
            height=480,
            elem_id="chat-talk",
            sanitize_html=True,
            editable="all",
            buttons=["copy", "copy_all"],
            latex_delimiters=LATEX,
            feedback_options=None,
        ),
        label="chat.conversation",
        placeholder="chat.placeholder",
    )
    failed = gr.HTML(elem_classes="plain", elem_id="chat-failed")
    prompt = words.on(
        gr.Textbox(
            "",
            label=say("chat.prompt"),
            placeholder=say("chat.prompt.hint"),
            lines=1,
            max_lines=8,
            elem_id="chat-prompt",
        ),
        label="chat.prompt",
        placeholder="chat.prompt.hint",
    )
    with gr.Row(elem_classes="actions"):
        send = words.button("chat.send", "chat-send", variant="primary")
        stop = words.button("chat.stop", "chat-stop")
        clear = words.button("chat.clear", "chat-clear")
    return talk, failed, prompt, send, stop, clear


def _wire_models(
    parts: "StudioParts", page: gr.Blocks, language: gr.Radio, tab: gr.Tab, fields: _Fields, connection: Any
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
        parts.models.keep(user, [found.key])
        yield _loaded(found, spoken, time.monotonic() - begun), found

    def unload(loaded: Connection | None, spoken: str) -> Any:
        if loaded is None:
            return notice(say("chat.none", spoken)), None
        parts.models.unload(loaded.key)
        return notice(say("chat.unloaded" if loaded.key else "chat.none", spoken)), None

    def adopt(spoken: str, request: gr.Request) -> Any:
        """After a reload, the model that is loaded is the one that answers."""
        loaded = parts.models.loaded()
        if not loaded:
            return gr.skip(), None
        last = loaded[-1]
        found = connect(parts, last.model, list(last.adapters), {}, str(request.session_hash))
        return _loaded(found, spoken), found

    def leave(request: gr.Request) -> None:
        parts.models.leave(str(request.session_hash))

    def add_server(address: str, name: str, key: str, servers: dict[str, Any], spoken: str) -> Any:
        found, told = attempt(lambda: read_endpoint(address, name, key), spoken)
        if told:
            return gr.skip(), gr.skip(), told
        label, endpoint = found
        servers = {**servers, label: endpoint}
        update = gr.update(choices=choices(parts, servers), value=label)
        return servers, update, notice(say("outside.added", spoken, label=label), "good")

    outside = fields.outside
    gr.on(
        [page.load, tab.select],
        lambda picked, chosen, servers: _choices(parts, picked, chosen, servers),
        [fields.model, fields.adapters, outside.servers],
        [fields.model, fields.adapters],
        show_progress="hidden",
    )
    page.load(adopt, language, [fields.status, connection], show_progress="hidden")
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


def _wire_talk(
    parts: "StudioParts", language: gr.Radio, fields: _Fields, connection: Any, conversation: Any
) -> None:
    def ask(text: str, said: Conversation, role: str, spoken: str) -> Any:
        # The message joins the conversation before anything can fail, and stays there.
        if not text.strip():
            return gr.skip(), gr.skip(), gr.skip()
        asked = said.ask(text, role)
        return "", asked, show_turns(asked, spoken)

    def answer(
        said: Conversation,
        loaded: Connection | None,
        picked: str | None,
        chosen: list[str] | None,
        servers: Any,
        system: str,
        tools: str,
        stops: str,
        spoken: str,
        request: gr.Request,
        *numbers: str,
    ) -> Iterator[Any]:
        still = (gr.skip(),) * 4
        if not said.awaits_answer:
            yield *still, ""
            return
        said = _with_setting(said, system, tools)
        try:
            sampling = read_sampling(dict(zip(BOUNDS, numbers, strict=True)), stops)
            offered = read_tools(tools)
            if not (loaded or picked):
                raise StudioError("no_model_loaded", "model")
            user, begun = str(request.session_hash), time.monotonic()
            if loaded is None or (loaded.key and not parts.models.find(loaded.key)):
                # Nobody must press Load first, nor load again what was unloaded for its idleness.
                named = loaded.label if loaded else name_of(parts, picked or "")
                yield *still, notice(say("chat.loading", spoken, model=named))
                loaded = reconnect(parts, loaded, user) if loaded else None
                loaded = loaded or connect(parts, picked or "", chosen or [], servers, user)
                parts.models.keep(user, [loaded.key])
                yield *still[:3], _loaded(loaded, spoken, time.monotonic() - begun), ""
            reply = stream_reply(loaded.endpoint, said.messages(), said.system, sampling, offered)
            for state in follow_answer(reply, said, loaded.label):
                yield state, show_turns(state, spoken), loaded, gr.skip(), ""
        except Exception as error:
            yield *still, tell(error, spoken)

    def retry(said: Conversation, data: gr.RetryData, spoken: str) -> Any:
        place = turn_of(said, _first(data.index))
        again = said.regenerate(next((i for i in range(place, len(said.turns)) if _is_answer(said, i)), None))
        return again, show_turns(again, spoken)

    def undo(said: Conversation, spoken: str) -> Any:
        before, asked = said.undo()
        return before, show_turns(before, spoken), asked

    def edit(said: Conversation, data: gr.EditData, spoken: str) -> Any:
        changed = said.edit(turn_of(said, _first(data.index)), plain_text(data.value))
        return changed, show_turns(changed, spoken)

    def see(
        said: Conversation, loaded: Connection | None, system: str, tools: str, text: str, role: str, spoken: str
    ) -> str:
        def look() -> str:
            if loaded is None:
                raise StudioError("no_model_loaded", "model")
            asked = _with_setting(said.ask(text, role) if text.strip() else said, system, tools)
            opening = [{"role": "system", "content": asked.system}] if asked.system.strip() else []
            return _show_prompt(
                see_prompt(loaded.endpoint, [*opening, *asked.messages()], read_tools(tools)), spoken
            )

        found, told = attempt(look, spoken)
        return told or found

    numbers = [fields.sampling[name] for name in BOUNDS]
    stops = fields.sampling["stops"]
    quiet: Any = {"show_progress": "hidden"}
    begun = [
        event(
            ask,
            [fields.prompt, conversation, fields.role, language],
            [fields.prompt, conversation, fields.talk],
            **quiet,
        )
        for event in (fields.send.click, fields.prompt.submit)
    ]
    begun += [
        fields.talk.retry(retry, [conversation, language], [conversation, fields.talk], **quiet),
        fields.talk.edit(edit, [conversation, language], [conversation, fields.talk], **quiet),
    ]
    answering = [
        event.then(
            answer,
            [
                *(conversation, connection, fields.model, fields.adapters, fields.outside.servers),
                *(fields.system, fields.tools, stops, language, *numbers),
            ],
            [conversation, fields.talk, connection, fields.status, fields.failed],
            concurrency_limit=8,
            **quiet,
        )
        for event in begun
    ]
    fields.talk.undo(undo, [conversation, language], [conversation, fields.talk, fields.prompt], **quiet)
    fields.stop.click(None, cancels=answering)
    gr.on(
        [fields.clear.click, fields.talk.clear],
        lambda: (Conversation(), [], ""),
        outputs=[conversation, fields.talk, fields.failed],
        cancels=answering,
        **quiet,
    )
    fields.see.click(
        see,
        [conversation, connection, fields.system, fields.tools, fields.prompt, fields.role, language],
        fields.seen,
        **quiet,
    )
    language.change(show_turns, [conversation, language], fields.talk, **quiet)


def follow_answer(reply: Any, said: Conversation, label: str) -> Generator[Conversation]:
    """The conversation with the answer as it grows; closing this ends the generation."""
    text, thought = "", ""
    shown_at = 0.0
    facts: AnswerFacts | None = None
    try:
        for piece in reply:
            if isinstance(piece, AnswerFacts):
                facts = piece
            else:
                text, thought = text + piece.content, thought + piece.reasoning
            if facts or time.monotonic() - shown_at >= REDRAW_S:
                shown_at = time.monotonic()
                yield said.answer(_said(text, thought, label, facts))
    except StudioError:
        # What came before the failure is kept.
        if text or thought:
            yield said.answer(_said(text, thought, label, None))
        raise
    finally:
        reply.close()


def _said(text: str, thought: str, label: str, facts: AnswerFacts | None) -> Said:
    inside, content = split_thinking(text)
    return Said("assistant", content, thought or inside, label, facts)


def _with_setting(said: Conversation, system: str | None, tools: str | None) -> Conversation:
    return Conversation(said.turns, system or "", tools or "", said.replaced)


def _is_answer(said: Conversation, place: int) -> bool:
    return said.turns[place].role == "assistant"


def _first(index: int | tuple[int, int]) -> int:
    return index[0] if isinstance(index, list | tuple) else index


def _show_prompt(told: dict[str, Any], language: str) -> str:
    count = say("chat.seen.count", language, count=told["count"], limit=told["max_model_len"])
    prompt, template = (html.escape(str(told.get(key, ""))) for key in ("prompt", "chat_template"))
    titles = [html.escape(say(f"chat.seen.{key}", language)) for key in ("prompt", "template")]
    return (
        f'<p>{html.escape(count)}</p><b>{titles[0]}</b><pre class="code">{prompt}</pre>'
        f'<b>{titles[1]}</b><pre class="code">{template}</pre>'
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
    return _loaded(loaded, language)


def _loaded(found: Connection, language: str, seconds: float | None = None) -> str:
    if not found.key:
        text = say("chat.outside", language, model=found.label)
    elif seconds is None:
        text = say("chat.adopted", language, model=found.label)
    else:
        text = say("chat.loaded", language, model=found.label, seconds=f"{seconds:.1f}")
    return notice(f"{text}\n{found.endpoint.address}", "good")
