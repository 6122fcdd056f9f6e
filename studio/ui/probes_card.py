"""Probe prompts as the page shows them: what each checkpoint of a run says, along a slider."""

import html
from typing import Any

from studio.actions.batch import read_table, view_batch, word_reason
from studio.actions.probes import BASE, FINAL
from studio.core.batch import BatchAnswer, BatchTable
from studio.stores.home import Home
from studio.texts import say
from studio.ui.batch_card import batch_refusals, batch_state, show_none
from studio.ui.words import attempt, notice

KIND = "probes"
FILES = ("csv", "jsonl")


def show_probes(home: Home, name: str, language: str) -> dict[str, Any]:
    """What the page shows of probes: `card` and `table` as HTML; the card says what can be done with them, too."""
    if not name:
        return show_none(KIND, notice(say("probes.none", language)), language)
    view, failed = attempt(lambda: view_batch(home, name), language)
    if failed:
        return show_none(KIND, failed, language)
    card = batch_state(view, language, "batch", FILES) + batch_refusals(KIND, view, language)
    return {"card": card, "table": _slider(read_table(home, name), view.request.probes_of, language)}


def _slider(table: BatchTable, run: str, language: str) -> str:
    """A slider with a tick a checkpoint, and under it the answers of the one it stands at: the last, at first."""
    last = len(table.labels) - 1
    ticks = "".join(
        f'<button type="button" data-tick="{place}">{html.escape(say_step(label, language))}</button>'
        for place, label in enumerate(table.labels)
    )
    name = html.escape(say("probes.slider", language, run=run.rpartition("/")[2]))
    slider = (
        f'<input type="range" data-slide min="0" max="{last}" step="1" value="{last}" aria-label="{name}">'
        f'<div class="ticks">{ticks}</div>'
    )
    prompts = ""
    for question in table.questions:
        answers = "".join(
            f'<div class="said" data-step="{place}"{"" if place == last else " hidden"}>'
            f"{_said(table.answers.get((question.number, label)), language)}</div>"
            for place, label in enumerate(table.labels)
        )
        prompts += f'<div class="probe"><div class="asked">{html.escape(question.text)}</div>{answers}</div>'
    return f'<div class="slider">{slider}</div><div class="probes">{prompts}</div>'


def say_step(label: str, language: str) -> str:
    """What a checkpoint is called: its step, or what stands before the first and after the last."""
    return say(f"probes.{label}", language) if label in (BASE, FINAL) else label


def _said(answer: BatchAnswer | None, language: str) -> str:
    if answer is None:
        return f'<i class="line">{html.escape(say("probes.waiting", language))}</i>'
    if answer.error:
        return f'<span class="bad">{html.escape(word_reason(answer.error, language))}</span>'
    return html.escape(answer.text) or f"<i>{html.escape(say('batch.empty_answer', language))}</i>"
