"""The routes of the Runs tab: the list, what is done with runs in it, and how some of them compare."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Json

from studio.actions.evaluation import Asked, compare_scores
from studio.actions.history import (
    compare_runs,
    empty_trash,
    list_summaries,
    list_trash,
    note_run,
    restore_run,
    trash_run,
)
from studio.core.history import Difference, RunSummary
from studio.core.intervals import Estimate
from studio.core.report_writing import format_value
from studio.stores.home import Home
from studio.texts import say
from studio.ui.tagged import Language, tagged
from studio.ui.words import attempt, field_label, notice

# As many as a sweep has; as many columns as a table can hold; and as many curves as a person can tell apart.
MOST_COMPARED = 200
MOST_COLUMNS = 12
# The others are packages, which have names of their own.
OWN_VERSIONS = {"studio": "history.version.studio", "studio code": "history.version.code"}
Scores = Mapping[tuple[Asked, str], Sequence[Estimate | None]]


class Change(BaseModel):
    """What shall be done with some runs, or with what is in the trash (then `runs` are its keys)."""

    act: Literal["note", "tags", "archive", "unarchive", "trash", "restore", "empty"]
    runs: list[str] = []
    value: str = ""
    language: Language = "en"


def build_history_routes(home: Home) -> APIRouter:
    """What the Runs tab asks for."""
    router = APIRouter()

    @router.get("/runs")
    def runs(request: Request) -> Response:
        """Every run in one line, and the trash; 304 when nothing has changed."""
        summaries = [summary.to_json() for summary in list_summaries(home)]
        return tagged(request, {"runs": summaries, "trash": [asdict(trashed) for trashed in list_trash(home)]})

    @router.post("/runs")
    def change(wanted: Change) -> dict[str, str]:
        """Do something with runs; the answer is the notice that tells how it went."""
        acts: dict[str, Callable[[str], object]] = {
            "note": lambda run: note_run(home, run, note=wanted.value),
            "tags": lambda run: note_run(home, run, tags=wanted.value.replace("，", ",").split(",")),
            "archive": lambda run: note_run(home, run, archived=True),
            "unarchive": lambda run: note_run(home, run, archived=False),
            "trash": lambda run: trash_run(home, run),
            "restore": lambda key: restore_run(home, key),
            "empty": lambda _: empty_trash(home),
        }
        told = ""
        done = 0
        for run in wanted.runs or ([""] if wanted.act == "empty" else []):
            _, failed = attempt(lambda run=run: acts[wanted.act](run), wanted.language)
            told += failed
            done += not failed
        good = notice(say(f"history.done.{wanted.act}", wanted.language, count=done), "good") if done else ""
        return {"told": told + good}

    @router.get("/compare")
    def compare(request: Request, runs: Annotated[Json[list[str]], Query()], language: Language = "en") -> Response:
        """What differs between runs, as a table, and its numbers for a plot. `runs` is a JSON list."""
        summaries, differences = compare_runs(home, runs[:MOST_COMPARED])
        scores = compare_scores(home, [summary.run for summary in summaries])
        numeric = {_name(one, language): list(one.values) for one in differences if one.is_numeric}
        results = {
            say(f"history.{name}", language): [getattr(summary, name) for summary in summaries]
            for name in ("best_loss", "loss", "elapsed_s")
        }
        for (asked, metric), found in scores.items():
            name = f"{say(f'metric.{metric}', language)} · {asked.dataset} ({asked.rows:,})"
            results[name] = [estimate.value if estimate else None for estimate in found]
        told: dict[str, Any] = {
            "table": _table(summaries[:MOST_COLUMNS], differences, scores, language),
            "drawn": [summary.run for summary in summaries[:MOST_COLUMNS]],
            "names": [summary.name for summary in summaries],
            "numeric": numeric,
            "results": {name: values for name, values in results.items() if any(v is not None for v in values)},
        }
        return tagged(request, told)

    return router


def _table(summaries: list[RunSummary], differences: list[Difference], scores: Scores, language: str) -> str:
    if not differences and not scores:
        return notice(say("history.same", language))
    heads = "".join(f"<th>{html.escape(summary.name)}</th>" for summary in summaries)
    lines = ""
    kind = ""
    for one in differences:
        if one.kind != kind:
            kind = one.kind
            told = html.escape(say(f"history.kind.{kind}", language))
            lines += f'<tr class="kind"><th colspan="{len(summaries) + 1}">{told}</th></tr>'
        cells = "".join(f"<td>{html.escape(_say(value))}</td>" for value in one.values[:MOST_COLUMNS])
        lines += f"<tr><th>{html.escape(_name(one, language))}</th>{cells}</tr>"
    lines += _score_lines(scores, len(summaries), language)
    table = f'<table class="data"><thead><tr><th></th>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _score_lines(scores: Scores, columns: int, language: str) -> str:
    """The newest scores of each run, dataset by dataset, with their intervals."""
    lines, before = "", None
    for (asked, metric), found in sorted(scores.items(), key=lambda item: (item[0][0].dataset, item[0][0].key)):
        if asked != before:
            before = asked
            told = html.escape(say("history.kind.scores", language, dataset=asked.dataset, rows=f"{asked.rows:,}"))
            lines += f'<tr class="kind"><th colspan="{columns + 1}">{told}</th></tr>'
        cells = "".join(f"<td>{_say_estimate(metric, estimate)}</td>" for estimate in found[:columns])
        lines += f"<tr><th>{html.escape(say(f'metric.{metric}', language))}</th>{cells}</tr>"
    return lines


def _say_estimate(metric: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    between = f"{format_value(metric, estimate.low)} – {format_value(metric, estimate.high)}"
    return f'{format_value(metric, estimate.value)} <span class="line">{between}</span>'


def _name(one: Difference, language: str) -> str:
    if one.kind == "option":
        return field_label(one.name, language)
    return say(OWN_VERSIONS[one.name], language) if one.name in OWN_VERSIONS else one.name


def _say(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
