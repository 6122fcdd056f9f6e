"""`python -m studio export …`, and what is done with a merged model."""

import argparse
import getpass
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.actions import export, hand_on, model_card, proofs
from studio.cli.output import Answer, end_progress, plain, show_progress
from studio.core.hubs import HUBS
from studio.core.merging import AS_BASE, DEFAULT_SHARD_GB, PRECISIONS
from studio.core.runs import ACTIVE_STATES
from studio.stores.home import Home
from studio.texts import say, word_check, word_error, word_problem

TOKEN = "STUDIO_HUB_TOKEN"
POLL_S = 0.3


def add_export_commands(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `export`, `prove`, `package`, `push` and `card` to the commands; `add` makes one command."""
    exporting = add(commands, "export", _export, "of")
    exporting.add_argument("--checkpoint", type=int)
    exporting.add_argument("--adapter", action="append", default=[], help=say("export.more.help"))
    exporting.add_argument("--to", help=say("export.to.help"))
    exporting.add_argument("--precision", choices=PRECISIONS, default=AS_BASE)
    exporting.add_argument("--shard-gb", type=float, default=DEFAULT_SHARD_GB, help=say("export.shard_gb.help"))
    exporting.add_argument("--wait", action="store_true")
    exporting.add_argument("--cancel", action="store_true", help=say("cli.export_cancel"))
    proving = add(commands, "prove", _prove)
    proving.add_argument("--base", required=True, help=say("prove.base.help"))
    proving.add_argument("--adapter", action="append", required=True, help=say("prove.adapters.help"))
    proving.add_argument("--merged", required=True, help=say("prove.merged.help"))
    proving.add_argument("--report", type=Path)
    add(commands, "card", _card, "model")
    add(commands, "package", _package, "model")
    pushing = add(commands, "push", _push, "model")
    pushing.add_argument("--hub", choices=tuple(HUBS), required=True)
    pushing.add_argument("--repository", required=True, help=say("push.repository.help"))
    pushing.add_argument("--public", action="store_true")


def _export(home: Home, flags: argparse.Namespace) -> Answer:
    if flags.cancel:
        return plain(export.stop_export(home, flags.of, flags.to))
    to = flags.to and (flags.to if os.sep not in flags.to else Path(flags.to).expanduser().absolute())
    more = [str(proofs.adapter_path(home, adapter)) for adapter in flags.adapter]
    view = export.start_export(
        home, flags.of, flags.checkpoint, to, more, flags.precision, flags.shard_gb, flags.language
    )
    if flags.wait:
        view = export.wait_export(home, view)
    answer = plain(view)
    if view.state in ("failed", "lost"):
        told = [word_problem(view.cause, flags.language) if view.cause else say("problem.lost", flags.language)]
        answer["error"] = "\n".join([*told, *_faults(view.report, flags.language)])
    return answer


def _prove(home: Home, flags: argparse.Namespace) -> Answer:
    view = proofs.wait_proof(home, proofs.start_proof(home, flags.base, flags.adapter, flags.merged))
    if view.failed:
        return {"error": word_error(view.failed, flags.language)}
    if view.report is None:
        return {"error": say("problem.lost", flags.language)}
    if flags.report:
        shutil.copyfile(proofs.proof_report(home, view.name), flags.report)
    answer: Answer = {**view.report}
    if view.report["verdict"] != "PASS":
        answer["error"] = "\n".join([say("export.fail", flags.language), *_faults(view.report, flags.language)])
    return answer


def _faults(report: dict[str, Any] | None, language: str) -> list[str]:
    return [
        f"{say('check.' + check['name'], language)}: {word_check(check, language)}"
        for check in (report or {}).get("checks", [])
        if not check["passed"]
    ]


def _card(home: Home, flags: argparse.Namespace) -> Answer:
    return {"text": model_card.read_card(home, flags.model)}


def _package(home: Home, flags: argparse.Namespace) -> Answer:
    return _follow(home, hand_on.start_package(home, flags.model), flags)


def _push(home: Home, flags: argparse.Namespace) -> Answer:
    token = os.environ.get(TOKEN) or getpass.getpass(say("cli.token", flags.language))
    view = hand_on.start_push(home, flags.model, flags.hub, flags.repository, not flags.public, token)
    return _follow(home, view, flags)


def _follow(home: Home, view: hand_on.HandOnView, flags: argparse.Namespace) -> Answer:
    while view.state in ACTIVE_STATES:
        show_progress(view.done // 1_000_000, view.total // 1_000_000, f"MB {view.file}")
        time.sleep(POLL_S)
        view = hand_on.view_hand_on(home, view.kind, view.model)
    end_progress()
    answer: Answer = {"state": view.state, "where": view.where}
    if view.failed:
        answer["error"] = word_error(view.failed, flags.language)
    elif view.state != "finished":
        answer["error"] = say(f"state.{view.state}", flags.language)
    return answer
