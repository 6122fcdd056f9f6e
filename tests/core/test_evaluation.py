"""What is measured of an answer, the report, and the forms in which it is kept."""

import json
import math

import pytest

from studio.core.batch import BatchAnswer, BatchTable, Contender
from studio.core.endpoint import Likelihood
from studio.core.evaluation import (
    awaits_verdict,
    find_measure_problems,
    read_weights,
    texts_to_weigh,
    with_verdict,
)
from studio.core.questions import Question, Wording
from studio.core.report import Report, change_of, identify, is_gain, make_report, sort_rows
from studio.core.report_writing import report_csv, report_json, report_markdown
from studio.errors import Problem

ASKED = Question(1, "Fever?\nA. rest\nB. run", reference="A")
PAIR = Question(2, "Cold?", reference="tea", rejected="ice")


def answer(question: int, label: str, text: str = "", **measured: float | str | None) -> BatchAnswer:
    return BatchAnswer(question, label, text, measured=measured)


def report(
    questions: list[Question],
    answers: list[BatchAnswer],
    *measures: str,
    labels: tuple[str, ...] = ("base", "tuned"),
) -> Report:
    table = BatchTable(questions, labels, {(each.question, each.label): each for each in answers})
    contenders = [(Contender(label, label), f"m/full/{label}" if label != "base" else "", None) for label in labels]
    return make_report("e", "d", 1.0, measures or ("answers",), contenders, table)


def key_alone(key: str, **_: str) -> str:
    return key


# What is asked of a model.


def test_a_reference_is_weighed_with_its_end_and_letters_without() -> None:
    assert texts_to_weigh(ASKED, ["likelihood", "choices"]) == [
        ({"reference": "A"}, True),
        ({"choice A": "A", "choice B": "B"}, False),
    ]


def test_a_pair_is_weighed_on_both_sides_and_a_row_without_one_is_not() -> None:
    assert texts_to_weigh(PAIR, ["pairs"]) == [({"reference": "tea", "rejected": "ice"}, True)]
    assert texts_to_weigh(ASKED, ["pairs"]) == []
    assert texts_to_weigh(PAIR, ["answers"]) == []


def test_the_likeliest_letter_is_the_choice() -> None:
    found = {"choice A": Likelihood(-3.0, 1), "choice B": Likelihood(-1.0, 1), "reference": Likelihood(-4.0, 2)}
    assert read_weights(found) == {"logprob": -4.0, "tokens": 2, "choice": "B"}


def test_letters_of_a_broken_model_are_no_choice() -> None:
    found = {"choice A": Likelihood(math.nan, 1), "choice B": Likelihood(-1.0, 1)}
    assert read_weights(found) == {"choice": None}


def test_what_the_rows_have_nothing_for_is_told_before_the_start() -> None:
    bare = [Question(1, "Why?")]
    assert [problem.code for problem in find_measure_problems(["answers", "choices", "pairs"], bare)] == [
        "nothing_for_answers",
        "nothing_for_choices",
        "nothing_for_pairs",
    ]
    assert find_measure_problems(["answers", "choices", "pairs", "likelihood"], [ASKED, PAIR]) == []
    assert find_measure_problems(["taste"], [ASKED]) == [
        Problem("evaluate_measures", "unknown_measure", {"given": "taste"})
    ]


def test_a_verdict_is_kept_with_its_points_or_without() -> None:
    said = with_verdict(answer(1, "base", "x", logprob=-1.0), "Well.\nScore: 7")
    assert said.measured == {"logprob": -1.0, "verdict": "Well.\nScore: 7", "judge": 7.0}
    assert not awaits_verdict(said)
    assert with_verdict(answer(1, "base"), "I will not say.").measured == {"verdict": "I will not say."}
    assert not awaits_verdict(BatchAnswer(1, "base", error=Problem("", "endpoint_silent")))


# The report.


def test_the_tuned_model_is_compared_with_the_base_on_what_both_have_answered() -> None:
    questions = [Question(number, f"q{number}", reference="drink tea") for number in range(1, 9)]
    answers = [answer(each.number, "base", "run fast") for each in questions]
    answers += [answer(each.number, "tuned", "drink tea") for each in questions[:-1]]
    answers.append(BatchAnswer(8, "tuned", error=Problem("", "endpoint_silent")))
    base, tuned = report(questions, answers).models
    assert (base.estimates["exact"].value, tuned.estimates["exact"].value) == (0, 100)
    assert (tuned.estimates["exact"].rows, tuned.failed, base.failed) == (7, 1, 0)
    difference = tuned.differences["f1"]
    assert (difference.value, difference.rows, difference.is_certain) == (100, 7, True)
    assert base.differences == {}


def test_the_loss_is_the_mean_over_tokens_and_the_margin_that_over_pairs() -> None:
    answers = [
        answer(1, "base", logprob=-2.0, tokens=1),
        answer(2, "base", logprob=-4.0, tokens=3, rejected=-5.5),
    ]
    made = report([ASKED, PAIR], answers, "likelihood", "pairs", labels=("base",))
    estimates = made.models[0].estimates
    assert estimates["loss"].value == pytest.approx(6 / 4)
    assert estimates["perplexity"].value == pytest.approx(math.exp(1.5))
    assert (estimates["margin"].value, estimates["preference_accuracy"].value) == (1.5, 100)
    assert made.rows[1].answers["base"].scores == {"loss": 4 / 3, "preference_accuracy": 100, "margin": 1.5}


def test_a_choice_is_read_from_the_answer_where_no_likelihoods_are_told() -> None:
    answers = [answer(1, "base", "The answer is B."), answer(1, "tuned", "", choice="A")]
    base, tuned = report([ASKED], answers, "answers", "choices").models
    assert base.estimates["choice_accuracy"].value == 0
    assert tuned.estimates["choice_accuracy"].value == 100


def test_a_choice_that_nobody_was_asked_for_is_not_counted_as_wrong() -> None:
    made = report([ASKED], [answer(1, "base")], "choices", labels=("base",))
    assert made.models[0].estimates == {}


def test_choices_whose_likelihoods_are_no_numbers_do_not_flatter() -> None:
    answers = [answer(1, "base", choice="A"), answer(3, "base", choice=None)]
    made = report([ASKED, Question(3, ASKED.text, reference="A")], answers, "choices", labels=("base",))
    assert made.models[0].estimates["choice_accuracy"].broken_rows == 1
    assert made.rows[1].answers["base"].scores == {}


def test_a_margin_that_is_no_number_prefers_nothing() -> None:
    made = report([PAIR], [answer(2, "base", logprob=-1.0, tokens=1, rejected=None)], "pairs", labels=("base",))
    assert made.models[0].estimates["preference_accuracy"].broken_rows == 1
    assert made.rows[0].answers["base"].scores == {}


def test_what_a_model_thinks_aloud_is_not_its_answer() -> None:
    made = report([PAIR], [answer(2, "base", "<think>ice?</think>tea")], labels=("base",))
    assert made.models[0].estimates["exact"].value == 100


def test_the_same_rows_in_other_words_are_others() -> None:
    table = BatchTable([PAIR], ["base"], {})
    asked = identify(table)
    assert identify(BatchTable([PAIR], ["tuned"], {})) == asked
    assert identify(BatchTable([PAIR], ["base"], {}, Wording("Say: {question}"))) != asked
    assert identify(BatchTable([ASKED], ["base"], {})) != asked


def test_labels_are_recognised_and_counted() -> None:
    questions = [
        Question(number, f"q{number}", reference="urgent" if number % 2 else "can wait") for number in range(8)
    ]
    answers = [answer(each.number, "base", "This is urgent.") for each in questions]
    made = report(questions, answers, labels=("base",))
    assert set(made.labels) == {"urgent", "can wait"}
    assert made.models[0].estimates["label_accuracy"].value == 50
    assert made.models[0].estimates["macro_f1"].value == pytest.approx(100 / 3)


def test_a_broken_loss_is_told_and_not_averaged_away() -> None:
    answers = [answer(1, "base", logprob=None, tokens=1), answer(2, "base", logprob=-1.0, tokens=1)]
    estimate = report([ASKED, PAIR], answers, "likelihood", labels=("base",)).models[0].estimates["loss"]
    assert estimate.broken_rows == 1
    assert math.isnan(estimate.value)


def changed_rows() -> Report:
    questions = [Question(number, f"q{number}", reference="drink hot tea") for number in (1, 2, 3)]
    said = {1: ("drink hot tea", "no"), 2: ("no", "drink hot tea"), 3: ("drink hot tea", "drink tea")}
    answers = [
        answer(n, label, text)
        for n, texts in said.items()
        for label, text in zip(("base", "tuned"), texts, strict=True)
    ]
    return report(questions, answers)


def numbers(made: Report, order: str, label: str = "tuned", metric: str = "f1") -> list[int]:
    return [row.question.number for row in sort_rows(made, label, metric, order)]


def test_what_got_worse_comes_first_or_what_got_better_or_the_datas_order() -> None:
    made = changed_rows()
    assert (numbers(made, "worse"), numbers(made, "better"), numbers(made, "row")) == (
        [1, 3, 2],
        [2, 3, 1],
        [1, 2, 3],
    )
    # The base itself by its own scores.
    assert numbers(made, "worse", "base") == [2, 1, 3]


def test_less_loss_is_a_gain() -> None:
    answers = [answer(1, "base", logprob=-2.0, tokens=1), answer(1, "tuned", logprob=-1.0, tokens=1)]
    made = report([ASKED], answers, "likelihood")
    change = change_of(made.rows[0], "base", "tuned", "loss")
    assert change == -1.0
    assert is_gain("loss", change)
    assert not is_gain("f1", change)


def test_rows_without_a_score_come_last() -> None:
    questions = [Question(1, "a"), Question(2, "b", reference="x")]
    answers = [answer(n, label, "x") for n in (1, 2) for label in ("base", "tuned")]
    assert numbers(report(questions, answers), "worse") == [2, 1]


# What is kept.


def test_a_report_is_read_as_it_was_written() -> None:
    made = changed_rows()
    assert Report.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_json_holds_no_nan() -> None:
    made = report([ASKED], [answer(1, "base", logprob=None, tokens=1)], "likelihood", labels=("base",))
    stored = json.loads(report_json(made))
    assert stored["models"][0]["estimates"]["loss"]["value"] is None


def test_csv_has_a_column_for_each_answer_and_each_score() -> None:
    head, first, *_ = report_csv(changed_rows(), str).splitlines()
    assert head.startswith("row,question,context,reference,base,base: exact,base: f1")
    assert first.startswith("1,q1,,drink hot tea,drink hot tea,100,100")


def test_what_failed_stands_in_a_column_of_its_own_and_is_told() -> None:
    failed = BatchAnswer(1, "tuned", error=Problem("", "endpoint_silent"))
    made = report([PAIR], [answer(2, "base", "tea"), BatchAnswer(2, "tuned", error=failed.error)])
    assert report_csv(made, lambda problem: problem.code).splitlines()[1].endswith(",tuned: endpoint_silent")
    assert "evaluate.failed" in report_markdown(made, key_alone)


def test_markdown_tells_the_scores_and_what_got_worse_in_cells_that_hold() -> None:
    questions = [Question(1, "a|b\nc", reference="drink tea")]
    answers = [answer(1, "base", "drink tea"), answer(1, "tuned", "no")]
    text = report_markdown(report(questions, answers), key_alone)
    assert (
        "| metric.f1 | 100.0 [100.0 – 100.0] | 0.0 [0.0 – 0.0] | −100.0 [−100.0 … −100.0] (evaluate.open) |" in text
    )
    assert "## evaluate.order.worse" in text
    assert "## evaluate.order.better" not in text
    assert "| a\\|b<br>c | drink tea | drink tea | no | −100.0 |" in text
