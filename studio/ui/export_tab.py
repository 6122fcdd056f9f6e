"""The Export tab: merge LoRA runs, show the proof, and hand the result on."""

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.export import ExportView, start_export, stop_export
from studio.actions.models import list_adapters
from studio.actions.runs import find_run
from studio.core.merging import AS_BASE, DEFAULT_SHARD_GB, PRECISIONS
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import say
from studio.ui.hand_on_panel import build_hand_on
from studio.ui.log_box import log_box
from studio.ui.prove_panel import build_prove_panel
from studio.ui.run_card import card_box, run_marker
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

FINAL = "final"
PRECISION_CHOICES = [(f"export.precision.{name}", name) for name in PRECISIONS]


def build_export_tab(parts: "StudioParts", words: Words, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("export.tab"), id="export"), label="export.tab") as tab, gr.Row():
        with gr.Column(scale=4, min_width=300):
            intro = gr.HTML(_intro("en"), elem_classes="plain")
            run, checkpoint, more, precision, shard_gb, to = _build_fields(words)
            with gr.Row(elem_classes="actions"):
                start = words.button("export.start", "export-start", variant="primary")
                cancel = words.button("export.cancel", "export-cancel")
            told = gr.HTML(elem_classes="plain", elem_id="export-told")
            build_prove_panel(parts, words, language, tab)
        with gr.Column(scale=6, min_width=320):
            current = gr.HTML(run_marker(None, "en"), elem_classes="plain marker", elem_id="export-current-run")
            gr.HTML(card_box("export"), elem_classes="plain", elem_id="export-result")
            started = gr.State("")
            build_hand_on(parts, words, language, tab, run, started)
            log = gr.HTML(export_log("en"), elem_classes="plain", elem_id="export-log")

    tab.select(lambda picked: _runs(parts, picked), run, run, show_progress="hidden")
    tab.select(lambda chosen: _adapters(parts, chosen), more, more, show_progress="hidden")
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
    start.click(
        lambda *given: _begin(home, *given),
        [run, checkpoint, more, precision, shard_gb, to, language],
        [told, started],
        trigger_mode="once",
    )
    cancel.click(
        lambda picked, spoken: _cancel(home, picked, spoken), [run, language], told, show_progress="hidden"
    )


def _build_fields(words: Words) -> tuple[Any, ...]:
    run, checkpoint = (
        words.on(
            gr.Dropdown([], label=say(f"export.{name}"), elem_id=f"export-{name}", interactive=True),
            label=f"export.{name}",
        )
        for name in ("run", "checkpoint")
    )
    more = words.on(
        gr.Dropdown(
            [], label=say("export.more"), info=say("export.more.help"), multiselect=True, elem_id="export-more"
        ),
        label="export.more",
        info="export.more.help",
    )
    to = words.on(
        gr.Textbox("", label=say("export.to"), info=say("export.to.help"), elem_id="export-to"),
        label="export.to",
        info="export.to.help",
    )
    with words.on(gr.Accordion(say("export.shape"), open=False, elem_id="export-shape"), label="export.shape"):
        precision = words.on(
            gr.Radio(
                [(say(key), value) for key, value in PRECISION_CHOICES],
                value=AS_BASE,
                label=say("export.precision"),
                elem_id="export-precision",
            ),
            label="export.precision",
            choices=PRECISION_CHOICES,
        )
        shard_gb = words.on(
            gr.Textbox(
                f"{DEFAULT_SHARD_GB:g}",
                label=say("export.shard_gb"),
                info=say("export.shard_gb.help"),
                max_lines=1,
                elem_id="export-shard_gb",
            ),
            label="export.shard_gb",
            info="export.shard_gb.help",
        )
    return run, checkpoint, more, precision, shard_gb, to


def _begin(
    home: Home,
    run: str | None,
    step: str | None,
    more: list[str] | None,
    precision: str,
    shard_gb: str,
    name: str,
    language: str,
) -> Any:
    """What to tell, and the folder in which the model will stand."""
    if not run:
        return notice(say("export.no_run", language), "bad"), gr.skip()
    number = None if step in (None, FINAL) else int(step)

    def start() -> ExportView:
        size = _read_size(shard_gb)
        return start_export(home, run, number, name.strip() or None, more or (), precision, size, language)

    view, failed = attempt(start, language)
    return failed, view.target if view else gr.skip()


def _read_size(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise StudioError("bad_shard_size", "shard_gb", given=given) from None


def _cancel(home: Home, run: str | None, language: str) -> str:
    if not run:
        return notice(say("export.no_run", language), "bad")
    view, failed = attempt(lambda: stop_export(home, run), language)
    return failed or (notice(say("export.cancelled", language, name=view.name)) if view.is_active else "")


def _intro(language: str) -> str:
    return f"<p>{html.escape(say('export.intro', language))}</p>"


def _runs(parts: "StudioParts", picked: str | None) -> Any:
    runs = dict.fromkeys(choice.label.split(" @ ")[0] for choice in list_adapters(parts.home))
    choices = [(run.rpartition("/")[2], run) for run in runs]
    known = list(runs)
    # A late answer must not undo a pick.
    value: dict[str, Any] = {} if picked in runs else {"value": known[-1] if known else None}
    return gr.update(choices=choices, **value)


def _adapters(parts: "StudioParts", chosen: list[str] | None) -> Any:
    found = [(choice.label, choice.path) for choice in list_adapters(parts.home)]
    known = {path for _, path in found}
    kept = [path for path in chosen or [] if path in known]
    lost: dict[str, Any] = {} if kept == (chosen or []) else {"value": kept}
    return gr.update(choices=found, **lost)


def _offered_name(run: str | None) -> str:
    return f"{run.rpartition('/')[2]}-merged" if run else ""


def _checkpoints(parts: "StudioParts", run: str | None, picked: str | None, language: str) -> Any:
    if not run:
        return gr.update(choices=[], value=None)
    view, _ = attempt(lambda: find_run(parts.home, run), language)
    steps = [str(step) for step in reversed(view.checkpoints)] if view else []
    choices = [(say("export.final", language), FINAL), *((step, step) for step in steps)]
    value: dict[str, Any] = {} if picked in (FINAL, *steps) else {"value": FINAL}
    return gr.update(choices=choices, **value)


def export_log(language: str) -> str:
    """The log of the newest export of the run that is picked."""
    return log_box("#export-current-run [data-run]", language, export=True)
