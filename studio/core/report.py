"""The report of an evaluation: each model's scores, compared with the first's, and every row."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from studio.core.answers import (
    Choices,
    find_choices,
    find_labels,
    read_choice,
    read_label,
    without_thoughts,
)
from studio.core.batch import BatchAnswer, BatchTable, Contender, problem_json
from studio.core.evaluation import Measured, wants_text
from studio.core.plain_json import without_nan
from studio.core.questions import Question, messages_of
from studio.core.scoring import (
    METRICS,
    TEXT_METRICS,
    Difference,
    Estimate,
    RowMeasures,
    bleu_tokenizer,
    compare,
    score_text,
    summarise,
)

# What is measured of a row may be shown beside it; of macro-F1, BLEU and perplexity only the whole is one number.
ROW_METRICS = tuple(name for name in METRICS if name not in ("macro_f1", "perplexity"))
# By what rows are sorted when nobody says by what: what says most of a row comes first.
TELLING = ("judge", "choice_accuracy", "label_accuracy", "f1", "margin", "loss")
ORDERS = ("worse", "better", "row")


@dataclass(frozen=True, slots=True)
class ModelScores:
    """How one model did: `estimates` by metric, and `differences` from the first model's, which has none.

    `run` and `checkpoint` say which run of this studio it is, where it is one. `failed` answers are not scored;
    `refused` rows could not be weighed, too long most likely; of `unjudged` answers the judge gave no points.
    """

    label: str
    model: str
    run: str
    checkpoint: int | None
    failed: int
    refused: int
    unjudged: int
    estimates: Mapping[str, Estimate]
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """What a model said to one question, and its scores by metric; `error` is why it said nothing."""

    text: str
    scores: Mapping[str, float]
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A question with its reference, and the models' answers by label."""

    question: Question
    answers: Mapping[str, ScoredAnswer]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of an evaluation: `labels` is the set of labels that the references are, where they are one.

    `asked` tells the same questions, put in the same words, from others. `tokenizer` is the one in which BLEU
    counts; times are Unix seconds.
    """

    name: str
    dataset: str
    asked: str
    created_at: float
    measures: tuple[str, ...]
    labels: tuple[str, ...]
    tokenizer: str
    models: tuple[ModelScores, ...]
    rows: tuple[ScoredRow, ...]

    @property
    def metrics(self) -> list[str]:
        """What was measured of any model, in the order of `METRICS`."""
        return [name for name in METRICS if any(name in model.estimates for model in self.models)]

    @property
    def row_metrics(self) -> list[str]:
        """What was measured of single rows."""
        return [name for name in ROW_METRICS if name in self.metrics]

    @property
    def telling(self) -> str:
        """What says most of a single row; empty where nothing was measured."""
        measured = self.row_metrics
        return next((name for name in TELLING if name in measured), next(iter(measured), ""))

    def to_json(self) -> dict[str, Any]:
        rows = [
            {**row.question.to_json(), "answers": {label: asdict(answer) for label, answer in row.answers.items()}}
            for row in self.rows
        ]
        told = {
            "name": self.name,
            "dataset": self.dataset,
            "asked": self.asked,
            "created_at": self.created_at,
            "measures": list(self.measures),
            "labels": list(self.labels),
            "tokenizer": self.tokenizer,
            "models": [asdict(model) for model in self.models],
            "questions": rows,
            # How many there were is asked more often than what they said.
            "rows": len(rows),
        }
        # What is no number is null in the file.
        return cast("dict[str, Any]", without_nan(told))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Report":
        questions = cast("Sequence[Mapping[str, Any]]", stored["questions"])
        rows = tuple(
            ScoredRow(
                Question.from_json(row), {label: ScoredAnswer(**answer) for label, answer in row["answers"].items()}
            )
            for row in questions
        )
        models = tuple(read_model_scores(model) for model in stored["models"])
        return cls(
            stored["name"],
            stored["dataset"],
            stored["asked"],
            stored["created_at"],
            tuple(stored["measures"]),
            tuple(stored["labels"]),
            stored["tokenizer"],
            models,
            rows,
        )


def read_model_scores(stored: Mapping[str, Any]) -> ModelScores:
    """The scores of a model as they are kept. Raises KeyError and TypeError for what is none."""
    estimates = {name: Estimate(**_with_nan(found)) for name, found in stored["estimates"].items()}
    differences = {name: Difference(**_with_nan(found)) for name, found in stored["differences"].items()}
    kept: dict[str, Any] = {**stored, "estimates": estimates, "differences": differences}
    return ModelScores(**kept)


def _with_nan(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in stored.items()}


def make_report(
    name: str,
    dataset: str,
    created_at: float,
    measures: Sequence[str],
    contenders: Sequence[tuple[Contender, str, int | None]],
    table: BatchTable,
) -> Report:
    """Score every answer; `contenders` come with their run and checkpoint, the others are compared with the first.

    What failed is counted and not scored, so two models are compared on the rows that both have answered.
    """
    references = [question.reference for question in table.questions if question.reference]
    labels = find_labels(references) if "answers" in measures else ()
    tokenizer = bleu_tokenizer(references)
    choices = {
        question.number: find_choices(question.text, question.reference)
        for question in table.questions
        if "choices" in measures
    }
    scored: dict[str, dict[int, RowMeasures]] = {}
    for contender, _, _ in contenders:
        scored[contender.label] = {
            question.number: _measure(question, answer, measures, labels, tokenizer, choices.get(question.number))
            for question in table.questions
            if (answer := table.answers.get((question.number, contender.label))) and not answer.error
        }
    first = scored[contenders[0][0].label]
    answers_by: dict[str, list[BatchAnswer]] = {label: [] for label in table.labels}
    for (_, label), answer in table.answers.items():
        answers_by[label].append(answer)
    models = tuple(
        ModelScores(
            contender.label,
            contender.model,
            run,
            checkpoint,
            sum(1 for question in table.questions if _failed(table, question, contender.label)),
            sum(1 for answer in answers_by[contender.label] if "refused" in answer.measured),
            sum(1 for answer in answers_by[contender.label] if _is_unjudged(answer)),
            summarise(list(scored[contender.label].values())),
            compare(first, scored[contender.label]) if place else {},
        )
        for place, (contender, run, checkpoint) in enumerate(contenders)
    )
    rows = tuple(
        ScoredRow(
            question,
            {
                label: _scored(answer, scored[label].get(question.number))
                for label in table.labels
                if (answer := table.answers.get((question.number, label)))
            },
        )
        for question in table.questions
    )
    return Report(name, dataset, identify(table), created_at, tuple(measures), labels, tokenizer, models, rows)


def identify(table: BatchTable) -> str:
    """What tells the same questions, put in the same words, from others."""
    asked = [(each.number, each.reference, messages_of(each, table.wording)) for each in table.questions]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()[:16]


def sort_rows(report: Report, label: str, metric: str, order: str) -> list[ScoredRow]:
    """The rows by how much a model is worse (or better) than the first one by a metric; rows without it come last.

    The rows of the first model itself are sorted by its scores.
    """
    if order not in ("worse", "better") or not metric:
        return list(report.rows)
    first = report.models[0].label

    def rank(row: ScoredRow) -> float:
        found = score_of(row, label, metric) if label == first else change_of(row, first, label, metric)
        if found is None or math.isnan(found):
            return math.inf
        gained = found if METRICS[metric].higher_is_better else -found
        return gained if order == "worse" else -gained

    return sorted(report.rows, key=rank)


def score_of(row: ScoredRow, label: str, metric: str) -> float | None:
    """What a model's answer scores; None where it has no such score."""
    return row.answers[label].scores.get(metric) if label in row.answers else None


def change_of(row: ScoredRow, first: str, label: str, metric: str) -> float | None:
    """What a model's answer scores more than the first model's; None where one has no such score."""
    before, after = score_of(row, first, metric), score_of(row, label, metric)
    return None if before is None or after is None else after - before


def is_gain(metric: str, change: float) -> bool:
    """Whether a change of a metric is for the better."""
    return change > 0 if METRICS[metric].higher_is_better else change < 0


def _is_number(score: float | None) -> bool:
    return score is not None and math.isfinite(score)


def _failed(table: BatchTable, question: Question, label: str) -> bool:
    answer = table.answers.get((question.number, label))
    return answer is None or answer.error is not None


def _measure(
    question: Question,
    answer: BatchAnswer,
    measures: Sequence[str],
    labels: Sequence[str],
    tokenizer: str,
    choices: Choices | None,
) -> RowMeasures:
    measured = answer.measured
    row = RowMeasures()
    if "answers" in measures and question.text and question.reference:
        # What a model thinks aloud is not its answer.
        said, reference = without_thoughts(answer.text), without_thoughts(question.reference)
        row = replace(row, answer=said, reference=reference, score=score_text(said, reference, tokenizer))
        if labels:
            label = read_label(answer.text, labels)
            row = replace(row, label=label, true_label=read_label(question.reference, labels))
    logprob = _number(measured, "logprob")
    if "likelihood" in measures and logprob is not None:
        row = replace(row, nll=-logprob, tokens=int(measured["tokens"] or 0))
    rejected = _number(measured, "rejected")
    if logprob is not None and rejected is not None:
        row = replace(row, pair_margin=logprob - rejected)
    if choices:
        # A server that tells no likelihoods has said what it picks, where it was asked for answers.
        if "choice" in measured:
            picked = measured["choice"]
            row = replace(row, choice_right=math.nan if picked is None else picked == choices.right)
        elif wants_text(measures):
            row = replace(row, choice_right=read_choice(answer.text, choices.letters) == choices.right)
    return replace(row, judge=_number(measured, "judge"))


def _number(measured: Measured, name: str) -> float | None:
    """What was measured, NaN for what is no number; None where it was not."""
    if name not in measured:
        return None
    value = measured[name]
    return math.nan if value is None else float(value)


def _is_unjudged(answer: BatchAnswer) -> bool:
    return "verdict" in answer.measured and "judge" not in answer.measured


def _scored(answer: BatchAnswer, row: RowMeasures | None) -> ScoredAnswer:
    if row is None:
        return ScoredAnswer("", {}, problem_json(answer.error) if answer.error else None)
    scores: dict[str, float] = {}
    if row.score:
        scores |= {name: getattr(row.score, name) for name in TEXT_METRICS}
    if row.true_label is not None:
        scores["label_accuracy"] = 100.0 * (row.label == row.true_label)
    if row.nll is not None and row.tokens:
        scores["loss"] = row.nll / row.tokens
    if row.choice_right is not None:
        scores["choice_accuracy"] = 100.0 * row.choice_right
    if row.pair_margin is not None:
        scores["margin"] = row.pair_margin
        if not math.isnan(row.pair_margin):
            scores["preference_accuracy"] = 100.0 * (row.pair_margin > 0)
    if row.judge is not None:
        scores["judge"] = row.judge
    return ScoredAnswer(answer.text, {name: scores[name] for name in ROW_METRICS if _is_number(scores.get(name))})
