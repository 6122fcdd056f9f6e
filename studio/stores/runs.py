"""Run folders: `saves/<model>/<method>/<run>/`, the one truth about a run."""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from studio.core.request import TrainRequest
from studio.core.runs import LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT, checkpoint_steps
from studio.errors import NotFound, StudioError
from studio.stores.atomic import write_json, write_text
from studio.stores.home import Home

# The engine writes the signal last; without the others it cannot go on.
WHOLE_CHECKPOINT = ("saved_signal_0", "optimizer_state/0.metadata", "model_state/0.metadata")


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where each thing of a run lies. `output` is the engine's; what is the studio's is in `job`."""

    output: Path

    @property
    def job(self) -> Path:
        return self.output / "studio"

    @property
    def request(self) -> Path:
        return self.job / "request.json"

    @property
    def config(self) -> Path:
        return self.job / "train.yaml"

    @property
    def hook(self) -> Path:
        return self.job / "hook.json"

    @property
    def data(self) -> Path:
        return self.job / "data"

    @property
    def metrics(self) -> Path:
        return self.job / "metrics.jsonl"

    @property
    def visualdl(self) -> Path:
        return self.job / "visualdl"

    @property
    def evaluations(self) -> Path:
        return self.job / "evaluations"

    @property
    def exports(self) -> Path:
        return self.job / "exports"


@dataclass(frozen=True, slots=True)
class JobPaths:
    """The files by which a supervised job is asked, stopped and read."""

    folder: Path

    @property
    def job(self) -> Path:
        return self.folder / "job.json"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def machine(self) -> Path:
        return self.folder / "machine.jsonl"

    @property
    def stop(self) -> Path:
        return self.folder / "stop"


def find_run_folders(home: Home) -> Iterator[Path]:
    """Every folder that holds a run, in no order."""
    for model in _folders(home.saves):
        for method in _folders(model):
            for run in _folders(method):
                if os.path.exists(f"{run}/studio/request.json"):
                    yield Path(run)


def _folders(folder: str | Path) -> list[str]:
    """A thousand runs are looked through at every look at the list, so this is no glob."""
    try:
        with os.scandir(folder) as found:
            return [entry.path for entry in found if not entry.name.startswith(".") and _is_folder(entry)]
    except FileNotFoundError:
        return []


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself, or into a disk that is gone.
        return False


def find_run_folder(home: Home, run: str) -> Path:
    """The folder of `model/method/name`, or of a bare name (run names are unique in a home).

    Raises NotFound, naming what there is.
    """
    parts = run.split("/")
    if len(parts) == 3 and not any(part.startswith(".") or not part for part in parts):
        folder = home.saves.joinpath(*parts)
        if RunPaths(folder).request.exists():
            return folder
    folders = list(find_run_folders(home))
    for folder in folders:
        if run == folder.name:
            return folder
    raise NotFound("unknown_run", "run", given=run, known=", ".join(sorted(f.name for f in folders)) or "-")


def run_id(home: Home, folder: Path) -> str:
    return folder.relative_to(home.saves).as_posix()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of ours; an empty one when the file is missing (a run that is being written)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return cast("dict[str, Any]", value)


def read_request(folder: Path) -> TrainRequest:
    """What was asked of a run. Raises StudioError where its file is broken."""
    path = RunPaths(folder).request
    try:
        return TrainRequest.from_json(read_json(path)["request"])
    except (ValueError, KeyError, TypeError) as error:
        raise StudioError("broken_run", "run", run=folder.name, path=str(path)) from error


def write_state(folder: Path, **fields: object) -> None:
    """Change some fields of a job's `state.json` and keep the rest."""
    path = JobPaths(folder).state
    write_json(path, {**read_json(path), **fields})


def ask_stop(folder: Path, how: str) -> None:
    """Leave the request that the supervisor and the engine hook look for: `save` or `now`."""
    write_text(JobPaths(folder).stop, how)


def find_checkpoints(folder: Path) -> list[int]:
    """Steps of the checkpoints that can be loaded, in order."""
    return checkpoint_steps(LOADABLE_CHECKPOINT, (path.name for path in folder.glob("hf_checkpoint-*")))


def find_resumable(folder: Path) -> list[int]:
    """Steps of the checkpoints that training can go on from, in order; a half-written one is none."""
    steps = checkpoint_steps(RESUMABLE_CHECKPOINT, (path.name for path in folder.glob("checkpoint-*")))
    return [
        step for step in steps if all((folder / f"checkpoint-{step}" / part).exists() for part in WHOLE_CHECKPOINT)
    ]


def newest_resumable(folder: Path, before: float = math.inf) -> int | None:
    """The step of the checkpoint that was written last, of those before a step; None when there is none."""
    signal = WHOLE_CHECKPOINT[0]
    return max(
        (step for step in find_resumable(folder) if step < before),
        key=lambda step: ((folder / f"checkpoint-{step}" / signal).stat().st_mtime, step),
        default=None,
    )


def checkpoint_folder(folder: Path, step: int | None) -> Path:
    """The folder of a checkpoint, or of the final weights for None. Raises NotFound."""
    if step is None:
        return folder
    path = folder / f"hf_checkpoint-{step}"
    if not path.is_dir():
        known = ", ".join(str(known) for known in find_checkpoints(folder)) or "-"
        raise NotFound("unknown_checkpoint", "checkpoint", given=step, known=known)
    return path
