"""The form of the Train tab: what may be asked, as widgets made from the option table."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
import yaml

from studio.core.options import METHODS, OPTIONS, TEXT_STAGES, OptionSpec
from studio.core.paddleformers.arguments import find_arguments
from studio.core.plain_yaml import BadYaml, read_yaml
from studio.core.request import TrainRequest
from studio.errors import Problem, RequestRefused
from studio.texts import say
from studio.ui.words import Words, in_both

GROUPS = tuple(dict.fromkeys(spec.group for spec in OPTIONS))
OPEN_GROUPS = ("learning",)


@dataclass(frozen=True, slots=True)
class TrainForm:
    """Every input by its name, and the event that shows what they mean; panels that fill them in need both."""

    inputs: Mapping[str, Any]
    preview: Mapping[str, Any]


def build_form(request: TrainRequest, words: Words) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every input by its name (the request's fields, `option.<name>` for the option table), and the groups."""
    inputs: dict[str, Any] = {}

    def keep(name: str, component: Any, **keys: str) -> None:
        inputs[name] = words.on(component, **{"label": f"train.{name}", **keys})

    keep(
        "model",
        gr.Dropdown(
            [],
            value=request.model,
            label=say("train.model"),
            info=say("train.model.help"),
            allow_custom_value=True,
            elem_id="train-model",
        ),
        info="train.model.help",
    )
    with gr.Row(elem_classes="fields"):
        for name, choices, value in (("stage", TEXT_STAGES, request.stage), ("method", METHODS, request.method)):
            keep(
                name,
                gr.Dropdown(
                    list(choices),
                    value=value,
                    label=say(f"train.{name}"),
                    info=say(f"train.{name}.help"),
                    elem_id=f"train-{name}",
                    # What another model offers may still stand there; it is told as a problem, in words.
                    allow_custom_value=True,
                ),
                info=f"train.{name}.help",
            )
    keep(
        "adapter",
        gr.Dropdown(
            [],
            value=request.adapter,
            label=say("train.adapter"),
            info=say("train.adapter.help"),
            allow_custom_value=True,
            visible=request.method == "lora",
            elem_id="train-adapter",
        ),
        info="train.adapter.help",
    )
    keep(
        "datasets",
        gr.Dropdown(
            [],
            value=list(request.datasets),
            label=say("train.datasets"),
            multiselect=True,
            allow_custom_value=True,
            elem_id="train-datasets",
        ),
    )
    with gr.Row(elem_classes="fields"):
        keep(
            "eval_dataset",
            gr.Dropdown(
                [],
                value=request.eval_dataset,
                label=say("train.eval_dataset"),
                allow_custom_value=True,
                info=say("train.eval_dataset.help"),
                elem_id="train-eval_dataset",
            ),
            info="train.eval_dataset.help",
        )
        keep("name", gr.Textbox(request.name, label=say("train.name"), elem_id="train-name", max_lines=1))
    keep("drop_faulty", gr.Checkbox(False, label=say("train.drop_faulty"), elem_id="train-drop_faulty"))
    groups: dict[str, Any] = {}
    for group in GROUPS:
        shown = _has_options(group, request.stage, request.method)
        groups[group] = words.on(
            gr.Accordion(say(f"group.{group}"), open=group in OPEN_GROUPS, visible=shown), label=f"group.{group}"
        )
        with groups[group], gr.Row(elem_classes="fields"):
            for spec in (spec for spec in OPTIONS if spec.group == group):
                component = _build_option(spec, request)
                inputs[f"option.{spec.name}"] = words.on(
                    component, label=f"option.{spec.name}", info=f"option.{spec.name}.help"
                )
    with words.on(gr.Accordion(say("train.extra"), open=False), label="train.extra"):
        search = words.on(
            gr.Textbox("", label=say("train.find"), info=say("train.find.help"), elem_id="train-find", max_lines=1),
            label="train.find",
            info="train.find.help",
        )
        found = gr.HTML(elem_classes="plain", elem_id="train-found")
        search.input(show_arguments, search, found, show_progress="hidden", trigger_mode="always_last")
        inputs["extra"] = words.on(
            gr.Textbox("", label=say("train.extra"), info=say("train.extra.help"), lines=3, elem_id="train-extra"),
            label="train.extra",
            info="train.extra.help",
        )
    return inputs, groups


def show_arguments(text: str) -> str:
    """The engine's arguments that fit some words, in its own terms."""
    rows = "".join(
        f"<tr><td><code>{argument.name}</code></td><td>{argument.kind}</td>"
        f"<td><code>{html.escape(str(argument.default))}</code></td><td>{html.escape(argument.help)}</td></tr>"
        for argument in find_arguments(text)
    )
    if text.strip() and not rows:
        return f'<p class="line">{in_both("empty.found")}</p>'
    return f'<div class="scroll"><table class="data"><tbody>{rows}</tbody></table></div>' if rows else ""


def fill_form(inputs: Mapping[str, Any], request: TrainRequest, name: str) -> dict[Any, Any]:
    """The value of every input for a request, under another name."""
    values = form_values(request, name)
    return {component: values[key] for key, component in inputs.items()}


def form_values(request: TrainRequest, name: str) -> dict[str, Any]:
    """The value of every field for a request, by its name, in the order of the inputs."""
    values: dict[str, Any] = {
        "model": request.model,
        "stage": request.stage,
        "method": request.method,
        "adapter": request.adapter,
        "datasets": list(request.datasets),
        "eval_dataset": request.eval_dataset,
        "name": name,
        "drop_faulty": request.drop_faulty,
    }
    for spec in OPTIONS:
        given = request.options.get(spec.name, spec.default)
        values[f"option.{spec.name}"] = given if spec.kind in ("bool", "choice") else _typed(given)
    values["extra"] = yaml.safe_dump(dict(request.extra), allow_unicode=True) if request.extra else ""
    return values


def _typed(value: object) -> str:
    """A number as a person would type it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _build_option(spec: OptionSpec, request: TrainRequest) -> Any:
    """The widget of an option. Numbers are typed as text, so that `1e-3` and `abc` both arrive as given."""
    shared: dict[str, Any] = {
        "label": say(f"option.{spec.name}"),
        "info": say(f"option.{spec.name}.help"),
        "elem_id": f"train-{spec.name}",
        "visible": spec.applies_to(request.stage, request.method),
    }
    value = request.options[spec.name]
    if spec.kind == "bool":
        return gr.Checkbox(bool(value), **shared)
    if spec.kind == "choice":
        return gr.Dropdown(list(spec.choices), value=str(value), **shared)
    return gr.Textbox(_typed(value), max_lines=1, **shared)


def visible_options(stage: str, method: str) -> list[Any]:
    """The adapter, the groups, the options: what does not apply is not shown."""
    groups = [gr.update(visible=_has_options(group, stage, method)) for group in GROUPS]
    options = [gr.update(visible=spec.applies_to(stage, method)) for spec in OPTIONS]
    return [gr.update(visible=method == "lora"), *groups, *options]


def _has_options(group: str, stage: str, method: str) -> bool:
    return any(spec.group == group and spec.applies_to(stage, method) for spec in OPTIONS)


def read_request(inputs: Mapping[str, Any], values: Mapping[Any, Any]) -> TrainRequest:
    """What the form asks for. Raises RequestRefused when the extra keys are no YAML mapping."""
    given = {name: values[component] for name, component in inputs.items()}
    try:
        extra = read_yaml(given["extra"] or "") or {}
    except BadYaml as error:
        raise RequestRefused([Problem("extra", "bad_yaml", {"reason": str(error)})]) from error
    if not isinstance(extra, dict):
        raise RequestRefused([Problem("extra", "bad_yaml", {"reason": type(extra).__name__})])
    return TrainRequest(
        model=(given["model"] or "").strip(),
        # What is not shown is not asked for.
        adapter=(given["adapter"] or "").strip() if given["method"] == "lora" else "",
        stage=given["stage"],
        method=given["method"],
        datasets=tuple(given["datasets"] or ()),
        eval_dataset=given["eval_dataset"] or None,
        options={spec.name: given[f"option.{spec.name}"] for spec in OPTIONS},
        extra={str(key): value for key, value in extra.items()},
        name=(given["name"] or "").strip(),
        drop_faulty=given["drop_faulty"],
    )
