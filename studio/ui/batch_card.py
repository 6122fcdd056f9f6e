"""A batch as the page shows it: how far it is, and the table of questions and answers."""

import html
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from studio.actions.answering import JUDGE_KEY
from studio.actions.batch import BatchView, read_table, view_batch, word_reason
from studio.core.batch import BatchAnswer, BatchTable
from studio.core.questions import Question
from studio.core.reasons import why_not_batch, why_not_turn
from studio.core.units import say_duration, say_seconds
from studio.stores.home import Home
from studio.texts import say
from studio.ui.words import attempt, notice, off, progress_bar, refusals

FILES = ("csv", "jsonl")
ACTS = ("cancel", "resume", "remove")
PAGE_ROWS = 20
# These two are coloured as the states of runs that they are like.
COLOURS = {"incomplete": "stopped", "interrupted": "lost"}


def show_batch(home: Home, name: str, page: int, language: str) -> dict[str, Any]:
    """What the page shows of a batch: `card` and `table` as HTML; the card says what can be done with it, too."""
    if not name:
        return show_none("batch", notice(say("batch.none", language)), language)
    view, failed = attempt(lambda: view_batch(home, name), language)
    if failed:
        return show_none("batch", failed, language)
    card = batch_state(view, language, files=FILES) + batch_refusals("batch", view, language)
    return {"card": card, "table": answers_table(read_table(home, name), page, language)}


def show_none(kind: str, told: str, language: str) -> dict[str, Any]:
    """What the page shows where there is no batch to show."""
    return {"card": told + batch_refusals(kind, None, language), "table": ""}


def batch_refusals(kind: str, view: BatchView | None, language: str) -> str:
    """Which buttons of a list of batches do nothing now, and why."""
    active, resumable = (view.is_active, view.can_resume) if view else (False, False)
    reasons = {f"{kind}-{act}": why_not_batch(act, view is not None, active, resumable) for act in ACTS}
    return refusals(reasons, language)


def say_left(seconds: float, language: str) -> str:
    """About how long something still takes."""
    return say("batch.left", language, time=say_duration(max(1, round(seconds)), language))


def batch_state(view: BatchView, language: str, kind: str = "batch", files: Sequence[str] = ()) -> str:
    """How far a batch is, what went wrong, and the `files` in which its results can be kept."""
    done = 100 * view.done / view.total if view.total else 0
    told = [say("batch.progress", language, done=f"{view.done:,}", total=f"{view.total:,}")]
    if view.remaining_s is not None:
        told.append(say_left(view.remaining_s, language))
    if view.phase:
        told.append(say(f"batch.phase.{view.phase}", language, label=view.label))
    colour = COLOURS.get(view.state, view.state)
    state = html.escape(say(f"batch.state.{view.state}", language))
    links = _links(view.name, kind, files, language)
    return (
        f'<div class="card" data-state="{view.state}"><div class="top"><b>{html.escape(view.name)}</b>'
        f'<span class="pill {colour}">{state}</span>'
        f'<span class="phase">{html.escape(" · ".join(told))}</span>{links}</div>'
        f"{progress_bar(done, language)}{_notes(view, language)}</div>"
    )


def _links(name: str, kind: str, files: Sequence[str], language: str) -> str:
    asked = html.escape(urlencode({"name": name, "language": language}))
    links = "".join(f'<a href="studio/{kind}.{file}?{asked}" download>{file.upper()}</a>' for file in files)
    return f'<span class="keep">{links}</span>' if links else ""


def _notes(view: BatchView, language: str) -> str:
    told = ""
    if view.state == "interrupted":
        told += notice(say("batch.interrupted", language))
    for label, reason in view.reasons.items():
        worded = word_reason(reason, language)
        name = say("evaluate.the_judge", language) if label == JUDGE_KEY else label
        told += notice(say("batch.gave_up", language, label=name, reason=worded) if name else worded, "bad")
    if view.failed and not view.is_active:
        told += notice(say("batch.failed", language, count=f"{view.failed:,}"))
    if view.left_out:
        told += notice(say("batch.left_out", language, count=f"{view.left_out:,}"))
    return told


def answers_table(table: BatchTable, page: int, language: str) -> str:
    """A page of questions and answers."""
    pages = max(1, -(-len(table.questions) // PAGE_ROWS))
    page = min(max(1, page), pages)
    start = (page - 1) * PAGE_ROWS
    shown = table.questions[start : start + PAGE_ROWS]
    # What no question of the whole batch has needs no column.
    extras = [
        name for name in ("context", "reference") if any(getattr(question, name) for question in table.questions)
    ]
    titles = [say(f"batch.{name}", language) for name in ("row", "question", *extras)]
    heads = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in [*titles, *table.labels])
    rows = "".join(_row(table, question, extras, language) for question in shown)
    label = html.escape(say("batch.table", language))
    body = f'<table class="data"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    scroll = f'<div class="scroll rows" tabindex="0" role="region" aria-label="{label}">{body}</div>'
    return scroll + pager(page, pages, start, len(shown), len(table.questions), language)


def _row(table: BatchTable, question: Question, extras: list[str], language: str) -> str:
    said = [question.text, *(getattr(question, name) for name in extras)]
    cells = "".join(f'<td><div class="said">{html.escape(text)}</div></td>' for text in said)
    for label in table.labels:
        cells += _cell(table.answers.get((question.number, label)), language)
    return f'<tr data-row="{question.number}"><td class="number">{question.number}</td>{cells}</tr>'


def _cell(answer: BatchAnswer | None, language: str) -> str:
    if answer is None:
        return '<td class="missing">–</td>'
    if answer.error:
        return f'<td class="bad"><div class="said">{html.escape(word_reason(answer.error, language))}</div></td>'
    facts = [say_seconds(answer.seconds, language)]
    if answer.completion_tokens is not None:
        facts.insert(0, say("batch.tokens", language, count=f"{answer.completion_tokens:,}"))
    if answer.finish_reason == "length":
        facts.append(say("batch.cut", language))
    thought = ""
    if answer.reasoning:
        title = html.escape(say("batch.reasoning", language))
        said = html.escape(answer.reasoning)
        thought = f'<details><summary>{title}</summary><div class="said">{said}</div></details>'
    text = html.escape(answer.text) if answer.text.strip() else f"<i>{say('batch.empty_answer', language)}</i>"
    return (
        f'<td>{thought}<div class="said">{text}</div><div class="line">{html.escape(" · ".join(facts))}</div></td>'
    )


def pager(page: int, pages: int, start: int, shown: int, total: int, language: str) -> str:
    if pages == 1:
        return ""

    def button(name: str, to: int) -> str:
        refused = off(why_not_turn(to, pages), language)
        text = html.escape(say(f"batch.{name}", language))
        return f'<button type="button" data-to="{to}"{refused}>{text}</button>'

    where = say("batch.page", language, first=start + 1, last=start + shown, total=f"{total:,}")
    return f'<div class="pager">{button("back", page - 1)}{button("next", page + 1)} {html.escape(where)}</div>'
