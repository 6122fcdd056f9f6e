"""Merge a LoRA run into its base, and prove the result."""

import os
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from studio.actions.train import HOOK
from studio.core.command import Command
from studio.core.devices import Devices
from studio.core.paddleformers.config import export_config, launch_command
from studio.core.problems import RUN_NAME
from studio.core.runs import ACTIVE_STATES, read_cause
from studio.errors import Problem, StudioError
from studio.jobs.launch import CHECKOUT, Step, job_state, start_job, wait_job
from studio.jobs.warm import supervise_warm
from studio.stores.atomic import write_json, write_text
from studio.stores.home import Home
from studio.stores.logs import read_log_tail
from studio.stores.models import ADAPTER_CONFIG
from studio.stores.runs import (
    JobPaths,
    RunPaths,
    checkpoint_folder,
    find_run_folder,
    read_json,
    read_request,
    run_id,
)

REPORT = "export_report.json"


@dataclass(frozen=True, slots=True)
class ExportView:
    """An export as it stands; `report` is the merge proof once it was made."""

    run: str
    name: str
    state: str
    phase: str
    target: str
    log: str
    report: dict[str, Any] | None
    cause: Problem | None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES


def start_export(home: Home, run: str, checkpoint: int | None = None, to: str | Path | None = None) -> ExportView:
    """Merge a run's adapter, final or of a checkpoint, into a folder that loads as a model.

    `to` is a name for a folder in `models/`, or a path; it must not exist. Raises StudioError.
    """
    folder = find_run_folder(home, run)
    request = read_request(folder)
    adapter = checkpoint_folder(folder, checkpoint)
    if not (adapter / ADAPTER_CONFIG).is_file():
        raise StudioError("not_a_lora_run", "run", run=run_id(home, folder))
    target = _target(home, to or (f"{folder.name}-{checkpoint}" if checkpoint else folder.name))
    if target.exists():
        raise StudioError("target_taken", "to", given=str(target))
    job = RunPaths(folder).exports / target.name
    if job_state(job).get("state") in ACTIVE_STATES:
        raise StudioError("export_is_running", "to", given=target.name)
    shutil.rmtree(job, ignore_errors=True)
    # The engine writes into `<adapter>/export`; a copy of the adapter keeps the run as it was.
    copy = job / "adapter"
    copy.mkdir(parents=True)
    for file in adapter.iterdir():
        if file.is_file():
            shutil.copy2(file, copy)
    device = str(request.options.get("device", "cpu"))
    config = export_config(request.model, str(copy), device, str(HOOK))
    write_text(job / "export.yaml", yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
    write_json(job / "export.json", {"target": str(target), "run": run_id(home, folder)})
    steps = _steps(request.model, adapter, job, target, device)
    start_job(job, steps, supervise=partial(supervise_warm, home.warm))
    return view_export(home, job)


def find_export(home: Home, run: str, name: str | None = None) -> ExportView | None:
    """The export of a run by the name of its target, or its newest; None when there is none."""
    job = newest_export(find_run_folder(home, run), name)
    return view_export(home, job) if job else None


def newest_export(folder: Path, name: str | None = None) -> Path | None:
    """The folder of a run's newest export, or of that with a name."""
    jobs = [path for path in RunPaths(folder).exports.glob("*") if (path / "export.json").is_file()]
    if name is not None:
        jobs = [path for path in jobs if path.name == name]
    return max(jobs, key=lambda path: path.stat().st_mtime, default=None)


def wait_export(home: Home, view: ExportView) -> ExportView:
    """Wait until an export has ended."""
    job = RunPaths(find_run_folder(home, view.run)).exports / view.name
    wait_job(job)
    return view_export(home, job)


def view_export(home: Home, job: Path) -> ExportView:
    """What an export's folder says, right now."""
    asked = read_json(job / "export.json")
    state: dict[str, Any] = job_state(job)
    report = read_json(job / REPORT) or None
    return ExportView(
        run=run_id(home, job.parents[2]),
        name=job.name,
        state=str(state.get("state", "preparing")),
        phase=str(state.get("phase", "")),
        target=str(asked.get("target", "")),
        log=read_log_tail(JobPaths(job).log, 20_000),
        report=report,
        cause=read_cause(state.get("cause")),
    )


def _steps(base: str, adapter: Path, job: Path, target: Path, device: str) -> list[Step]:
    merged = job / "adapter" / "export"
    # One process on a CPU; on GPUs whatever the studio was given.
    ids = ("0",) if device == "cpu" else ()
    ranks, path = str(job / "ranks"), os.environ.get("PATH", "")
    config = str(job / "export.yaml")
    merge = launch_command("export", sys.executable, config, Devices(device, ids), str(job), ranks, path)
    prove = Command(
        (
            *(sys.executable, "-m", "studio.engine.prove", "--base", base, "--adapter", str(adapter)),
            *("--merged", str(merged), "--report", str(job / REPORT)),
        ),
        {"OMP_NUM_THREADS": "1"},
        str(CHECKOUT),
    )
    publish = Command(
        (sys.executable, "-m", "studio.jobs.publish", str(merged), str(target), str(job / REPORT)),
        {},
        str(CHECKOUT),
    )
    return [
        Step("merging", merge, (merged / "config.json",)),
        Step("proving", prove, (job / REPORT,)),
        Step("publishing", publish, (target / "config.json",)),
    ]


def _target(home: Home, to: str | Path) -> Path:
    if isinstance(to, str) and RUN_NAME.fullmatch(to):
        return home.models / to
    path = Path(to).expanduser()
    if not path.is_absolute() or not RUN_NAME.fullmatch(path.name):
        raise StudioError("bad_target", "to", given=str(to))
    return path
