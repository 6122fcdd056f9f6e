"""A sweep of the form's request: what it would start and how long that takes, and its start."""

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.actions.sweeps import PATTERN, Sweep, plan_sweep, start_sweep
from studio.core.units import say_duration
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home
from studio.texts import say
from studio.ui.train_form import TrainForm, read_request
from studio.ui.words import Words, attempt, notice

EXAMPLE = "learning_rate: [1e-3, 3e-3]\nnum_train_epochs: {from: 4, to: 12, count: 3}"
NAMES_SHOWN = 12
SEED = 42


def build_sweep(words: Words) -> Mapping[str, Any]:
    """The fields and buttons of a sweep, and where it tells what it does."""
    with words.on(gr.Accordion(say("sweep.panel"), open=False), label="sweep.panel"):
        axes = words.on(
            gr.Textbox(
                "",
                label=say("sweep.axes"),
                info=say("sweep.axes.help"),
                placeholder=EXAMPLE,
                lines=4,
                elem_id="train-sweep-axes",
            ),
            label="sweep.axes",
            info="sweep.axes.help",
        )
        with gr.Row(elem_classes="fields"):
            count = _field(words, "count", "")
            pattern = _field(words, "pattern", PATTERN)
        with gr.Row(elem_classes="actions"):
            plan = words.button("sweep.plan", "train-sweep-plan", size="sm")
            start = words.button("sweep.start", "train-sweep-start", size="sm")
        told = gr.HTML(elem_classes="plain", elem_id="train-sweep-told")
    return {"axes": axes, "count": count, "pattern": pattern, "plan": plan, "start": start, "told": told}


def wire_sweep(home: Home, parts: Mapping[str, Any], form: TrainForm, language: gr.Radio) -> None:
    """What the buttons do; a sweep reads the form and leaves it as it is."""
    asked = {*form.inputs.values(), parts["axes"], parts["count"], parts["pattern"], language}

    def plan(values: Mapping[Any, Any]) -> str:
        spoken = values[language]
        found, failed = attempt(lambda: plan_sweep(home, *_asked(form, parts, values)), spoken)
        return failed or _say_plan(found, spoken)

    def start(values: Mapping[Any, Any]) -> str:
        spoken = values[language]
        started, failed = attempt(lambda: start_sweep(home, *_asked(form, parts, values)), spoken)
        return failed or notice(say("sweep.started", spoken, count=len(started)), "good")

    parts["plan"].click(plan, asked, parts["told"], trigger_mode="once")
    parts["start"].click(start, asked, parts["told"], trigger_mode="once")


def _asked(form: TrainForm, parts: Mapping[str, Any], values: Mapping[Any, Any]) -> tuple[Any, ...]:
    """The arguments of `plan_sweep`. Raises RequestRefused."""
    given = values[parts["count"]].strip()
    if given and not given.isdecimal():
        raise RequestRefused([Problem("sweep", "sweep_bad_count", {"given": given})])
    count = int(given) if given else None
    return read_request(form.inputs, values), values[parts["axes"]], count, values[parts["pattern"]], SEED


def _say_plan(sweep: Sweep, language: str) -> str:
    """How many runs, how long one after another, and the first of their names."""
    lasting = say("sweep.unknown", language) if sweep.seconds is None else say_duration(sweep.seconds, language)
    told = html.escape(say("sweep.planned", language, count=len(sweep.requests), lasting=lasting))
    names = ", ".join(request.name for request in sweep.requests[:NAMES_SHOWN])
    more = " …" if len(sweep.requests) > NAMES_SHOWN else ""
    return f'<div class="notice info" role="status">{told}\n{html.escape(names)}{more}</div>'


def _field(words: Words, name: str, value: str) -> Any:
    key = f"sweep.{name}"
    return words.on(
        gr.Textbox(value, label=say(key), info=say(f"{key}.help"), max_lines=1, elem_id=f"train-sweep-{name}"),
        label=key,
        info=f"{key}.help",
    )
