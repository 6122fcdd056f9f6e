"""`python -m studio batch`: many questions to one or more models, into a file."""

import argparse
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.actions.answering import JUDGE_KEY
from studio.actions.batch import BatchView, batch_csv, batch_jsonl, cancel_batch, contender_of, view_batch
from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.cli.output import Answer, end_progress, plain, show_progress
from studio.core.batch import BatchRequest, Contender
from studio.core.endpoint import Sampling
from studio.core.questions import Wording
from studio.errors import StudioError
from studio.stores.atomic import write_text
from studio.stores.home import Home
from studio.texts import say

# An argument would be seen in the list of processes.
KEY_VARIABLE = "STUDIO_ENDPOINT_KEY"
JUDGE_KEY_VARIABLE = "STUDIO_JUDGE_KEY"
WRITERS: dict[str, Callable[[Home, str, str], str]] = {
    ".csv": batch_csv,
    ".jsonl": lambda home, name, _: batch_jsonl(home, name),
}
POLL_S = 0.2


def add_batch_command(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    command = add(commands, "batch", _batch)
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset")
    source.add_argument("--questions", type=Path, metavar="FILE", help=say("cli.batch.questions"))
    source.add_argument("--resume", metavar="NAME", help=say("cli.batch.resume"))
    add_asking_flags(command)
    command.add_argument("--out", type=Path, required=True, help=say("cli.batch.out"))


def add_asking_flags(command: argparse.ArgumentParser) -> None:
    """Whom to ask, how, and which rows."""
    usual, sampling = Wording(), Sampling()
    command.add_argument("--model", action="append", default=[])
    command.add_argument("--endpoint", metavar="ADDRESS", help=say("cli.batch.endpoint"))
    command.add_argument("--endpoint-model", default="", help=say("batch.model_name.help"))
    command.add_argument("--template", default=usual.template, help=say("batch.template.help"))
    command.add_argument(
        "--context-template", default=usual.context_template, help=say("batch.context_template.help")
    )
    command.add_argument("--system", default="", help=say("batch.system.help"))
    command.add_argument("--temperature", type=float, default=sampling.temperature)
    command.add_argument("--max-tokens", type=int, default=sampling.max_tokens)
    command.add_argument("--first", type=int, default=1)
    command.add_argument("--limit", type=int, default=0, help=say("batch.limit.help"))
    command.add_argument("--name", default="", help=say("batch.name.help"))


def _batch(home: Home, flags: argparse.Namespace) -> Answer:
    if flags.out.suffix not in WRITERS:
        raise StudioError("batch_bad_out", "out", given=str(flags.out))
    view, interrupted = work_through(home, lambda: _request(home, flags), flags.resume)
    write_text(flags.out, WRITERS[flags.out.suffix](home, view.name, flags.language))
    return told_of(view, flags, interrupted)


def work_through(
    home: Home,
    make_request: Callable[[], BatchRequest],
    resume: str | None,
    show: Callable[[int, int, str], None] = show_progress,
) -> tuple[BatchView, bool]:
    """Work on a new batch, or go on with one, until it has ended; and whether somebody has interrupted it."""
    models = ChatModels()
    batches = Batches(home, models)
    key, judge_key = (os.environ.get(name, "") for name in (KEY_VARIABLE, JUDGE_KEY_VARIABLE))
    try:
        request = view_batch(home, resume).request if resume else make_request()
        outside = [each.label for each in request.contenders if each.address]
        keys = dict.fromkeys(outside, key) if key else {}
        keys |= {JUDGE_KEY: judge_key} if judge_key else {}
        view = batches.resume(resume, keys) if resume else batches.start(request, keys)
        interrupted = _follow(home, batches, view.name, show)
        return view_batch(home, view.name), interrupted
    finally:
        batches.close()
        models.close()


def _request(home: Home, flags: argparse.Namespace) -> BatchRequest:
    pasted = ""
    if flags.questions:
        try:
            pasted = flags.questions.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StudioError(
                "batch_bad_file", "questions", given=str(flags.questions), reason=str(error)
            ) from error
    return replace(read_asking_flags(home, flags), dataset=flags.dataset or "", pasted=pasted)


def read_asking_flags(home: Home, flags: argparse.Namespace) -> BatchRequest:
    """Whom to ask and how; what to ask them comes from elsewhere."""
    contenders = [contender_of(home, model) for model in flags.model]
    if flags.endpoint:
        label = flags.endpoint_model or flags.endpoint
        contenders.append(Contender(label, flags.endpoint_model, address=flags.endpoint))
    return BatchRequest(
        flags.name,
        contenders=tuple(contenders),
        wording=Wording(flags.template, flags.context_template, flags.system),
        sampling=Sampling(temperature=flags.temperature, max_tokens=flags.max_tokens),
        first=flags.first,
        limit=flags.limit,
    )


def _follow(home: Home, batches: Batches, name: str, show: Callable[[int, int, str], None]) -> bool:
    """Wait for the end and show how far it is; whether somebody has interrupted it."""
    interrupted = False
    while True:
        try:
            view = batches.wait(name, POLL_S)
            show(view.done, view.total, view.label)
            if not batches.works_on(name):
                end_progress()
                return interrupted
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            cancel_batch(home, name)


def told_of(view: BatchView, flags: argparse.Namespace, interrupted: bool) -> Answer:
    """What became of it, and how to go on where something is missing."""
    answer: Answer = {"name": view.name, "state": view.state, "total": view.total, "done": view.done}
    answer |= {"failed": view.failed, "left_out": view.left_out, "out": str(flags.out) if flags.out else ""}
    answer["reasons"] = plain(
        {"judge" if label == JUDGE_KEY else label: reason for label, reason in view.reasons.items()}
    )
    command = "evaluate" if view.request.kind == "evaluation" else "batch"
    rest = f" --out {shlex.quote(str(flags.out))}" if flags.out else ""
    again = f"python -m studio {command} --resume {view.name}{rest}"
    if interrupted:
        values = {"done": view.done - view.failed, "total": view.total, "again": again}
        answer["error"] = say("cli.batch.interrupted", flags.language, **values)
    elif view.state != "finished":
        values = {"left": view.total - view.done + view.failed, "total": view.total, "again": again}
        answer["error"] = say("cli.batch.incomplete", flags.language, **values)
    return answer
