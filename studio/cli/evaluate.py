"""`python -m studio evaluate`: score models on rows that they were not trained on."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.actions.batch import word_reason
from studio.actions.evaluation import read_report
from studio.cli.batch import add_asking_flags, read_asking_flags, told_of, work_through
from studio.cli.output import Answer, print_progress, show_progress
from studio.core.batch import BatchRequest, Judge
from studio.core.evaluation import JUDGE, MEASURES, USUAL_MEASURES
from studio.core.plain_json import without_nan
from studio.core.report import Report
from studio.core.report_writing import report_csv, report_json, report_markdown
from studio.errors import StudioError
from studio.stores.atomic import write_text
from studio.stores.home import Home
from studio.texts import say

WRITERS: dict[str, Callable[[Report, str], str]] = {
    ".csv": lambda report, language: report_csv(report, partial(word_reason, language=language)),
    ".json": lambda report, _: report_json(report),
    ".md": lambda report, language: report_markdown(report, partial(say, language=language)),
}


def add_evaluate_command(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    command = add(commands, "evaluate", _evaluate)
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset")
    source.add_argument("--held-out", metavar="RUN", help=say("cli.evaluate.held_out"))
    source.add_argument("--resume", metavar="NAME", help=say("cli.evaluate.resume"))
    add_asking_flags(command)
    measures = [name for name in MEASURES if name != JUDGE]
    command.add_argument("--measure", action="append", choices=measures, help=say("cli.evaluate.measure"))
    command.add_argument("--judge", metavar="ADDRESS", help=say("cli.evaluate.judge"))
    command.add_argument("--judge-model", default="", help=say("batch.model_name.help"))
    command.add_argument("--rubric", type=Path, metavar="FILE", help=say("evaluate.judge_rubric.help"))
    command.add_argument("--progress", action="store_true", help=argparse.SUPPRESS)
    command.add_argument("--out", type=Path, help=say("cli.evaluate.out"))


def _evaluate(home: Home, flags: argparse.Namespace) -> Answer:
    if flags.out and flags.out.suffix not in WRITERS:
        raise StudioError("evaluate_bad_out", "out", given=str(flags.out))
    show = _line_of_progress() if flags.progress else show_progress
    view, interrupted = work_through(home, lambda: _request(home, flags), flags.resume, show)
    report = read_report(home, view.name)
    if report and flags.out:
        write_text(flags.out, WRITERS[flags.out.suffix](report, flags.language))
    answer = told_of(view, flags, interrupted)
    if report:
        scores = {
            model.label: {name: round(estimate.value, 4) for name, estimate in model.estimates.items()}
            for model in report.models
        }
        answer["scores"] = without_nan(scores)
    if flags.progress and report and not interrupted:
        # A step of a run: what is missing is told in the report, and the rest is scored.
        answer.pop("error", None)
    return answer


def _request(home: Home, flags: argparse.Namespace) -> BatchRequest:
    measures = tuple(flags.measure or USUAL_MEASURES)
    judge = None
    if flags.judge:
        judge = Judge(flags.judge, flags.judge_model, _rubric(flags))
        measures = (*measures, JUDGE)
    asked = read_asking_flags(home, flags)
    return replace(
        asked, dataset=flags.dataset or "", held_out=flags.held_out or "", measures=measures, judge=judge
    )


def _rubric(flags: argparse.Namespace) -> str:
    if flags.rubric is None:
        return say("evaluate.rubric", flags.language)
    try:
        return str(flags.rubric.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError("batch_bad_file", "rubric", given=str(flags.rubric), reason=str(error)) from error


def _line_of_progress() -> Callable[[int, int, str], None]:
    """Tells how far it is to whoever reads the log, and only when that has changed."""
    told = -1

    def show(done: int, total: int, _label: str) -> None:
        nonlocal told
        if done != told:
            told = done
            print_progress(done, total)

    return show
