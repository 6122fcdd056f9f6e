"""The Batch panel of the Chat tab: many questions to one or more models, into a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.texts import say
from studio.ui.batch_fields import FieldMaker, Fields, Values, field_choices, preview_first, read_fields
from studio.ui.batch_list import batch_choices, build_batch_list, wire_batch_list
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

KIND = "batch"
NO_TABS: Sequence[gr.Tab] = ()


def build_batch_panel(
    parts: "StudioParts",
    words: Words,
    language: gr.Radio,
    tabs: Sequence[gr.Tab] = NO_TABS,
) -> None:
    """Build the panel and wire it; its lists are read again when one of the `tabs` around it is opened."""
    home = parts.home
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            fields = _build_fields(words)
            preview = gr.HTML(elem_classes="plain", elem_id="batch-preview")
            start = words.button("batch.start", "batch-start", variant="primary")
            told = gr.HTML(elem_classes="plain", elem_id="batch-told")
        with gr.Column(scale=7, min_width=320, elem_classes="side"):
            listed = build_batch_list(words, KIND)

    asked = {*fields.values(), language}
    opened = [tab.select for tab in tabs]
    gr.on(
        opened,
        lambda dataset, models: field_choices(home, dataset, models),
        [fields["dataset"], fields["models"]],
        [fields["dataset"], fields["models"]],
        show_progress="hidden",
    )
    wire_batch_list(parts, language, listed, opened, {"": fields["key"]})
    look: dict[str, Any] = {
        "fn": lambda values: preview_first(home, fields, values, values[language]),
        "inputs": asked,
        "outputs": preview,
        "show_progress": "hidden",
        # One after another, so that the last look is the one that stays.
        "trigger_mode": "multiple",
    }
    # A paste is a change and no input.
    looked_at = ("dataset", "pasted", "template", "context_template", "system", "first")
    gr.on([*opened, language.change, *(fields[name].change for name in looked_at)], **look)
    start.click(
        lambda values: _start(parts, fields, values, values[language]),
        asked,
        [told, listed.picked],
        trigger_mode="once",
    )


def _build_fields(words: Words) -> Fields:
    make = FieldMaker(words, KIND)
    fields: dict[str, Any] = {"dataset": make.pick("dataset")}
    fields["pasted"] = make.text("pasted", lines=3, max_lines=10)
    fields["models"] = make.pick("models", helped=False, multiselect=True)
    fields |= make.outside() | make.wording() | make.amounts()
    fields["name"] = make.text("name", max_lines=1)
    return fields


def _start(parts: "StudioParts", fields: Fields, values: Values, language: str) -> Any:
    def begin() -> str:
        request, keys = read_fields(parts.home, fields, values)
        return parts.batches.start(request, keys).name

    name, failed = attempt(begin, language)
    if failed:
        return failed, gr.skip()
    told = notice(say("batch.started", language, name=name), "good")
    return told, batch_choices(parts.home, KIND, None, name)
