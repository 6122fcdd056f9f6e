"""The folded part of the Export tab that checks a merged folder of somebody else."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.models import list_adapters, list_models
from studio.actions.proofs import newest_proof, start_proof, stop_proof
from studio.texts import say
from studio.ui.run_card import card_box, run_marker
from studio.ui.words import Words, attempt

if TYPE_CHECKING:
    from studio.ui.page import StudioParts


def build_prove_panel(parts: "StudioParts", words: Words, language: gr.Radio, tab: gr.Tab) -> None:
    """Build the panel and wire it."""
    home = parts.home
    with words.on(gr.Accordion(say("prove.panel"), open=False, elem_id="export-prove"), label="prove.panel"):
        fields = []
        for name, several in (("base", False), ("adapters", True), ("merged", False)):
            fields.append(
                words.on(
                    gr.Dropdown(
                        [],
                        label=say(f"prove.{name}"),
                        info=say(f"prove.{name}.help"),
                        multiselect=several,
                        allow_custom_value=True,
                        elem_id=f"prove-{name}",
                    ),
                    label=f"prove.{name}",
                    info=f"prove.{name}.help",
                )
            )
        with gr.Row(elem_classes="actions"):
            start = words.button("prove.start", "prove-start")
            cancel = words.button("export.cancel", "prove-cancel")
        told = gr.HTML(elem_classes="plain", elem_id="prove-told")
        name = gr.State("")
        marker = gr.HTML(run_marker("", "en"), elem_classes="plain marker", elem_id="export-current-proof")
        gr.HTML(card_box("proof"), elem_classes="plain", elem_id="prove-result")

    def begin(base: str | None, adapters: list[str] | None, merged: str | None, spoken: str) -> Any:
        view, failed = attempt(lambda: start_proof(home, base or "", adapters or [], merged or ""), spoken)
        return failed, view.name if view else gr.skip()

    def resume(known: str) -> Any:
        found = None if known else newest_proof(home)
        return found.name if found else gr.skip()

    # A page that was left and opened again goes on to show what was going on.
    tab.select(resume, name, name, show_progress="hidden")
    cancel.click(
        lambda known, spoken: attempt(lambda: stop_proof(home, known), spoken)[1] if known else "",
        [name, language],
        told,
        show_progress="hidden",
    )
    tab.select(lambda *picked: _choices(parts, *picked), fields, fields, show_progress="hidden")
    start.click(begin, [*fields, language], [told, name], trigger_mode="once", show_progress="hidden")
    gr.on([name.change, language.change], run_marker, [name, language], marker, show_progress="hidden")


def _choices(parts: "StudioParts", base: str | None, adapters: list[str] | None, merged: str | None) -> Any:
    models = [(choice.label, choice.path) for choice in list_models(parts.home) if choice.kind == "base"]
    found = [(choice.label, choice.path) for choice in list_adapters(parts.home)]
    # No values: a late answer must not undo a quick pick.
    return gr.update(choices=models), gr.update(choices=found), gr.update(choices=models)
