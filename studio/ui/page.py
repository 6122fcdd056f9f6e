"""The page: header, language switch, tabs."""

import html
from collections import Counter
from dataclasses import dataclass

import gradio as gr

from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.actions.tokens import Encoders
from studio.actions.visualdl import VisualDL
from studio.stores.home import Home
from studio.texts import say
from studio.ui.chat_tab import build_chat_tab
from studio.ui.dataset_tab import build_dataset_tab
from studio.ui.evaluate_tab import build_evaluate_tab
from studio.ui.export_tab import build_export_tab
from studio.ui.history_tab import build_history_tab
from studio.ui.serve_tab import build_serve_tab
from studio.ui.train_tab import build_train_tab
from studio.ui.use_model import wire_uses
from studio.ui.words import Words

# Where the browser keeps the choice. Read without a request, so that no late answer undoes a quick click.
LANGUAGE_KEY = "studio-language"
# How often uploads are looked through, and how old they get; what was registered is copied out before.
UPLOADS_KEPT_S = (3600, 3600)
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
            header = gr.HTML(_header("en"), elem_classes="plain")
            language = gr.Radio(
                [("English", "en"), ("中文", "zh")],
                value="en",
                show_label=False,
                container=False,
                elem_id="page-language",
                interactive=True,
            )
        with gr.Tabs(elem_id="page-tabs"):
            build_train_tab(parts, words, page, language)
            build_history_tab(words, language)
            build_chat_tab(parts, words, page, language)
            build_evaluate_tab(parts, words, page, language)
            build_export_tab(parts, words, page, language)
            build_serve_tab(parts, words, page, language)
            build_dataset_tab(parts, words, page, language)
        wire_uses(parts, page, language)
        switch = {"fn": None, "inputs": language, "outputs": words.components(), "js": words.switch_script()}
        language.change(**switch)
        language.change(_header, language, header, show_progress="hidden")
        language.input(None, language, None, js=KEEP_LANGUAGE)
        page.load(None, None, language, js=READ_LANGUAGE)
    _part_deferred(page)
    return page


def _part_deferred(page: gr.Blocks) -> None:
    """Let no two listeners of one event be put off.

    Gradio 6.31 puts an event off while its listener works (`always_last`), and then dispatches it to all of its
    listeners again. Two that were put off at once wake each other for ever; `multiple` runs them one after another.
    """
    deferred = [listener for listener in page.fns.values() if listener.trigger_mode == "always_last"]
    listeners = Counter(event for listener in deferred for event in listener.targets)
    for listener in deferred:
        if any(listeners[event] > 1 for event in listener.targets):
            listener.trigger_mode = "multiple"


def _header(language: str) -> str:
    title, tagline = (html.escape(say(f"page.{key}", language)) for key in ("title", "tagline"))
    return f'<div class="brand"><h1>{title}</h1><span>{tagline}</span></div>'
