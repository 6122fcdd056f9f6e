"""A report in the forms in which people keep it: CSV, JSON, Markdown; and its numbers as they are read."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping

from studio.core.batch import read_problem
from studio.core.report import Report, change_of, is_gain, score_of, sort_rows
from studio.core.scoring import METRICS
from studio.errors import Problem

# Digits behind the point, by unit.
DIGITS: Mapping[str, int] = {"percent": 1, "points": 1, "nats": 3, "": 2}
# A Markdown page is read, and not paged through.
TOLD_ROWS = 20
# Says a key, with its values, in the reader's language.
Word = Callable[..., str]


def format_value(metric: str, value: float) -> str:
    """A metric's value as it is read; `–` for one that is no number."""
    return f"{value:,.{DIGITS[METRICS[metric].unit]}f}" if math.isfinite(value) else "–"


def format_change(metric: str, value: float) -> str:
    """The same with its sign."""
    if not math.isfinite(value):
        return "–"
    return f"{value:+,.{DIGITS[METRICS[metric].unit]}f}".replace("-", "−")


def report_csv(report: Report, word: Callable[[Problem], str]) -> str:
    """A line a question: each model's answer, its scores, and in the last column what went wrong, in words.

    The cells are what was said, to the letter.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels = [model.label for model in report.models]
    metrics = {
        label: [name for name in METRICS if any(score_of(row, label, name) is not None for row in report.rows)]
        for label in labels
    }
    heads = [head for label in labels for head in (label, *(f"{label}: {name}" for name in metrics[label]))]
    writer.writerow(["row", "question", "context", "reference", *heads, "errors"])
    for row in report.rows:
        question = row.question
        errors: list[str] = []
        cells: list[object] = [question.number, question.text, question.context, question.reference]
        for label in labels:
            answer = row.answers.get(label)
            scores = [_plain(score_of(row, label, name)) for name in metrics[label]]
            cells += [answer.text if answer else "", *scores]
            if answer and answer.error:
                errors.append(f"{label}: {word(read_problem(answer.error))}")
        writer.writerow([*cells, "\n".join(errors)])
    return text.getvalue()


def report_json(report: Report) -> str:
    """All that is known; what is no number is null."""
    return json.dumps(report.to_json(), ensure_ascii=False, indent=1, allow_nan=False)


def report_markdown(report: Report, word: Word) -> str:
    """The scores as a table, and the rows that changed most; `word` says a key in the reader's language."""
    first, *others = report.models
    heads = [word("evaluate.metric"), first.label]
    for model in others:
        heads += [model.label, word("evaluate.change")]
    lines = [
        f"# {report.name}",
        "",
        f"{report.dataset or '–'} · {len(report.rows):,} · {word('evaluate.intervals')}",
        "",
    ]
    lines += [_line(heads), _line(["---"] * len(heads))]
    for name in report.metrics:
        cells = [word(f"metric.{name}")]
        for place, model in enumerate(report.models):
            estimate, difference = model.estimates.get(name), model.differences.get(name)
            cells.append("–" if estimate is None else _between(name, estimate.value, estimate.low, estimate.high))
            if place and difference is not None:
                certain = "" if difference.is_certain else f" ({word('evaluate.open')})"
                cells.append(_changed(name, difference.value, difference.low, difference.high) + certain)
            elif place:
                cells.append("–")
        lines.append(_line(cells))
    lines += ["", *(f"- {told}" for told in _missing(report, word))]
    lines += _changed_rows(report, word)
    return "\n".join(lines) + "\n"


def _missing(report: Report, word: Word) -> list[str]:
    """What the numbers do not rest on."""
    return [
        word(f"evaluate.{what}", label=model.label, count=f"{count:,}")
        for model in report.models
        for what, count in (("failed", model.failed), ("refused", model.refused), ("unjudged", model.unjudged))
        if count
    ]


def _changed_rows(report: Report, word: Word) -> list[str]:
    metric = report.telling
    if not metric or len(report.models) < 2:
        return []
    first, second = report.models[0].label, report.models[1].label
    lines: list[str] = []
    for order in ("worse", "better"):
        rows = [
            row
            for row in sort_rows(report, second, metric, order)
            if (change := change_of(row, first, second, metric)) and is_gain(metric, change) is (order == "better")
        ][:TOLD_ROWS]
        if not rows:
            continue
        heads = [word("batch.question"), word("batch.reference"), first, second, word(f"metric.{metric}")]
        lines += ["", f"## {word(f'evaluate.order.{order}')}", "", _line(heads), _line(["---"] * len(heads))]
        for row in rows:
            change = change_of(row, first, second, metric) or 0.0
            said = [row.question.text, row.question.reference, row.answers[first].text, row.answers[second].text]
            lines.append(_line([*said, format_change(metric, change)]))
    return lines


def _between(name: str, value: float, low: float, high: float) -> str:
    return f"{format_value(name, value)} [{format_value(name, low)} – {format_value(name, high)}]"


def _changed(name: str, value: float, low: float, high: float) -> str:
    return f"{format_change(name, value)} [{format_change(name, low)} … {format_change(name, high)}]"


def _line(cells: list[str]) -> str:
    """A line of a table; what would end a cell is written so that it does not."""
    kept = [cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>") for cell in cells]
    return f"| {' | '.join(kept)} |"


def _plain(score: float | None) -> str:
    return "" if score is None else f"{score:.6g}"
