"""The Train tab: what to train on the left; command, state, curve and log on the right."""

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.checkpoints import Checkpoint, delete_checkpoint, list_checkpoints
from studio.actions.datasets import list_datasets
from studio.actions.models import list_models
from studio.actions.presets import list_presets, remove_preset, save_preset, use_preset
from studio.actions.queue import hold_run, move_run
from studio.actions.repair import repair_run
from studio.actions.resume import resume_run
from studio.actions.runs import list_runs, request_of, stop_run
from studio.actions.train import default_request, free_name, import_config, preview_run, start_run
from studio.core.imports import OUTCOMES, TRANSLATED, ImportedKey
from studio.core.options import OPTIONS
from studio.core.presets import PRESETS
from studio.core.runs import RunView
from studio.errors import RequestRefused
from studio.stores.home import Home
from studio.texts import say, word_problem
from studio.ui.run_card import card_box, chart_box, log_box, run_marker
from studio.ui.train_form import build_form, fill_form, read_request, visible_options
from studio.ui.words import Words, attempt, notice, problem_list, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts


# Stands for the newest checkpoint, whichever that will be.
NEWEST = -1
# Notes that stop nothing, and that nobody should miss.
WARNINGS = frozenset({"memory_too_small"})
QUEUE_CHANGES: Mapping[str, Callable[[Home, str], RunView]] = {
    "earlier": lambda home, run: move_run(home, run, -1),
    "later": lambda home, run: move_run(home, run, 1),
    "hold": lambda home, run: hold_run(home, run, True),
    "release": lambda home, run: hold_run(home, run, False),
}


def build_train_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("train.tab"), id="train"), label="train.tab") as tab, gr.Row():
        with gr.Column(scale=5, min_width=340):
            preset = words.on(
                gr.Dropdown(
                    [], label=say("preset.pick"), info=say("preset.help"), elem_id="train-preset", interactive=True
                ),
                label="preset.pick",
                info="preset.help",
            )
            inputs, groups = build_form(default_request(home), words)
            with words.on(gr.Accordion(say("import.panel"), open=False), label="import.panel"):
                file = words.on(
                    gr.File(
                        label=say("import.file"),
                        file_types=[".yaml", ".yml", ".json"],
                        elem_id="train-import",
                        height=110,
                    ),
                    label="import.file",
                )
                imported = gr.HTML(elem_classes="plain", elem_id="train-imported")
            with words.on(gr.Accordion(say("preset.panel"), open=False), label="preset.panel"):
                preset_name = words.on(
                    gr.Textbox("", label=say("preset.name"), elem_id="train-preset-name", max_lines=1),
                    label="preset.name",
                )
                with gr.Row(elem_classes="actions"):
                    keep = words.on(
                        gr.Button(say("preset.save"), size="sm", elem_id="train-preset-save"), value="preset.save"
                    )
                    forget = words.on(
                        gr.Button(say("preset.remove"), size="sm", elem_id="train-preset-remove"),
                        value="preset.remove",
                    )
                preset_told = gr.HTML(elem_classes="plain", elem_id="train-preset-told")
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
                snippet = words.on(
                    gr.Code(language="python", label=say("train.python"), elem_id="train-python", max_lines=18),
                    label="train.python",
                )
            with gr.Row(elem_classes="fields"):
                run = words.on(
                    gr.Dropdown([], label=say("train.run"), elem_id="train-run", interactive=True),
                    label="train.run",
                )
                checkpoint = words.on(
                    gr.Dropdown([], label=say("train.checkpoint"), elem_id="train-checkpoint", interactive=True),
                    label="train.checkpoint",
                )
            with gr.Row(elem_classes="actions"):
                resume = words.on(
                    gr.Button(say("train.resume"), size="sm", elem_id="train-resume"), value="train.resume"
                )
                drop = words.on(
                    gr.Button(say("train.checkpoint.delete"), size="sm", elem_id="train-checkpoint-delete"),
                    value="train.checkpoint.delete",
                )
                mend = words.on(
                    gr.Button(say("train.repair"), size="sm", elem_id="train-repair"), value="train.repair"
                )
                clone = words.on(
                    gr.Button(say("train.clone"), size="sm", elem_id="train-clone"), value="train.clone"
                )
            with words.on(gr.Accordion(say("queue.panel"), open=False), label="queue.panel"):
                words.on(gr.Markdown(say("queue.help"), elem_classes="line"), value="queue.help")
                with gr.Row(elem_classes="actions"):
                    queueing = {
                        name: words.on(
                            gr.Button(say(f"queue.{name}"), size="sm", elem_id=f"train-queue-{name}"),
                            value=f"queue.{name}",
                        )
                        for name in QUEUE_CHANGES
                    }
            current = gr.HTML(run_marker(None, "en"), elem_classes="plain marker", elem_id="train-current-run")
            gr.HTML(card_box("run"), elem_classes="plain", elem_id="train-card")
            chart = gr.HTML(chart_box("en"), elem_classes="plain")
            gr.HTML(log_box("run"), elem_classes="plain", elem_id="train-log")
            visualdl = words.on(
                gr.Button(say("train.visualdl"), size="sm", elem_id="train-visualdl"), value="train.visualdl"
            )
            opened = gr.HTML(elem_classes="plain", elem_id="train-visualdl-told")

    preview = {
        "fn": lambda values: _preview(home, inputs, values, values[language]),
        "inputs": {*inputs.values(), language},
        "outputs": [problems, command, config, snippet],
        "show_progress": "hidden",
        "trigger_mode": "always_last",
    }
    edits = [field.blur if isinstance(field, gr.Textbox) else field.input for field in inputs.values()]
    submits = [field.submit for field in inputs.values() if isinstance(field, gr.Textbox)]
    gr.on([*edits, *submits, language.change], **preview)
    gr.on(
        [inputs["stage"].change, inputs["method"].change],
        visible_options,
        [inputs["stage"], inputs["method"]],
        [*groups.values(), *(inputs[f"option.{spec.name}"] for spec in OPTIONS)],
        show_progress="hidden",
    )
    gr.on(
        [page.load, tab.select, language.change],
        lambda kept, spoken: _preset_choices(home, kept, spoken),
        [preset, language],
        preset,
        show_progress="hidden",
    )
    preset.input(
        lambda values: _use_preset(home, inputs, preset_told, values[preset], values, values[language]),
        {*inputs.values(), preset, language},
        [*inputs.values(), preset_told],
        show_progress="hidden",
    ).then(**preview)
    keep.click(
        lambda values: _save_preset(home, inputs, values, values[preset_name], values[language]),
        {*inputs.values(), preset_name, language},
        [preset, preset_told],
        show_progress="hidden",
    )
    forget.click(
        lambda picked, spoken: _remove_preset(home, picked, spoken),
        [preset, language],
        [preset, preset_told],
        show_progress="hidden",
    )
    refresh = {
        "fn": lambda model, chosen, held_out: _choices(home, model, chosen, held_out),
        "inputs": [inputs["model"], inputs["datasets"], inputs["eval_dataset"]],
        "outputs": [inputs["model"], inputs["datasets"], inputs["eval_dataset"]],
        "show_progress": "hidden",
    }
    gr.on([page.load, tab.select], **refresh)
    # Skipped where nothing changes: a late answer must not undo what was typed meanwhile.
    page.load(
        lambda name: gr.skip() if (free := free_name(home, name)) == name else free,
        inputs["name"],
        inputs["name"],
        show_progress="hidden",
    ).then(**preview)
    gr.on([page.load, tab.select], lambda picked: _run_choices(home, picked), run, run, show_progress="hidden")
    gr.on([run.change, language.change], run_marker, [run, language], current, show_progress="hidden")
    language.change(chart_box, language, chart, show_progress="hidden")
    start.click(
        lambda values: _start(home, inputs, values, values[language]),
        {*inputs.values(), language},
        [told, problems, run, inputs["name"]],
        trigger_mode="once",
    )
    for button, at_once in ((stop, False), (now, True)):
        button.click(_stopper(home, at_once), [run, language], told, show_progress="hidden")
    gr.on(
        [run.change, checkpoint.focus, language.change],
        lambda picked, kept, spoken: _checkpoints(home, picked, kept, spoken),
        [run, checkpoint, language],
        checkpoint,
        show_progress="hidden",
    )
    resume.click(
        lambda picked, step, spoken: _resume(home, picked, step, spoken),
        [run, checkpoint, language],
        told,
        trigger_mode="once",
    )
    for name, button in queueing.items():
        button.click(_queuer(home, QUEUE_CHANGES[name]), [run, language], told, show_progress="hidden")
    drop.click(
        lambda picked, step, spoken: _delete_checkpoint(home, picked, step, spoken),
        [run, checkpoint, language],
        [told, checkpoint],
        show_progress="hidden",
    )
    mend.click(
        lambda picked, spoken: _repair(home, picked, spoken), [run, language], [told, run], trigger_mode="once"
    )
    clone.click(
        lambda picked, spoken: _clone(home, inputs, told, picked, spoken),
        [run, language],
        [*inputs.values(), told],
        show_progress="hidden",
    ).then(**preview)
    file.upload(
        lambda path, spoken: _import(home, inputs, imported, path, spoken),
        [file, language],
        [*inputs.values(), imported],
        show_progress="hidden",
    ).then(**preview)
    visualdl.click(lambda picked, spoken: _open_visualdl(parts, picked, spoken), [run, language], opened)


def _preview(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    try:
        preview = preview_run(home, read_request(inputs, values))
    except RequestRefused as error:
        return problem_list(error.problems, language), say("train.no_command", language), "", ""
    except Exception as error:
        return tell(error, language), say("train.no_command", language), "", ""
    command = preview.command or say("train.no_command", language)
    told = problem_list(preview.problems, language)
    for kind, chosen in (("bad", True), ("info", False)):
        notes = [note for note in preview.notes if (note.code in WARNINGS) is chosen]
        told += notice("\n".join(word_problem(note, language) for note in notes), kind)
    return told, command, preview.yaml, preview.python


def _start(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    try:
        view = start_run(home, read_request(inputs, values))
    except RequestRefused as error:
        return "", problem_list(error.problems, language), gr.skip(), gr.skip()
    except Exception as error:
        return tell(error, language), gr.skip(), gr.skip(), gr.skip()
    told = notice(say("train.started", language, run=view.name), "good")
    # The next run needs another name; offering it now spares an error at the next Start.
    choices = _run_choices(home, view.run)
    return told, "", choices, free_name(home, view.name)


def _stopper(home: Home, at_once: bool) -> Any:
    def stop(run: str | None, language: str) -> str:
        if not run:
            return notice(say("train.no_run", language))
        view, told = attempt(lambda: stop_run(home, run, at_once), language)
        return told or notice(say("train.stopping", language, run=view.name))

    return stop


def _checkpoints(home: Home, run: str | None, kept: int | None, language: str) -> Any:
    """The newest first, and that as the choice of who does not choose."""
    found, failed = attempt(lambda: list_checkpoints(home, run or ""), "en")
    listed: Sequence[Checkpoint] = [] if failed else found
    choices = [(_say_checkpoint(checkpoint, language), checkpoint.step) for checkpoint in listed]
    steps = {checkpoint.step for checkpoint in listed}
    newest = (say("train.checkpoint.newest", language), NEWEST)
    return gr.update(choices=[newest, *choices], value=kept if kept in steps else NEWEST)


def _say_checkpoint(checkpoint: Checkpoint, language: str) -> str:
    told = [str(checkpoint.step), f"{checkpoint.size / 1e6:,.1f} MB"]
    for name in ("loss", "eval_loss"):
        value = getattr(checkpoint, name)
        if value is not None:
            told.append(f"{say(f'train.{name}', language)} {value:.4f}")
    if not checkpoint.can_resume:
        told.append(say("train.checkpoint.loads_only", language))
    return " · ".join(told)


def _delete_checkpoint(home: Home, run: str | None, step: int | None, language: str) -> Any:
    if not run:
        return notice(say("train.no_run", language)), gr.skip()
    if step in (None, NEWEST):
        return notice(say("train.checkpoint.choose", language)), gr.skip()
    _, failed = attempt(lambda: delete_checkpoint(home, run, int(step or 0)), language)
    if failed:
        return failed, gr.skip()
    told = notice(say("train.checkpoint.deleted", language, step=step), "good")
    return told, _checkpoints(home, run, None, language)


def _resume(home: Home, run: str | None, step: int | None, language: str) -> str:
    if not run:
        return notice(say("train.no_run", language))
    view, failed = attempt(lambda: resume_run(home, run, None if step in (None, NEWEST) else step), language)
    return failed or notice(say("train.resumed", language, run=view.name, step=view.step), "good")


def _queuer(home: Home, change: Callable[[Home, str], RunView]) -> Any:
    def act(run: str | None, language: str) -> str:
        if not run:
            return notice(say("train.no_run", language))
        view, failed = attempt(lambda: change(home, run), language)
        if failed:
            return failed
        place = say("queue.held" if view.held else "queue.place", language, place=view.place)
        return notice(say("queue.changed", language, run=view.name, told=place), "good")

    return act


def _repair(home: Home, run: str | None, language: str) -> Any:
    if not run:
        return notice(say("train.no_run", language)), gr.skip()
    view, failed = attempt(lambda: repair_run(home, run), language)
    if failed:
        return failed, gr.skip()
    return notice(say("train.started", language, run=view.name), "good"), _run_choices(home, view.run)


def _clone(home: Home, inputs: Mapping[str, Any], told: Any, run: str | None, language: str) -> Any:
    if not run:
        return {told: notice(say("train.no_run", language))}
    request, failed = attempt(lambda: request_of(home, run), language)
    if failed:
        return {told: failed}
    return {**fill_form(inputs, request, free_name(home, request.name)), told: ""}


def _preset_choices(home: Home, kept: str | None, language: str) -> Any:
    names = list_presets(home)
    choices = [(say(f"preset.{name}", language) if name in PRESETS else name, name) for name in names]
    return gr.update(choices=choices, value=kept if kept in names else None)


def _use_preset(
    home: Home, inputs: Mapping[str, Any], told: Any, name: str | None, values: Mapping[Any, Any], language: str
) -> Any:
    if not name:
        return {told: ""}
    request, failed = attempt(lambda: use_preset(home, read_request(inputs, values), name), language)
    return {told: failed} if failed else {**fill_form(inputs, request, request.name), told: ""}


def _save_preset(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], name: str, language: str) -> Any:
    _, failed = attempt(lambda: save_preset(home, read_request(inputs, values), name), language)
    if failed:
        return gr.skip(), failed
    return _preset_choices(home, name.strip(), language), notice(
        say("preset.saved", language, name=name.strip()), "good"
    )


def _remove_preset(home: Home, name: str | None, language: str) -> Any:
    _, failed = attempt(lambda: remove_preset(home, name or ""), language)
    if failed:
        return gr.skip(), failed
    return _preset_choices(home, None, language), notice(say("preset.removed", language, name=name), "good")


def _import(home: Home, inputs: Mapping[str, Any], told: Any, path: str, language: str) -> Any:
    read, failed = attempt(lambda: import_config(home, Path(path).read_text(encoding="utf-8")), language)
    if failed:
        return {told: failed}
    request, report = read
    return {**fill_form(inputs, request, request.name), told: _report(Path(path).name, report, language)}


def _report(name: str, report: Sequence[ImportedKey], language: str) -> str:
    """What became of each key, the ones without a counterpart first."""
    rows = ""
    for item in sorted(report, key=lambda item: OUTCOMES[::-1].index(item.outcome)):
        to = ", ".join(f"{key}: {value}" for key, value in item.to.items()) if item.outcome == TRANSLATED else ""
        outcome = say(f"import.{item.outcome}", language)
        cells = (f"<code>{html.escape(f'{item.key}: {item.value}')}</code>", html.escape(outcome), html.escape(to))
        rows += f'<tr data-outcome="{item.outcome}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
    title = html.escape(say("import.done", language, count=len(report), name=name))
    return f'<p class="line">{title}</p><div class="scroll"><table class="data"><tbody>{rows}</tbody></table></div>'


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


def _run_choices(home: Home, picked: str | None) -> Any:
    """All runs, newest first; without a pick the newest that is alive, or else the newest."""
    runs = list_runs(home)
    choices = [(f"{view.name} · {view.stage} {view.method}", view.run) for view in runs]
    known = {view.run for view in runs}
    if picked not in known:
        alive = next((view.run for view in runs if view.is_active), None)
        picked = alive or (runs[0].run if runs else None)
    return gr.update(choices=choices, value=picked)
