"""Merge LoRA adapters into their base, and prove the result."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import yaml

from studio.actions.merging import MergePlan, merge_steps, prepare_merge, refuse_full_disk
from studio.actions.model_card import card_facts
from studio.actions.train import HOOK
from studio.core.merging import AS_BASE, DEFAULT_SHARD_GB, PRECISIONS
from studio.core.model_card import write_card
from studio.core.paddleformers.config import export_config
from studio.core.problems import RUN_NAME
from studio.core.runs import ACTIVE_STATES, read_cause
from studio.errors import NotFound, Problem, StudioError
from studio.jobs.launch import job_state, start_job, stop_job, wait_job
from studio.jobs.publish import CARD, REPORT
from studio.jobs.warm import supervise_warm
from studio.stores.atomic import write_json, write_text
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.logs import read_log_tail
from studio.stores.models import (
    adapter_base,
    is_adapter,
    is_model,
    is_training_state,
    model_identity,
    read_adapter,
)
from studio.stores.runs import (
    JobPaths,
    RunPaths,
    checkpoint_folder,
    find_run_folder,
    read_json,
    read_request,
    run_id,
)

__all__ = ["PRECISIONS", "ExportView", "find_export", "newest_export", "start_export", "stop_export", "wait_export"]


@dataclass(frozen=True, slots=True)
class ExportView:
    """An export as it stands; `report` is the merge proof once it was made, `seconds` what each step took."""

    run: str
    name: str
    state: str
    phase: str
    target: str
    log: str
    report: dict[str, Any] | None
    cause: Problem | None
    adapters: tuple[str, ...] = ()
    precision: str = AS_BASE
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def is_there(self) -> bool:
        """Whether the merged model is where it was written to."""
        return self.state == "finished" and is_model(Path(self.target))


def start_export(
    home: Home,
    run: str,
    checkpoint: int | None = None,
    to: str | Path | None = None,
    more: Sequence[str] = (),
    precision: str = AS_BASE,
    shard_gb: float = DEFAULT_SHARD_GB,
    language: str = "en",
) -> ExportView:
    """Merge a run's adapter, final or of a checkpoint, and `more` (folders), into a folder that loads as a model.

    `to` is a name for a folder in `models/`, or a path; it must not exist. The model card is written in `language`.
    Raises StudioError.
    """
    folder = find_run_folder(home, run)
    request = read_request(folder)
    adapter = _adapter_of(home, folder, checkpoint)
    adapters = list(dict.fromkeys([adapter, *(allowed_path(home, path, "adapters") for path in more)]))
    _refuse_other_bases(request.model, adapters)
    if precision not in PRECISIONS:
        raise StudioError("bad_precision", "precision", given=precision, known=", ".join(PRECISIONS))
    target = _target(home, to or (f"{folder.name}-{checkpoint}" if checkpoint else folder.name))
    job = RunPaths(folder).exports / target.name
    if job_state(job).get("state") in ACTIVE_STATES:
        raise StudioError("export_is_running", "to", given=target.name)
    if target.exists():
        raise StudioError("target_taken", "to", given=str(target))
    work = target.parent / f".{target.name}.{folder.name}.partial"
    plan = MergePlan(request.model, adapters, work, target, job, precision, _shard_bytes(shard_gb))
    refuse_full_disk(plan)
    device = str(request.options.get("device", "cpu"))
    config = yaml.safe_dump(
        export_config(request.model, str(work), device, str(HOOK)), allow_unicode=True, sort_keys=False
    )
    card = write_card(card_facts(home, folder, adapters, target.name, precision), language)
    asked = {"target": str(target), "run": run_id(home, folder), "work": str(work), "precision": precision}
    shutil.rmtree(job, ignore_errors=True)
    try:
        prepare_merge(plan)
        write_text(job / "export.yaml", config)
        write_text(job / CARD, card)
        write_json(job / "export.json", {**asked, "adapters": [str(path) for path in adapters]})
    except BaseException:
        # Nobody would ever remove what no job knows of.
        shutil.rmtree(job, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
        raise
    start_job(job, merge_steps(plan, device), supervise=partial(supervise_warm, home.warm), scratch=[work])
    return view_export(home, job)


def stop_export(home: Home, run: str, name: str | None = None) -> ExportView:
    """End an export, its newest or that of a name; what it has written is removed. Raises StudioError."""
    job = newest_export(find_run_folder(home, run), name)
    if job is None:
        raise NotFound("no_export", "run", run=run)
    if job_state(job).get("state") in ACTIVE_STATES:
        stop_job(job, now=True)
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
    return max(jobs, key=lambda path: (path / "export.json").stat().st_mtime, default=None)


def export_report(home: Home, run: str, name: str) -> Path:
    """The file of an export's merge proof. Raises NotFound."""
    job = newest_export(find_run_folder(home, run), name)
    if job is None or not (job / REPORT).is_file():
        raise NotFound("no_export", "run", run=run)
    return job / REPORT


def wait_export(home: Home, view: ExportView) -> ExportView:
    """Wait until an export has ended."""
    job = RunPaths(find_run_folder(home, view.run)).exports / view.name
    wait_job(job)
    return view_export(home, job)


def view_export(home: Home, job: Path) -> ExportView:
    """What an export's folder says, right now."""
    asked = read_json(job / "export.json")
    state: dict[str, Any] = job_state(job)
    if state.get("state") == "lost" and asked.get("work"):
        # Nobody was left to do it.
        shutil.rmtree(asked["work"], ignore_errors=True)
    report = read_json(job / REPORT) or None
    # Both failed with status 1; the proof's own words say more.
    refuted = report is not None and report["verdict"] == "FAIL"
    return ExportView(
        run=run_id(home, job.parents[2]),
        name=job.name,
        state=str(state.get("state", "preparing")),
        phase=str(state.get("phase", "")),
        target=str(asked.get("target", "")),
        log=read_log_tail(JobPaths(job).log, 20_000),
        report=report,
        cause=Problem("", "merge_refuted") if refuted else read_cause(state.get("cause")),
        adapters=tuple(asked.get("adapters", ())),
        precision=str(asked.get("precision", AS_BASE)),
        seconds=cast("Mapping[str, float]", state.get("steps") or {}),
    )


def _adapter_of(home: Home, folder: Path, checkpoint: int | None) -> Path:
    """A run's adapter; of a checkpoint the form that loads, or else what training goes on from."""
    state = folder / f"checkpoint-{checkpoint}"
    adapter = state if is_training_state(state) else folder
    if checkpoint is None or (folder / f"hf_checkpoint-{checkpoint}").is_dir() or adapter is folder:
        adapter = checkpoint_folder(folder, checkpoint)
    if not is_adapter(adapter):
        raise StudioError("not_a_lora_run", "run", run=run_id(home, folder))
    return adapter


def _refuse_other_bases(base: str, adapters: Sequence[Path]) -> None:
    if not is_model(Path(base)):
        raise StudioError("not_a_model", "model", given=base, missing="config.json")
    for adapter in adapters:
        if not is_adapter(adapter):
            raise StudioError("not_an_adapter", "adapters", given=str(adapter))
        told = adapter_base(adapter)
        same = not told or Path(told).resolve() == Path(base).resolve()
        if not same and model_identity(Path(str(told))) != model_identity(Path(base)):
            raise StudioError("adapter_of_other_base", "adapters", adapter=adapter.name, expected=told, given=base)
        if (read_adapter(adapter) or {}).get("trainable_modules"):
            raise StudioError("merge_with_weights", "adapters", given=str(adapter))


def _shard_bytes(shard_gb: float) -> int:
    if not 0.001 <= shard_gb <= 1000:
        raise StudioError("bad_shard_size", "shard_gb", given=f"{shard_gb:g}")
    return int(shard_gb * 1e9)


def _target(home: Home, to: str | Path) -> Path:
    if isinstance(to, str) and RUN_NAME.fullmatch(to):
        return home.models / to
    path = allowed_path(home, to, "to")
    if not str(to).startswith(("/", "~")) or not RUN_NAME.fullmatch(path.name) or ".." in path.parts:
        raise StudioError("bad_target", "to", given=str(to))
    return path
