"""Talk to one model: load it, ask it, go back, correct it, keep what was said."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.core.conversation import Conversation
from studio.texts import say
from studio.ui.answering import AnsweringNow
from studio.ui.keep_panel import build_keep_panel
from studio.ui.model_picker import (
    OutsidePanel,
    build_outside_panel,
)
from studio.ui.sampling_fields import build_sampling_fields
from studio.ui.talk_events import wire_talk
from studio.ui.talk_models import wire_models
from studio.ui.turns import LATEX, show_turns
from studio.ui.words import Words, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts


@dataclass(frozen=True, slots=True)
class TalkFields:
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
    now = AnsweringNow()
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
            keep = build_keep_panel(parts, words, language, conversation, now)
    fields = TalkFields(
        model, adapters, load, unload, status, system, sampling, tools, outside, talk, failed, role, prompt, send,
        stop, clear, see, seen,
    )  # fmt: skip
    wire_models(parts, page, language, tab, fields, connection)
    wire_talk(parts, language, fields, connection, conversation, now)
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
