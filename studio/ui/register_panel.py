"""Beside the rows: register an uploaded file, or a file or folder on the machine, with a mapping to look at."""

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.datasets import FileReport, add_dataset, inspect_file
from studio.actions.rows import allowed_data
from studio.errors import StudioError
from studio.texts import say
from studio.ui.dataset_rows import fault_lines, show_row
from studio.ui.mapping_editor import build_mapping_editor, mapping_text, read_mapping_text
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts


def build_register_panel(
    parts: "StudioParts", words: Words, picked: gr.Dropdown, language: gr.Radio, choices: Any
) -> Any:
    """Build the panel; returns the event after which there is one dataset more, and it is picked."""
    with words.on(gr.Accordion(say("dataset.register"), open=True), label="dataset.register"):
        upload = words.on(
            gr.File(label=say("dataset.upload"), elem_id="dataset-upload", elem_classes="upload", height=120),
            label="dataset.upload",
        )
        path = words.on(
            gr.Textbox("", label=say("dataset.path"), elem_id="dataset-path", max_lines=1), label="dataset.path"
        )
        name = words.on(
            gr.Textbox("", label=say("dataset.new_name"), elem_id="dataset-name", max_lines=1),
            label="dataset.new_name",
        )
        mapping = build_mapping_editor(words, "dataset-mapping", visible=False)
        with gr.Row(elem_classes="actions"):
            inspect = words.on(
                gr.Button(say("dataset.inspect"), elem_id="dataset-inspect"), value="dataset.inspect"
            )
            add = words.on(
                gr.Button(say("dataset.add"), variant="primary", elem_id="dataset-add"), value="dataset.add"
            )
        told = gr.HTML(elem_classes="plain", elem_id="dataset-told")

    def source(file: str | None, given: str) -> Path:
        # What was uploaded lies where the page put it; what was typed must lie where it may.
        if file:
            return Path(file)
        if not given.strip():
            raise StudioError("nothing_to_inspect", "file")
        return allowed_data(parts.home, given.strip())

    def look(file: str | None, given: str, wanted: str, written: str, spoken: str) -> Any:
        report, failed = attempt(lambda: inspect_file(source(file, given), read_mapping_text(written)), spoken)
        if failed:
            return failed, gr.skip(), gr.skip()
        offered = wanted or Path(file or given.strip()).name.split(".")[0].replace(" ", "_")
        return show_report(report, spoken), offered, gr.update(value=mapping_text(report.entry), visible=True)

    def register(file: str | None, given: str, wanted: str, written: str, spoken: str) -> Any:
        added, failed = attempt(
            lambda: add_dataset(parts.home, source(file, given), wanted.strip(), read_mapping_text(written)), spoken
        )
        if failed:
            return failed, gr.skip(), gr.skip(), gr.skip()
        rows = say("dataset.not_counted", spoken) if added.rows is None else f"{added.rows:,}"
        done = notice(say("dataset.added", spoken, name=added.name, rows=rows), "good")
        # The name is taken now; the next file gets one of its own.
        return done, choices(added.name), gr.update(value="", visible=False), ""

    def forget() -> Any:
        """The mapping of one file is not another's."""
        return gr.update(value="", visible=False)

    asked = [upload, path, name, mapping, language]
    inspect.click(look, asked, [told, name, mapping])
    gr.on([upload.clear, path.input], forget, outputs=mapping, show_progress="hidden")
    upload.upload(forget, outputs=mapping, show_progress="hidden").then(
        look, asked, [told, name, mapping], show_progress="hidden"
    )
    return add.click(register, asked, [told, picked, mapping, name], trigger_mode="once")


def show_report(report: FileReport, language: str) -> str:
    """What a file is, the faults it has, and its first row as it is read."""
    key = "inspected" if report.evidence else "guessed" if report.guessed else "mapped"
    lines = [
        say(
            f"dataset.{key}",
            language,
            format=say(f"format.{report.format}", language),
            evidence=", ".join(report.evidence),
            rows=f"{report.rows:,}",
            encoding=", ".join(report.encodings) or "-",
        ),
        say("dataset.columns", language, columns=", ".join(report.columns)),
    ]
    if report.fault_count:
        lines.append(say("dataset.faults", language, count=f"{report.fault_count:,}"))
        lines += fault_lines(report.faults, language)
    kind = "bad" if report.fault_count else "info" if report.guessed else "good"
    told = notice("\n".join(lines), kind)
    if not report.sample:
        return told
    title = html.escape(say("dataset.as_read", language))
    return f'{told}<div class="datarow"><div class="line">{title}</div>{show_row(report.sample[0], language)}</div>'
