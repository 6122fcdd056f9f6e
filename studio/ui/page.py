"""The page: header, language switch, tabs."""

import html
import json
from dataclasses import dataclass

import gradio as gr

from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.actions.tokens import Encoders
from studio.actions.visualdl import VisualDL
from studio.stores.home import Home
from studio.texts import LANGUAGES, TEXTS, say
from studio.ui.chat_tab import build_chat_tab
from studio.ui.dataset_tab import build_dataset_tab
from studio.ui.evaluate_tab import build_evaluate_tab
from studio.ui.export_tab import build_export_tab
from studio.ui.history_tab import build_history_tab
from studio.ui.links import build_links, wire_links
from studio.ui.listeners import join_listeners, part_deferred, show_no_progress
from studio.ui.serve_tab import build_serve_tab
from studio.ui.shortcuts import shortcuts_button
from studio.ui.tour import tour_button
from studio.ui.train_tab import build_train_tab
from studio.ui.use_model import wire_uses
from studio.ui.words import TABS, Words, in_both

# Where the browser keeps the choice. Read without a request, so that no late answer undoes a quick click.
LANGUAGE_KEY = "studio-language"
# How often uploads are looked through, and how old they get; what was registered is copied out before.
UPLOADS_KEPT_S = (3600, 3600)
# What Gradio says of itself, and the names of the buttons above; `parts.js` says them in the page's language.
PARTS = (*(key for key in TEXTS if key.startswith("part.")), "tour.open", "keys.title")
READ_LANGUAGE = f"() => localStorage.getItem('{LANGUAGE_KEY}') === 'zh' ? 'zh' : 'en'"
KEEP_LANGUAGE = f"(chosen) => localStorage.setItem('{LANGUAGE_KEY}', chosen)"


@dataclass(frozen=True, slots=True)
class StudioParts:
    """What the tabs share: one home, what was started for it, and the folders that the page may read."""

    home: Home
    models: ChatModels
    batches: Batches
    visualdl: VisualDL
    encoders: Encoders


def build_page(parts: StudioParts) -> gr.Blocks:
    """All tabs over one home."""
    words = Words()
    with gr.Blocks(title=say("page.title"), analytics_enabled=False, delete_cache=UPLOADS_KEPT_S) as page:
        with gr.Row(elem_id="page-header"):
            header = gr.HTML(_header("en"), elem_classes="plain", elem_id="page-head")
            language = gr.Radio(
                [("English", "en"), ("中文", "zh")],
                value="en",
                label=say("page.language"),
                show_label=False,
                container=False,
                elem_id="page-language",
                interactive=True,
            )
        # A screen reader says it; on the page the languages speak for themselves.
        words.on(language, label="page.language")
        links = build_links()
        with gr.Tabs(elem_id=TABS) as tabs:
            build_train_tab(parts, words, page, language)
            build_history_tab(words, language)
            build_chat_tab(parts, words, page, language)
            build_evaluate_tab(parts, words, language)
            build_export_tab(parts, words, language)
            build_serve_tab(parts, words, language)
            build_dataset_tab(parts, words, language)
        wire_uses(parts, page, language)
        wire_links(parts, page, tabs, links)
        switch = {"fn": None, "inputs": language, "outputs": words.components(), "js": words.switch_script()}
        # The listeners of an event work one after another: words wait for none that asks the server.
        language.input(**switch)
        with gr.Row(elem_classes="marker"):
            for tab, components, script in words.tab_switches():
                # Not by the tab's own event, where words would wait for what asks the server.
                gr.Button("", elem_id=f"page-word-{tab}").click(None, None, components, js=script)
        language.change(_header, language, header, show_progress="hidden")
        join_listeners(page, language)
        language.input(None, language, None, js=KEEP_LANGUAGE)
        page.load(None, None, language, js=READ_LANGUAGE).then(**switch)
    part_deferred(page)
    show_no_progress(page, header)
    return page


def _header(language: str) -> str:
    brand = f'<div class="brand"><h1>{in_both("page.title")}</h1>{in_both("page.tagline")}</div>'
    parts = html.escape(json.dumps([[say(key, one) for one in LANGUAGES] for key in PARTS], ensure_ascii=False))
    buttons = tour_button(language) + shortcuts_button(language)
    return f'<div class="head" data-parts="{parts}">{brand}{buttons}</div>'
