"""What is kept of a conversation: the whole under a name, and rows or pairs in a dataset."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.conversations import (
    add_row,
    list_conversations,
    list_row_targets,
    open_conversation,
    remove_conversation,
    save_conversation,
)
from studio.core.conversation import Conversation
from studio.texts import say
from studio.ui.answering import AnsweringNow
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts


@dataclass(frozen=True, slots=True)
class KeepPanel:
    """`opened` happens when a conversation was opened into the state."""

    opened: Any


def build_keep_panel(
    parts: "StudioParts", words: Words, language: gr.Radio, conversation: Any, now: AnsweringNow
) -> KeepPanel:
    """Build the folded panel and wire it."""
    home = parts.home
    with words.on(gr.Accordion(say("chat.keep"), open=False, elem_id="chat-keep"), label="chat.keep") as panel:
        with gr.Row(elem_classes="fields"):
            name = words.on(
                gr.Dropdown(
                    [],
                    label=say("chat.keep.name"),
                    info=say("chat.keep.name.help"),
                    allow_custom_value=True,
                    elem_id="chat-keep-name",
                ),
                label="chat.keep.name",
                info="chat.keep.name.help",
            )
            dataset = words.on(
                gr.Dropdown(
                    [],
                    label=say("chat.keep.dataset"),
                    info=say("chat.keep.dataset.help"),
                    allow_custom_value=True,
                    elem_id="chat-keep-dataset",
                ),
                label="chat.keep.dataset",
                info="chat.keep.dataset.help",
            )
        with gr.Row(elem_classes="actions"):
            save = words.button("chat.keep.save", "chat-keep-save")
            reopen = words.button("chat.keep.open", "chat-keep-open")
            remove = words.button("chat.keep.remove", "chat-keep-remove")
        with gr.Row(elem_classes="actions"):
            row = words.button("chat.keep.row", "chat-keep-row")
            pair = words.button("chat.keep.pair", "chat-keep-pair")
        told = gr.HTML("", elem_classes="plain", elem_id="chat-keep-told")

    def refresh() -> Any:
        return gr.update(choices=list_conversations(home)), gr.update(choices=list_row_targets(home))

    def keep(picked: str | None, said: Conversation, spoken: str) -> str:
        _, failed = attempt(lambda: save_conversation(home, (picked or "").strip(), said), spoken)
        return failed or notice(say("chat.keep.saved", spoken, name=(picked or "").strip()), "good")

    def bring_back(picked: str | None, spoken: str, request: gr.Request) -> Any:
        if now.is_busy(str(request.session_hash)):
            return gr.skip(), notice(say("chat.busy", spoken))
        found, failed = attempt(lambda: open_conversation(home, picked or ""), spoken)
        return (gr.skip(), failed) if failed else (found, "")

    def throw_away(picked: str | None, spoken: str) -> str:
        _, failed = attempt(lambda: remove_conversation(home, picked or ""), spoken)
        return failed or notice(say("chat.keep.removed", spoken, name=picked), "good")

    def add(picked: str | None, said: Conversation, spoken: str, *, as_pair: bool) -> str:
        count, failed = attempt(
            lambda: add_row(home, (picked or "").strip(), said.pair() if as_pair else said.row()), spoken
        )
        return failed or notice(say("chat.keep.added", spoken, name=(picked or "").strip(), rows=count), "good")

    quiet: Any = {"show_progress": "hidden"}
    panel.expand(refresh, outputs=[name, dataset], **quiet)
    save.click(keep, [name, conversation, language], told, **quiet).then(refresh, outputs=[name, dataset], **quiet)
    opened = reopen.click(bring_back, [name, language], [conversation, told], **quiet)
    remove.click(throw_away, [name, language], told, **quiet).then(refresh, outputs=[name, dataset], **quiet)
    for button, as_pair in ((row, False), (pair, True)):

        def act(picked: str | None, said: Conversation, spoken: str, as_pair: bool = as_pair) -> str:
            return add(picked, said, spoken, as_pair=as_pair)

        button.click(act, [dataset, conversation, language], told, **quiet).then(
            refresh, outputs=[name, dataset], **quiet
        )
    return KeepPanel(opened)
