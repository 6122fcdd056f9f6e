"""Ask for a run, see the command, start it."""

import json
import os
import pprint
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import yaml

from studio.actions.checks import find_place_problems, find_request_problems, read_request_model
from studio.actions.environment import run_versions
from studio.actions.home import DEMO_MODEL
from studio.actions.notes import find_notes, reduce_memory
from studio.actions.runs import RunView, view_run
from studio.actions.training_data import HeldOut, prepare_data
from studio.core.command import Command
from studio.core.devices import asked_devices, named_devices
from studio.core.imports import ImportedKey, imported_keys, translate_config
from studio.core.options import OPTIONS_BY_NAME, OptionValue, default_options
from studio.core.paddleformers.config import (
    DEVICE_VARIABLE,
    REQUEST_KEYS,
    TrainFiles,
    engine_config,
    hook_settings,
    launch_command,
    machine_commands,
)
from studio.core.paddleformers.failures import diagnose
from studio.core.plain_yaml import MOST_CHARACTERS, BadYaml, read_yaml
from studio.core.problems import checked_extra, checked_options
from studio.core.reductions import Reduction
from studio.core.request import TrainRequest
from studio.core.runs import COMPARING
from studio.errors import Problem, RequestRefused, StudioError
from studio.jobs.devices import Claim
from studio.jobs.gpus import visible_gpus
from studio.jobs.launch import CHECKOUT, Step, start_job
from studio.jobs.warm import parse_warm, supervise_warm
from studio.stores.atomic import write_json, write_text
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.models import ADAPTER_CONFIG, model_identity
from studio.stores.runs import RunPaths, find_run_folders, run_id, write_state
from studio.stores.small_files import read_small_text

HOOK = CHECKOUT / "studio" / "engine" / "hook.py"
# Every key of a request that is not handed on to the engine as it is.
REQUEST_FIELDS = {
    *OPTIONS_BY_NAME,
    *REQUEST_KEYS,
    "model",
    "method",
    "name",
    "datasets",
    "eval_dataset",
    "drop_faulty",
}
NUMBERED = re.compile(r"(.*?)-(\d+)")
DEMO_DATASET = "medical_zh"
DEMO_EVAL_DATASET = "medical_zh_eval"
PYTHON_SNIPPET = """\
from pathlib import Path

from studio.actions.home import open_home
from studio.actions.runs import wait_run
from studio.actions.train import request_from_keys, start_run

home = open_home(Path({home!r}))
request = request_from_keys(home, {keys})
print(wait_run(home, start_run(home, request).run))
"""
UNLISTABLE = " ,#"
# What tells most of the result of each stage; of plain text nobody asks questions.
COMPARED_WITH: Mapping[str, Sequence[str]] = {"SFT": ("answers", "likelihood"), "DPO": ("pairs", "likelihood")}


@dataclass(frozen=True, slots=True)
class Preview:
    """What Start would do, and what stands in its way; made without a side effect.

    `command` is two lines for a shell: the first writes the run folder, the second is the engine; of several
    machines, those for the others follow as comments. `notes` are worth knowing and stop nothing; `reductions` are
    ways to take less memory.
    """

    command: str
    yaml: str
    python: str
    problems: list[Problem]
    notes: list[Problem]
    reductions: list[Reduction]


@dataclass(frozen=True, slots=True)
class _Plan:
    config: dict[str, Any]
    command: Command
    paths: RunPaths
    options: Mapping[str, OptionValue]


def default_request(home: Home) -> TrainRequest:
    """What the Train tab holds for a newcomer: full SFT of the demo model on the demo data."""
    return TrainRequest(
        model=str(home.models / DEMO_MODEL),
        datasets=(DEMO_DATASET,),
        eval_dataset=DEMO_EVAL_DATASET,
        options=default_options(),
        name=free_name(home, "my-first-run"),
    )


def free_name(home: Home, wanted: str) -> str:
    """`wanted`, or with the next number behind it when a run of that name exists."""
    taken = {folder.name for folder in find_run_folders(home)}
    if wanted not in taken:
        return wanted
    match = NUMBERED.fullmatch(wanted)
    stem = match[1] if match else wanted
    number = 2
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def request_from_keys(home: Home, config: Mapping[str, Any], begin: TrainRequest | None = None) -> TrainRequest:
    """A request from engine keys, on top of another or of the defaults; `datasets`, `name` and such are ours.

    A relative model path means one in the home's `models/`, or else in the working directory.
    """
    request = begin or default_request(home)
    options = dict(request.options)
    extra: dict[str, Any] = dict(request.extra)
    fields: dict[str, Any] = {}
    for key, value in config.items():
        if key in OPTIONS_BY_NAME:
            options[key] = value
        elif key in REQUEST_KEYS:
            fields[REQUEST_KEYS[key]] = "" if value is None else str(value)
        elif key in ("model", "method", "name"):
            fields[key] = str(value)
        elif key == "datasets":
            names = cast("list[object]", value) if isinstance(value, list) else str(value).split(",")
            fields["datasets"] = tuple(str(name).strip() for name in names if str(name).strip())
        elif key == "drop_faulty":
            fields[key] = str(value).lower() in ("true", "1", "yes")
        elif key == "eval_dataset":
            fields[key] = str(value) if value not in (None, "", "none") else None
        else:
            extra[key] = value
    if "method" in fields:
        fields["method"] = fields["method"].lower()
    if fields.get("adapter"):
        fields["adapter"] = str(allowed_path(home, fields["adapter"], "adapter"))
    if fields.get("model"):
        fields["model"] = str(_model_path(home, fields["model"]))
    return replace(request, options=options, extra=extra, **fields)


def with_model_path(home: Home, request: TrainRequest) -> TrainRequest:
    """The request with the whole path of its model; one out of reach stays, and is told with the rest."""
    with suppress(StudioError):
        return replace(request, model=str(_model_path(home, request.model))) if request.model else request
    return request


def import_file(home: Home, path: Path) -> tuple[TrainRequest, list[ImportedKey]]:
    """The same from a file. Raises StudioError."""
    try:
        text = read_small_text(path, MOST_CHARACTERS)
    except (OSError, ValueError) as error:
        raise StudioError("unreadable_file", "file", given=path.name, reason=str(error)) from error
    return import_config(home, text)


def import_config(home: Home, text: str) -> tuple[TrainRequest, list[ImportedKey]]:
    """A request from the YAML or JSON of PaddleFormers, ERNIEKit or LLaMA-Factory, and what became of each key.

    Raises RequestRefused for what is no mapping of keys.
    """
    try:
        config: Any = read_yaml(text)
    except BadYaml as error:
        raise RequestRefused([Problem("config", "bad_yaml", {"reason": str(error)})]) from error
    if not isinstance(config, dict):
        raise RequestRefused([Problem("config", "bad_yaml", {"reason": type(config).__name__})])
    report = translate_config(cast("dict[str, Any]", config))
    return request_from_keys(home, imported_keys(report)), report


def preview_run(home: Home, request: TrainRequest) -> Preview:
    """The exact command and YAML of a request, and all its problems."""
    request = with_model_path(home, request)
    if outside := list(find_place_problems(home, request)):
        return Preview("", "", "", outside, [], [])
    model = read_request_model(request)
    problems = find_request_problems(home, request, model)
    notes = find_notes(home, request, model)
    reductions = reduce_memory(request, model)
    if any(problem.field not in ("name", "datasets", "eval_dataset", "model") for problem in problems):
        return Preview("", "", "", problems, notes, reductions)
    plan = _plan(home, request)
    problems = problems or _parser_problems(home, plan)
    lines = [prepare_command(home, request).shell(), plan.command.shell()]
    others = machine_commands(str(plan.paths.config), asked_devices(plan.options), str(plan.paths.job))
    for rank, command in enumerate(others, 2):
        # A name with a line end in it must not end the comment.
        lines += [f"# {line}" for line in f"{rank}: {command.shell()}".splitlines()]
    return Preview("\n".join(lines), _yaml(plan.config), python_snippet(home, request), problems, notes, reductions)


def prepare_command(home: Home, request: TrainRequest) -> Command:
    """The command that writes the run folder of a request and starts nothing."""
    keys = {
        **_keys_of(request),
        **{key: json.dumps(value, ensure_ascii=False) for key, value in request.extra.items()},
    }
    pairs = [f"{key}={value}" for key, value in keys.items()]
    argv = (sys.executable, "-m", "studio", "--home", str(home.root), "prepare", f"--name={request.name}", *pairs)
    return Command(argv, {}, str(CHECKOUT))


def python_snippet(home: Home, request: TrainRequest) -> str:
    """The same run as a few lines of Python, to be run where the studio's package is."""
    keys = pprint.pformat({**_keys_of(request), **request.extra, "name": request.name}, sort_dicts=False, width=100)
    return PYTHON_SNIPPET.format(home=str(home.root), keys=keys)


def _keys_of(request: TrainRequest) -> dict[str, object]:
    """A request as the keys that `request_from_keys` reads, without the engine's further ones."""
    keys: dict[str, object] = {key: getattr(request, field) for key, field in REQUEST_KEYS.items()}
    if not request.adapter:
        del keys["lora_path"]
    keys["datasets"] = ",".join(request.datasets)
    keys["eval_dataset"] = request.eval_dataset or "none"
    if request.drop_faulty:
        keys["drop_faulty"] = "true"
    usual = default_options()
    return keys | {name: value for name, value in checked_options(request).items() if value != usual[name]}


def prepare_run(home: Home, request: TrainRequest) -> RunView:
    """Write the run folder of a request, for somebody who starts the engine by hand. Raises RequestRefused."""
    plan = _prepare(home, request)
    write_state(plan.paths.job, state="prepared", phase="prepared")
    return view_run(home, plan.paths.output)


def start_run(home: Home, request: TrainRequest) -> RunView:
    """Write the run folder and hand the run to its supervisor. Raises RequestRefused with all problems."""
    plan = _prepare(home, request)
    written = plan.paths.output / (ADAPTER_CONFIG if request.method == "lora" else "config.json")
    silence_s = 60 * float(plan.options["silence_minutes"])
    steps = [Step("loading", plan.command, (written,)), *_comparing(home, request, plan)]
    start_job(
        plan.paths.job,
        steps,
        _claim(home, plan.options),
        silence_s,
        partial(supervise_warm, home.warm),
        home.webhook,
    )
    return view_run(home, plan.paths.output)


def _comparing(home: Home, request: TrainRequest, plan: _Plan) -> list[Step]:
    """What base and result are asked when the training has ended, where that was wanted."""
    rows = int(plan.options["compare_rows"])
    if not rows or request.stage not in COMPARED_WITH:
        return []
    command = compare_command(home, request, run_id(home, plan.paths.output), rows)
    return [Step(COMPARING, command, needed=False)]


def compare_command(home: Home, request: TrainRequest, run: str, rows: int) -> Command:
    """The command that asks a base and the run that was made of it; a run's name begins with its model's, which may
    look like a flag."""
    measures = [f"--measure={name}" for name in COMPARED_WITH[request.stage]]
    argv = (
        *(sys.executable, "-m", "studio", "--home", str(home.root), "evaluate", f"--held-out={run}"),
        *(f"--model={request.model}", f"--model={run}", "--limit", str(rows), *measures, "--progress"),
    )
    return Command(argv, {}, str(CHECKOUT))


def _prepare(home: Home, request: TrainRequest) -> _Plan:
    request = with_model_path(home, request)
    problems = find_request_problems(home, request)
    if problems:
        raise RequestRefused(problems)
    plan = _plan(home, request)
    problems = _parser_problems(home, plan)
    if problems:
        raise RequestRefused(problems)
    paths = plan.paths
    try:
        # mkdir is the lock: of two people who start the same name, one is told so.
        paths.output.mkdir(parents=True)
    except FileExistsError as error:
        raise RequestRefused([Problem("name", "name_taken", {"given": request.name})]) from error
    try:
        sources = _write_run(home, request, plan)
    except StudioError:
        shutil.rmtree(paths.output, ignore_errors=True)
        raise
    write_json(paths.request, _record(request, plan, sources))
    return plan


def _parser_problems(home: Home, plan: _Plan) -> list[Problem]:
    """What the engine's own parser says; nothing where no engine is warm, or for another device than it knows."""
    if plan.config["device"] != "cpu" or not (refused := parse_warm(home.warm, plan.config)):
        return []
    cause = diagnose(1, refused)
    return [Problem("extra", cause.code, cause.values)]


def _plan(home: Home, request: TrainRequest) -> _Plan:
    options = checked_options(request)
    paths = RunPaths(home.saves / (Path(request.model).name or "model") / request.method / request.name)
    evaluates = bool(request.eval_dataset or options["eval_share"])
    files = TrainFiles(
        output=str(paths.output),
        train_data=tuple(_listed_path(file, paths.job) for file in _train_files(paths, request, options)),
        eval_data=_listed_path(paths.data / "eval.jsonl", paths.job) if evaluates else None,
        data_type="messages",
        visualdl=str(paths.visualdl),
        hook=str(HOOK),
        adapter=request.adapter,
    )
    extra = checked_extra(request)
    config = engine_config(request.model, request.stage, request.method, options, extra, files)
    command = launch_command(
        "train",
        sys.executable,
        str(paths.config),
        asked_devices(options),
        # The engine writes estimation files into its working directory; they belong to the run.
        str(paths.job),
        str(paths.job / "ranks"),
        os.environ.get("PATH", ""),
    )
    return _Plan(config, command, paths, options)


def _train_files(paths: RunPaths, request: TrainRequest, options: Mapping[str, OptionValue]) -> list[Path]:
    """One file of all training rows, or one of each dataset where the engine shall mix them."""
    if len(request.datasets) < 2 or options["mix_strategy"] == "concat":
        return [paths.data / "train.jsonl"]
    return [paths.data / f"train-{number}.jsonl" for number in range(1, len(request.datasets) + 1)]


def _listed_path(path: Path, folder: Path) -> str:
    """A data path as the engine's lists of paths can hold it: it drops spaces and parts them at commas, so
    that a path with such characters is given relative to the folder in which the engine runs.
    """
    return str(path.relative_to(folder)) if any(letter in str(path) for letter in UNLISTABLE) else str(path)


def _write_run(home: Home, request: TrainRequest, plan: _Plan) -> list[dict[str, Any]]:
    paths = plan.paths
    now = time.time()
    # First the state: with its request a folder becomes a run, and one without a state would prepare for ever.
    write_state(paths.job, state="preparing", phase="preparing", created_at=now, asked_at=now)
    write_json(paths.request, _record(request, plan, []))
    files = _train_files(paths, request, plan.options)
    parts = [request.datasets] if len(files) == 1 else [(name,) for name in request.datasets]
    evaluated = paths.data / "eval.jsonl"
    share = float(plan.options["eval_share"])
    held_out = HeldOut(share, int(plan.options["seed"]), evaluated) if share else None
    sources: list[dict[str, Any]] = []
    for names, file in zip(parts, files, strict=True):
        sources += prepare_data(home, names, request.stage, file, request.drop_faulty, held_out)
    if plan.config["mix_strategy"] == "random":
        # The engine's own default is 6,000,000 rows an epoch, however few there are.
        trained = sum(source["rows"] - source.get("held_out", 0) for source in sources)
        plan.config.setdefault("num_samples_each_epoch", trained)
    if request.eval_dataset:
        names = (request.eval_dataset,)
        sources += prepare_data(home, names, request.stage, evaluated, request.drop_faulty)
    write_json(paths.hook, hook_settings(request.method, plan.options))
    write_text(paths.config, _yaml(plan.config))
    return sources


def _record(request: TrainRequest, plan: _Plan, sources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "request": request.to_json(),
        "datasets": sources,
        "command": {
            "argv": list(plan.command.argv),
            "env": dict(plan.command.env),
            "folder": plan.command.folder,
        },
        "model": model_identity(Path(request.model)),
        "versions": run_versions(),
    }


def _yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(config), allow_unicode=True, sort_keys=False, width=1000)


def _claim(home: Home, options: Mapping[str, OptionValue]) -> Claim:
    """What a run takes for itself: some GPUs, or a place on the CPU, whose processes count as one."""
    if options["device"] == "cpu":
        return Claim(home.pool("cpu"))
    names = named_devices(options) or visible_gpus()
    return Claim(home.pool("gpu"), int(options["device_count"]), names, DEVICE_VARIABLE)


def _model_path(home: Home, given: str) -> Path:
    if "/" in given:
        return allowed_path(home, given, "model")
    named = allowed_path(home, home.models / given, "model")
    # A folder of this name here is meant only where the home has none.
    return allowed_path(home, given, "model") if not named.is_dir() and Path(given).is_dir() else named
