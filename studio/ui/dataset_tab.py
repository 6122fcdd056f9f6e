"""The Dataset tab: the registry, a look at any dataset, and registering a file."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.datasets import DatasetSummary, FileReport, add_dataset, inspect_file, list_datasets
from studio.actions.rows import DataPage, check_dataset, read_page
from studio.core.rows import Fault, Row, Turn
from studio.texts import say, word_fault, word_problem
from studio.ui.versions_panel import build_versions_panel
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

PAGE_SIZE = 5
SHOWN_FAULTS = 20
VIEWS = (("dataset.as_conversation", "conversation"), ("dataset.as_rows", "rows"))


def build_dataset_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("dataset.tab"), id="dataset"), label="dataset.tab") as tab:
        # Inside of the tab: Gradio numbers the tabs by their place among all children.
        number = gr.State(1)
        table = gr.HTML(elem_classes="plain", elem_id="dataset-table")
        with gr.Row():
            with gr.Column(scale=6, min_width=320):
                with gr.Row(elem_classes="fields"):
                    picked = words.on(
                        gr.Dropdown([], label=say("dataset.pick"), elem_id="dataset-pick", interactive=True),
                        label="dataset.pick",
                    )
                    view = words.on(
                        gr.Dropdown(
                            [(say(key), view) for key, view in VIEWS],
                            value=VIEWS[0][1],
                            label=say("dataset.view"),
                            elem_id="dataset-view",
                        ),
                        label="dataset.view",
                        choices=VIEWS,
                    )
                with gr.Row(elem_classes="actions"):
                    back = words.on(
                        gr.Button(say("dataset.previous"), size="sm", elem_id="dataset-previous"),
                        value="dataset.previous",
                    )
                    forward = words.on(
                        gr.Button(say("dataset.next"), size="sm", elem_id="dataset-next"),
                        value="dataset.next",
                    )
                    check = words.on(
                        gr.Button(say("dataset.check"), size="sm", elem_id="dataset-check"),
                        value="dataset.check",
                    )
                checked = gr.HTML(elem_classes="plain", elem_id="dataset-checked")
                rows = gr.HTML(elem_classes="plain", elem_id="dataset-rows")
                made = build_versions_panel(home, words, picked, language)
            with (
                gr.Column(scale=4, min_width=300),
                words.on(gr.Accordion(say("dataset.register"), open=True), label="dataset.register"),
            ):
                upload = words.on(
                    gr.File(label=say("dataset.upload"), elem_id="dataset-upload", height=120),
                    label="dataset.upload",
                )
                path = words.on(
                    gr.Textbox("", label=say("dataset.path"), elem_id="dataset-path"), label="dataset.path"
                )
                name = words.on(
                    gr.Textbox("", label=say("dataset.new_name"), elem_id="dataset-name"),
                    label="dataset.new_name",
                )
                with gr.Row(elem_classes="actions"):
                    inspect = words.on(
                        gr.Button(say("dataset.inspect"), elem_id="dataset-inspect"), value="dataset.inspect"
                    )
                    add = words.on(
                        gr.Button(say("dataset.add"), variant="primary", elem_id="dataset-add"),
                        value="dataset.add",
                    )
                told = gr.HTML(elem_classes="plain", elem_id="dataset-told")

    def show_table(spoken: str) -> str:
        found, failed = attempt(lambda: list_datasets(home), spoken)
        return failed or _table(found, spoken)

    def choices(chosen: str | None) -> Any:
        found, failed = attempt(lambda: list_datasets(home), "en")
        names = [] if failed else [dataset.name for dataset in found]
        return gr.update(choices=names, value=chosen if chosen in names else (names[0] if names else None))

    def show_page(chosen: str | None, kind: str, at: int, spoken: str) -> Any:
        if not chosen:
            return "", 1
        found, failed = attempt(lambda: read_page(home, chosen, at, PAGE_SIZE), spoken)
        return (failed, 1) if failed else (_page(found, kind, spoken), found.page)

    def check_all(chosen: str | None, spoken: str) -> str:
        if not chosen:
            return ""
        report, failed = attempt(lambda: check_dataset(home, chosen), spoken)
        if failed:
            return failed
        if not report.fault_count:
            return notice(say("dataset.check.ok", spoken, rows=report.rows), "good")
        first = say("dataset.check.bad", spoken, count=report.fault_count, rows=report.rows)
        return notice("\n".join([first, *_faults(report.faults, spoken)]), "bad")

    def look(file: str | None, given: str, wanted: str, spoken: str) -> Any:
        source = file or given.strip()
        if not source:
            return notice(say("dataset.nothing_to_inspect", spoken), "bad"), gr.skip()
        report, failed = attempt(lambda: inspect_file(Path(source).expanduser()), spoken)
        if failed:
            return failed, gr.skip()
        offered = wanted or Path(source).name.split(".")[0].replace(" ", "_")
        return _report(report, spoken), offered

    def register(file: str | None, given: str, wanted: str, spoken: str) -> Any:
        source = file or given.strip()
        if not source:
            return notice(say("dataset.nothing_to_inspect", spoken), "bad"), gr.skip()
        added, failed = attempt(lambda: add_dataset(home, Path(source).expanduser(), wanted.strip()), spoken)
        if failed:
            return failed, gr.skip()
        return notice(say("dataset.added", spoken, name=added.name, rows=added.rows), "good"), choices(added.name)

    paging = {
        "fn": show_page,
        "inputs": [picked, view, number, language],
        "outputs": [rows, number],
        "show_progress": "hidden",
    }
    shown = {"fn": show_table, "inputs": language, "outputs": table, "show_progress": "hidden"}
    gr.on([page.load, tab.select, language.change], **shown)
    gr.on([page.load, tab.select], choices, picked, picked, show_progress="hidden")
    picked.change(lambda: (1, ""), outputs=[number, checked], show_progress="hidden").then(**paging)
    gr.on([view.input, language.change], **paging)
    for button, step in ((back, -1), (forward, 1)):
        button.click(_mover(step), number, number, show_progress="hidden").then(**paging)
    check.click(check_all, [picked, language], checked)
    source = [upload, path, name, language]
    inspect.click(look, source, [told, name])
    upload.upload(look, source, [told, name], show_progress="hidden")
    add.click(register, source, [told, picked], trigger_mode="once").then(**shown)
    for event in made:
        event.then(**shown).then(choices, picked, picked, show_progress="hidden")


def _mover(step: int) -> Any:
    return lambda at: max(1, at + step)


def _table(found: Sequence[DatasetSummary], language: str) -> str:
    if not found:
        return notice(say("dataset.empty", language))
    heads = "".join(
        f"<th>{html.escape(say(f'dataset.{key}', language))}</th>"
        for key in ("name", "format", "rows", "size", "stages", "file")
    )
    lines: list[str] = []
    for dataset in found:
        why = ""
        if dataset.problem:
            why = notice(word_problem(dataset.problem, language), "bad")
        known = f"format.{dataset.format}"
        kind, _ = attempt(lambda key=known: say(key, language), language)
        cells = [
            f"<td><b>{html.escape(dataset.name)}</b>{why}</td>",
            f"<td>{html.escape(kind or dataset.format)}</td>",
            f'<td class="number">{"–" if dataset.rows is None else f"{dataset.rows:,}"}</td>',
            f'<td class="number">{"–" if dataset.size_bytes is None else say_size(dataset.size_bytes)}</td>',
            f"<td>{html.escape(', '.join(dataset.stages) or '–')}</td>",
            f"<td>{html.escape(dataset.file)}</td>",
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    title = html.escape(say("dataset.registered", language))
    return (
        f'<div class="scroll"><table class="data" aria-label="{title}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _page(page: DataPage, kind: str, language: str) -> str:
    where = html.escape(say("dataset.of", language, page=page.page, pages=page.pages, total=f"{page.total:,}"))
    shown: list[str] = []
    for line, raw, parsed in zip(page.lines, page.rows, page.parsed, strict=True):
        head = f'<div class="line">#{line}</div>'
        if isinstance(parsed, Fault):
            why = notice("\n".join(_faults([parsed], language)), "bad")
            shown.append(f'<div class="datarow">{head}{why}{_raw(raw) if raw is not None else ""}</div>')
        else:
            body = _raw(raw) if kind == "rows" else _conversation(parsed, language)
            shown.append(f'<div class="datarow">{head}{body}</div>')
    return f'<p data-page="{page.page}">{where}</p>{"".join(shown)}'


def _raw(raw: object) -> str:
    text = json.dumps(raw, ensure_ascii=False, indent=2, default=str)
    return f'<div class="raw"><code>{html.escape(text)}</code></div>'


def _conversation(row: Row, language: str) -> str:
    if row.text is not None:
        return _turn(Turn("text", row.text), language)
    turns = "".join(_turn(turn, language) for turn in row.turns)
    for side in ("chosen", "rejected"):
        for turn in getattr(row, side):
            turns += _turn(turn, language, side)
    return turns


def _turn(turn: Turn, language: str, side: str = "") -> str:
    role = say(f"role.{turn.role}", language)
    if side:
        role = f"{role}, {say(f'dataset.{side}', language)}"
    return (
        f'<div class="turn {turn.role} {side}"><div class="role">{html.escape(role)}</div>'
        f'<div class="said">{html.escape(turn.content)}</div></div>'
    )


def _report(report: FileReport, language: str) -> str:
    first = say(
        "dataset.inspected",
        language,
        format=say(f"format.{report.format}", language),
        evidence=", ".join(report.evidence),
        rows=report.rows,
        encoding=", ".join(report.encodings) or "-",
    )
    lines = [first, say("dataset.columns", language, columns=", ".join(report.columns))]
    if report.faults:
        lines += _faults(report.faults, language)
    return notice("\n".join(lines), "bad" if report.faults else "good")


def _faults(faults: Sequence[Fault], language: str) -> list[str]:
    return [
        say(
            "dataset.fault",
            language,
            line=fault.line,
            field=fault.field,
            reason=word_fault(fault.code, fault.values, language),
        )
        for fault in faults[:SHOWN_FAULTS]
    ]


def say_size(size_bytes: int) -> str:
    """`34.0 kB`, in powers of 1,000 as disks are sold."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
