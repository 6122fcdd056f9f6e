"""What an evaluation asks of models, and what it keeps of each answer."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from studio.core.answers import find_choices
from studio.core.batch import BatchAnswer
from studio.core.endpoint import Likelihood
from studio.core.judging import read_verdict
from studio.core.questions import Question
from studio.errors import Problem

# What can be measured: answers that are scored, how likely references are, choices, pairs, and a judge's points.
JUDGE = "judge"
MEASURES = ("answers", "likelihood", "choices", "pairs", JUDGE)
USUAL_MEASURES = ("answers", "likelihood")
VERDICT_LENGTH = 2000
# None is a number that is none: JSON has no other word for it.
Measured = Mapping[str, float | str | None]


def find_measure_problems(measures: Sequence[str], questions: Sequence[Question]) -> list[Problem]:
    """What of `measures` cannot be measured on these questions."""
    problems = [Problem("evaluate_measures", "unknown_measure", {"given": name}) for name in measures]
    problems = [problem for problem in problems if problem.values["given"] not in MEASURES]
    has: dict[str, Callable[[Question], bool]] = {
        "answers": lambda question: bool(question.text and question.reference),
        "likelihood": lambda question: bool(question.reference),
        "choices": lambda question: find_choices(question.text, question.reference) is not None,
        "pairs": lambda question: bool(question.reference and question.rejected),
    }
    lacking = [name for name in measures if name in has and not any(map(has[name], questions))]
    return problems + [Problem("evaluate_measures", f"nothing_for_{name}") for name in lacking]


def wants_text(measures: Sequence[str]) -> bool:
    """Whether the models are to say something; a batch that measures nothing is there for that alone."""
    return not measures or "answers" in measures or "judge" in measures


def texts_to_weigh(question: Question, measures: Sequence[str]) -> list[tuple[dict[str, str], bool]]:
    """The texts whose likelihood is measured, by what they are, and whether each must end there.

    A letter is what a longer answer may begin with; a reference, and the two of a pair, are whole answers.
    """
    whole: dict[str, str] = {}
    if question.reference and ("likelihood" in measures or ("pairs" in measures and question.rejected)):
        whole["reference"] = question.reference
    if "pairs" in measures and question.reference and question.rejected:
        whole["rejected"] = question.rejected
    choices = find_choices(question.text, question.reference) if "choices" in measures else None
    letters = {f"choice {letter}": letter for letter in choices.letters} if choices else {}
    return [(texts, with_end) for texts, with_end in ((whole, True), (letters, False)) if texts]


def read_weights(found: Mapping[str, Likelihood]) -> dict[str, float | str | None]:
    """What is kept of the likelihoods of `texts_to_weigh`: `logprob` and `tokens` of the reference, `rejected` (its
    log-probability), and the letter that is the likeliest as `choice`; None for what is no number."""
    kept: dict[str, float | str | None] = {}
    if reference := found.get("reference"):
        kept |= {"logprob": _number(reference), "tokens": reference.tokens}
    if rejected := found.get("rejected"):
        kept["rejected"] = _number(rejected)
    letters = {name.removeprefix("choice "): each for name, each in found.items() if name.startswith("choice ")}
    if letters:
        broken = any(_number(each) is None for each in letters.values())
        kept["choice"] = None if broken else max(letters, key=lambda letter: letters[letter].logprob)
    return kept


def _number(likelihood: Likelihood) -> float | None:
    return likelihood.logprob if math.isfinite(likelihood.logprob) else None


def with_verdict(answer: BatchAnswer, said: str) -> BatchAnswer:
    """An answer with what a judge said of it, and its points where it gave some."""
    points = read_verdict(said)
    verdict: dict[str, float | str | None] = {"verdict": said[:VERDICT_LENGTH]}
    return replace(answer, measured={**answer.measured, **verdict, **({} if points is None else {"judge": points})})


def awaits_verdict(answer: BatchAnswer) -> bool:
    return answer.error is None and "verdict" not in answer.measured
