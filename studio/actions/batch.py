"""What a batch asks, how it stands, and its table: whoever works on it, its folder tells."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from studio.actions.models import list_adapters, list_models
from studio.actions.rows import iter_held_out, iter_rows, read_page
from studio.core.batch import (
    ACTIVE,
    Answers,
    BatchRequest,
    BatchTable,
    Contender,
    read_problem,
    remaining_s,
    table_csv,
    table_jsonl,
    unanswered,
)
from studio.core.questions import Question, pasted_questions, question_of
from studio.core.rows import Fault
from studio.errors import Problem, StudioError
from studio.jobs.processes import is_alive
from studio.stores.batches import (
    BatchPaths,
    answers_of,
    find_batch,
    find_batch_folders,
    read_batch_request,
    read_questions,
)
from studio.stores.home import Home
from studio.stores.runs import read_json
from studio.texts import word_error


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as it stands. `done` of `total` answers are there, `failed` of them as errors.

    `label` and `phase` (`opening`, `asking` or `judging`) say what it does now; `left_out` rows could not be asked;
    `reasons` say which models were given up, and why. `remaining_s` is None where nobody can tell.
    """

    name: str
    state: str
    total: int
    done: int
    failed: int
    left_out: int
    label: str
    phase: str
    remaining_s: float | None
    reasons: Mapping[str, Problem]
    created_at: float
    request: BatchRequest

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def can_resume(self) -> bool:
        return not self.is_active and self.state != "finished"


def gather_questions(home: Home, request: BatchRequest) -> tuple[list[Question], int]:
    """The questions of a request, and how many of its rows ask nothing that can be put. Raises StudioError."""
    end = request.first - 1 + request.limit if request.limit else None
    if request.pasted.strip():
        return list(islice(pasted_questions(request.pasted), request.first - 1, end)), 0
    if request.held_out:
        rows = iter_held_out(home, request.held_out)
    else:
        rows = (row for _, _, row in iter_rows(home, request.dataset))
    questions: list[Question] = []
    weighs = "likelihood" in request.measures
    left_out = 0
    for number, row in islice(enumerate(rows, start=1), request.first - 1, end):
        question = None if isinstance(row, Fault) else question_of(number, row, texts=weighs)
        if question:
            questions.append(question)
        else:
            left_out += 1
    return questions, left_out


def first_question(home: Home, request: BatchRequest) -> Question | None:
    """The first that would be asked, for a look at it; None when its row asks nothing. Raises StudioError."""
    if not request.dataset:
        return next(islice(pasted_questions(request.pasted), request.first - 1, None), None)
    page = read_page(home, request.dataset, request.first, 1)
    row = page.parsed[0] if page.parsed else None
    return None if row is None or isinstance(row, Fault) else question_of(page.numbers[0], row)


def view_batch(home: Home, name: str) -> BatchView:
    """What a batch's folder says, right now. Raises NotFound."""
    paths = find_batch(home, name)
    request, stored = read_batch_request(paths), read_json(paths.state)
    table = _table(paths, request)
    done, total = len(table.answers), table.total
    if request.judge:
        # Each answer is asked for, and then judged.
        done, total = done + sum(1 for each in table.answers.values() if "verdict" in each.measured), 2 * total
    state = _state(paths, stored)
    left = sum(len(unanswered(table.questions, label, table.answers)) for label in table.labels)
    reasons: Mapping[str, Any] = stored.get("reasons", {})
    return BatchView(
        name=name,
        state=state,
        total=total,
        done=done,
        failed=table.failed,
        left_out=int(stored.get("left_out", 0)),
        label=str(stored.get("label", "")) if state in ACTIVE else "",
        phase=str(stored.get("phase", "")) if state in ACTIVE else "",
        # Of judging and scoring nobody knows the pace.
        remaining_s=remaining_s(table.answers, left) if left and state == "running" else None,
        reasons={label: read_problem(reason) for label, reason in reasons.items()},
        created_at=float(stored.get("created_at", 0)),
        request=request,
    )


def name_batches(home: Home, kind: str = "batch") -> list[str]:
    """The names of all batches of a kind, the newest first."""
    folders = find_batch_folders(home.batches)
    return [folder.name for folder in folders if read_batch_request(BatchPaths(folder)).kind == kind]


def read_table(home: Home, name: str) -> BatchTable:
    """Questions, references and answers so far. Raises NotFound."""
    paths = find_batch(home, name)
    return _table(paths, read_batch_request(paths))


def cancel_batch(home: Home, name: str) -> BatchView:
    """End a batch in the midst of an answer, whoever works on it; what was answered stays. Raises NotFound."""
    paths = find_batch(home, name)
    if view_batch(home, name).is_active:
        paths.stop.touch()
    return view_batch(home, name)


def remove_batch(home: Home, name: str) -> None:
    """Delete a batch with its answers. Raises StudioError while somebody works on it."""
    paths = find_batch(home, name)
    if view_batch(home, name).is_active:
        raise StudioError("batch_is_running", "batch", given=name)
    # Without its request it is no batch any more, also when the rest cannot go.
    paths.request.unlink()
    shutil.rmtree(paths.folder, ignore_errors=True)


def batch_csv(home: Home, name: str, language: str) -> str:
    """The table as CSV, errors worded in a language. Raises NotFound."""
    return table_csv(read_table(home, name), lambda problem: word_reason(problem, language))


def batch_jsonl(home: Home, name: str) -> str:
    """The table as JSON lines, with all that is known. Raises NotFound."""
    return table_jsonl(read_table(home, name))


def word_reason(problem: Problem, language: str) -> str:
    """Why there is no answer, in words."""
    return word_error(StudioError(problem.code, problem.field, **problem.values), language)


def contender_of(home: Home, model: str) -> Contender:
    """A model or run of this studio, with the name that it has in the lists."""
    labels = {choice.path: choice.label for choice in (*list_models(home), *list_adapters(home))}
    return Contender(labels.get(model, model), model)


def _table(paths: BatchPaths, request: BatchRequest) -> BatchTable:
    answers: Answers = answers_of(paths)
    labels = [contender.label for contender in request.contenders]
    return BatchTable(read_questions(paths), labels, answers, request.wording)


def _state(paths: BatchPaths, stored: Mapping[str, Any]) -> str:
    state = str(stored.get("state", "interrupted"))
    if state not in ACTIVE:
        return state
    if not is_alive(stored.get("pid"), stored.get("started")):
        return "interrupted"
    return "stopping" if paths.stop.exists() else state
