"""The Export tab: merge a LoRA run, and show the proof."""

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.export import ExportView, find_export, start_export
from studio.actions.models import list_adapters
from studio.actions.runs import find_run
from studio.texts import say, word_problem
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

TICK_S = 1.0
FINAL = "final"


def build_export_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("export.tab"), id="export"), label="export.tab") as tab, gr.Row():
        # Inside of the tab: Gradio numbers the tabs by their place among all children.
        seen = gr.State("")
        timer = gr.Timer(TICK_S)
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
            result = gr.HTML(notice(say("export.none")), elem_classes="plain", elem_id="export-result")
            log = gr.HTML(elem_classes="plain", elem_id="export-log")

    def begin(picked: str | None, step: str | None, name: str, spoken: str) -> str:
        if not picked:
            return notice(say("export.no_run", spoken), "bad")
        number = None if step in (None, FINAL) else int(step)
        _, failed = attempt(lambda: start_export(home, picked, number, name.strip() or None), spoken)
        return failed

    def show(picked: str | None, spoken: str, version: str) -> Any:
        view, failed = (None, "") if not picked else attempt(lambda: find_export(home, picked), spoken)
        if view is None:
            shown = failed or notice(say("export.none" if picked else "export.no_run", spoken))
            return (gr.skip(),) * 3 if shown == version else (shown, "", shown)
        card = _card(view, spoken)
        now = f"{hash(card)}{hash(view.log)}"
        if now == version:
            return gr.skip(), gr.skip(), gr.skip()
        label = html.escape(say("export.log", spoken))
        return card, f'<pre class="log" tabindex="0" aria-label="{label}">{html.escape(view.log)}</pre>', now

    watch = {
        "fn": show,
        "inputs": [run, language, seen],
        "outputs": [result, log, seen],
        "show_progress": "hidden",
    }
    gr.on([page.load, tab.select], lambda picked: _runs(parts, picked), run, run, show_progress="hidden")
    gr.on(
        [run.change, language.change],
        lambda picked, spoken: _checkpoints(parts, picked, spoken),
        [run, language],
        [checkpoint, to],
        show_progress="hidden",
    ).then(**watch)
    language.change(_intro, language, intro, show_progress="hidden")
    start.click(begin, [run, checkpoint, to, language], told, trigger_mode="once").then(**watch)
    timer.tick(**watch)


def _intro(language: str) -> str:
    return f"<p>{html.escape(say('export.intro', language))}</p>"


def _runs(parts: "StudioParts", picked: str | None) -> Any:
    runs = dict.fromkeys(choice.label.split(" @ ")[0] for choice in list_adapters(parts.home))
    choices = [(run.rpartition("/")[2], run) for run in runs]
    known = list(runs)
    return gr.update(choices=choices, value=picked if picked in known else (known[-1] if known else None))


def _checkpoints(parts: "StudioParts", run: str | None, language: str) -> Any:
    if not run:
        return gr.update(choices=[], value=None), ""
    view, _ = attempt(lambda: find_run(parts.home, run), language)
    steps = [(str(step), str(step)) for step in reversed(view.checkpoints)] if view else []
    choices = [(say("export.final", language), FINAL), *steps]
    return gr.update(choices=choices, value=FINAL), f"{run.rpartition('/')[2]}-merged"


def _card(view: ExportView, language: str) -> str:
    """State while it runs; the verdict with its numbers and checks when the proof is made."""
    state = html.escape(say(f"state.{view.state}", language))
    phase = html.escape(say(f"phase.{view.phase}", language)) if view.is_active else ""
    head = (
        f'<div class="top"><b>{html.escape(view.name)}</b><span class="pill {view.state}">{state}</span>'
        f'<span class="phase">{phase}</span></div>'
    )
    cause = notice(word_problem(view.cause, language), "bad") if view.cause else ""
    return f'<div class="card" data-state="{view.state}">{head}{_proof(view, language)}{cause}</div>'


def _proof(view: ExportView, language: str) -> str:
    report = view.report
    if not report:
        return ""
    verdict = "pass" if report["verdict"] == "PASS" else "fail"
    facts = {
        "export.difference": f"{report['max_difference']:.2e}",
        "export.tolerance": f"{report['tolerance']:.0e}",
        "export.target": view.target,
    }
    items = "".join(
        f"<div><dt>{html.escape(say(key, language))}</dt><dd>{html.escape(value)}</dd></div>"
        for key, value in facts.items()
    )
    checks = "".join(
        f"<li>{'✓' if check['passed'] else '✗'} {html.escape(say('check.' + check['name'], language))} "
        f'<span class="detail">{html.escape(str(check["detail"]))}</span></li>'
        for check in report["checks"]
    )
    word = html.escape(say(f"export.{verdict}", language))
    return (
        f'<div class="bar"></div><div class="top"><span class="pill {verdict}">{word}</span></div>'
        f'<dl class="facts" style="margin-top:10px">{items}</dl><ul class="checks">{checks}</ul>'
    )
