"""The panel that scores models: which, on which rows, and what is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.answering import JUDGE_KEY
from studio.core.batch import BatchRequest, Judge
from studio.core.evaluation import JUDGE, MEASURES, USUAL_MEASURES
from studio.errors import Problem, RequestRefused
from studio.texts import say
from studio.ui.batch_fields import FieldMaker, Fields, Values, field_choices, read_fields
from studio.ui.batch_list import batch_choices, build_batch_list, wire_batch_list
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

KIND = "evaluation"


def build_evaluate_panel(parts: "StudioParts", words: Words, language: gr.Radio, tabs: Sequence[gr.Tab]) -> None:
    """Build the panel and wire it; its lists are read again when one of the `tabs` around it is opened."""
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            fields, rubric = _build_fields(words)
            start = words.button("evaluate.start", "evaluation-start", variant="primary")
            told = gr.HTML(elem_classes="plain", elem_id="evaluation-told")
        with gr.Column(scale=7, min_width=320, elem_classes="side"):
            listed = build_batch_list(words, KIND)

    opened = [tab.select for tab in tabs]
    gr.on(
        opened,
        lambda dataset, models: field_choices(parts.home, dataset, models, texts=True),
        [fields["dataset"], fields["models"]],
        [fields["dataset"], fields["models"]],
        show_progress="hidden",
    )
    wire_batch_list(parts, language, listed, opened, {"": fields["key"], JUDGE_KEY: fields["judge_key"]})
    # One that was edited is somebody's own; the other language's would take its place.
    language.change(
        lambda given, spoken: say("evaluate.rubric", spoken) if given in _rubrics() else gr.skip(),
        [rubric, language],
        rubric,
        show_progress="hidden",
    )
    start.click(
        lambda values: _start(parts, fields, values, values[language]),
        {*fields.values(), language},
        [told, listed.picked],
        trigger_mode="once",
    )


def _build_fields(words: Words) -> tuple[Fields, Any]:
    make = FieldMaker(words, KIND)
    fields: dict[str, Any] = {
        "dataset": make.pick("dataset", "evaluate.dataset"),
        "models": make.pick("models", "evaluate.models", multiselect=True),
        "measures": words.on(
            gr.CheckboxGroup(
                [(say(f"measure.{name}"), name) for name in MEASURES if name != JUDGE],
                value=list(USUAL_MEASURES),
                label=say("evaluate.measures"),
                info=say("evaluate.measures.help"),
                elem_id="evaluation-measures",
            ),
            label="evaluate.measures",
            info="evaluate.measures.help",
            choices=[(f"measure.{name}", name) for name in MEASURES if name != JUDGE],
        ),
    }
    fields |= make.outside()
    with words.on(gr.Accordion(say("evaluate.judge"), open=False), label="evaluate.judge"):
        place = "http://127.0.0.1:8188/v1"
        fields["judge_address"] = make.text("judge_address", key="evaluate.judge_address", placeholder=place)
        with gr.Row(elem_classes="fields"):
            fields["judge_model"] = make.text("judge_model", key="batch.model_name", max_lines=1)
            fields["judge_key"] = make.text("judge_key", key="batch.key", type="password", max_lines=1)
        rubric = make.text("rubric", say("evaluate.rubric"), key="evaluate.judge_rubric", lines=6, max_lines=16)
        fields["rubric"] = rubric
    fields |= make.wording() | make.amounts()
    fields["name"] = make.text("name", max_lines=1)
    return fields, rubric


def _rubrics() -> set[str]:
    return {say("evaluate.rubric", language) for language in ("en", "zh")}


def _start(parts: "StudioParts", fields: Fields, values: Values, language: str) -> Any:
    def begin() -> str:
        request, keys = _read(parts, fields, values)
        return parts.batches.start(request, keys).name

    name, failed = attempt(begin, language)
    if failed:
        return failed, gr.skip()
    told = notice(say("batch.started", language, name=name), "good")
    return told, batch_choices(parts.home, KIND, None, name)


def _read(parts: "StudioParts", fields: Fields, values: Values) -> tuple[BatchRequest, Mapping[str, str]]:
    request, keys = read_fields(parts.home, fields, values)
    address = values[fields["judge_address"]].strip()
    measures = tuple(values[fields["measures"]] or ())
    judge = None
    if address:
        judge = Judge(address, values[fields["judge_model"]].strip(), values[fields["rubric"]])
        measures = (*measures, JUDGE)
        key = values[fields["judge_key"]].strip()
        keys = {**keys, JUDGE_KEY: key} if key else keys
    if not measures:
        # Without one it would be a batch.
        raise RequestRefused([Problem("evaluate_measures", "no_measure")])
    return replace(request, measures=measures, judge=judge), keys
