"""The Batch panel of the Chat tab: many questions to one or more models, into a table."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.batch import (
    cancel_batch,
    contender_of,
    first_question,
    name_batches,
    remove_batch,
    view_batch,
)
from studio.actions.batches import Batches
from studio.actions.datasets import list_datasets
from studio.actions.models import list_adapters, list_models
from studio.core.batch import BatchRequest, Contender, find_batch_problems
from studio.core.endpoint import Sampling
from studio.core.questions import Wording, messages_of
from studio.core.rows import Row, Turn
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home
from studio.texts import LANGUAGES, say
from studio.ui.batch_card import batch_box
from studio.ui.dataset_rows import show_row
from studio.ui.words import Words, attempt, notice, problem_list

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

Fields = Mapping[str, Any]
Values = Mapping[Any, Any]
NO_TABS: Sequence[gr.Tab] = ()
# What a look at the first question needs to be right.
PREVIEWED = frozenset({"batch_template", "batch_context_template"})


def build_batch_panel(
    parts: "StudioParts",
    words: Words,
    page: gr.Blocks,
    language: gr.Radio,
    tabs: Sequence[gr.Tab] = NO_TABS,
) -> None:
    """Build the panel and wire it; its lists are read again when one of the `tabs` around it is opened."""
    home, batches = parts.home, parts.batches
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            fields = _build_fields(words)
            preview = gr.HTML(elem_classes="plain", elem_id="batch-preview")
            start = words.button("batch.start", "batch-start", variant="primary")
            told = gr.HTML(elem_classes="plain", elem_id="batch-told")
        with gr.Column(scale=7, min_width=320, elem_classes="side"):
            picked = words.on(
                gr.Dropdown([], label=say("batch.pick"), elem_id="batch-pick", interactive=True),
                label="batch.pick",
            )
            with gr.Row(elem_classes="actions"):
                cancel = words.button("batch.cancel", "batch-cancel", size="sm")
                resume = words.button("batch.resume", "batch-resume", size="sm")
                remove = words.button("batch.remove", "batch-remove", size="sm")
            changed = gr.HTML(elem_classes="plain", elem_id="batch-changed")
            shown = gr.HTML(batch_box(None, "en"), elem_classes="plain", elem_id="batch-shown")

    asked = {*fields.values(), language}
    opened = [page.load, *(tab.select for tab in tabs)]
    gr.on(
        opened,
        lambda dataset, models, name: _choices(home, dataset, models, name),
        [fields["dataset"], fields["models"], picked],
        [fields["dataset"], fields["models"], picked],
        show_progress="hidden",
    )
    look: dict[str, Any] = {
        "fn": lambda values: _preview(home, fields, values, values[language]),
        "inputs": asked,
        "outputs": preview,
        "show_progress": "hidden",
        # One after another, so that the last look is the one that stays.
        "trigger_mode": "multiple",
    }
    # A paste is a change and no input.
    looked_at = ("dataset", "pasted", "template", "context_template", "system", "first")
    gr.on([page.load, language.change, *(fields[name].change for name in looked_at)], **look)
    gr.on([picked.change, language.change], batch_box, [picked, language], shown, show_progress="hidden")
    start.click(
        lambda values: _start(home, batches, fields, values, values[language]),
        asked,
        [told, picked],
        trigger_mode="once",
    )
    cancel.click(
        lambda name, spoken: _cancel(home, name, spoken), [picked, language], changed, show_progress="hidden"
    )
    resume.click(
        lambda name, key, spoken: _resume(home, batches, name, key, spoken),
        [picked, fields["key"], language],
        changed,
        trigger_mode="once",
        show_progress="hidden",
    )
    remove.click(
        lambda name, spoken: _remove(home, name, spoken),
        [picked, language],
        [changed, picked],
        js=_confirm_script("batch.remove.ask"),
        show_progress="hidden",
    )
    picked.input(lambda: "", None, changed, show_progress="hidden")


def _build_fields(words: Words) -> Fields:
    def on(name: str, component: Any, *texts: str) -> Any:
        component.elem_id = f"batch-{name}"
        return words.on(component, **{text: f"batch.{name}{'.help' if text == 'info' else ''}" for text in texts})

    def text(name: str, value: str = "", **look: Any) -> Any:
        info = say(f"batch.{name}.help")
        return on(name, gr.Textbox(value, label=say(f"batch.{name}"), info=info, **look), "label", "info")

    def number(name: str, value: float, helped: bool = False, **look: Any) -> Any:
        info = say(f"batch.{name}.help") if helped else None
        box = gr.Number(value, label=say(f"batch.{name}"), info=info, **look)
        return on(name, box, "label", *(("info",) if helped else ()))

    dataset = gr.Dropdown([], label=say("batch.dataset"), info=say("batch.dataset.help"), interactive=True)
    fields: dict[str, Any] = {"dataset": on("dataset", dataset, "label", "info")}
    fields["pasted"] = text("pasted", lines=3, max_lines=10)
    models = gr.Dropdown([], label=say("batch.models"), multiselect=True, interactive=True)
    fields["models"] = on("models", models, "label")
    with words.on(gr.Accordion(say("batch.outside"), open=False), label="batch.outside"):
        address = gr.Textbox("", label=say("batch.address"), max_lines=1, placeholder="http://127.0.0.1:8188/v1")
        fields["address"] = on("address", address, "label")
        with gr.Row(elem_classes="fields"):
            fields["model_name"] = text("model_name", max_lines=1)
            fields["key"] = text("key", type="password", max_lines=1)
    with words.on(gr.Accordion(say("batch.wording"), open=False), label="batch.wording"):
        usual = Wording()
        fields["template"] = text("template", usual.template, lines=1, max_lines=8)
        fields["context_template"] = text("context_template", usual.context_template, lines=2, max_lines=8)
        fields["system"] = text("system", lines=1, max_lines=6)
    with gr.Row(elem_classes="fields"):
        fields["temperature"] = number("temperature", 0.0, step=0.1)
        fields["max_tokens"] = number("max_tokens", 256, precision=0)
        fields["limit"] = number("limit", 0, True, precision=0)
        fields["first"] = number("first", 1, precision=0)
    fields["name"] = text("name", max_lines=1)
    return fields


def read_batch_form(home: Home, fields: Fields, values: Values) -> tuple[BatchRequest, dict[str, str]]:
    """What the fields ask for, and the keys by label. Raises RequestRefused for a number that is none."""
    given = {name: values[field] for name, field in fields.items()}
    missing = [name for name in ("temperature", "max_tokens", "limit", "first") if given[name] is None]
    if missing:
        raise RequestRefused([Problem(f"batch_{name}", "batch_no_number", {"given": ""}) for name in missing])
    contenders = [contender_of(home, model) for model in given["models"] or []]
    address, key = given["address"].strip(), given["key"].strip()
    keys: dict[str, str] = {}
    if address:
        model = given["model_name"].strip()
        outside = Contender(model or address, model, address=address)
        contenders.append(outside)
        keys = {outside.label: key} if key else {}
    request = BatchRequest(
        given["name"].strip(),
        given["dataset"] or "",
        given["pasted"],
        tuple(contenders),
        Wording(given["template"], given["context_template"], given["system"]),
        Sampling(temperature=float(given["temperature"]), max_tokens=int(given["max_tokens"])),
        int(given["first"]),
        int(given["limit"]),
    )
    return request, keys


def _preview(home: Home, fields: Fields, values: Values, language: str) -> str:
    """The first question as it is sent, and what is wrong with the templates."""
    read, failed = attempt(lambda: read_batch_form(home, fields, values), language)
    if failed:
        return failed
    request: BatchRequest = read[0]
    if not request.dataset and not request.pasted.strip():
        return notice(say("batch.preview.empty", language))
    wrong = [problem for problem in find_batch_problems(request, ()) if problem.field in PREVIEWED]
    question, failed = attempt(lambda: first_question(home, request), language)
    if failed or wrong:
        return failed or problem_list(wrong, language)
    if question is None:
        return notice(say("batch.preview.none", language))
    turns = tuple(Turn(turn["role"], turn["content"]) for turn in messages_of(question, request.wording))
    title = html.escape(say("batch.preview", language))
    return f'<div class="datarow"><div class="line">{title}</div>{show_row(Row(turns=turns), language)}</div>'


def _choices(home: Home, dataset: str | None, models: list[str] | None, name: str | None) -> Any:
    """The lists as they are now; what is picked and still there is left alone."""
    # Plain text asks nothing.
    datasets = [found.name for found in list_datasets(home) if found.format != "text"]
    found = [(choice.label, choice.path) for choice in (*list_models(home), *list_adapters(home))]
    paths = {path for _, path in found}
    kept = [path for path in models or [] if path in paths]
    gone: dict[str, Any] = {"value": None} if dataset and dataset not in datasets else {}
    fewer: dict[str, Any] = {"value": kept} if kept != (models or []) else {}
    return gr.update(choices=datasets, **gone), gr.update(choices=found, **fewer), _batch_choices(home, name)


def _batch_choices(home: Home, name: str | None, pick: str | None = None) -> Any:
    """All batches; without a pick the newest, and with `pick` that one."""
    names = name_batches(home)
    if pick is None and name in names:
        return gr.update(choices=names)
    return gr.update(choices=names, value=pick or (names[0] if names else None))


def _start(home: Home, batches: Batches, fields: Fields, values: Values, language: str) -> Any:
    def begin() -> str:
        request, keys = read_batch_form(home, fields, values)
        return batches.start(request, keys).name

    name, failed = attempt(begin, language)
    if failed:
        return failed, gr.skip()
    return notice(say("batch.started", language, name=name), "good"), _batch_choices(home, None, name)


def _cancel(home: Home, name: str | None, language: str) -> str:
    """What went wrong; that it went well is seen in the batch itself."""
    if not name:
        return notice(say("batch.none", language))
    _, failed = attempt(lambda: cancel_batch(home, name), language)
    return failed


def _resume(home: Home, batches: Batches, name: str | None, key: str, language: str) -> str:
    if not name:
        return notice(say("batch.none", language))

    def go_on() -> None:
        outside = [each.label for each in view_batch(home, name).request.contenders if each.address]
        batches.resume(name, {label: key.strip() for label in outside if key.strip()})

    _, failed = attempt(go_on, language)
    return failed


def _remove(home: Home, name: str | None, language: str) -> Any:
    """Nothing happens without a name: nothing was chosen, or the question was answered with no."""
    if not name:
        return gr.skip(), gr.skip()
    _, failed = attempt(lambda: remove_batch(home, name), language)
    if failed:
        return failed, gr.skip()
    return notice(say("batch.removed", language, name=name), "good"), _batch_choices(home, None)


def _confirm_script(key: str) -> str:
    """JavaScript that passes a name on only when the person says yes."""
    asked = json.dumps({language: say(key, language, name="%s") for language in LANGUAGES}, ensure_ascii=False)
    return f"(name, language) => [name && confirm(({asked})[language].replace('%s', name)) ? name : null, language]"
