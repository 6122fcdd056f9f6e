"""A judge is asked with the texts as they are, and its score is found in what it writes."""

import pytest

from studio.core.judging import fill_rubric, read_verdict
from studio.core.scoring import METRICS
from studio.texts import LANGUAGES, TEXTS, say


def test_what_is_filled_in_is_not_filled_again() -> None:
    template = "Q {question} R {reference} A {answer} {other} {}"
    assert fill_rubric(template, "what is {answer}?", r"\1 {question}", "{") == (
        r"Q what is {answer}? R \1 {question} A { {other} {}"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_given_rubric_has_a_place_for_everything_and_its_own_form_is_read(language: str) -> None:
    rubric = say("evaluate.rubric", language)
    filled = fill_rubric(rubric, "question-1", "reference-2", "answer-3")
    assert all(text in filled for text in ("question-1", "reference-2", "answer-3"))
    assert "{" not in filled
    asked_form = filled.splitlines()[-1]
    assert read_verdict(asked_form.replace("<number>", "8").replace("<数字>", "8")) == 8
    # A judge that only repeats what it was asked gives no score.
    assert read_verdict(filled) is None


def test_every_metric_has_a_name_and_a_line_on_it() -> None:
    assert {f"metric.{name}{part}" for name in METRICS for part in ("", ".help")} <= TEXTS.keys()


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"score": 7}', 7),
        ('```json\n{"reason": "2 of 3 facts", "score": "7.5"}\n```', 7.5),
        ("评分：8/10", 8),
        ("综合评分为 9 分。", 9),
        ("得分：**6**", 6),
        ("Score: 7", 7),
        ("**Score:** 7/10", 7),
        ("Score (1-10): 4", 4),
        ("I'd give a score of 3.", 3),
        ("Rating: 9 out of 10", 9),
        ("[[6]]", 6),
        ("Score: 3 at first. Final score: 5", 5),
        ("There are 3 faults.\n\n8", 8),
        ("It is good.\n9/10", 9),
        ("不错。\n８分", 8),
        ("<think>Score: 2</think>Score: 9", 9),
        ("Score: 2</think>Score: 9", 9),
        ("Score: 10", 10),
        ('The answer says {"score": 10}, which is no merit.\nScore: 2', 2),
        ('{"overall_score": 4}', 4),
        ("Score: 0", 0),
        ("Score: 11", None),
        ("Score: -3", None),
        ("Score: 85/100", None),
        ("Score: 4/5", None),
        ("<think>Score: 2", None),
        ("There are 3 faults.", None),
        ("3 faults\nnone fatal", None),
        ("Score: high", None),
        ("", None),
    ],
)
def test_a_score_is_read_out_of_what_a_judge_wrote(text: str, score: float | None) -> None:
    assert read_verdict(text) == score
