"""The Train form as this browser last had it, and the way back to the defaults."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.actions.datasets import list_datasets
from studio.actions.models import list_adapters, list_models
from studio.actions.train import default_request, free_name
from studio.core.kept_form import leave_out, read_kept
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.models import model_path
from studio.texts import say
from studio.ui.train_form import TrainForm, fill_form, form_values
from studio.ui.words import Words, attempt, notice

CHOSEN = ("model", "adapter", "datasets", "eval_dataset")


@dataclass(frozen=True, slots=True)
class KeptParts:
    """What is told of it, the way back, and what the browser hands over."""

    told: Any
    reset: Any
    kept: Any
    language: Any


def build_kept(words: Words) -> KeptParts:
    """The line above the form."""
    reset = words.button("kept.reset", "train-reset", size="sm", scale=0, min_width=140)
    told = gr.HTML(elem_classes="plain", elem_id="train-kept")
    return KeptParts(told, reset, gr.Textbox("", visible=False), gr.Textbox("", visible=False))


def wire_kept(home: Home, page: gr.Blocks, tab: Any, parts: KeptParts, form: TrainForm) -> None:
    """Open the form as it was last edited, and keep what is edited; lists are read again when the tab is opened."""
    inputs = form.inputs
    request = default_request(home)
    values = form_values(request, request.name)
    # In the order in which the script is given them.
    defaults = {name: values[name] for name in inputs}
    script = json.dumps(defaults, ensure_ascii=False)
    chosen = [inputs[name] for name in CHOSEN]
    tab.select(lambda *picked: _choices(home, *picked), chosen, chosen, show_progress="hidden")
    page.load(
        lambda kept, spoken, name, *picked: _open(home, parts, form, defaults, kept, spoken, name, picked),
        [parts.kept, parts.language, inputs["name"], *chosen],
        [*inputs.values(), parts.told],
        js="(kept, spoken, ...rest) => [window.studio.keptForm(), window.studio.language(), ...rest]",
        show_progress="hidden",
    ).then(
        # What was edited meanwhile stands, though the answer says otherwise.
        None,
        [*inputs.values()],
        [*inputs.values()],
        js=f"(...values) => window.studio.openedForm({script}, values)",
    ).then(**form.preview)
    gr.on(
        [field.change for field in inputs.values()],
        None,
        [*inputs.values()],
        None,
        js=f"(...values) => window.studio.keepForm({script}, values)",
    )
    parts.reset.click(
        lambda: {**fill_form(inputs, anew := default_request(home), anew.name), parts.told: ""},
        None,
        [*inputs.values(), parts.told],
        show_progress="hidden",
    ).then(**form.preview)


def _open(
    home: Home,
    parts: KeptParts,
    form: TrainForm,
    defaults: Mapping[str, Any],
    text: str,
    language: str,
    name: str,
    picked: tuple[Any, ...],
) -> dict[Any, Any]:
    """What changes in the form: a late answer must not undo what was typed meanwhile."""
    kept = read_kept(text, defaults)
    found, failed = attempt(lambda: list_datasets(home), language)
    folders = [given for given in (kept.get("model"), kept.get("adapter")) if given and _is_there(home, given)]
    kept, gone = leave_out(kept, folders, [] if failed else [dataset.name for dataset in found])
    free = free_name(home, kept.pop("name", name))
    told = f'<p class="line">{html.escape(say("kept.back", language))}</p>' if kept else ""
    if gone:
        told += notice(say("kept.gone", language, names=", ".join(gone)), "bad")
    now = [kept.get(field, given) for field, given in zip(CHOSEN, picked, strict=True)]
    updates = dict(zip((form.inputs[field] for field in CHOSEN), _choices(home, *now), strict=True))
    values = {form.inputs[field]: value for field, value in kept.items() if field not in CHOSEN}
    named = {} if free == name else {form.inputs["name"]: free}
    return {**values, **updates, **named, parts.told: told}


def _is_there(home: Home, given: str) -> bool:
    try:
        return model_path(home, given).is_dir()
    except StudioError:
        # What may not be reached is not there for the page.
        return False


def _choices(home: Home, model: str | None, adapter: str, chosen: list[str] | None, held_out: str | None) -> Any:
    models = [(choice.label, choice.path) for choice in list_models(home)]
    adapters = [(choice.label, choice.path) for choice in list_adapters(home)]
    found, told = attempt(lambda: list_datasets(home), "en")
    names = [] if told else [dataset.name for dataset in found]
    return (
        gr.update(choices=models, value=model),
        gr.update(choices=["", *adapters], value=adapter),
        gr.update(choices=names, value=chosen),
        gr.update(choices=["", *names], value=held_out),
    )
