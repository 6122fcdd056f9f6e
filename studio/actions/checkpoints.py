"""The checkpoints of a run: what each is worth and takes, and deleting one."""

import shutil
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.actions.curves import read_curves
from studio.actions.runs import view_run
from studio.errors import NotFound, StudioError
from studio.stores.home import Home
from studio.stores.runs import find_checkpoints, find_resumable, find_run_folder


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One step's checkpoint: its losses then, its size in bytes, and what it is good for."""

    step: int
    loss: float | None
    eval_loss: float | None
    size: int
    can_resume: bool
    can_load: bool


def list_checkpoints(home: Home, run: str) -> list[Checkpoint]:
    """Every checkpoint of a run, the newest first. Raises NotFound."""
    folder = find_run_folder(home, run)
    loadable, resumable = set(find_checkpoints(folder)), set(find_resumable(folder))
    curves = read_curves(home, run)
    return [
        Checkpoint(
            step,
            _at(curves, "loss", step),
            _at(curves, "eval_loss", step),
            sum(_size(path) for path in _folders(folder, step)),
            step in resumable,
            step in loadable,
        )
        for step in sorted(loadable | resumable, reverse=True)
    ]


def checkpoint_path(home: Home, run: str, step: int | None = None) -> Path:
    """Where a checkpoint is, the form that loads if there is one; without a step the newest's. Raises NotFound."""
    folder = find_run_folder(home, run)
    known = sorted({*find_checkpoints(folder), *find_resumable(folder)})
    wanted = known[-1] if step is None and known else step
    if wanted not in known:
        raise NotFound("unknown_checkpoint", "checkpoint", given=step, known=", ".join(map(str, known)) or "-")
    return _folders(folder, wanted)[-1]


def delete_checkpoint(home: Home, run: str, step: int) -> None:
    """Delete a checkpoint of a run that is not at work. Raises StudioError."""
    folder = find_run_folder(home, run)
    view = view_run(home, folder)
    if view.is_active:
        raise StudioError("run_is_active", "run", run=view.run)
    known = [checkpoint.step for checkpoint in list_checkpoints(home, run)]
    if step not in known:
        raise NotFound("unknown_checkpoint", "checkpoint", given=step, known=", ".join(map(str, known)) or "-")
    for path in _folders(folder, step):
        # Renamed first, so that a half-deleted one is none.
        gone = path.with_name(f".deleted-{path.name}")
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _folders(folder: Path, step: int) -> list[Path]:
    return [path for name in ("checkpoint", "hf_checkpoint") if (path := folder / f"{name}-{step}").is_dir()]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _at(curves: Mapping[str, tuple[list[float], list[float]]], name: str, step: int) -> float | None:
    """The last value of a curve up to a step."""
    xs, ys = curves.get(name, ([], []))
    position = bisect_right(xs, step)
    return ys[position - 1] if position else None
