"""The Chat tab: talk to one model, have several answer side by side, or put many questions to them."""

from typing import TYPE_CHECKING

import gradio as gr

from studio.texts import say
from studio.ui.arena_panel import build_arena_panel
from studio.ui.batch_panel import build_batch_panel
from studio.ui.talk_panel import build_talk_panel
from studio.ui.words import Words

if TYPE_CHECKING:
    from studio.ui.page import StudioParts


def build_chat_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    with words.on(gr.Tab(say("chat.tab"), id="chat"), label="chat.tab") as tab, gr.Tabs(elem_id="chat-parts"):
        with words.on(gr.Tab(say("chat.talk"), id="talk"), label="chat.talk"):
            outside = build_talk_panel(parts, words, page, language, tab)
        with words.on(gr.Tab(say("arena.tab"), id="arena"), label="arena.tab") as arena:
            build_arena_panel(parts, words, language, outside, arena)
        with words.on(gr.Tab(say("batch.tab"), id="batch"), label="batch.tab") as batch:
            build_batch_panel(parts, words, language, tabs=[tab, batch])
