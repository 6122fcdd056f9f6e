"""What was measured of models' answers, as numbers with intervals: the metrics of the Evaluate tab."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studio.core.intervals import Difference, Estimate, Numbers, Sums, estimate, estimate_differences
from studio.core.text_scores import TEXT_METRICS, RowScore, bleu_tokenizer, corpus_bleu, corpus_chrf, score_text

__all__ = [
    "METRICS",
    "TEXT_METRICS",
    "Difference",
    "Estimate",
    "Metric",
    "RowMeasures",
    "RowScore",
    "bleu_tokenizer",
    "compare",
    "score_text",
    "summarise",
]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that tells how good a model is; `unit` is `percent`, `nats`, `points` (0 to 10) or nothing."""

    name: str
    higher_is_better: bool
    unit: str


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *(Metric(name, True, "percent") for name in TEXT_METRICS),
        Metric("label_accuracy", True, "percent"),
        Metric("macro_f1", True, "percent"),
        Metric("loss", False, "nats"),
        Metric("perplexity", False, ""),
        Metric("choice_accuracy", True, "percent"),
        Metric("preference_accuracy", True, "percent"),
        Metric("margin", True, "nats"),
        Metric("judge", True, "points"),
    )
}


@dataclass(frozen=True, slots=True)
class RowMeasures:
    """What was measured of one question for one model; a part that is None was not.

    `answer` and `reference` are scored as texts; `score` is their score, where somebody has made it already.
    Without the texts it counts where its tokenizer is that of all rows.
    `true_label` is one of a set of labels, `label` the one read from the answer, None where none was found; it then
    counts as wrong. `nll` is the sum of -log p in nats over the reference's `tokens`, `pair_margin` is
    log p(chosen) - log p(rejected).
    """

    answer: str | None = None
    reference: str | None = None
    score: RowScore | None = None
    label: str | None = None
    true_label: str | None = None
    nll: float | None = None
    tokens: int | None = None
    choice_right: bool | float | None = None
    pair_margin: float | None = None
    judge: float | None = None


def summarise(rows: Sequence[RowMeasures]) -> dict[str, Estimate]:
    """Every metric that some row was measured for, in the order of `METRICS`, on the rows that have its part.

    BLEU and chrF are of all rows as one corpus, the other text metrics means over rows. `loss` is the mean over
    tokens, as the trainer's, `perplexity` its exponential. Macro-F1 is the mean over the labels that are true of
    some row. Scoring texts takes milliseconds a row: what is summarised often is better given with its `score`.
    """
    keyed = dict(enumerate(rows))
    return estimate(_sums(keyed, _tokenizer(rows), _labels(rows)))


def compare(first: Mapping[int, RowMeasures], second: Mapping[int, RowMeasures]) -> dict[str, Difference]:
    """The second model minus the first, metric by metric, on the rows that both were measured on, found by key."""
    keys = sorted(first.keys() & second.keys())
    both = [rows[key] for rows in (first, second) for key in keys]
    tokenizer, labels = _tokenizer(both), _labels(both)
    before, after = (_sums({key: rows[key] for key in keys}, tokenizer, labels) for rows in (first, second))
    return estimate_differences(before, after)


def _tokenizer(rows: Iterable[RowMeasures]) -> str:
    """The references decide; where rows came without them, the scores that somebody made of them."""
    rows = list(rows)
    references = [row.reference for row in rows if row.reference is not None]
    made = Counter(row.score.tokenizer for row in rows if row.score is not None)
    return bleu_tokenizer(references) if references or not made else made.most_common(1)[0][0]


def _labels(rows: Iterable[RowMeasures]) -> list[str]:
    return sorted({row.true_label for row in rows if row.true_label is not None})


def _sums(rows: Mapping[int, RowMeasures], tokenizer: str, labels: Sequence[str]) -> dict[str, Sums]:
    found = {
        **_text_sums(rows, tokenizer),
        **_label_sums(rows, labels),
        **_loss_sums(rows),
        "choice_accuracy": _mean(rows, lambda row: _percent(row.choice_right)),
        "preference_accuracy": _mean(rows, _prefers_chosen),
        "margin": _mean(rows, lambda row: row.pair_margin),
        "judge": _mean(rows, lambda row: row.judge),
    }
    return {name: found[name] for name in METRICS if name in found and found[name].keys}


def _text_sums(rows: Mapping[int, RowMeasures], tokenizer: str) -> dict[str, Sums]:
    scores: dict[int, RowScore] = {}
    for key, row in rows.items():
        if row.score is not None and row.score.tokenizer == tokenizer:
            scores[key] = row.score
        elif row.answer is not None and row.reference is not None:
            scores[key] = score_text(row.answer, row.reference, tokenizer)
    if not scores:
        return {}
    keys = tuple(scores)
    found = {name: _means(keys, [getattr(score, name) for score in scores.values()]) for name in TEXT_METRICS}
    bleu, chrf = (_table([getattr(s, name) for s in scores.values()]) for name in ("bleu_counts", "chrf_counts"))
    return {**found, "bleu4": Sums(keys, bleu, corpus_bleu, tokenizer), "chrf": Sums(keys, chrf, corpus_chrf)}


def _label_sums(rows: Mapping[int, RowMeasures], labels: Sequence[str]) -> dict[str, Sums]:
    labelled = {key: row for key, row in rows.items() if row.true_label is not None}
    if not labelled:
        return {}
    keys = tuple(labelled)
    wanted = np.array(
        [[row.true_label == label for label in labels] for row in labelled.values()], dtype=np.float64
    )
    said = np.array([[row.label == label for label in labels] for row in labelled.values()], dtype=np.float64)
    return {
        "label_accuracy": _means(keys, [100.0 * (row.label == row.true_label) for row in labelled.values()]),
        "macro_f1": Sums(keys, np.hstack([wanted, said, wanted * said]), _macro_f1),
    }


def _loss_sums(rows: Mapping[int, RowMeasures]) -> dict[str, Sums]:
    known = {key: (row.nll, row.tokens) for key, row in rows.items() if row.nll is not None and row.tokens}
    if not known:
        return {}
    parts = _table(list(known.values()))
    return {"loss": Sums(tuple(known), parts, _ratio), "perplexity": Sums(tuple(known), parts, _exp_ratio)}


def _mean(rows: Mapping[int, RowMeasures], part: Callable[[RowMeasures], float | None]) -> Sums:
    values = {key: value for key, row in rows.items() if (value := part(row)) is not None}
    return _means(tuple(values), list(values.values()))


def _means(keys: tuple[int, ...], values: Sequence[float]) -> Sums:
    return Sums(keys, _table([(value, 1) for value in values]), _ratio)


def _table(rows: Sequence[Sequence[float | None]]) -> Numbers:
    return np.array(rows, dtype=np.float64)


def _percent(right: bool | float | None) -> float | None:
    return None if right is None else 100.0 * right


def _prefers_chosen(row: RowMeasures) -> float | None:
    """A margin above 0 counts, a tie does not; one that is no number stays none, so that it is told."""
    margin = row.pair_margin
    return margin if margin is None or margin != margin else 100.0 * (margin > 0)


def _ratio(sums: Numbers) -> Numbers:
    return sums[:, 0] / sums[:, 1]


def _exp_ratio(sums: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        return np.exp(_ratio(sums))


def _macro_f1(sums: Numbers) -> Numbers:
    """The mean of the labels' F1 in percent, over the labels that are true of a row of the sample."""
    wanted, said, right = np.split(sums, 3, axis=1)
    scores = 2 * right / np.maximum(wanted + said, 1)
    return 100 * scores.sum(axis=1) / np.maximum((wanted > 0).sum(axis=1), 1)
