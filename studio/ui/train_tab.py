"""The Train tab: what to train on the left; command, state, curve and log on the right."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.models import list_stages
from studio.actions.runs import stop_run
from studio.actions.train import default_request, free_name, preview_run, start_run
from studio.core.options import OPTIONS
from studio.errors import RequestRefused
from studio.stores.home import Home
from studio.texts import say, word_problem
from studio.ui.kept_form import build_kept, wire_kept
from studio.ui.run_card import run_marker
from studio.ui.runs_panel import build_runs, run_choices, wire_runs
from studio.ui.settings_panel import (
    build_preset_choice,
    build_reductions,
    build_settings,
    show_reductions,
    wire_reductions,
    wire_settings,
)
from studio.ui.sweep_panel import build_sweep, wire_sweep
from studio.ui.tour import build_invitation
from studio.ui.train_form import TrainForm, build_form, read_request, visible_options
from studio.ui.words import Words, attempt, notice, problem_list, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

# Notes that stop nothing, and that nobody should miss.
WARNINGS = frozenset({"memory_too_small"})


def build_train_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("train.tab"), id="train"), label="train.tab") as tab:
        build_invitation()
        with gr.Row():
            with gr.Column(scale=5, min_width=340):
                with gr.Row(elem_id="train-begin"):
                    preset = build_preset_choice(words)
                    kept = build_kept(words)
                inputs, groups = build_form(default_request(home), words)
                settings = build_settings(words)
                sweep = build_sweep(words)
            with gr.Column(scale=6, min_width=340, elem_classes="side"):
                problems = gr.HTML(elem_classes="plain", elem_id="train-problems")
                with gr.Row(elem_classes="actions"):
                    start = words.button("train.start", "train-start", variant="primary")
                    stop = words.button("train.stop", "train-stop")
                    now = words.button("train.stop_now", "train-stop-now", variant="stop")
                told = gr.HTML(elem_classes="plain", elem_id="train-told")
                reductions = build_reductions(words)
                with words.on(gr.Accordion(say("train.command"), open=False), label="train.command"):
                    command = words.command("train.shell", "train-command")
                    config, snippet = (
                        words.on(
                            gr.Code(
                                language=kind, label=say(f"train.{kind}"), elem_id=f"train-{kind}", max_lines=18
                            ),
                            label=f"train.{kind}",
                        )
                        for kind in ("yaml", "python")
                    )
                runs = build_runs(words)

    preview = {
        "fn": lambda values: _preview(home, inputs, values, values[language]),
        "inputs": {*inputs.values(), language},
        "outputs": [problems, command, config, snippet, *reductions.values()],
        "show_progress": "hidden",
        "trigger_mode": "always_last",
    }
    form = TrainForm(inputs, preview)
    edits = [field.blur if isinstance(field, gr.Textbox) else field.input for field in inputs.values()]
    submits = [field.submit for field in inputs.values() if isinstance(field, gr.Textbox)]
    gr.on([*edits, *submits, language.change], **preview)
    gr.on(
        [inputs["stage"].change, inputs["method"].change],
        visible_options,
        [inputs["stage"], inputs["method"]],
        [inputs["adapter"], *groups.values(), *(inputs[f"option.{spec.name}"] for spec in OPTIONS)],
        show_progress="hidden",
    )
    inputs["model"].change(
        lambda model, stage: gr.update(choices=list_stages(home, model or ""), value=stage),
        [inputs["model"], inputs["stage"]],
        inputs["stage"],
        show_progress="hidden",
    ).then(**preview)
    wire_kept(home, page, tab, kept, form)
    start.click(
        lambda values: _start(home, inputs, values, values[language]),
        {*inputs.values(), language},
        [told, problems, runs.run, runs.current, inputs["name"]],
        trigger_mode="once",
    ).success(None, runs.run, None, js="(run) => window.studio.picked(run)").then(
        # What was asked before the start may be answered after it, and then speaks of a name that is taken.
        **preview
    )
    for button, at_once in ((stop, False), (now, True)):
        button.click(_stopper(home, at_once), [runs.run, language], told, show_progress="hidden")
    wire_settings(home, tab, language, preset, settings, form)
    wire_reductions(reductions, form)
    wire_sweep(home, sweep, form, language)
    wire_runs(parts, page, tab, language, runs, form)


def _preview(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    try:
        preview = preview_run(home, read_request(inputs, values))
    except RequestRefused as error:
        told = problem_list(error.problems, language)
    except Exception as error:
        told = tell(error, language)
    else:
        told = problem_list(preview.problems, language)
        for kind, chosen in (("bad", True), ("info", False)):
            notes = [note for note in preview.notes if (note.code in WARNINGS) is chosen]
            told += notice("\n".join(word_problem(note, language) for note in notes), kind)
        command = preview.command or say("train.no_command", language)
        return told, command, preview.yaml, preview.python, *show_reductions(preview.reductions, language)
    return told, say("train.no_command", language), "", "", *show_reductions([], language)


def _start(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    try:
        view = start_run(home, read_request(inputs, values))
    except RequestRefused as error:
        return "", problem_list(error.problems, language), gr.skip(), gr.skip(), gr.skip()
    except Exception as error:
        return tell(error, language), gr.skip(), gr.skip(), gr.skip(), gr.skip()
    told = notice(say("train.started", language, run=view.name), "good")
    # The next run needs another name; offering it now spares an error at the next Start.
    choices = run_choices(home, view.run)
    # The run is followed from here on, whether or not the list tells that it has changed.
    return told, "", choices, run_marker(view.run, language), free_name(home, view.name)


def _stopper(home: Home, at_once: bool) -> Any:
    def stop(run: str | None, language: str) -> str:
        if not run:
            return notice(say("train.no_run", language))
        view, told = attempt(lambda: stop_run(home, run, at_once), language)
        return told or notice(say("train.stopping", language, run=view.name))

    return stop
