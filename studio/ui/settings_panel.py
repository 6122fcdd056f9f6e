"""Settings from elsewhere, on the Train tab: presets, files of other tools, and less memory in one click."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.actions.bundles import read_bundle
from studio.actions.notes import reduce_memory
from studio.actions.presets import list_presets, remove_preset, save_preset, use_preset
from studio.actions.train import import_file
from studio.core.imports import OUTCOMES, TRANSLATED, ImportedKey
from studio.core.presets import PRESETS
from studio.core.reductions import REDUCTIONS, Reduction
from studio.stores.home import Home
from studio.texts import say, word_problem
from studio.ui.train_form import TrainForm, fill_form, read_request
from studio.ui.words import Words, attempt, notice


@dataclass(frozen=True, slots=True)
class SettingsParts:
    """The components of the panels under the form."""

    file: Any
    imported: Any
    preset_name: Any
    keep: Any
    forget: Any
    told: Any


def build_preset_choice(words: Words) -> Any:
    """The list of presets, above the form."""
    return words.on(
        gr.Dropdown(
            [], label=say("preset.pick"), info=say("preset.help"), elem_id="train-preset", interactive=True
        ),
        label="preset.pick",
        info="preset.help",
    )


def build_settings(words: Words) -> SettingsParts:
    """The panels under the form."""
    with words.on(gr.Accordion(say("import.panel"), open=False), label="import.panel"):
        types = [".yaml", ".yml", ".json", ".zip"]
        file = words.on(
            gr.File(
                label=say("import.file"),
                file_types=types,
                elem_id="train-import",
                elem_classes="upload",
                height=120,
            ),
            label="import.file",
        )
        imported = gr.HTML(elem_classes="plain", elem_id="train-imported")
    with words.on(gr.Accordion(say("preset.panel"), open=False), label="preset.panel"):
        name = gr.Textbox("", label=say("preset.name"), elem_id="train-preset-name", max_lines=1)
        words.on(name, label="preset.name")
        with gr.Row(elem_classes="actions"):
            keep = words.button("preset.save", "train-preset-save", size="sm")
            forget = words.button("preset.remove", "train-preset-remove", size="sm")
        told = gr.HTML(elem_classes="plain", elem_id="train-preset-told")
    return SettingsParts(file, imported, name, keep, forget, told)


def build_reductions(words: Words) -> dict[str, Any]:
    """A button for each way to take less memory; those that save nothing are not shown."""
    panel = words.on(gr.Accordion(say("reduce.panel"), open=False), label="reduce.panel")
    with panel, gr.Row(elem_classes="actions"):
        return {
            name: gr.Button(name, size="sm", visible=False, elem_id=f"train-reduce-{name}") for name in REDUCTIONS
        }


def wire_settings(
    home: Home, tab: Any, language: gr.Radio, preset: Any, parts: SettingsParts, form: TrainForm
) -> None:
    """What the panels do to the form."""
    gr.on(
        [tab.select, language.change],
        lambda kept, spoken: _preset_choices(home, kept, spoken),
        [preset, language],
        preset,
        show_progress="hidden",
    )
    preset.input(
        lambda values: _use_preset(home, form, parts.told, values[preset], values, values[language]),
        {*form.inputs.values(), preset, language},
        [*form.inputs.values(), parts.told],
        show_progress="hidden",
    ).then(**form.preview)
    parts.keep.click(
        lambda values: _save_preset(home, form, values, values[parts.preset_name], values[language]),
        {*form.inputs.values(), parts.preset_name, language},
        [preset, parts.told],
        show_progress="hidden",
    )
    parts.forget.click(
        lambda picked, spoken: _remove_preset(home, picked, spoken),
        [preset, language],
        [preset, parts.told],
        show_progress="hidden",
    )
    parts.file.upload(
        lambda path, spoken: _import(home, form, parts.imported, path, spoken),
        [parts.file, language],
        [*form.inputs.values(), parts.imported],
        show_progress="hidden",
    ).then(**form.preview)


def wire_reductions(buttons: Mapping[str, Any], form: TrainForm) -> None:
    """Each button changes the form and nothing else."""
    for name, button in buttons.items():
        button.click(
            _reducer(form, name), {*form.inputs.values()}, [*form.inputs.values()], show_progress="hidden"
        ).then(**form.preview)


def show_reductions(reductions: Sequence[Reduction], language: str) -> list[Any]:
    """The buttons of REDUCTIONS, with what each would save; those that are not among these are hidden."""
    saved = {reduction.name: reduction.saved for reduction in reductions}
    return [
        gr.update(
            visible=name in saved,
            value=say(f"reduce.{name}", language, saved=f"{saved.get(name, 0) / 1e9:.2f}"),
        )
        for name in REDUCTIONS
    ]


def _reducer(form: TrainForm, name: str) -> Any:
    def reduce(values: Mapping[Any, Any]) -> Any:
        request, failed = attempt(lambda: read_request(form.inputs, values), "en")
        found = None if failed else next((each for each in reduce_memory(request) if each.name == name), None)
        return fill_form(form.inputs, found.request, request.name) if found else gr.skip()

    return reduce


def _preset_choices(home: Home, kept: str | None, language: str) -> Any:
    names = list_presets(home)
    choices = [(say(f"preset.{name}", language) if name in PRESETS else name, name) for name in names]
    return gr.update(choices=choices, value=kept if kept in names else None)


def _use_preset(
    home: Home, form: TrainForm, told: Any, name: str | None, values: Mapping[Any, Any], language: str
) -> Any:
    if not name:
        return {told: ""}
    request, failed = attempt(lambda: use_preset(home, read_request(form.inputs, values), name), language)
    return {told: failed} if failed else {**fill_form(form.inputs, request, request.name), told: ""}


def _save_preset(home: Home, form: TrainForm, values: Mapping[Any, Any], name: str, language: str) -> Any:
    _, failed = attempt(lambda: save_preset(home, read_request(form.inputs, values), name), language)
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


def _import(home: Home, form: TrainForm, told: Any, path: str, language: str) -> Any:
    if path.endswith(".zip"):
        return _import_bundle(home, form, told, Path(path), language)
    read, failed = attempt(lambda: import_file(home, Path(path)), language)
    if failed:
        return {told: failed}
    request, report = read
    return {**fill_form(form.inputs, request, request.name), told: _report(Path(path).name, report, language)}


def _import_bundle(home: Home, form: TrainForm, told: Any, path: Path, language: str) -> Any:
    read, failed = attempt(lambda: read_bundle(home, path), language)
    if failed:
        return {told: failed}
    request, different = read
    lines = [word_problem(problem, language) for problem in different]
    title = say("bundle.differs" if lines else "bundle.same", language, name=path.name)
    news = notice("\n".join([title, *lines]), "info" if lines else "good")
    return {**fill_form(form.inputs, request, request.name), told: news}


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
