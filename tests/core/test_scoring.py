"""Metrics of many rows, their intervals, and differences between two models."""

import math
import random
from dataclasses import replace

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.scoring import METRICS, TEXT_METRICS, Estimate, RowMeasures, compare, score_text, summarise

WORDS = ["the", "model", "answers", "a", "question", "about", "data", "and", "weights", "模型", "回答", "问题"]


def a_text(random_: random.Random) -> str:
    return " ".join(random_.choices(WORDS, k=8))


def some_rows(count: int, seed: int = 0) -> list[RowMeasures]:
    random_ = random.Random(seed)
    return [
        RowMeasures(
            a_text(random_),
            a_text(random_),
            label=random_.choice(["a", "b", None]),
            true_label=random_.choice("ab"),
            nll=random_.uniform(1, 9),
            tokens=random_.randint(1, 5),
            choice_right=random_.random() < 0.5,
            pair_margin=random_.uniform(-1, 1),
            judge=random_.uniform(1, 10),
        )
        for _ in range(count)
    ]


def test_what_nobody_measured_is_absent_and_each_metric_rests_on_its_own_rows() -> None:
    found = summarise([RowMeasures(judge=4), RowMeasures(judge=6), RowMeasures(choice_right=True), RowMeasures()])
    assert list(found) == ["choice_accuracy", "judge"]
    assert (found["judge"].value, found["judge"].rows) == (5, 2)
    assert found["choice_accuracy"] == Estimate(100, 100, 100, 1)
    assert summarise([]) == {}
    assert list(summarise(some_rows(3))) == list(METRICS)


def test_corpus_metrics_are_sacrebleus_of_all_rows_and_the_others_means() -> None:
    rows = some_rows(40)
    found = summarise(rows)
    answers, references = [row.answer or "" for row in rows], [row.reference or "" for row in rows]
    assert found["bleu4"].value == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score)
    assert found["chrf"].value == pytest.approx(sacrebleu.corpus_chrf(answers, [references]).score)
    scores = [score_text(*pair) for pair in zip(answers, references, strict=True)]
    assert found["rougeL"].value == pytest.approx(sum(score.rougeL for score in scores) / 40)
    assert found["bleu4"].detail == "13a"


def test_the_tokenizer_of_the_corpus_is_used_also_where_rows_came_with_another_score() -> None:
    pairs = [("我今天去北京看天安门。", "今天我去北京参观天安门。"), ("OK, 可以 3.14&quot;", "OK, fine 3.14&quot;")]
    rows = [RowMeasures(answer, reference, score_text(answer, reference)) for answer, reference in pairs]
    answers, references = (list(texts) for texts in zip(*pairs, strict=True))
    found = summarise(rows)["bleu4"]
    assert found.detail == "zh"
    assert found.value == pytest.approx(sacrebleu.corpus_bleu(answers, [references], tokenize="zh").score)


def test_rows_may_come_with_their_scores_alone() -> None:
    score = score_text("我今天去北京看天安门。", "今天我去北京参观天安门。")
    found = summarise([RowMeasures(score=score), RowMeasures(score=score)])
    assert (found["bleu4"].detail, found["bleu4"].rows) == ("zh", 2)
    assert found["rougeL"].value == pytest.approx(score.rougeL)


def test_macro_f1_is_the_mean_over_labels_and_an_unread_label_is_wrong() -> None:
    # a: 2 right of 2 said and 3 true, F1 4/5; b: 1 right of 2 said and 2 true, F1 1/2; c: never said, 0.
    pairs = [("a", "a"), ("a", "a"), ("b", "a"), ("b", "b"), (None, "b"), ("odd", "c")]
    found = summarise([RowMeasures(label=said, true_label=true) for said, true in pairs])
    assert found["label_accuracy"].value == pytest.approx(100 * 3 / 6)
    assert found["macro_f1"].value == pytest.approx(100 * (0.8 + 0.5 + 0) / 3)


def test_loss_is_the_mean_over_tokens_and_perplexity_its_exponential() -> None:
    found = summarise(
        [RowMeasures(nll=1.0, tokens=1), RowMeasures(nll=9.0, tokens=4), RowMeasures(nll=0.0, tokens=0)]
    )
    assert (found["loss"].value, found["loss"].rows) == (2.0, 2)
    assert found["perplexity"].value == pytest.approx(math.exp(2))
    assert found["perplexity"].low == pytest.approx(math.exp(found["loss"].low))


def test_a_pair_counts_when_the_chosen_answer_is_likelier() -> None:
    found = summarise([RowMeasures(pair_margin=margin) for margin in (2.0, -1.0, 0.0, 0.6)])
    assert found["preference_accuracy"].value == 50
    assert found["margin"].value == pytest.approx(0.4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_is_told_and_not_left_out(bad: float) -> None:
    found = summarise([RowMeasures(nll=1.0, tokens=1, judge=3), RowMeasures(nll=bad, tokens=1, judge=5)])
    assert math.isnan(found["loss"].value)
    assert math.isnan(found["loss"].high)
    assert (found["loss"].broken_rows, found["loss"].rows) == (1, 2)
    assert (found["judge"].value, found["judge"].broken_rows) == (4, 0)
    margins = {0: RowMeasures(pair_margin=bad), 1: RowMeasures(pair_margin=1.0)}
    assert math.isnan(summarise(list(margins.values()))["margin"].value)
    differs = compare(margins, {0: RowMeasures(pair_margin=1.0), 1: RowMeasures(pair_margin=1.0)})["margin"]
    assert math.isnan(differs.value)
    assert (differs.is_certain, differs.broken_rows) == (False, 1)


def test_a_perplexity_beyond_all_numbers_is_infinite() -> None:
    assert (
        summarise([RowMeasures(nll=5000.0, tokens=1), RowMeasures(nll=6000.0, tokens=1)])["perplexity"].value
        == math.inf
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10_000))
def test_an_interval_holds_its_value(count: int, seed: int) -> None:
    for found in summarise(some_rows(count, seed)).values():
        assert found.low <= found.value <= found.high
        assert found.rows == count


def test_an_interval_holds_also_a_value_that_resamples_hardly_reach() -> None:
    # A label with one of its two rows right has an F1 of 2/3, of resampled rows 0.54 on average.
    rows = [RowMeasures(label=said, true_label=str(n)) for n in range(200) for said in (str(n), None)]
    found = summarise(rows)["macro_f1"]
    assert found.value == pytest.approx(200 / 3)
    assert found.low < 60
    assert found.high == found.value


def test_one_row_and_equal_rows_have_no_width() -> None:
    for rows in (some_rows(1), some_rows(1) * 7):
        for found in summarise(rows).values():
            assert found.low == found.value == found.high


def test_more_rows_make_narrower_intervals_and_the_same_rows_the_same_one() -> None:
    few, many = summarise(some_rows(40)), summarise(some_rows(400))
    for name in ("f1", "chrf", "label_accuracy", "loss", "judge"):
        assert many[name].high - many[name].low < few[name].high - few[name].low
    assert summarise(some_rows(40)) == few


def test_the_interval_of_a_share_is_as_wide_as_theory_says() -> None:
    found = summarise([RowMeasures(choice_right=number % 2 == 0) for number in range(400)])["choice_accuracy"]
    # 50 % of 400: a standard error of 2.5 points, 1.96 of them on each side.
    assert (found.low, found.high) == pytest.approx((45.1, 54.9), abs=0.7)


def test_equal_models_differ_by_nothing() -> None:
    rows = dict(enumerate(some_rows(30)))
    for found in compare(rows, rows).values():
        assert (found.value, found.low, found.high, found.is_certain) == (0, 0, 0, False)


def test_a_difference_is_the_second_minus_the_first_on_the_rows_of_both() -> None:
    first = {key: RowMeasures(judge=judge) for key, judge in ((1, 2.0), (2, 4.0), (9, 10.0))}
    second = {2: RowMeasures(judge=5.0), 1: RowMeasures(judge=5.0), 8: RowMeasures(judge=1.0)}
    found = compare(first, second)["judge"]
    assert (found.value, found.rows) == (2, 2)
    assert (found.low, found.high) == (1, 3)
    assert compare(first, {5: RowMeasures(judge=1.0)}) == {}
    assert compare(first, {1: RowMeasures(choice_right=True)}) == {}


def test_a_paired_interval_is_narrower_than_the_models_own() -> None:
    first = dict(enumerate(some_rows(60)))
    second = {key: replace(row, judge=(row.judge or 0) + 0.1 + 0.01 * (key % 3)) for key, row in first.items()}
    found = compare(first, second)["judge"]
    own = summarise(list(first.values()))["judge"]
    assert found.is_certain
    assert found.high - found.low < (own.high - own.low) / 10


def test_few_rows_make_nothing_certain() -> None:
    for count, certain in ((5, False), (6, True)):
        wrong, right = (
            {key: RowMeasures(choice_right=is_right) for key in range(count)} for is_right in (False, True)
        )
        found = compare(wrong, right)["choice_accuracy"]
        assert (found.value, found.low, found.is_certain) == (100, 100, certain)


def test_empty_and_odd_texts_are_rows_like_others() -> None:
    rows = [
        RowMeasures(answer, reference) for answer, reference in (("", ""), (" \n", "x"), ("x", ""), ("😀", "👍🏽"))
    ]
    found = summarise(rows)
    assert set(found) == set(TEXT_METRICS)
    assert all(0 <= estimate.low <= estimate.high <= 100 for estimate in found.values())


def test_a_metric_tells_which_way_is_better() -> None:
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == {"loss", "perplexity"}
