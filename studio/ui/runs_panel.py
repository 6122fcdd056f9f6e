"""The runs on the Train tab: pick one, follow it, and go on with it."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.checkpoints import Checkpoint, checkpoint_path, delete_checkpoint, list_checkpoints
from studio.actions.history import list_summaries
from studio.actions.queue import cpu_runs, hold_run, move_run, set_cpu_runs
from studio.actions.repair import repair_run
from studio.actions.resume import resume_run
from studio.actions.runs import request_of
from studio.actions.train import free_name
from studio.core.plain_yaml import BadYaml, read_yaml
from studio.core.runs import ACTIVE_STATES, RunView
from studio.core.units import say_size
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home
from studio.texts import say
from studio.ui.chart_box import chart_box
from studio.ui.log_box import log_box
from studio.ui.notify_panel import build_notify, wire_notify
from studio.ui.run_card import card_box, run_marker
from studio.ui.train_form import TrainForm, fill_form
from studio.ui.words import Words, attempt, copy_button, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

# Stands for the newest checkpoint, whichever that will be.
NEWEST = -1
QUEUE_CHANGES: Mapping[str, Callable[[Home, str], RunView]] = {
    "earlier": lambda home, run: move_run(home, run, -1),
    "later": lambda home, run: move_run(home, run, 1),
    "hold": lambda home, run: hold_run(home, run, True),
    "release": lambda home, run: hold_run(home, run, False),
}


@dataclass(frozen=True, slots=True)
class RunParts:
    """The components by which a run is picked and gone on with."""

    asked: Any
    run: Any
    checkpoint: Any
    changes: Any
    resume: Any
    drop: Any
    where: Any
    mend: Any
    clone: Any
    queueing: Mapping[str, Any]
    cpu_runs: Any
    current: Any
    chart: Any
    log: Any
    visualdl: Any
    told: Any
    notify: Mapping[str, Any]


def build_runs(words: Words) -> RunParts:
    """The list of runs, the run itself, and under it what can be done with it."""
    run = words.on(
        gr.Dropdown([], label=say("train.run"), elem_id="train-run", interactive=True), label="train.run"
    )
    asked = gr.Textbox("", visible=False)
    current = gr.HTML(run_marker(None, "en"), elem_classes="plain marker", elem_id="train-current-run")
    gr.HTML(card_box("run"), elem_classes="plain", elem_id="train-card")
    chart = gr.HTML(run_chart("en"), elem_classes="plain", elem_id="train-chart")
    log = gr.HTML(run_log("en"), elem_classes="plain", elem_id="train-log")
    with gr.Row(elem_classes="fields"):
        checkpoint = words.on(
            gr.Dropdown([], label=say("train.checkpoint"), elem_id="train-checkpoint", interactive=True),
            label="train.checkpoint",
        )
        changes = words.on(
            gr.Textbox(
                "",
                label=say("train.changes"),
                info=say("train.changes.help"),
                placeholder="max_steps: 400, learning_rate: 1e-4",
                max_lines=1,
                elem_id="train-changes",
            ),
            label="train.changes",
            info="train.changes.help",
        )
    with gr.Row(elem_classes="actions"):
        resume = words.button("train.resume", "train-resume", size="sm")
        drop = words.button("train.checkpoint.delete", "train-checkpoint-delete", size="sm")
        mend = words.button("train.repair", "train-repair", size="sm")
        where = words.button("copy.checkpoint", "train-checkpoint-path", size="sm")
        clone = words.button("train.clone", "train-clone", size="sm")
        visualdl = words.button("train.visualdl", "train-visualdl", size="sm")
    told = gr.HTML(elem_classes="plain", elem_id="train-run-told")
    with words.on(gr.Accordion(say("queue.panel"), open=False), label="queue.panel"):
        words.on(gr.Markdown(say("queue.help"), elem_classes="line"), value="queue.help")
        with gr.Row(elem_classes="actions"):
            queueing = {
                name: words.button(f"queue.{name}", f"train-queue-{name}", size="sm") for name in QUEUE_CHANGES
            }
        at_once = words.on(
            gr.Textbox(
                "1",
                label=say("queue.cpu_runs"),
                info=say("queue.cpu_runs.help"),
                max_lines=1,
                elem_id="train-cpu-runs",
            ),
            label="queue.cpu_runs",
            info="queue.cpu_runs.help",
        )
    notify = build_notify(words)
    return RunParts(
        asked=asked,
        run=run,
        checkpoint=checkpoint,
        changes=changes,
        resume=resume,
        drop=drop,
        where=where,
        mend=mend,
        clone=clone,
        queueing=queueing,
        cpu_runs=at_once,
        current=current,
        chart=chart,
        log=log,
        visualdl=visualdl,
        told=told,
        notify=notify,
    )


def wire_runs(
    studio: "StudioParts",
    page: gr.Blocks,
    tab: Any,
    language: gr.Radio,
    parts: RunParts,
    form: TrainForm,
) -> None:
    """What the buttons do to the run that is picked, and to the form."""
    home, run, checkpoint, told = studio.home, parts.run, parts.checkpoint, parts.told
    # An address may name a run; later the address follows what is picked.
    page.load(
        lambda wanted: run_choices(home, wanted),
        parts.asked,
        run,
        js="() => [new URLSearchParams(location.search).get('run') || '']",
        show_progress="hidden",
    )
    tab.select(lambda picked: run_choices(home, picked, keep=True), run, run, show_progress="hidden")
    gr.on([run.change, language.change], run_marker, [run, language], parts.current, show_progress="hidden")
    language.change(run_chart, language, parts.chart, show_progress="hidden")
    language.change(run_log, language, parts.log, show_progress="hidden")
    gr.on(
        [run.change, checkpoint.focus, language.change],
        lambda picked, kept, spoken: _checkpoints(home, picked, kept, spoken),
        [run, checkpoint, language],
        checkpoint,
        show_progress="hidden",
    )
    parts.resume.click(
        lambda picked, step, changes, spoken: _resume(home, picked, step, changes, spoken),
        [run, checkpoint, parts.changes, language],
        told,
        trigger_mode="once",
    )
    for name, button in parts.queueing.items():
        button.click(_queuer(home, QUEUE_CHANGES[name]), [run, language], told, show_progress="hidden")
    tab.select(lambda: str(cpu_runs(home)), None, parts.cpu_runs, show_progress="hidden")
    gr.on(
        [parts.cpu_runs.blur, parts.cpu_runs.submit],
        lambda given, spoken: _set_cpu_runs(home, given, spoken),
        [parts.cpu_runs, language],
        told,
        show_progress="hidden",
    )
    parts.drop.click(
        lambda picked, step, spoken: _delete_checkpoint(home, picked, step, spoken),
        [run, checkpoint, language],
        [told, checkpoint],
        show_progress="hidden",
    )
    parts.where.click(
        lambda picked, step, spoken: _tell_path(home, picked, step, spoken),
        [run, checkpoint, language],
        told,
        show_progress="hidden",
    ).then(None, None, None, js="() => document.querySelector('#train-run-told [data-copy]')?.click()")
    parts.mend.click(
        lambda picked, spoken: _repair(home, picked, spoken), [run, language], [told, run], trigger_mode="once"
    )
    parts.clone.click(
        lambda picked, spoken: _clone(home, form, told, picked, spoken),
        [run, language],
        [*form.inputs.values(), told],
        show_progress="hidden",
    ).then(**form.preview)
    wire_notify(home, tab, language, parts.notify)
    parts.visualdl.click(lambda picked, spoken: _open_visualdl(studio, picked, spoken), [run, language], told)


def run_chart(language: str) -> str:
    """The chart of the run that is picked."""
    return chart_box("train", "#train-current-run [data-run]", language)


def run_log(language: str) -> str:
    """The log of the run that is picked."""
    return log_box("#train-current-run [data-run]", language)


def run_choices(home: Home, picked: str | None, keep: bool = False) -> Any:
    """All runs that are not archived, newest first; without a pick the newest that is alive, or else the newest.

    `picked` is a run or its name; what is not there is no pick.

    With `keep` a pick that is still there is left alone: a late answer must not undo what was picked meanwhile.
    """
    summaries = list_summaries(home)
    picked = next((summary.run for summary in summaries if picked in (summary.run, summary.name)), None)
    runs = [summary for summary in summaries if not summary.archived or summary.run == picked]
    choices = [(f"{summary.name} · {summary.stage} {summary.method}", summary.run) for summary in runs]
    if keep and picked:
        return gr.update(choices=choices)
    if not picked:
        alive = next((summary.run for summary in runs if summary.state in ACTIVE_STATES), None)
        picked = alive or (runs[0].run if runs else None)
    return gr.update(choices=choices, value=picked)


def _checkpoints(home: Home, run: str | None, kept: int | None, language: str) -> Any:
    """The newest first, and that as the choice of who does not choose."""
    found, failed = attempt(lambda: list_checkpoints(home, run or ""), "en")
    listed: Sequence[Checkpoint] = [] if failed else found
    choices = [(_say_checkpoint(checkpoint, language), checkpoint.step) for checkpoint in listed]
    steps = {checkpoint.step for checkpoint in listed}
    newest = (say("train.checkpoint.newest", language), NEWEST)
    return gr.update(choices=[newest, *choices], value=kept if kept in steps else NEWEST)


def _say_checkpoint(checkpoint: Checkpoint, language: str) -> str:
    told = [str(checkpoint.step), say_size(checkpoint.size)]
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


def _tell_path(home: Home, run: str | None, step: int | None, language: str) -> str:
    if not run:
        return notice(say("train.no_run", language))
    wanted = None if step in (None, NEWEST) else step
    path, failed = attempt(lambda: checkpoint_path(home, run, wanted), language)
    return failed or notice(str(path), more=" " + copy_button(str(path), "path", language))


def _resume(home: Home, run: str | None, step: int | None, changes: str, language: str) -> str:
    if not run:
        return notice(say("train.no_run", language))
    wanted = None if step in (None, NEWEST) else step
    view, failed = attempt(lambda: resume_run(home, run, wanted, _read_changes(changes)), language)
    return failed or notice(say("train.resumed", language, run=view.name, step=view.step), "good")


def _read_changes(text: str) -> dict[str, object]:
    """`KEY: VALUE, KEY: VALUE`. Raises RequestRefused."""
    try:
        changes: Any = read_yaml(f"{{{text}}}")
    except BadYaml as error:
        raise RequestRefused([Problem("changes", "bad_changes", {"given": text})]) from error
    return {str(key): value for key, value in changes.items()}


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


def _set_cpu_runs(home: Home, given: str, language: str) -> Any:
    before = cpu_runs(home)
    count, failed = attempt(lambda: set_cpu_runs(home, given), language)
    if count == before:
        return gr.skip()
    return failed or notice(say("queue.cpu_runs.set", language, count=count), "good")


def _repair(home: Home, run: str | None, language: str) -> Any:
    if not run:
        return notice(say("train.no_run", language)), gr.skip()
    view, failed = attempt(lambda: repair_run(home, run), language)
    if failed:
        return failed, gr.skip()
    return notice(say("train.started", language, run=view.name), "good"), run_choices(home, view.run)


def _clone(home: Home, form: TrainForm, told: Any, run: str | None, language: str) -> Any:
    if not run:
        return {told: notice(say("train.no_run", language))}
    request, failed = attempt(lambda: request_of(home, run), language)
    if failed:
        return {told: failed}
    return {**fill_form(form.inputs, request, free_name(home, request.name)), told: ""}


def _open_visualdl(parts: "StudioParts", run: str | None, language: str) -> str:
    if not run:
        return notice(say("train.no_run", language))
    address, told = attempt(lambda: parts.visualdl.open(parts.home, run, language), language)
    if told:
        return told
    text = html.escape(say("train.visualdl.opened", language))
    link = f'<a href="{html.escape(address)}" target="_blank" rel="noopener">{html.escape(address)}</a>'
    return f'<div class="notice good" role="status">{text} {link}</div>'
