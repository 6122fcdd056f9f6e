"""Go on with a run that has ended, from one of its checkpoints, in its own folder."""

import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from studio.actions.runs import view_run
from studio.core.command import Command
from studio.core.metrics import read_metric
from studio.core.options import OPTIONS_BY_NAME, read_option
from studio.core.runs import RunView
from studio.errors import NotFound, Problem, RequestRefused, StudioError
from studio.jobs.devices import read_claim
from studio.jobs.launch import Step, start_job
from studio.jobs.warm import supervise_warm
from studio.stores.atomic import alone, write_json, write_text
from studio.stores.home import Home
from studio.stores.runs import JobPaths, RunPaths, find_resumable, find_run_folder, newest_resumable, read_json

# What may be another when a run goes on; anything else would make another model or other data of it.
CHANGEABLE = (
    "learning_rate",
    "max_steps",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "save_total_limit",
)
RESUME_KEY = "resume_from_checkpoint"


def resume_run(
    home: Home, run: str, checkpoint: int | None = None, changes: Mapping[str, object] | None = None
) -> RunView:
    """Go on from a checkpoint, the newest without one, with some options changed. Raises StudioError.

    The steps behind the checkpoint are taken again, so their points are taken out of the curve. With nothing
    changed the losses are those of an uninterrupted run.
    """
    folder = find_run_folder(home, run)
    # Of two who go on at the same time one is told that the run is at work.
    with alone(RunPaths(folder).config):
        return _resume(home, folder, checkpoint, changes or {})


def _resume(home: Home, folder: Path, checkpoint: int | None, changes: Mapping[str, object]) -> RunView:
    paths = RunPaths(folder)
    view = view_run(home, folder)
    if view.is_active:
        raise StudioError("run_is_active", "run", run=view.run)
    known = find_resumable(folder)
    if not known:
        raise StudioError("no_checkpoint", "run", run=view.run)
    lengthened = any(name in changes for name in ("max_steps", "num_train_epochs"))
    # Of two branches the one that was written last, which need not be the one that got further. Of a run that was
    # cut off while it saved its result, one from which there are steps to take: only they lead to a result.
    cut_off = not lengthened and view.state != "finished" and view.total_steps
    newest = (cut_off and newest_resumable(folder, view.total_steps or 0)) or newest_resumable(folder)
    step = newest if checkpoint is None else checkpoint
    if step not in known:
        raise NotFound("unknown_checkpoint", "checkpoint", given=step, known=", ".join(map(str, known)))
    config = yaml.safe_load(paths.config.read_text(encoding="utf-8"))
    config |= _checked(changes)
    # Of a finished run only who names a checkpoint wants its last steps again; behind the last step the
    # engine would train one more over the result.
    done = view.state == "finished" and checkpoint is None
    if not lengthened and (done or (view.total_steps is not None and step >= view.total_steps)):
        raise StudioError("nothing_to_resume", "run", run=view.run, step=view.step)
    config[RESUME_KEY] = str(folder / f"checkpoint-{step}")
    job = JobPaths(paths.job)
    asked = read_json(job.job)
    if not asked.get("steps"):
        raise StudioError("no_job", "run", run=view.run)
    write_text(paths.config, yaml.safe_dump(config, allow_unicode=True, sort_keys=False, width=1000))
    _forget_steps_behind(paths.metrics, step)
    earlier = read_json(job.state)
    resumed = [*earlier.get("resumed", []), {"time": time.time(), "step": step, "changes": dict(changes)}]
    write_json(job.state, {"resumed": resumed})
    job.stop.unlink(missing_ok=True)
    steps = [_step(stored) for stored in asked["steps"]]
    claim = read_claim(paths.job)
    start_job(paths.job, steps, claim, asked.get("silence_s", 0), partial(supervise_warm, home.warm), home.webhook)
    return view_run(home, folder)


def _checked(changes: Mapping[str, object]) -> dict[str, Any]:
    """The values of options that were typed. Raises RequestRefused with all that is wrong."""
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, given in changes.items():
        if name not in CHANGEABLE:
            values_known = {"given": name, "known": ", ".join(CHANGEABLE)}
            problems.append(Problem(name, "not_changeable", values_known))
            continue
        value = read_option(OPTIONS_BY_NAME[name], given)
        if isinstance(value, Problem):
            problems.append(value)
        else:
            values[name] = value
    if problems:
        raise RequestRefused(problems)
    if "save_steps" in values:
        values["save_hf_steps"] = values["save_steps"]
    return values


def _step(stored: Mapping[str, Any]) -> Step:
    command = Command(tuple(stored["argv"]), stored["env"], stored["folder"])
    makes = tuple(Path(path) for path in stored["makes"])
    return Step(stored["name"], command, makes, bool(stored.get("needed", True)))


def _forget_steps_behind(metrics: Path, step: int) -> None:
    """Keep of the curve what the checkpoint has seen; a torn last line goes, too."""
    try:
        lines = metrics.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    records = [record for line in lines if (record := read_metric(line))]
    kept = [record for record in records if record.get("step", 0) <= step and record["kind"] != "end"]
    write_text(metrics, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))
