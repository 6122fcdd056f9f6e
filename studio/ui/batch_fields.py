"""The fields by which models are asked many questions: whom, how, and which rows."""

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.actions.batch import contender_of, first_question
from studio.actions.datasets import list_datasets
from studio.actions.models import list_adapters, list_models
from studio.core.batch import BatchRequest, Contender, find_batch_problems
from studio.core.endpoint import Sampling
from studio.core.questions import Wording, messages_of
from studio.core.rows import Row, Turn
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home
from studio.texts import say
from studio.ui.dataset_rows import show_row
from studio.ui.words import Words, attempt, notice, problem_list

Fields = Mapping[str, Any]
Values = Mapping[Any, Any]
NUMBERS = ("temperature", "max_tokens", "limit", "first")
# What a look at the first question needs to be right.
PREVIEWED = frozenset({"batch_template", "batch_context_template"})


class FieldMaker:
    """Makes the fields of one panel; `prefix` begins their element ids, their texts are those of batches."""

    def __init__(self, words: Words, prefix: str) -> None:
        self._words = words
        self._prefix = prefix

    def text(self, name: str, value: str = "", key: str = "", helped: bool = True, **look: Any) -> Any:
        key = key or f"batch.{name}"
        info = say(f"{key}.help") if helped else None
        return self._on(name, key, helped, gr.Textbox(value, label=say(key), info=info, **look))

    def number(self, name: str, value: float, helped: bool = False, **look: Any) -> Any:
        key = f"batch.{name}"
        info = say(f"{key}.help") if helped else None
        return self._on(name, key, helped, gr.Number(value, label=say(key), info=info, **look))

    def pick(self, name: str, key: str = "", helped: bool = True, **look: Any) -> Any:
        key = key or f"batch.{name}"
        info = say(f"{key}.help") if helped else None
        return self._on(name, key, helped, gr.Dropdown([], label=say(key), info=info, interactive=True, **look))

    def outside(self) -> dict[str, Any]:
        """A model of another server."""
        with self._words.on(gr.Accordion(say("batch.outside"), open=False), label="batch.outside"):
            place = "http://127.0.0.1:8188/v1"
            fields = {"address": self.text("address", helped=False, max_lines=1, placeholder=place)}
            with gr.Row(elem_classes="fields"):
                fields["model_name"] = self.text("model_name", max_lines=1)
                fields["key"] = self.text("key", type="password", max_lines=1)
        return fields

    def wording(self) -> dict[str, Any]:
        """How a question is put."""
        usual = Wording()
        with self._words.on(gr.Accordion(say("batch.wording"), open=False), label="batch.wording"):
            return {
                "template": self.text("template", usual.template, lines=1, max_lines=8),
                "context_template": self.text("context_template", usual.context_template, lines=2, max_lines=8),
                "system": self.text("system", lines=1, max_lines=6),
            }

    def amounts(self) -> dict[str, Any]:
        """How the models answer, and which rows."""
        with gr.Row(elem_classes="fields"):
            return {
                "temperature": self.number("temperature", 0.0, step=0.1),
                "max_tokens": self.number("max_tokens", 256, precision=0),
                "limit": self.number("limit", 0, True, precision=0),
                "first": self.number("first", 1, precision=0),
            }

    def _on(self, name: str, key: str, helped: bool, component: Any) -> Any:
        component.elem_id = f"{self._prefix}-{name}"
        return self._words.on(component, label=key, **({"info": f"{key}.help"} if helped else {}))


def read_fields(home: Home, fields: Fields, values: Values) -> tuple[BatchRequest, dict[str, str]]:
    """What the fields ask for, and the keys by label. Raises RequestRefused for a number that is none."""
    given = {name: values[field] for name, field in fields.items()}
    missing = [name for name in NUMBERS if given[name] is None]
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
        given.get("pasted", ""),
        tuple(contenders),
        Wording(given["template"], given["context_template"], given["system"]),
        Sampling(temperature=float(given["temperature"]), max_tokens=int(given["max_tokens"])),
        int(given["first"]),
        int(given["limit"]),
    )
    return request, keys


def field_choices(
    home: Home, dataset: str | None, models: list[str] | None, *, texts: bool = False
) -> tuple[Any, Any]:
    """The lists of datasets and models as they are now; what is picked and still there is left alone.

    Plain text asks nothing; where its likelihood can be measured, `texts` has it listed, too.
    """
    datasets = [found.name for found in list_datasets(home) if texts or found.format != "text"]
    found = [(choice.label, choice.path) for choice in (*list_models(home), *list_adapters(home))]
    paths = {path for _, path in found}
    kept = [path for path in models or [] if path in paths]
    gone: dict[str, Any] = {"value": None} if dataset and dataset not in datasets else {}
    fewer: dict[str, Any] = {"value": kept} if kept != (models or []) else {}
    return gr.update(choices=datasets, **gone), gr.update(choices=found, **fewer)


def preview_first(home: Home, fields: Fields, values: Values, language: str) -> str:
    """The first question as it is sent, and what is wrong with the templates."""
    read, failed = attempt(lambda: read_fields(home, fields, values), language)
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
