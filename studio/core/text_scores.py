"""How close an answer is to its reference: exact match, token F1, BLEU-4, ROUGE-1/2/L and chrF."""

import importlib
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.segmentation import has_han, is_mainly_chinese, rouge_words, same_forms

TEXT_METRICS = ("exact", "f1", "bleu4", "rouge1", "rouge2", "rougeL", "chrf")
BLEU_ORDER = 4
CHRF_ORDER = 6
CHRF_BETA = 2

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RowScore:
    """How close one answer is to its reference, in percent, and the counts from which BLEU and chrF of many follow.

    `bleu_counts`: the answer's and the reference's length, then matches and n-grams of orders 1–4, in tokens of
    `tokenizer`. `chrf_counts`: the answer's, the reference's and common n-grams of characters, of orders 1–6.
    """

    exact: float
    f1: float
    bleu4: float
    rouge1: float
    rouge2: float
    rougeL: float
    chrf: float
    tokenizer: str
    bleu_counts: tuple[int, ...]
    chrf_counts: tuple[int, ...]


def bleu_tokenizer(references: Iterable[str]) -> str:
    """sacrebleu's tokenizer for such references: `zh` where they are mainly Chinese, else `13a`."""
    return "zh" if is_mainly_chinese(references) else "13a"


def score_text(answer: str, reference: str, tokenizer: str | None = None) -> RowScore:
    """How close an answer is to its reference, each metric from 0 to 100.

    `exact` after white space around is dropped and full-width forms are made the usual ones (NFKC); case and
    punctuation count, `f1` is the metric that forgives them. `bleu4` is sacrebleu's `sentence_bleu`, `chrf` its
    `sentence_chrf`, `rouge…` the F-measures of rouge-score. `tokenizer` is BLEU's; without one the reference says.
    `f1` counts the words that both share, as SQuAD does (Rajpurkar et al. 2016): lower case, without punctuation
    and English articles; Chinese words are jieba's. Two texts without a word are the same, one without a word
    shares nothing.
    """
    tokenizer = tokenizer or bleu_tokenizer([reference])
    said, wanted = rouge_words(answer, reference)
    bleu = _bleu(tokenizer, answer, reference)
    chrf_counts = _chrf_counts(answer, reference)
    return RowScore(
        exact=100.0 * (same_forms(answer) == same_forms(reference)),
        f1=_token_f1(*_f1_words(answer, reference, said, wanted)),
        bleu4=float(bleu.score),
        rouge1=_rouge_n(said, wanted, 1),
        rouge2=_rouge_n(said, wanted, 2),
        rougeL=_f_measure(common_length(said, wanted), len(said), len(wanted)),
        chrf=float(corpus_chrf(np.array([chrf_counts], dtype=np.float64))[0]),
        tokenizer=tokenizer,
        bleu_counts=(bleu.sys_len, bleu.ref_len, *bleu.counts, *bleu.totals),
        chrf_counts=chrf_counts,
    )


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """How long the longest common subsequence is (the L of ROUGE-L).

    Rows of the usual table are bits of one number (Hyyrö 2004), so that two texts of 20,000 words take less than a
    second; a cell at a time, as rouge-score does it, they would take a minute.
    """
    where: dict[str, int] = {}
    for place, word in enumerate(first):
        where[word] = where.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matches = row & where.get(word, 0)
        row = ((row + matches) | (row - matches)) & full
    return len(first) - row.bit_count()


def corpus_bleu(sums: Numbers) -> Numbers:
    """BLEU-4 of corpora from their summed `bleu_counts`, one a row, as sacrebleu's `corpus_bleu` has it.

    The formula is of Papineni et al. 2002; an order without a match is smoothed exponentially, sacrebleu's default.
    """
    said, wanted = sums[:, 0], sums[:, 1]
    matches, ngrams = sums[:, 2 : 2 + BLEU_ORDER], sums[:, 2 + BLEU_ORDER :]
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity = np.where(said < wanted, np.exp(1 - wanted / said), 1.0)
        smoothed = 0.5 ** np.cumsum(matches == 0, axis=1)
        precisions = 100 * np.where(matches > 0, matches, smoothed) / ngrams
        scores = brevity * np.exp(np.log(precisions).mean(axis=1))
    return np.where((ngrams > 0).all(axis=1) & (matches > 0).any(axis=1), scores, 0.0)


def corpus_chrf(sums: Numbers) -> Numbers:
    """chrF2 of corpora from their summed `chrf_counts`, one a row, as sacrebleu's `corpus_chrf` (Popović 2015)."""
    said, wanted, common = (sums[:, part::3] for part in range(3))
    counted = (said > 0) & (wanted > 0)
    orders = np.maximum(counted.sum(axis=1), 1)
    precision = (np.where(counted, common, 0.0) / np.where(counted, said, 1.0)).sum(axis=1) / orders
    recall = (np.where(counted, common, 0.0) / np.where(counted, wanted, 1.0)).sum(axis=1) / orders
    weight = CHRF_BETA**2
    whole = weight * precision + recall
    return 100 * (1 + weight) * precision * recall / np.where(whole > 0, whole, 1.0)


def _token_f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    if not said or not wanted:
        return 100.0 * (said == wanted)
    return _f_measure((Counter(said) & Counter(wanted)).total(), len(said), len(wanted))


def _f1_words(answer: str, reference: str, said: Sequence[str], wanted: Sequence[str]) -> Sequence[Sequence[str]]:
    """The words of both that F1 counts: of a pair with Chinese those of ROUGE, as cutting them takes time."""
    if has_han(answer + reference):
        return [[word for word in words if not _ARTICLES.fullmatch(word)] for words in (said, wanted)]
    even = (same_forms(text).lower().translate(_NO_PUNCTUATION) for text in (answer, reference))
    return [_ARTICLES.sub(" ", text).split() for text in even]


def _rouge_n(said: Sequence[str], wanted: Sequence[str], order: int) -> float:
    """The F-measure of common n-grams, in percent (Lin 2004)."""
    ngrams = [Counter(zip(*(words[start:] for start in range(order)), strict=False)) for words in (said, wanted)]
    return _f_measure((ngrams[0] & ngrams[1]).total(), ngrams[0].total(), ngrams[1].total())


def _f_measure(common: int, said: int, wanted: int) -> float:
    """The harmonic mean of precision and recall, in percent; 0 where nothing is common."""
    if not common:
        return 0.0
    precision, recall = common / said, common / wanted
    return 100.0 * (2 * precision * recall / (precision + recall))


def _chrf_counts(answer: str, reference: str) -> tuple[int, ...]:
    """Counts as sacrebleu's CHRF makes them, whose own method for it is private; the n-grams are the library's."""
    extract: Any = importlib.import_module("sacrebleu.metrics.helpers").extract_all_char_ngrams
    counts: list[int] = []
    for said, wanted in zip(extract(answer, CHRF_ORDER), extract(reference, CHRF_ORDER), strict=True):
        # n-grams of an order that the reference is too short for count for nothing.
        counts += (said.total() if wanted else 0, wanted.total(), (said & wanted).total())
    return tuple(counts)


def _bleu(tokenizer: str, answer: str, reference: str) -> Any:
    """sacrebleu's score of a row, which leaves out the orders that a short answer has no n-gram of."""
    scorer, tokenizers = _bleu_scorer(tokenizer)
    score = scorer.sentence_score(answer, [reference])
    # The library keeps its last 65,536 texts, which the studio would hold for good.
    for kept in tokenizers:
        kept.__call__.cache_clear()
    return score


@cache
def _bleu_scorer(tokenizer: str) -> tuple[Any, tuple[Any, ...]]:
    """The scorer, and the classes that cut its texts."""
    scorer: Any = importlib.import_module("sacrebleu.metrics.bleu").BLEU(tokenize=tokenizer, effective_order=True)
    inner: Any = importlib.import_module("sacrebleu.tokenizers.tokenizer_re").TokenizerRegexp
    return scorer, (scorer.tokenizer.__class__, inner)
