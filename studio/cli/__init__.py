"""The studio without a browser: the same actions, for a terminal and for scripts.

With `--json` the last thing on standard output is one JSON object. Exit status 0 on success, 1 on a
refused or failed request, with the reason in `error`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import yaml

from studio.actions import (
    bundles,
    chat,
    checkpoints,
    history,
    presets,
    queue,
    repair,
    resume,
    runs,
    sweeps,
    train,
)
from studio.actions.home import DEMO_MODEL, make_demo_model, open_home
from studio.cli.access import add_access_commands
from studio.cli.batch import add_batch_command
from studio.cli.data import add_dataset_commands
from studio.cli.evaluate import add_evaluate_command
from studio.cli.exporting import add_export_commands
from studio.cli.output import Answer, end_progress, plain, show_progress
from studio.cli.serving import add_server_commands
from studio.core.endpoint import AnswerPiece, Sampling
from studio.core.imports import UNSUPPORTED, ImportedKey, imported_keys, translate_config
from studio.core.plain_yaml import BadYaml, read_yaml
from studio.core.request import TrainRequest
from studio.core.runs import RunView
from studio.errors import Problem, RequestRefused, StudioError
from studio.stores.atomic import write_bytes
from studio.stores.home import Home
from studio.stores.small_files import read_small_text
from studio.texts import LANGUAGES, say, word_error, word_problem

CHECKOUT = Path(__file__).resolve().parents[2]


def read_flags(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of a command line. Ends the program with a message where they are none."""
    parser = build_parser()
    flags, rest = parser.parse_known_args(argv, argparse.Namespace(home=CHECKOUT, json=False, language="en"))
    keys = [given for given in rest if "=" in given and not given.startswith("-")]
    if rest and (keys != rest or not hasattr(flags, "keys")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if keys:
        # argparse takes a list in one place only; people write keys before and behind flags.
        flags.keys = [*flags.keys, *keys]
    return flags


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    flags = read_flags(argv)
    language = flags.language
    try:
        home = open_home(flags.home)
        answer: Answer = flags.run(home, flags)
    except RequestRefused as error:
        problems = [f"{problem.field}: {word_problem(problem, language)}" for problem in error.problems]
        return _fail(flags, "\n".join(problems), problems=[plain(problem) for problem in error.problems])
    except StudioError as error:
        return _fail(flags, word_error(error, language), code=error.code, field=error.field, values=error.values)
    except KeyboardInterrupt:
        return _fail(flags, say("error.interrupted", language), code="interrupted")
    failed = answer.get("error")
    if flags.json:
        print(json.dumps(answer, ensure_ascii=False, default=plain))
    elif failed:
        print(failed, file=sys.stderr)
    elif "text" in answer:
        print(answer["text"])
    else:
        print(yaml.safe_dump(json.loads(json.dumps(answer, default=plain)), allow_unicode=True, sort_keys=False))
    return 1 if failed else 0


def build_parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    # SUPPRESS lets the flags stand before or after the command; their defaults come with the namespace.
    shared.add_argument("--home", type=Path, default=argparse.SUPPRESS, help="default: the checkout")
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    shared.add_argument("--language", choices=LANGUAGES, default=argparse.SUPPRESS)
    parser = argparse.ArgumentParser(prog="python -m studio", parents=[shared], description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(under: Any, name: str, run: Callable[[Home, Any], Answer], *positional: str) -> argparse.ArgumentParser:
        command = under.add_parser(name, parents=[shared], help=say(f"cli.{run.__name__.strip('_')}"))
        for argument in positional:
            command.add_argument(argument)
        command.set_defaults(run=run)
        return command

    add_access_commands(commands, add)
    add_dataset_commands(commands, add)
    add_batch_command(commands, add)
    add_evaluate_command(commands, add)
    add_server_commands(commands, add)
    for name, run in (("preview", _preview), ("prepare", _prepare), ("train", _train), ("sweep", _sweep)):
        command = add(commands, name, run)
        command.add_argument("--config", type=Path)
        command.add_argument("--preset", help=say("cli.preset"))
        command.add_argument("keys", nargs="*", metavar="KEY=VALUE")
        command.add_argument("--name")
        if name == "train":
            command.add_argument("--wait", action="store_true")
        if name == "sweep":
            command.add_argument("--axes", type=Path, required=True, help=say("cli.axes"))
            command.add_argument("--count", type=int, help=say("sweep.count.help"))
            command.add_argument("--pattern", default=sweeps.PATTERN, help=say("sweep.pattern.help"))
            command.add_argument("--seed", type=int, default=42)
            command.add_argument("--plan", action="store_true", help=say("sweep.plan"))

    add(commands, "import", _import).add_argument("config", type=Path)
    listed = commands.add_parser("runs", parents=[shared], help=say("cli.runs"))
    listed.set_defaults(run=_runs)
    about = listed.add_subparsers(metavar="WHAT")
    add(about, "show", _runs_show, "of")
    add(about, "checkpoints", _runs_checkpoints, "of").add_argument("--delete", type=int, metavar="STEP")
    add(about, "compare", _runs_compare).add_argument("of", nargs="+")
    noting = add(about, "note", _runs_note, "of")
    noting.add_argument("--note")
    noting.add_argument("--tags")
    noting.add_argument("--archived", action=argparse.BooleanOptionalAction)
    add(about, "bundle", _runs_bundle, "of").add_argument("--to", type=Path)
    add(about, "trash", _runs_trash, "of")
    add(about, "restore", _runs_restore).add_argument("key", nargs="?")
    add(commands, "stop", _stop, "of").add_argument("--now", action="store_true")

    add(commands, "cpu-runs", _cpu_runs).add_argument("count", nargs="?")

    queueing = add(commands, "queue", _queue, "of")
    queueing.add_argument("change", choices=("hold", "release", "earlier", "later"))

    resuming = add(commands, "resume", _resume, "of")
    resuming.add_argument("--checkpoint", type=int)
    resuming.add_argument("keys", nargs="*", metavar="KEY=VALUE")
    resuming.add_argument("--wait", action="store_true")

    add(commands, "repair", _repair, "of").add_argument("--wait", action="store_true")

    add_export_commands(commands, add)
    talk = add(commands, "chat", _chat)
    talk.add_argument("--prompt", required=True)
    talk.add_argument("--system", default="")
    talk.add_argument("--max-tokens", type=int, default=256)
    talk.add_argument("--temperature", type=float, default=0.0)
    serve = add(commands, "serve", _serve)
    serve.add_argument("--port", type=int, required=True)
    for command in (talk, serve):
        command.add_argument("--model", required=True)
        command.add_argument("--adapter", action="append", default=[])
    return parser


def _read_keys(pairs: list[str]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise StudioError("bad_key", "keys", given=pair)
        # Our own fields read text themselves; a name such as 007 must stay one.
        keys[key] = value if key in train.REQUEST_FIELDS else _read_value(value)
    return keys


def _asked(home: Home, flags: argparse.Namespace) -> TrainRequest:
    keys: dict[str, Any] = {}
    begin = train.default_request(home)
    if flags.config and flags.config.suffix == ".zip":
        begin, different = bundles.read_bundle(home, flags.config)
        for problem in different:
            print(word_problem(problem, flags.language), file=sys.stderr)
    elif flags.config:
        for item in _imported(flags.config):
            keys |= item.to
            if item.outcome == UNSUPPORTED:
                told = say(f"import.{item.outcome}", flags.language)
                print(f"{item.key}: {told}", file=sys.stderr)
    keys |= _read_keys(flags.keys)
    if flags.name:
        keys["name"] = flags.name
    if flags.preset:
        begin = presets.use_preset(home, begin, flags.preset)
    request = train.request_from_keys(home, keys, begin)
    if request.model == str(home.models / DEMO_MODEL):
        make_demo_model(home)
    return request


def _imported(path: Path) -> list[ImportedKey]:
    try:
        loaded = read_yaml(read_small_text(path))
    except (OSError, ValueError) as error:
        raise StudioError("bad_config", "config", given=str(path), reason=str(error)) from error
    if not isinstance(loaded, dict):
        raise StudioError("bad_config", "config", given=str(path), reason="not a mapping of keys")
    return translate_config(cast("dict[str, Any]", loaded))


def _import(home: Home, flags: argparse.Namespace) -> Answer:
    report = _imported(flags.config)
    return {"imported": plain(report), "keys": imported_keys(report)}


def _read_value(text: str) -> Any:
    """Numbers, switches and lists as YAML reads them; what YAML cannot read is text."""
    try:
        return read_yaml(text)
    except BadYaml:
        return text


def _preview(home: Home, flags: argparse.Namespace) -> Answer:
    preview = train.preview_run(home, _asked(home, flags))
    answer: Answer = {
        "command": preview.command,
        "yaml": preview.yaml,
        "python": preview.python,
        "problems": preview.problems,
    }
    if preview.problems:
        answer["error"] = "\n".join(f"{p.field}: {word_problem(p, flags.language)}" for p in preview.problems)
    return answer if flags.json or preview.problems else {"text": preview.command}


def _prepare(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(train.prepare_run(home, _asked(home, flags)))


def _train(home: Home, flags: argparse.Namespace) -> Answer:
    return _follow(home, train.start_run(home, _asked(home, flags)), flags)


def _sweep(home: Home, flags: argparse.Namespace) -> Answer:
    try:
        axes = flags.axes.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError("bad_config", "axes", given=str(flags.axes), reason=str(error)) from error
    asked = (home, _asked(home, flags), axes, flags.count, flags.pattern, flags.seed)
    if flags.plan:
        plan = sweeps.plan_sweep(*asked)
        return {"runs": [request.name for request in plan.requests], "seconds": plan.seconds}
    return {"runs": [view.run for view in sweeps.start_sweep(*asked)]}


def _resume(home: Home, flags: argparse.Namespace) -> Answer:
    return _follow(home, resume.resume_run(home, flags.of, flags.checkpoint, _read_keys(flags.keys)), flags)


def _repair(home: Home, flags: argparse.Namespace) -> Answer:
    return _follow(home, repair.repair_run(home, flags.of), flags)


def _follow(home: Home, view: RunView, flags: argparse.Namespace) -> Answer:
    """A run that was started: as it is, or with `--wait` as it ended."""
    if flags.wait:
        while view.is_active:
            show_progress(view.step, view.total_steps, f"loss {view.loss if view.loss is not None else '–'}")
            time.sleep(0.3)
            view = runs.find_run(home, view.run)
        end_progress()
    return _with_failure(plain(view), view.state, view.cause, flags.language)


def _runs(home: Home, flags: argparse.Namespace) -> Answer:
    found = runs.list_runs(home)
    if flags.json:
        return {"runs": found}
    return {"text": "\n".join(f"{v.run}\t{v.state}\t{v.step}/{v.total_steps or '?'}\t{v.loss}" for v in found)}


def _runs_show(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(runs.find_run(home, flags.of))


def _runs_compare(home: Home, flags: argparse.Namespace) -> Answer:
    summaries, differences = history.compare_runs(home, flags.of)
    return {"runs": summaries, "differences": differences}


def _runs_note(home: Home, flags: argparse.Namespace) -> Answer:
    tags = None if flags.tags is None else flags.tags.split(",")
    return plain(history.note_run(home, flags.of, flags.note, tags, flags.archived))


def _runs_bundle(home: Home, flags: argparse.Namespace) -> Answer:
    target = flags.to or Path(f"{Path(flags.of).name}.zip")
    write_bytes(target, bundles.pack_bundle(home, flags.of))
    return {"bundle": str(target)}


def _runs_trash(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(history.trash_run(home, flags.of))


def _runs_restore(home: Home, flags: argparse.Namespace) -> Answer:
    """Without a key, what could be brought back."""
    return {"run": history.restore_run(home, flags.key)} if flags.key else {"trash": history.list_trash(home)}


def _runs_checkpoints(home: Home, flags: argparse.Namespace) -> Answer:
    if flags.delete is not None:
        checkpoints.delete_checkpoint(home, flags.of, flags.delete)
    return {"checkpoints": plain(checkpoints.list_checkpoints(home, flags.of))}


def _cpu_runs(home: Home, flags: argparse.Namespace) -> Answer:
    count = queue.cpu_runs(home) if flags.count is None else queue.set_cpu_runs(home, flags.count)
    return plain({"cpu_runs": count})


def _queue(home: Home, flags: argparse.Namespace) -> Answer:
    if flags.change in ("hold", "release"):
        return plain(queue.hold_run(home, flags.of, flags.change == "hold"))
    return plain(queue.move_run(home, flags.of, 1 if flags.change == "later" else -1))


def _stop(home: Home, flags: argparse.Namespace) -> Answer:
    runs.stop_run(home, flags.of, flags.now)
    return plain(runs.wait_run(home, flags.of))


def _chat(home: Home, flags: argparse.Namespace) -> Answer:
    models = chat.ChatModels()
    try:
        loaded = models.load(home, flags.model, flags.adapter)
        turns = [{"role": "user", "content": flags.prompt}]
        sampling = Sampling(temperature=flags.temperature, max_tokens=flags.max_tokens)
        reply = chat.stream_reply(loaded.endpoint, turns, flags.system, sampling)
        text = "".join(piece.content for piece in reply if isinstance(piece, AnswerPiece))
        return {"reply": text} if flags.json else {"text": text}
    finally:
        models.close()


def _serve(home: Home, flags: argparse.Namespace) -> Answer:
    with chat.serve_model(home, flags.model, flags.adapter, flags.port) as server:
        print(say("cli.serving", flags.language, address=server.address), flush=True)
        while server.is_running:
            time.sleep(0.5)
    return {"error": say("error.server_ended", flags.language)}


def _with_failure(answer: Answer, state: str, cause: Problem | None, language: str) -> Answer:
    if state in ("failed", "lost"):
        answer["error"] = word_problem(cause, language) if cause else say("problem.lost", language)
    return answer


def _fail(flags: argparse.Namespace, reason: str, **more: object) -> int:
    if flags.json:
        print(json.dumps({"error": reason, **more}, ensure_ascii=False, default=plain))
    else:
        print(reason, file=sys.stderr)
    return 1
