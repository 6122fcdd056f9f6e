"""The reports of evaluations: made of a batch's answers, kept with it and in the folders of its runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from studio.core.batch import BatchRequest, BatchTable, Contender
from studio.core.intervals import Difference, Estimate
from studio.core.report import Report, make_report, read_model_scores
from studio.core.runs import LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT
from studio.errors import NotFound
from studio.stores.atomic import write_json
from studio.stores.batches import BatchPaths, answers_of, find_batch, read_batch_request, read_questions
from studio.stores.home import Home
from studio.stores.runs import RunPaths, find_run_folder, read_json, read_request, run_id


def keep_report(home: Home, paths: BatchPaths) -> None:
    """Score what was answered, and write it down beside it and into each run that took part. Raises StudioError."""
    request, created_at = read_batch_request(paths), float(read_json(paths.state).get("created_at", 0))
    labels = [contender.label for contender in request.contenders]
    table = BatchTable(read_questions(paths), labels, answers_of(paths), request.wording)
    contenders = [(contender, *run_of(home, contender)) for contender in request.contenders]
    report = make_report(paths.folder.name, _source(home, request), created_at, request.measures, contenders, table)
    stored = report.to_json()
    write_json(paths.report, stored)
    for run in {run for _, run, _ in contenders if run} | ({request.probes_of} - {""}):
        kept = RunPaths(find_run_folder(home, run)).evaluations / f"{report.name}.json"
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, stored)


def _source(home: Home, request: BatchRequest) -> str:
    """What the rows are called: runs that were evaluated on the same dataset can be compared."""
    if not request.held_out:
        return request.dataset
    folder = find_run_folder(home, request.held_out)
    return read_request(folder).eval_dataset or run_id(home, folder)


def run_of(home: Home, contender: Contender) -> tuple[str, int | None]:
    """The run whose weights a model is, and the step of its checkpoint; an empty name for what is no run's."""
    if contender.address:
        return "", None
    given = contender.adapters[-1] if contender.adapters else contender.model
    folder = Path(given)
    step: int | None = None
    for form in (LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT):
        if match := form.fullmatch(folder.name):
            folder, step = folder.parent, int(match[1])
    try:
        found = find_run_folder(home, run_id(home, folder) if folder.is_relative_to(home.saves) else given)
    except NotFound:
        return "", None
    return run_id(home, found), step


def read_report(home: Home, name: str) -> Report | None:
    """The scores of an evaluation; None before there are any. Raises NotFound."""
    paths = find_batch(home, name)
    try:
        status = paths.report.stat()
    except FileNotFoundError:
        return None
    return _report(paths.report, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _report(path: Path, _inode: int, _written: int) -> Report:
    return Report.from_json(json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class RunScores:
    """How a run did in one evaluation; `checkpoint` is None for what it became.

    `asked` tells the same `rows`, put in the same words, from others; `first` are the scores of the model that it
    was compared with, none where it was the first itself.
    """

    evaluation: str
    dataset: str
    rows: int
    asked: str
    created_at: float
    checkpoint: int | None
    estimates: Mapping[str, Estimate]
    differences: Mapping[str, Difference]
    first: Mapping[str, Estimate]


def list_run_scores(home: Home, run: str) -> list[RunScores]:
    """The scores of a run and its checkpoints, the newest first, from the run's own folder. Raises NotFound."""
    folder = find_run_folder(home, run)
    found: list[RunScores] = []
    for path in RunPaths(folder).evaluations.glob("*.json"):
        status = path.stat()
        found += _scores(path, run_id(home, folder), status.st_ino, status.st_mtime_ns)
    return sorted(found, key=lambda scores: scores.created_at, reverse=True)


@lru_cache(maxsize=1024)
def _scores(path: Path, run: str, _inode: int, _written: int) -> tuple[RunScores, ...]:
    try:
        stored = read_json(path)
        about = (str(stored["name"]), str(stored["dataset"]), int(stored["rows"]), str(stored["asked"]))
        models = [read_model_scores(model) for model in stored["models"]]
        created_at = float(stored["created_at"])
    except (ValueError, KeyError, TypeError, AttributeError):
        # A file of another kind, or a torn one, tells nothing of this run.
        return ()
    return tuple(
        RunScores(
            *about,
            created_at,
            model.checkpoint,
            model.estimates,
            model.differences,
            models[0].estimates if place else {},
        )
        for place, model in enumerate(models)
        if model.run == run and model.estimates
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What some runs were evaluated on: the same rows in the same words."""

    dataset: str
    rows: int
    key: str


def compare_scores(home: Home, runs: Sequence[str]) -> dict[tuple[Asked, str], tuple[Estimate | None, ...]]:
    """The newest scores of what some runs became, by what was asked and metric; None where a run has none."""
    newest: list[dict[tuple[Asked, str], Estimate]] = []
    for run in runs:
        found: dict[tuple[Asked, str], Estimate] = {}
        for scores in list_run_scores(home, run):
            if scores.checkpoint is None:
                asked = Asked(scores.dataset, scores.rows, scores.asked)
                for metric, estimate in scores.estimates.items():
                    found.setdefault((asked, metric), estimate)
        newest.append(found)
    keys = dict.fromkeys(key for found in newest for key in found)
    return {key: tuple(found.get(key) for found in newest) for key in keys}
