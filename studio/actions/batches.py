"""Put the rows of a dataset, or pasted questions, to one or more models, and keep the answers."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from studio.actions.answering import (
    JUDGE_KEY,
    Asking,
    Event,
    GaveUp,
    Judging,
    Opening,
    answer_questions,
    judge_answers,
)
from studio.actions.batch import BatchView, gather_questions, view_batch
from studio.actions.chat import ChatModels, resolve_model
from studio.actions.contenders import ContenderModels, opened_model
from studio.actions.evaluation import keep_report
from studio.actions.serving import endpoint_reach
from studio.core.batch import (
    BatchAnswer,
    BatchRequest,
    Contender,
    find_batch_problems,
    problem_json,
    problem_of,
    unanswered,
)
from studio.core.endpoint import Endpoint, Sampling
from studio.core.evaluation import awaits_verdict, find_measure_problems
from studio.core.problems import RUN_NAME
from studio.core.questions import Question
from studio.errors import Problem, RequestRefused, StudioError
from studio.jobs.processes import ProcessIdentity
from studio.stores.atomic import write_json
from studio.stores.batches import (
    BatchPaths,
    answers_of,
    append_answer,
    drop_torn_line,
    find_batch,
    read_batch_request,
    read_questions,
    write_questions,
)
from studio.stores.home import Home
from studio.stores.registry import read_registry
from studio.stores.runs import read_json

log = logging.getLogger("studio")

NO_KEYS: Mapping[str, str] = {}
CLOSE_S = 5
# A judge says the same twice, and gives its reasons first.
JUDGED_WITH = Sampling(temperature=0.0, max_tokens=1024)


class Batches:
    """The batches that one studio works on, each in a thread of its own.

    The keys of outside servers are held by these threads alone, so a batch that was cut off asks for them again.
    """

    def __init__(self, home: Home, models: ChatModels) -> None:
        self._home = home
        self._models = models
        # Set when the work on a batch has ended. A thread that Ctrl+C meets in `join` counts as ended too early.
        self._ended: dict[str, threading.Event] = {}
        self._closing = threading.Event()

    def start(self, request: BatchRequest, keys: Mapping[str, str] = NO_KEYS) -> BatchView:
        """Begin a batch; `keys` are the outside servers' by the label of their model. Raises StudioError.

        Everything that was asked is checked before anything is written or loaded.
        """
        home = self._home
        contenders = tuple(replace(each, keyed=bool(keys.get(each.label))) for each in request.contenders)
        judge = replace(request.judge, keyed=bool(keys.get(JUDGE_KEY))) if request.judge else None
        request = replace(request, contenders=contenders, judge=judge)
        problems = find_batch_problems(request, read_registry(home))
        if problems:
            raise RequestRefused(problems)
        for contender in contenders:
            if not contender.address:
                resolve_model(home, contender.model, contender.adapters)
        questions, left_out = gather_questions(home, request)
        if not questions:
            raise RequestRefused([Problem("batch_source", "batch_no_questions", {"left_out": left_out})])
        if problems := find_measure_problems(request.measures, questions):
            raise RequestRefused(problems)
        paths = _make_folder(home, request)
        request = replace(request, name=paths.folder.name)
        try:
            write_questions(paths, questions)
            write_json(paths.state, {"created_at": time.time(), "left_out": left_out})
            # Last, since this is what makes the folder a batch.
            write_json(paths.request, request.to_json())
        except StudioError:
            shutil.rmtree(paths.folder, ignore_errors=True)
            raise
        return self._begin(paths, request, keys)

    def resume(self, name: str, keys: Mapping[str, str] = NO_KEYS) -> BatchView:
        """Ask what is not answered yet, and once more what failed. Raises StudioError."""
        paths = find_batch(self._home, name)
        if view_batch(self._home, name).is_active:
            raise StudioError("batch_is_running", "batch", given=name)
        request = read_batch_request(paths)
        questions, answers = read_questions(paths), answers_of(paths)
        problems = [
            Problem("batch_key", "batch_needs_key", {"label": contender.label, "address": contender.address})
            for contender in request.contenders
            if contender.keyed and not keys.get(contender.label) and unanswered(questions, contender.label, answers)
        ]
        if request.judge and request.judge.keyed and not keys.get(JUDGE_KEY):
            values = {"label": request.judge.model or request.judge.address, "address": request.judge.address}
            problems.append(Problem("evaluate_judge_key", "batch_needs_key", values))
        if problems:
            raise RequestRefused(problems)
        return self._begin(paths, request, keys)

    def wait(self, name: str, timeout_s: float | None = None) -> BatchView:
        """Wait until a batch of this studio has ended, or for a time."""
        ended = self._ended.get(name)
        if ended:
            ended.wait(timeout_s)
        return view_batch(self._home, name)

    def works_on(self, name: str) -> bool:
        """Whether this studio works on a batch, whatever its folder says (a full disk cannot tell the end)."""
        ended = self._ended.get(name)
        return ended is not None and not ended.is_set()

    def close(self) -> None:
        """Let go of all batches, as the studio ends; they can be resumed."""
        self._closing.set()
        for ended in list(self._ended.values()):
            # A thread that loads a model hears nothing for minutes; it ends with the process.
            ended.wait(CLOSE_S)

    def _begin(self, paths: BatchPaths, request: BatchRequest, keys: Mapping[str, str]) -> BatchView:
        name = request.name
        lock = FileLock(paths.lock, thread_local=False)
        try:
            # Whoever has just ended it says so a moment before letting go.
            lock.acquire(timeout=1)
        except Timeout as error:
            raise StudioError("batch_is_running", "batch", given=name) from error
        try:
            drop_torn_line(paths)
            paths.stop.unlink(missing_ok=True)
            paths.report.unlink(missing_ok=True)
            me = ProcessIdentity.of(os.getpid())
            _write_state(paths, state="running", pid=me.pid, started=me.started, label="", phase="", reasons={})
        except BaseException:
            lock.release()
            raise
        kept = dict(keys)

        def key_of(contender: Contender) -> str:
            return kept.get(contender.label, "")

        user = f"batch {paths.folder}"
        contenders = ContenderModels(self._home, self._models, request.sampling, key_of, user)
        thread = threading.Thread(
            target=self._work,
            args=(paths, request, contenders, kept.get(JUDGE_KEY, ""), lock),
            name=f"batch {name}",
            daemon=True,
        )
        self._ended[name] = threading.Event()
        thread.start()
        return view_batch(self._home, name)

    def _work(
        self,
        paths: BatchPaths,
        request: BatchRequest,
        contenders: ContenderModels,
        judge_key: str,
        lock: FileLock,
    ) -> None:
        reasons: dict[str, Problem] = {}

        def is_cancelled() -> bool:
            return self._closing.is_set() or paths.stop.exists()

        try:
            questions, answers = read_questions(paths), answers_of(paths)
            work = [(each, unanswered(questions, each.label, answers)) for each in request.contenders]
            with closing(contenders):
                asking = answer_questions(work, request.wording, contenders.open, is_cancelled, request.measures)
                for event in asking:
                    _keep(paths, event, reasons)
            if request.judge and not is_cancelled():
                reach = endpoint_reach(self._home, request.judge.address)
                endpoint = Endpoint(request.judge.address, request.judge.model, judge_key, reach)
                judge = opened_model(endpoint, JUDGED_WITH)
                for event in judge_answers(_unjudged(paths), request.judge.rubric, judge.stream, is_cancelled):
                    _keep(paths, event, reasons)
            if request.kind != "batch":
                # Also of one that was stopped: what is there is scored.
                _write_state(paths, label="", phase="scoring")
                keep_report(self._home, paths)
        except StudioError as error:
            # The disk is full, most likely: nothing more can be kept.
            reasons[""] = problem_of(error)
        except Exception as error:
            log.exception("batch %s broke", request.name)
            reasons[""] = problem_of(StudioError("batch_broke", reason=f"{type(error).__name__}: {error}"))
        try:
            _write_state(
                paths,
                state=self._ended_as(paths, request),
                label="",
                phase="",
                reasons=_kept(reasons),
                ended_at=time.time(),
            )
        except (StudioError, OSError):
            log.exception("the end of batch %s could not be kept", request.name)
        finally:
            lock.release()
            self._ended[request.name].set()

    def _ended_as(self, paths: BatchPaths, request: BatchRequest) -> str:
        questions, answers = read_questions(paths), answers_of(paths)
        judged = not request.judge or not _unjudged(paths)
        if request.kind != "batch" and not paths.report.exists():
            # Without its scores it is not done, and to go on makes them.
            return "incomplete"
        if judged and not any(unanswered(questions, each.label, answers) for each in request.contenders):
            return "finished"
        if paths.stop.exists():
            return "stopped"
        return "interrupted" if self._closing.is_set() else "incomplete"


def _unjudged(paths: BatchPaths) -> list[tuple[Question, BatchAnswer]]:
    """The answers that await a verdict, model by model."""
    answers, labels = answers_of(paths), [each.label for each in read_batch_request(paths).contenders]
    found = [
        (question, answers.get((question.number, label))) for label in labels for question in read_questions(paths)
    ]
    return [(question, answer) for question, answer in found if answer and awaits_verdict(answer)]


def _keep(paths: BatchPaths, event: Event, reasons: dict[str, Problem]) -> None:
    match event:
        case BatchAnswer():
            append_answer(paths, event)
        case Opening(label):
            _write_state(paths, label=label, phase="opening")
        case Asking(label):
            _write_state(paths, label=label, phase="asking")
        case Judging(label):
            _write_state(paths, label=label, phase="judging")
        case GaveUp(label, reason):
            reasons[label] = reason
            _write_state(paths, reasons=_kept(reasons))


def _kept(reasons: Mapping[str, Problem]) -> dict[str, Any]:
    return {label: problem_json(reason) for label, reason in reasons.items()}


def _write_state(paths: BatchPaths, **fields: object) -> None:
    write_json(paths.state, {**read_json(paths.state), **fields})


def _make_folder(home: Home, request: BatchRequest) -> BatchPaths:
    """A new folder by the name that was given, or else by the dataset's and a number."""
    home.batches.mkdir(parents=True, exist_ok=True)
    if request.name:
        try:
            (home.batches / request.name).mkdir()
        except FileExistsError as error:
            raise RequestRefused([Problem("batch_name", "batch_name_taken", {"given": request.name})]) from error
        return BatchPaths(home.batches / request.name)
    given = request.dataset or Path(request.held_out or request.probes_of).name
    stem = given if RUN_NAME.fullmatch(given) else "questions"
    number = 1
    while True:
        folder = home.batches / (f"{stem}-{number}" if number > 1 else stem)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return BatchPaths(folder)
