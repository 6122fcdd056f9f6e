"""The Train tab: what to train on the left; command, state, curve and log on the right."""

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
import yaml

from studio.actions.datasets import list_datasets
from studio.actions.models import list_models
from studio.actions.runs import find_run, list_runs, read_log, stop_run
from studio.actions.train import default_request, free_name, preview_run, start_run
from studio.core.options import METHODS, OPTIONS, STAGES, OptionSpec
from studio.core.request import TrainRequest
from studio.core.runs import RunView
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home
from studio.texts import say, word_problem
from studio.ui.words import Words, attempt, notice, problem_list, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

TICK_S = 1.0
OPEN_GROUPS = ("learning",)
FIELDS = ("model", "stage", "method", "datasets", "eval_dataset", "name", "extra")


def build_train_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("train.tab"), id="train"), label="train.tab") as tab, gr.Row():
        with gr.Column(scale=5, min_width=340):
            inputs = _build_form(default_request(home), words)
        with gr.Column(scale=6, min_width=340, elem_classes="side"):
            problems = gr.HTML(elem_classes="plain", elem_id="train-problems")
            with gr.Row(elem_classes="actions"):
                start = words.on(
                    gr.Button(say("train.start"), variant="primary", elem_id="train-start"),
                    value="train.start",
                )
                stop = words.on(gr.Button(say("train.stop"), elem_id="train-stop"), value="train.stop")
                now = words.on(
                    gr.Button(say("train.stop_now"), variant="stop", elem_id="train-stop-now"),
                    value="train.stop_now",
                )
            told = gr.HTML(elem_classes="plain", elem_id="train-told")
            with words.on(gr.Accordion(say("train.command"), open=False), label="train.command"):
                command = gr.Code(
                    language="shell", show_label=False, elem_id="train-command", lines=2, wrap_lines=True
                )
                config = words.on(
                    gr.Code(language="yaml", label=say("train.yaml"), elem_id="train-yaml", max_lines=18),
                    label="train.yaml",
                )
            run = words.on(
                gr.Dropdown([], label=say("train.run"), elem_id="train-run", interactive=True),
                label="train.run",
            )
            current = gr.HTML(elem_id="train-current-run", elem_classes="plain")
            card = gr.HTML(elem_classes="plain", elem_id="train-card")
            chart = gr.HTML(_chart_box("en"), elem_classes="plain")
            log = gr.HTML(elem_classes="plain", elem_id="train-log")
            visualdl = words.on(
                gr.Button(say("train.visualdl"), size="sm", elem_id="train-visualdl"), value="train.visualdl"
            )
            opened = gr.HTML(elem_classes="plain", elem_id="train-visualdl-told")
            seen = gr.State("")
            timer = gr.Timer(TICK_S)

    shown = [card, log, seen]
    watch = {
        "fn": _shower(home),
        "inputs": [run, language, seen],
        "outputs": shown,
        "show_progress": "hidden",
    }
    preview = {
        "fn": lambda values: _preview(home, inputs, values, values[language]),
        "inputs": {*inputs.values(), language},
        "outputs": [problems, command, config],
        "show_progress": "hidden",
        "trigger_mode": "always_last",
    }
    edits = [field.blur if isinstance(field, gr.Textbox) else field.input for field in inputs.values()]
    submits = [field.submit for field in inputs.values() if isinstance(field, gr.Textbox)]
    gr.on([*edits, *submits, language.change, page.load], **preview)
    for name in ("stage", "method"):
        inputs[name].change(
            _visible_options,
            [inputs["stage"], inputs["method"]],
            [inputs[f"option.{spec.name}"] for spec in OPTIONS],
            show_progress="hidden",
        )
    refresh = {
        "fn": lambda model, chosen, held_out: _choices(home, model, chosen, held_out),
        "inputs": [inputs["model"], inputs["datasets"], inputs["eval_dataset"]],
        "outputs": [inputs["model"], inputs["datasets"], inputs["eval_dataset"]],
        "show_progress": "hidden",
    }
    gr.on([page.load, tab.select], **refresh)
    gr.on(
        [page.load, tab.select],
        lambda picked, spoken: _run_choices(home, picked, spoken),
        [run, language],
        run,
        show_progress="hidden",
    )
    gr.on([run.change, language.change], _current, [run, language], current, show_progress="hidden").then(**watch)
    language.change(_chart_box, language, chart, show_progress="hidden")
    timer.tick(**watch)
    start.click(
        lambda values: _start(home, inputs, values, values[language]),
        {*inputs.values(), language},
        [told, problems, run, inputs["name"]],
        trigger_mode="once",
    )
    for button, at_once in ((stop, False), (now, True)):
        button.click(_stopper(home, at_once), [run, language], told, show_progress="hidden")
    visualdl.click(lambda picked, spoken: _open_visualdl(parts, picked, spoken), [run, language], opened)


def _build_form(request: TrainRequest, words: Words) -> dict[str, Any]:
    """Every input by its name: the request's fields, and `option.<name>` for the option table."""
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
        for name, choices, value in (("stage", STAGES, request.stage), ("method", METHODS, request.method)):
            keep(
                name,
                gr.Dropdown(
                    list(choices),
                    value=value,
                    label=say(f"train.{name}"),
                    info=say(f"train.{name}.help"),
                    elem_id=f"train-{name}",
                ),
                info=f"train.{name}.help",
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
    for group in dict.fromkeys(spec.group for spec in OPTIONS):
        with (
            words.on(gr.Accordion(say(f"group.{group}"), open=group in OPEN_GROUPS), label=f"group.{group}"),
            gr.Row(elem_classes="fields"),
        ):
            for spec in (spec for spec in OPTIONS if spec.group == group):
                component = _build_option(spec, request)
                inputs[f"option.{spec.name}"] = words.on(
                    component, label=f"option.{spec.name}", info=f"option.{spec.name}.help"
                )
    with words.on(gr.Accordion(say("train.extra"), open=False), label="train.extra"):
        inputs["extra"] = words.on(
            gr.Textbox("", label=say("train.extra"), info=say("train.extra.help"), lines=3, elem_id="train-extra"),
            label="train.extra",
            info="train.extra.help",
        )
    return inputs


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
    return gr.Textbox(f"{value:g}" if isinstance(value, float) else str(value), max_lines=1, **shared)


def _visible_options(stage: str, method: str) -> list[Any]:
    return [gr.update(visible=spec.applies_to(stage, method)) for spec in OPTIONS]


def _read_request(inputs: Mapping[str, Any], values: Mapping[Any, Any]) -> TrainRequest:
    """What the form asks for. Raises RequestRefused when the extra keys are no YAML mapping."""
    given = {name: values[component] for name, component in inputs.items()}
    try:
        extra = yaml.safe_load(given["extra"] or "") or {}
    except yaml.YAMLError as error:
        raise RequestRefused([Problem("extra", "bad_yaml", {"reason": str(error).splitlines()[0]})]) from error
    if not isinstance(extra, dict):
        raise RequestRefused([Problem("extra", "bad_yaml", {"reason": type(extra).__name__})])
    return TrainRequest(
        model=(given["model"] or "").strip(),
        stage=given["stage"],
        method=given["method"],
        datasets=tuple(given["datasets"] or ()),
        eval_dataset=given["eval_dataset"] or None,
        options={spec.name: given[f"option.{spec.name}"] for spec in OPTIONS},
        extra={str(key): value for key, value in extra.items()},
        name=(given["name"] or "").strip(),
    )


def _preview(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    try:
        preview = preview_run(home, _read_request(inputs, values))
    except RequestRefused as error:
        return problem_list(error.problems, language), say("train.no_command", language), ""
    except Exception as error:
        return tell(error, language), say("train.no_command", language), ""
    command = preview.command or say("train.no_command", language)
    return problem_list(preview.problems, language), command, preview.yaml


def _start(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    try:
        view = start_run(home, _read_request(inputs, values))
    except RequestRefused as error:
        return "", problem_list(error.problems, language), gr.skip(), gr.skip()
    except Exception as error:
        return tell(error, language), gr.skip(), gr.skip(), gr.skip()
    told = notice(say("train.started", language, run=view.name), "good")
    # The next run needs another name; offering it now spares an error at the next Start.
    choices = _run_choices(home, view.run, language)
    return told, "", choices, free_name(home, view.name)


def _stopper(home: Home, at_once: bool) -> Any:
    def stop(run: str | None, language: str) -> str:
        if not run:
            return notice(say("train.no_run", language))
        view, told = attempt(lambda: stop_run(home, run, at_once), language)
        return told or notice(say("train.stopping", language, run=view.name))

    return stop


def _open_visualdl(parts: "StudioParts", run: str | None, language: str) -> str:
    if not run:
        return notice(say("train.no_run", language))
    address, told = attempt(lambda: parts.visualdl.open(parts.home, run, language), language)
    if told:
        return told
    text = html.escape(say("train.visualdl.opened", language))
    link = f'<a href="{html.escape(address)}" target="_blank" rel="noopener">{html.escape(address)}</a>'
    return f'<div class="notice good" role="status">{text} {link}</div>'


def _choices(home: Home, model: str | None, chosen: list[str] | None, held_out: str | None) -> Any:
    models = [(choice.label, choice.path) for choice in list_models(home)]
    found, told = attempt(lambda: list_datasets(home), "en")
    names = [] if told else [dataset.name for dataset in found]
    return (
        gr.update(choices=models, value=model),
        gr.update(choices=names, value=chosen),
        gr.update(choices=["", *names], value=held_out),
    )


def _run_choices(home: Home, picked: str | None, language: str) -> Any:
    """All runs, newest first; without a pick the newest that is alive, or else the newest."""
    runs = list_runs(home)
    choices = [(f"{view.name} · {say(f'state.{view.state}', language)}", view.run) for view in runs]
    known = {view.run for view in runs}
    if picked not in known:
        alive = next((view.run for view in runs if view.is_active), None)
        picked = alive or (runs[0].run if runs else None)
    return gr.update(choices=choices, value=picked)


def _current(run: str | None, language: str) -> str:
    """Where the chart's script reads which run to draw, and in which words."""
    names = {"loss": "train.loss", "eval-loss": "train.eval_loss", "x": "train.x"}
    words = " ".join(f'data-{name}="{html.escape(say(key, language))}"' for name, key in names.items())
    return f'<span data-run="{html.escape(run or "")}" {words}></span>'


def _chart_box(language: str) -> str:
    label = html.escape(say("train.chart", language))
    empty = html.escape(say("train.chart.empty", language))
    return (
        f'<div id="train-chart-box"><div id="train-plot" role="img" aria-label="{label}" data-points="0"></div>'
        f'<div id="train-plot-empty">{empty}</div></div>'
    )


def _shower(home: Home) -> Any:
    def show(run: str | None, language: str, seen: str) -> Any:
        """The state and the log of a run; nothing is sent when nothing has changed."""
        if not run:
            return notice(say("train.no_run", language)), _log("", language), ""
        view, told = attempt(lambda: find_run(home, run), language)
        if told:
            return told, _log("", language), told
        card = _card(view, language)
        text = read_log(home, run)
        version = f"{hash(card)}{hash(text)}"
        if version == seen:
            return gr.skip(), gr.skip(), gr.skip()
        return card, _log(text, language), version

    return show


def _log(text: str, language: str) -> str:
    shown = html.escape(text or say("train.no_log", language))
    return f'<pre class="log" tabindex="0" aria-label="{html.escape(say("train.log", language))}">{shown}</pre>'


def _card(view: RunView, language: str) -> str:
    done = 100 * view.step / view.total_steps if view.total_steps else 0
    facts = {
        "train.step": f"{view.step} / {view.total_steps or '–'}",
        "train.elapsed": say_duration(view.elapsed_s),
        "train.remaining": say_duration(view.remaining_s),
        "train.speed": f"{view.tokens_per_s:,.0f}" if view.tokens_per_s else "–",
        "train.loss": f"{view.loss:.4f}" if view.loss is not None else "–",
        "train.eval_loss": f"{view.eval_loss:.4f}" if view.eval_loss is not None else "–",
    }
    items = "".join(f"<div><dt>{html.escape(say(k, language))}</dt><dd>{v}</dd></div>" for k, v in facts.items())
    state = html.escape(say(f"state.{view.state}", language))
    phase = html.escape(say(f"phase.{view.phase}", language)) if view.is_active and view.phase != "stopping" else ""
    cause = view.cause or (Problem("", "lost") if view.state == "lost" else None)
    why = notice(word_problem(cause, language), "bad") if cause else ""
    return (
        f'<div class="card" data-state="{view.state}" data-run="{html.escape(view.run)}">'
        f'<div class="top"><b>{html.escape(view.name)}</b><span class="pill {view.state}">{state}</span>'
        f'<span class="phase">{phase}</span></div>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{done:.0f}">'
        f'<i style="width:{done:.1f}%"></i></div><dl class="facts">{items}</dl>{why}</div>'
    )


def say_duration(seconds: float | None) -> str:
    """`1:02:03` or `2:03`."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
