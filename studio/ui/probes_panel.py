"""The panel of probe prompts: a handful of questions to every checkpoint of a run, and a slider through them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.probes import list_probed_runs, probe_request
from studio.core.endpoint import Sampling
from studio.errors import Problem, RequestRefused
from studio.texts import say
from studio.ui.batch_fields import FieldMaker
from studio.ui.batch_list import batch_choices, build_batch_list, wire_batch_list
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

KIND = "probes"


def build_probes_panel(parts: "StudioParts", words: Words, language: gr.Radio, tabs: Sequence[gr.Tab]) -> None:
    """Build the panel and wire it; its lists are read again when one of the `tabs` around it is opened."""
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            make = FieldMaker(words, KIND)
            run = make.pick("run", "probes.run")
            prompts = make.text("prompts", key="probes.prompts", lines=4, max_lines=12)
            system = make.text("system", key="batch.system", helped=False, max_lines=4)
            with gr.Row(elem_classes="fields"):
                temperature = make.number("temperature", 0.0, step=0.1)
                tokens = make.number("max_tokens", 128, precision=0)
            start = words.button("probes.start", "probes-start", variant="primary")
            told = gr.HTML(elem_classes="plain", elem_id="probes-told")
        with gr.Column(scale=7, min_width=320, elem_classes="side"):
            listed = build_batch_list(words, KIND)

    def begin(
        picked: str | None, asked: str, said: str, heat: float | None, most: float | None, spoken: str
    ) -> Any:
        def act() -> str:
            if heat is None or most is None:
                raise RequestRefused([Problem("batch_max_tokens", "batch_no_number", {"given": ""})])
            sampling = Sampling(temperature=float(heat), max_tokens=int(most))
            return parts.batches.start(probe_request(parts.home, picked or "", asked, said, sampling)).name

        name, failed = attempt(act, spoken)
        if failed:
            return failed, gr.skip()
        return notice(say("batch.started", spoken, name=name), "good"), batch_choices(parts.home, KIND, None, name)

    opened = [tab.select for tab in tabs]
    gr.on(opened, lambda picked: _runs(parts, picked), run, run, show_progress="hidden")
    wire_batch_list(parts, language, listed, opened)
    start.click(
        begin,
        [run, prompts, system, temperature, tokens, language],
        [told, listed.picked],
        trigger_mode="once",
    )


def _runs(parts: "StudioParts", picked: str | None) -> Any:
    """The list as it is now; a run that is picked and still there is left alone."""
    runs = list_probed_runs(parts.home)
    choices = [(run.rpartition("/")[2], run) for run in runs]
    if picked in runs:
        return gr.update(choices=choices)
    return gr.update(choices=choices, value=runs[0] if runs else None)
