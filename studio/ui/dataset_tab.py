"""The Dataset tab: the registry, a look at any dataset, and the tools that make one of it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr

from studio.actions.datasets import DatasetSummary, list_datasets
from studio.actions.models import list_models
from studio.actions.rows import check_dataset, read_page
from studio.actions.tokens import refuse_bad_length, see_rows
from studio.core.units import say_size
from studio.texts import say, word_problem
from studio.ui.dataset_rows import show_check, show_page, show_seen
from studio.ui.entry_panel import build_entry_panel
from studio.ui.prepare_panel import build_prepare_panel
from studio.ui.register_panel import build_register_panel
from studio.ui.statistics_panel import build_statistics_panel
from studio.ui.versions_panel import build_versions_panel
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

PAGE_SIZE = 5
TOKENS = "tokens"
VIEWS = (("dataset.as_conversation", "conversation"), ("dataset.as_rows", "rows"), ("dataset.as_tokens", TOKENS))
DEFAULT_LENGTH = "512"
STAY, JUMP, BACK, FORWARD = "stay", "jump", "back", "forward"


@dataclass(frozen=True, slots=True)
class Place:
    """What a browser looks at: a page of a dataset, among all its rows or among those searched for."""

    dataset: str | None = None
    page: int = 1
    search: str = ""
    faulty: bool = False


def find_place(how: str, last: Place, dataset: str | None, search: str, faulty: bool, row: str) -> Place:
    """Where a step leads: another dataset and another search begin at page 1; `row` counts among all rows."""
    if dataset != last.dataset:
        return Place(dataset)
    if how == JUMP and row.strip().isdigit():
        return Place(dataset, max(1, -(-int(row) // PAGE_SIZE)))
    if (search, faulty) != (last.search, last.faulty):
        return Place(dataset, 1, search, faulty)
    return replace(last, page=max(1, last.page + {BACK: -1, FORWARD: 1}.get(how, 0)))


def build_dataset_tab(parts: "StudioParts", words: Words, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home

    def choices(chosen: str | None) -> Any:
        found, failed = attempt(lambda: list_datasets(home), "en")
        names = [] if failed else [dataset.name for dataset in found]
        return gr.update(choices=names, value=chosen if chosen in names else (names[0] if names else None))

    def kept_choices(chosen: str | None) -> Any:
        # A late answer must not undo what was picked meanwhile.
        update = choices(chosen)
        return gr.update(choices=update["choices"]) if update["value"] == chosen else update

    with words.on(gr.Tab(say("dataset.tab"), id="dataset"), label="dataset.tab") as tab:
        # Inside of the tab: Gradio numbers the tabs by their place among all children.
        place = gr.State(Place())
        table = gr.HTML(elem_classes="plain", elem_id="dataset-table")
        with gr.Row():
            with gr.Column(scale=6, min_width=320):
                with gr.Row(elem_classes=["fields", "three"]):
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
                    model = words.on(
                        gr.Dropdown([], label=say("dataset.model"), elem_id="dataset-model", interactive=True),
                        label="dataset.model",
                    )
                    max_seq_len = _field(words, "max_seq_len", DEFAULT_LENGTH)
                    search = _field(words, "search")
                    goto = _field(words, "goto")
                only_faulty = words.on(
                    gr.Checkbox(False, label=say("dataset.only_faulty"), elem_id="dataset-only-faulty"),
                    label="dataset.only_faulty",
                )
                with gr.Row(elem_classes="actions"):
                    back, forward, check = (_button(words, key) for key in ("previous", "next", "check"))
                checked = gr.HTML(elem_classes="plain", elem_id="dataset-checked")
                rows = gr.HTML(elem_classes="plain", elem_id="dataset-rows")
            with gr.Column(scale=4, min_width=300):
                changed = [build_register_panel(parts, words, picked, language, choices)]
                build_statistics_panel(home, words, picked, model, max_seq_len, language)
                changed += build_versions_panel(parts, words, picked, model, max_seq_len, language)
                changed += build_prepare_panel(parts, words, picked, model, language)
                changed += build_entry_panel(home, words, picked, language, choices)

    def show_table(spoken: str) -> str:
        found, failed = attempt(lambda: list_datasets(home), spoken)
        return failed or _table(found, spoken)

    def turn(
        how: str,
        chosen: str | None,
        kind: str,
        text: str,
        faulty: bool,
        row: str,
        folder: str | None,
        length: str,
        spoken: str,
        last: Place,
    ) -> Any:
        """Where the person goes, and the rows that are there."""
        place = find_place(how, last, chosen, text, faulty, row)
        # Another dataset and a jump end searching and filtering; another dataset also what was found in the last.
        fields = ("", False) if (place.search, place.faulty) != (text, faulty) else (gr.skip(), gr.skip())
        left = ("", "") if place.dataset != last.dataset else (gr.skip(), gr.skip())
        if not chosen:
            return "", place, *fields, *left

        def act() -> tuple[str, Place]:
            found = read_page(home, chosen, place.page, PAGE_SIZE, place.search, place.faulty)
            there = replace(place, page=found.page)
            if kind != TOKENS:
                return show_page(found, kind, spoken), there
            limit = refuse_bad_length(length)
            seen = see_rows(home, parts.encoders, chosen, found.numbers, folder or "", limit)
            return show_seen(found, seen, limit, spoken), there

        shown, failed = attempt(act, spoken)
        return *((failed, place) if failed else shown), *fields, *left

    def check_all(chosen: str | None, spoken: str) -> str:
        if not chosen:
            return ""
        report, failed = attempt(lambda: check_dataset(home, chosen), spoken)
        return failed or show_check(report, f"studio/faulty?name={quote(chosen)}", spoken)

    def going(how: str) -> dict[str, Any]:
        # One queue for all ways: two of them at once would each undo what the other has made of `place`.
        return {
            "fn": partial(turn, how),
            "inputs": [picked, view, search, only_faulty, goto, model, max_seq_len, language, place],
            "outputs": [rows, place, search, only_faulty, checked, goto],
            "concurrency_id": "dataset-rows",
            "show_progress": "hidden",
        }

    shown = {"fn": show_table, "inputs": language, "outputs": table, "show_progress": "hidden"}
    gr.on([tab.select, language.change], **shown)
    tab.select(kept_choices, picked, picked, show_progress="hidden")
    tab.select(lambda kept: _models(parts, kept), model, model, show_progress="hidden")
    gr.on(
        [picked.change, view.input, model.input, max_seq_len.submit, max_seq_len.blur, language.change],
        **going(STAY),
    )
    # Looking through a large file takes a while, and the person should see that.
    gr.on([search.submit, search.blur, only_faulty.input], **{**going(STAY), "show_progress": "minimal"})
    goto.submit(**going(JUMP))
    back.click(**going(BACK))
    forward.click(**going(FORWARD))
    check.click(check_all, [picked, language], checked)
    for event in changed:
        event.then(**shown).then(choices, picked, picked, show_progress="hidden").then(**going(STAY))


def _field(words: Words, name: str, value: str = "") -> gr.Textbox:
    key = f"dataset.{name}"
    return words.on(gr.Textbox(value, label=say(key), elem_id=f"dataset-{name}", max_lines=1), label=key)


def _button(words: Words, name: str) -> gr.Button:
    key = f"dataset.{name}"
    return words.on(gr.Button(say(key), size="sm", elem_id=f"dataset-{name}"), value=key)


def _models(parts: "StudioParts", kept: str | None) -> Any:
    models = [(choice.label, choice.path) for choice in list_models(parts.home)]
    paths = [path for _, path in models]
    if kept in paths:
        # A late answer must not undo what was picked meanwhile.
        return gr.update(choices=models)
    return gr.update(choices=models, value=paths[0] if paths else None)


def _size(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else f'<span title="{size_bytes:,} B">{say_size(size_bytes)}</span>'


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
        uncounted = "–" if dataset.problem else html.escape(say("dataset.not_counted", language))
        link = html.escape(dataset.file)
        if not dataset.problem:
            link = f'<a href="studio/data?name={quote(dataset.name)}" download>{link}</a>'
        cells = [
            f"<td><b>{html.escape(dataset.name)}</b>{why}</td>",
            f"<td>{html.escape(kind or dataset.format)}</td>",
            f'<td class="number">{uncounted if dataset.rows is None else f"{dataset.rows:,}"}</td>',
            f'<td class="number">{_size(dataset.size_bytes)}</td>',
            f"<td>{html.escape(', '.join(dataset.stages) or '–')}</td>",
            f"<td>{link}</td>",
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    title = html.escape(say("dataset.registered", language))
    return (
        f'<div class="scroll"><table class="data" aria-label="{title}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
