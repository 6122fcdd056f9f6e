"""The Runs tab: every run there ever was, and how some of them compare. `history.js` fills it."""

import html
import json
from functools import cache

import gradio as gr

from studio.core.runs import ACTIVE_STATES
from studio.texts import TEXTS, say
from studio.ui.chart_box import chart_box
from studio.ui.words import Words, off

STATES = (*sorted(ACTIVE_STATES), "finished", "stopped", "failed", "lost", "prepared")


def build_history_tab(words: Words, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    with words.on(gr.Tab(say("history.tab"), id="history"), label="history.tab"):
        table = gr.HTML(history_box("en"), elem_classes="plain", elem_id="history")
        # Which runs are compared is known to the script alone; it writes them here, where the chart reads them.
        gr.HTML('<span data-runs="[]"></span>', elem_classes="plain marker", elem_id="history-compared")
        chart = gr.HTML(compare_chart("en"), elem_classes="plain", elem_id="history-chart")
        beside = gr.HTML(compare_box("en"), elem_classes="plain", elem_id="history-compare")
    for place, build in ((table, history_box), (chart, compare_chart), (beside, compare_box)):
        language.change(build, language, place, show_progress="hidden")


def history_box(language: str) -> str:
    """The list's place, with the words that its script needs."""
    words = html.escape(json.dumps(_words(language), ensure_ascii=False))

    def word(key: str) -> str:
        return html.escape(say(f"history.{key}", language))

    states = "".join(
        f'<option value="{state}">{html.escape(say(f"state.{state}", language))}</option>' for state in STATES
    )
    refused = off("choose_runs", language)
    acts = "".join(
        f'<button type="button" data-act="{act}"{refused}>{word(act)}</button>'
        for act in ("compare", "note", "tags", "archive", "unarchive", "trash")
    )
    return (
        f'<div class="history" data-history data-language="{language}" data-words="{words}">'
        f'<div class="chart-bar"><input type="search" placeholder="{word("search")}" aria-label="{word("search")}">'
        f'<select aria-label="{word("state")}"><option value="">{word("any")}</option>{states}</select>'
        f'<label><input type="checkbox" data-archived> {word("archived")}</label><span class="count"></span></div>'
        f'<div class="scroll rows"></div><div class="chart-bar acts">{acts}<span class="chosen"></span></div>'
        f'<form class="ask" hidden><label><span></span> <input type="text" maxlength="2000"></label>'
        f'<button type="submit">✓</button></form><div class="told"></div><details class="trash" hidden>'
        f"<summary>{word('in_trash')}</summary><ul></ul>"
        f'<button type="button" data-act="empty">{word("empty_trash")}</button></details></div>'
    )


def compare_chart(language: str) -> str:
    """The curves of the chosen runs, one over the other."""
    return f"<div data-compared hidden>{chart_box('compare', '#history-compared [data-runs]', language)}</div>"


def compare_box(language: str) -> str:
    """What differs between the chosen runs, and how that bears on the result."""

    def word(key: str) -> str:
        return html.escape(say(f"history.{key}", language))

    return (
        f'<div data-compared hidden><h3>{word("differences")}</h3><div class="differences"></div>'
        f'<div class="results" hidden><h3>{word("results")}</h3><div class="chart"><div class="chart-bar">'
        f'<label>{word("option")} <select data-of="option"></select></label>'
        f'<label>{word("result")} <select data-of="result"></select></label></div>'
        '<div id="history-scatter" class="plot"></div><div id="history-parallel" class="plot"></div>'
        "</div></div></div>"
    )


@cache
def _words(language: str) -> dict[str, str]:
    index = 0 if language == "en" else 1
    prefixes = ("history.", "state.")
    return {key: worded[index] for key, worded in TEXTS.items() if key.startswith(prefixes)}
