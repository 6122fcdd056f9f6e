"""The Evaluate tab: score models on held-out rows, and look at what a run's checkpoints answer."""

from typing import TYPE_CHECKING

import gradio as gr

from studio.texts import say
from studio.ui.evaluate_panel import build_evaluate_panel
from studio.ui.probes_panel import build_probes_panel
from studio.ui.words import Words

if TYPE_CHECKING:
    from studio.ui.page import StudioParts


def build_evaluate_tab(parts: "StudioParts", words: Words, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    with (
        words.on(gr.Tab(say("evaluate.tab"), id="evaluate"), label="evaluate.tab") as tab,
        gr.Tabs(elem_id="evaluate-parts"),
    ):
        with words.on(gr.Tab(say("evaluate.scores"), id="scores"), label="evaluate.scores") as scores:
            build_evaluate_panel(parts, words, language, [tab, scores])
        with words.on(gr.Tab(say("probes.tab"), id="probes"), label="probes.tab") as probes:
            build_probes_panel(parts, words, language, [tab, probes])
