"""The Export tab: merge a LoRA run, and show the proof."""

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.export import start_export
from studio.actions.models import list_adapters
from studio.actions.runs import find_run
from studio.texts import say
from studio.ui.log_box import log_box
from studio.ui.run_card import card_box, run_marker
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

FINAL = "final"


def build_export_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("export.tab"), id="export"), label="export.tab") as tab, gr.Row():
        with gr.Column(scale=4, min_width=300):
            intro = gr.HTML(_intro("en"), elem_classes="plain")
            run = words.on(
                gr.Dropdown([], label=say("export.run"), elem_id="export-run", interactive=True),
                label="export.run",
            )
            checkpoint = words.on(
                gr.Dropdown([], label=say("export.checkpoint"), elem_id="export-checkpoint", interactive=True),
                label="export.checkpoint",
            )
            to = words.on(
                gr.Textbox("", label=say("export.to"), info=say("export.to.help"), elem_id="export-to"),
                label="export.to",
                info="export.to.help",
            )
            start = words.on(
                gr.Button(say("export.start"), variant="primary", elem_id="export-start"),
                value="export.start",
            )
            told = gr.HTML(elem_classes="plain", elem_id="export-told")
        with gr.Column(scale=6, min_width=320):
            current = gr.HTML(run_marker(None, "en"), elem_classes="plain marker", elem_id="export-current-run")
            gr.HTML(card_box("export"), elem_classes="plain", elem_id="export-result")
            log = gr.HTML(export_log("en"), elem_classes="plain", elem_id="export-log")

    def begin(picked: str | None, step: str | None, name: str, spoken: str) -> str:
        if not picked:
            return notice(say("export.no_run", spoken), "bad")
        number = None if step in (None, FINAL) else int(step)
        _, failed = attempt(lambda: start_export(home, picked, number, name.strip() or None), spoken)
        return failed

    gr.on([page.load, tab.select], lambda picked: _runs(parts, picked), run, run, show_progress="hidden")
    run.change(_offered_name, run, to, show_progress="hidden")
    gr.on(
        [run.change, language.change],
        lambda picked, step, spoken: _checkpoints(parts, picked, step, spoken),
        [run, checkpoint, language],
        checkpoint,
        show_progress="hidden",
    )
    gr.on([run.change, language.change], run_marker, [run, language], current, show_progress="hidden")
    language.change(export_log, language, log, show_progress="hidden")
    language.change(_intro, language, intro, show_progress="hidden")
    start.click(begin, [run, checkpoint, to, language], told, trigger_mode="once")


def _intro(language: str) -> str:
    return f"<p>{html.escape(say('export.intro', language))}</p>"


def _runs(parts: "StudioParts", picked: str | None) -> Any:
    runs = dict.fromkeys(choice.label.split(" @ ")[0] for choice in list_adapters(parts.home))
    choices = [(run.rpartition("/")[2], run) for run in runs]
    known = list(runs)
    return gr.update(choices=choices, value=picked if picked in known else (known[-1] if known else None))


def _offered_name(run: str | None) -> str:
    return f"{run.rpartition('/')[2]}-merged" if run else ""


def _checkpoints(parts: "StudioParts", run: str | None, picked: str | None, language: str) -> Any:
    if not run:
        return gr.update(choices=[], value=None)
    view, _ = attempt(lambda: find_run(parts.home, run), language)
    steps = [str(step) for step in reversed(view.checkpoints)] if view else []
    choices = [(say("export.final", language), FINAL), *((step, step) for step in steps)]
    return gr.update(choices=choices, value=picked if picked in steps else FINAL)


def export_log(language: str) -> str:
    """The log of the newest export of the run that is picked."""
    return log_box("#export-current-run [data-run]", language, export=True)
