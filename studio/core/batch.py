"""A batch: many questions, put to one or more models, and their answers as a table."""

import csv
import io
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from studio.core.endpoint import Answer, Sampling
from studio.core.problems import RUN_NAME
from studio.core.questions import Question, Wording, messages_of
from studio.errors import Problem, StudioError

ACTIVE = frozenset({"running", "stopping"})
# `incomplete`: it went through, and some answers are missing. `interrupted`: its studio died in the midst.
STATES = ("running", "stopping", "finished", "incomplete", "stopped", "interrupted")
# The pace of the last answers tells more about the next than that of all.
PACE_ANSWERS = 20
MAX_TEMPERATURE = 2


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that is asked: a folder or run of this studio, or with an `address` one of an outside server.

    `label` is the name of its column. Of the outside server's key it is only known that there is one (`keyed`).
    """

    label: str
    model: str
    adapters: tuple[str, ...] = ()
    address: str = ""
    keyed: bool = False

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Contender":
        kept: dict[str, Any] = {**stored, "adapters": tuple(stored["adapters"])}
        return cls(**kept)


@dataclass(frozen=True, slots=True)
class Judge:
    """A model of an outside server that gives each answer points; `rubric` is what it is asked, with the places
    `{question}`, `{reference}` and `{answer}`. Of its key it is only known that there is one."""

    address: str
    model: str = ""
    rubric: str = ""
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What shall be asked, and whom: the rows of a `dataset`, those that a run `held_out`, or `pasted` questions,
    from the row `first` on.

    A `limit` of 0 takes all rows. An empty name is given one. With `measures` it is an evaluation: each model is
    scored, and compared with the first. With `probes_of` it asks the checkpoints of that run.
    """

    name: str = ""
    dataset: str = ""
    pasted: str = ""
    contenders: tuple[Contender, ...] = ()
    wording: Wording = field(default_factory=Wording)
    sampling: Sampling = field(default_factory=Sampling)
    first: int = 1
    limit: int = 0
    held_out: str = ""
    measures: tuple[str, ...] = ()
    judge: Judge | None = None
    probes_of: str = ""

    @property
    def kind(self) -> str:
        """`probes`, `evaluation` or `batch`."""
        return "probes" if self.probes_of else "evaluation" if self.measures else "batch"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "BatchRequest":
        sampling: dict[str, Any] = {**stored["sampling"], "stop": tuple(stored["sampling"]["stop"])}
        judge: Mapping[str, Any] | None = stored.get("judge")
        kept: dict[str, Any] = {
            **stored,
            "measures": tuple(stored.get("measures", ())),
            "judge": Judge(**judge) if judge else None,
            "contenders": tuple(Contender.from_json(each) for each in stored["contenders"]),
            "wording": Wording(**stored["wording"]),
            "sampling": Sampling(**sampling),
        }
        return cls(**kept)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What one model said to one question, or why it did not; tokens are None where the server does not tell.

    `measured` is what an evaluation measured of it: see `studio.core.evaluation`.
    """

    question: int
    label: str
    text: str = ""
    reasoning: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    finish_reason: str = ""
    error: Problem | None = None
    measured: Mapping[str, float | str | None] = field(default_factory=dict[str, float | str | None])

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "error": problem_json(self.error) if self.error else None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "BatchAnswer":
        error: Mapping[str, Any] | None = stored["error"]
        kept: dict[str, Any] = {**stored, "error": read_problem(error) if error else None}
        return cls(**kept)


Answers = Mapping[tuple[int, str], BatchAnswer]


@dataclass(frozen=True, slots=True)
class BatchTable:
    """One row a question, one column a model: `answers` by the question's number and the model's label."""

    questions: Sequence[Question]
    labels: Sequence[str]
    answers: Answers
    wording: Wording = field(default_factory=Wording)

    @property
    def total(self) -> int:
        return len(self.questions) * len(self.labels)

    @property
    def failed(self) -> int:
        return sum(1 for answer in self.answers.values() if answer.error)

    @property
    def answered(self) -> int:
        return len(self.answers) - self.failed


def unanswered(questions: Sequence[Question], label: str, answers: Answers) -> list[Question]:
    """What is still to be asked of a model, in order: what it has not answered, or failed to."""
    return [
        question
        for question in questions
        if (found := answers.get((question.number, label))) is None or found.error is not None
    ]


def answered(question: Question, label: str, answer: Answer) -> BatchAnswer:
    facts = answer.facts
    return BatchAnswer(
        question.number,
        label,
        answer.content,
        answer.reasoning,
        facts.prompt_tokens,
        facts.completion_tokens,
        round(facts.total_s, 3),
        facts.finish_reason,
    )


def remaining_s(answers: Answers, left: int) -> float | None:
    """About how long `left` more answers take, at the pace of the last; None before the first."""
    paced = [answer.seconds for answer in list(answers.values())[-PACE_ANSWERS:] if not answer.error]
    return left * sum(paced) / len(paced) if paced else None


def problem_of(error: StudioError) -> Problem:
    """An error as it can be kept."""
    values = {name: value if isinstance(value, int | float) else str(value) for name, value in error.values.items()}
    return Problem(error.field, error.code, values)


def problem_json(problem: Problem) -> dict[str, Any]:
    return {"field": problem.field, "code": problem.code, "values": dict(problem.values)}


def read_problem(stored: Mapping[str, Any]) -> Problem:
    return Problem(str(stored["field"]), str(stored["code"]), dict(stored["values"]))


def find_batch_problems(request: BatchRequest, datasets: Collection[str]) -> list[Problem]:
    """Everything to fix before a batch can start; `datasets` are the registered ones."""
    problems: list[Problem] = []
    if request.name and not RUN_NAME.fullmatch(request.name):
        problems.append(Problem("batch_name", "batch_bad_name", {"given": request.name}))
    sources = sum(map(bool, (request.dataset, request.held_out, request.pasted.strip())))
    if sources != 1:
        problems.append(Problem("batch_source", "batch_two_sources" if sources else "batch_no_source"))
    elif request.dataset and request.dataset not in datasets:
        known = ", ".join(sorted(datasets)) or "-"
        problems.append(
            Problem("batch_source", "batch_unknown_dataset", {"given": request.dataset, "known": known})
        )
    if request.first < 1:
        problems.append(Problem("batch_first", "batch_bad_first", {"given": request.first}))
    if request.limit < 0:
        problems.append(Problem("batch_limit", "batch_bad_limit", {"given": request.limit}))
    return (
        problems
        + _wording_problems(request.wording)
        + _sampling_problems(request.sampling)
        + _contender_problems(request.contenders)
        + (_judge_problems(request.judge) if request.judge else [])
    )


def _wording_problems(wording: Wording) -> list[Problem]:
    problems = [
        Problem(name, "template_without_question", {"given": template})
        for name, template in (
            ("batch_template", wording.template),
            ("batch_context_template", wording.context_template),
        )
        if "{question}" not in template
    ]
    if "{context}" in wording.template:
        problems.append(Problem("batch_template", "template_with_context"))
    return problems


def _sampling_problems(sampling: Sampling) -> list[Problem]:
    problems: list[Problem] = []
    if not 0 <= sampling.temperature <= MAX_TEMPERATURE:
        values = {"given": sampling.temperature, "most": MAX_TEMPERATURE}
        problems.append(Problem("batch_temperature", "batch_bad_temperature", values))
    if sampling.max_tokens < 1:
        problems.append(Problem("batch_max_tokens", "batch_bad_max_tokens", {"given": sampling.max_tokens}))
    return problems


def _contender_problems(contenders: Sequence[Contender]) -> list[Problem]:
    if not contenders:
        return [Problem("batch_models", "batch_no_model")]
    problems: list[Problem] = []
    labels = [contender.label for contender in contenders]
    problems += [
        Problem("batch_models", "batch_same_label", {"given": label})
        for label in dict.fromkeys(labels)
        if labels.count(label) > 1
    ]
    for contender in contenders:
        if contender.address:
            problems += _address_problems("batch_address", contender.address)
    return problems


def _judge_problems(judge: Judge) -> list[Problem]:
    problems = _address_problems("evaluate_judge_address", judge.address)
    if "{answer}" not in judge.rubric:
        problems.append(Problem("evaluate_rubric", "rubric_without_answer"))
    return problems


def _address_problems(field: str, address: str) -> list[Problem]:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        secret = bool(parts.username or parts.password or parts.query)
    except ValueError:
        usable, secret = False, False
    # An address is written down, and a key must not be. So it is not said again either.
    if secret:
        return [Problem(field, "batch_secret_address")]
    return [] if usable else [Problem(field, "batch_bad_address", {"given": address})]


def table_csv(table: BatchTable, word: Callable[[Problem], str]) -> str:
    """The table with a header; in the last column what went wrong, in words.

    The cells are what was said, to the letter: one that begins with `=` is a formula to a spreadsheet.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "question", "context", "reference", *table.labels, "errors"])
    for question in table.questions:
        found = [table.answers.get((question.number, label)) for label in table.labels]
        errors = [f"{answer.label}: {word(answer.error)}" for answer in found if answer and answer.error]
        said = [answer.text if answer else "" for answer in found]
        told = (question.number, question.text, question.context, question.reference)
        writer.writerow([*told, *said, "\n".join(errors)])
    return text.getvalue()


def table_jsonl(table: BatchTable) -> str:
    """A line a question, with the messages as they were sent and the answers by the model's label."""
    lines: list[str] = []
    for question in table.questions:
        said = {
            label: {name: value for name, value in answer.to_json().items() if name not in ("question", "label")}
            for label in table.labels
            if (answer := table.answers.get((question.number, label)))
        }
        told = {"row": question.number, "question": question.text, "context": question.context}
        told |= {"reference": question.reference, "messages": messages_of(question, table.wording)}
        lines.append(json.dumps({**told, "answers": said}, ensure_ascii=False) + "\n")
    return "".join(lines)
