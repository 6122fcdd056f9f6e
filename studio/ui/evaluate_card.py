"""An evaluation as the page shows it: the scores with their intervals, and the rows, what got worse first."""

import html
import math
from collections.abc import Sequence
from typing import Any

from studio.actions.batch import read_table, view_batch, word_reason
from studio.actions.evaluation import read_report
from studio.core.batch import read_problem
from studio.core.evaluation import wants_text
from studio.core.report import ORDERS, ModelScores, Report, ScoredRow, change_of, is_gain, sort_rows
from studio.core.report_writing import format_change, format_value
from studio.core.scoring import METRICS, Difference, Estimate
from studio.stores.home import Home
from studio.texts import say
from studio.ui.batch_card import PAGE_ROWS, answers_table, batch_refusals, batch_state, pager, show_none
from studio.ui.words import attempt, notice

KIND = "evaluation"
FILES = ("csv", "json", "md", "html")
BAR_WIDTH = 96


def show_evaluation(
    home: Home, name: str, page: int, metric: str, label: str, order: str, language: str
) -> dict[str, Any]:
    """What the page shows of an evaluation: `card` and `table` as HTML; the card says what can be done, too.

    While it is asked the table is of answers; then of scores. `metric`, `label` and `order` say how it is sorted,
    an empty one is the usual.
    """
    if not name:
        return show_none(KIND, notice(say("evaluate.none", language)), language)
    view, failed = attempt(lambda: view_batch(home, name), language)
    if failed:
        return show_none(KIND, failed, language)
    refused = batch_refusals(KIND, view, language)
    report = None if view.is_active else read_report(home, name)
    if report is None:
        answers = answers_table(read_table(home, name), page, language)
        return {"card": batch_state(view, language, KIND) + refused, "table": answers}
    sorting = Sorting.of(report, metric, label, order)
    card = batch_state(view, language, KIND, FILES) + scores_html(report, language) + refused
    return {"card": card, "table": _rows(report, sorting, page, language)}


class Sorting:
    """By what the rows of a report are sorted."""

    def __init__(self, metric: str, label: str, order: str) -> None:
        self.metric, self.label, self.order = metric, label, order

    @classmethod
    def of(cls, report: Report, metric: str = "", label: str = "", order: str = "") -> "Sorting":
        """What was asked for, and the usual for what was not, or is not there."""
        labels = [model.label for model in report.models]
        compared = labels[1] if len(labels) > 1 else labels[0]
        return cls(
            metric if metric in report.row_metrics else report.telling,
            label if label in labels else compared,
            order if order in ORDERS else "worse",
        )


def scores_html(report: Report, language: str) -> str:
    """The metrics of each model, with their intervals and the differences from the first model."""
    if not report.metrics:
        return notice(say("evaluate.no_scores", language))
    first, *others = report.models
    titles = [say("evaluate.metric", language), first.label]
    for model in others:
        titles += [model.label, say("evaluate.change", language)]
    heads = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in titles)
    lines = "".join(_metric_row(report, name, language) for name in report.metrics)
    told = [say("evaluate.of", language, rows=f"{len(report.rows):,}", dataset=report.dataset or "–")]
    told.append(say("evaluate.intervals", language))
    if "bleu4" in report.metrics:
        told.append(say("evaluate.tokenizer", language, name=report.tokenizer))
    if report.labels:
        told.append(say("evaluate.labels", language, labels=", ".join(report.labels)))
    body = f'<table class="data scores"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    label = _say("evaluate.scores", language)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{body}</div>'
        f'<div class="line">{html.escape(" ".join(told))}</div>{_untold(report, language)}'
    )


def _metric_row(report: Report, name: str, language: str) -> str:
    metric = METRICS[name]
    scale = _scale(name, report.models)
    cells = ""
    for place, model in enumerate(report.models):
        estimate = model.estimates.get(name)
        cells += _estimate_cell(name, estimate, scale, language) if estimate else '<td class="missing">–</td>'
        if place:
            cells += _change_cell(name, model.differences.get(name), language)
    arrow = "↑" if metric.higher_is_better else "↓"
    better = _say(f"evaluate.{'higher' if metric.higher_is_better else 'lower'}", language)
    title = html.escape(say(f"metric.{name}.help", language))
    return (
        f'<tr data-metric="{name}"><th scope="row" title="{title}">{_say(f"metric.{name}", language)} '
        f'<span class="arrow" title="{better}">{arrow}</span></th>{cells}</tr>'
    )


def _estimate_cell(name: str, estimate: Estimate, scale: tuple[float, float], language: str) -> str:
    on = html.escape(say("evaluate.rows", language, count=f"{estimate.rows:,}"))
    if estimate.broken_rows:
        broken = html.escape(say("evaluate.broken", language, count=f"{estimate.broken_rows:,}"))
        return f'<td class="bad" title="{on}">{broken}</td>'
    between = f"{format_value(name, estimate.low)} – {format_value(name, estimate.high)}"
    return (
        f'<td title="{on}"><b>{format_value(name, estimate.value)}</b>{_bar(estimate, scale)}'
        f'<div class="line">{between}</div></td>'
    )


def _change_cell(name: str, difference: Difference | None, language: str) -> str:
    if difference is None or math.isnan(difference.value):
        return '<td class="missing">–</td>'
    gained = is_gain(name, difference.value)
    kind = ("better" if gained else "worse") if difference.is_certain else "open"
    if difference.low == difference.value == difference.high == 0:
        kind = "equal"
    word = _say(f"evaluate.{kind}", language)
    between = f"{format_change(name, difference.low)} … {format_change(name, difference.high)}"
    on = html.escape(say("evaluate.rows", language, count=f"{difference.rows:,}"))
    return (
        f'<td class="change {kind}" title="{on}"><b>{format_change(name, difference.value)}</b> '
        f'<span class="verdict">{word}</span><div class="line">{between}</div></td>'
    )


def _scale(name: str, models: Sequence[ModelScores]) -> tuple[float, float]:
    unit = METRICS[name].unit
    if unit in ("percent", "points"):
        return 0.0, 100.0 if unit == "percent" else 10.0
    ends = [end for model in models if (found := model.estimates.get(name)) for end in (found.low, found.high)]
    ends = [end for end in ends if math.isfinite(end)] or [0.0]
    return min(0.0, *ends), max(ends) or 1.0


def _bar(estimate: Estimate, scale: tuple[float, float]) -> str:
    """The interval on a line, with the value as a dot."""
    low, high = scale
    at = [
        BAR_WIDTH * min(1.0, max(0.0, (value - low) / (high - low or 1.0)))
        for value in (estimate.low, estimate.value, estimate.high)
    ]
    width = BAR_WIDTH + 8
    return (
        f'<svg class="interval" width="{width}" height="10" viewBox="-4 0 {width} 10" aria-hidden="true">'
        f'<line x1="0" x2="{BAR_WIDTH}" y1="5" y2="5"/>'
        f'<line class="on" x1="{at[0]:.1f}" x2="{at[2]:.1f}" y1="5" y2="5"/>'
        f'<circle cx="{at[1]:.1f}" cy="5" r="3.2"/></svg>'
    )


def _untold(report: Report, language: str) -> str:
    """What was asked for and could not be measured of a model, and answers that are missing."""
    told = ""
    for model in report.models:
        lacking = [name for name in report.metrics if name not in model.estimates]
        if lacking and model.estimates:
            names = ", ".join(say(f"metric.{name}", language) for name in lacking)
            told += notice(say("evaluate.untold", language, label=model.label, metrics=names))
        for what in ("failed", "refused", "unjudged"):
            if count := getattr(model, what):
                told += notice(say(f"evaluate.{what}", language, label=model.label, count=f"{count:,}"))
    return told


def _rows(report: Report, sorting: Sorting, page: int, language: str) -> str:
    rows = sort_rows(report, sorting.label, sorting.metric, sorting.order)
    pages = max(1, -(-len(rows) // PAGE_ROWS))
    page = min(max(1, page), pages)
    start = (page - 1) * PAGE_ROWS
    shown = rows[start : start + PAGE_ROWS]
    body = rows_html(report, shown, sorting.metric, language)
    label = _say("evaluate.table", language)
    scroll = f'<div class="scroll rows" tabindex="0" role="region" aria-label="{label}">{body}</div>'
    pages_below = pager(page, pages, start, len(shown), len(rows), language)
    return _controls(report, sorting, language) + scroll + pages_below


def rows_html(report: Report, rows: Sequence[ScoredRow], metric: str, language: str) -> str:
    """Rows as a table: question, reference, and each model's answer with its score."""
    labels = [model.label for model in report.models]
    has_reference = any(row.question.reference for row in report.rows)
    titles = [say("batch.row", language), say("batch.question", language)]
    titles += [say("batch.reference", language)] if has_reference else []
    heads = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in [*titles, *labels])
    lines = ""
    for row in rows:
        question = row.question
        asked = html.escape(f"{question.text}\n{question.context}".strip())
        cells = f'<td><div class="said">{asked}</div></td>'
        if has_reference:
            worse = (
                f'<div class="said rejected">{html.escape(question.rejected)}</div>' if question.rejected else ""
            )
            cells += f'<td><div class="said">{html.escape(question.reference)}</div>{worse}</td>'
        cells += "".join(_answer_cell(report, row, label, metric, language) for label in labels)
        lines += f'<tr data-row="{question.number}"><td class="number">{question.number}</td>{cells}</tr>'
    return f'<table class="data"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'


def _answer_cell(report: Report, row: ScoredRow, label: str, metric: str, language: str) -> str:
    first = report.models[0].label
    answer = row.answers.get(label)
    if answer is None:
        return '<td class="missing">–</td>'
    if answer.error:
        reason = word_reason(read_problem(answer.error), language)
        return f'<td class="bad"><div class="said">{html.escape(reason)}</div></td>'
    score = answer.scores.get(metric)
    told = ""
    if score is not None:
        told = f"<span>{_say(f'metric.{metric}', language)} {format_value(metric, score)}</span>"
        change = None if label == first else change_of(row, first, label, metric)
        if change:
            kind = "better" if is_gain(metric, change) else "worse"
            told += f' <span class="change {kind}">{format_change(metric, change)}</span>'
    text = html.escape(answer.text)
    if not text.strip() and wants_text(report.measures):
        text = f"<i>{_say('batch.empty_answer', language)}</i>"
    return f'<td><div class="said">{text}</div><div class="line">{told}</div></td>'


def _controls(report: Report, sorting: Sorting, language: str) -> str:
    if not sorting.metric:
        return ""
    metrics = {name: say(f"metric.{name}", language) for name in report.row_metrics}
    orders = {name: say(f"evaluate.order.{name}", language) for name in ORDERS}
    picks = _select("order", orders, sorting.order, "evaluate.order", language)
    picks += _select("metric", metrics, sorting.metric, "evaluate.by", language)
    if len(report.models) > 2:
        labels = {model.label: model.label for model in report.models[1:]}
        picks += _select("label", labels, sorting.label, "evaluate.model", language)
    return f'<div class="controls">{picks}</div>'


def _select(name: str, choices: dict[str, str], chosen: str, key: str, language: str) -> str:
    options = "".join(
        f'<option value="{html.escape(value)}"{" selected" if value == chosen else ""}>{html.escape(text)}</option>'
        for value, text in choices.items()
    )
    return f'<label>{_say(key, language)} <select data-view="{name}">{options}</select></label>'


def _say(key: str, language: str) -> str:
    return html.escape(say(key, language))
