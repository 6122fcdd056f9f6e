"""The steps by which adapters are merged into a base: what the engine does, and what is ours around it."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.core.command import Command
from studio.core.devices import Devices
from studio.core.merging import (
    COPIED_FILES,
    OTHER_FILES,
    TEMPLATE_FILES,
    TOKENIZER_FILES,
    needed_bytes,
    rewrites,
)
from studio.core.paddleformers.config import launch_command
from studio.errors import StoreFailed, StudioError
from studio.jobs.launch import Step, own_command
from studio.jobs.publish import REPORT
from studio.stores.models import is_training_state, weight_bytes

# A log, a report and a card.
SMALL_FILES_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What is merged into what: the engine works in `work`, beside the target."""

    base: str
    adapters: Sequence[Path]
    work: Path
    target: Path
    job: Path
    precision: str
    shard_bytes: int

    @property
    def combines(self) -> bool:
        """Whether the engine cannot read what is there: several adapters, or what training goes on from."""
        return len(self.adapters) > 1 or is_training_state(self.adapters[0])

    @property
    def completes(self) -> bool:
        """Whether the engine leaves something to do: files that it does not copy, or another form of weights."""
        base = Path(self.base)
        extra = {*TOKENIZER_FILES, *TEMPLATE_FILES, *OTHER_FILES} - COPIED_FILES
        left = any((base / name).is_file() for name in extra)
        return left or rewrites(weight_bytes(base), self.precision, self.shard_bytes)


def prepare_merge(plan: MergePlan) -> None:
    """Make the folders of the job; the engine writes into `<adapter>/export`, and a copy keeps the run as it was.

    Raises StoreFailed.
    """
    try:
        plan.job.mkdir(parents=True)
        plan.target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(plan.work, ignore_errors=True)
        plan.work.mkdir()
        for file in plan.adapters[0].iterdir():
            # A config here would make a model of it.
            if not plan.combines and file.is_file() and file.name != "config.json":
                shutil.copy2(file, plan.work)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreFailed("write_failed", "to", path=str(plan.target.parent), reason=reason) from error


def merge_steps(plan: MergePlan, device: str) -> list[Step]:
    """The commands of an export, in order; its config and its card lie in the job's folder by then."""
    merged = plan.work / "export"
    report = plan.job / REPORT
    # One process on a CPU; on GPUs whatever the studio was given.
    ids = ("0",) if device == "cpu" else ()
    ranks, path = str(plan.job / "ranks"), os.environ.get("PATH", "")
    config = str(plan.job / "export.yaml")
    merge = launch_command("export", sys.executable, config, Devices(device, ids), str(plan.job), ranks, path)
    adapters = [f"--adapter={adapter}" for adapter in plan.adapters]
    base = f"--base={plan.base}"
    shape = ("--precision", plan.precision, "--shard-bytes", str(plan.shard_bytes))
    steps = [
        Step("merging", merge, (merged / "config.json",)),
        Step("proving", prove_command(plan.base, plan.adapters, merged, report), (report,)),
        Step(
            "publishing",
            own_command("jobs.publish", str(merged), str(plan.target), str(plan.job), threads=1),
            (plan.target / "config.json",),
            publishes=True,
        ),
    ]
    if plan.completes:
        complete = own_command("engine.complete", base, f"--merged={merged}", *shape, threads=1)
        steps.insert(1, Step("completing", complete))
    if plan.combines:
        adding = own_command("engine.combine", base, *adapters, f"--to={plan.work}", threads=1)
        steps.insert(0, Step("adding", adding))
    return steps


def prove_command(base: str, adapters: Sequence[Path], merged: Path, report: Path) -> Command:
    """The command that holds a merged folder against a base and adapters."""
    parts = [f"--adapter={adapter}" for adapter in adapters]
    places = (f"--base={base}", *parts, f"--merged={merged}", f"--report={report}")
    return own_command("engine.prove", *places, threads=1)


def refuse_full_disk(plan: MergePlan) -> None:
    """Raises StudioError where the target's disk or the job's has no room, with what is needed and what is free."""
    sizes = [_folder_bytes(adapter) for adapter in plan.adapters]
    needed = needed_bytes(weight_bytes(Path(plan.base)), plan.precision, plan.shard_bytes, sizes)
    for place, wanted in ((plan.target.parent, needed), (plan.job, SMALL_FILES_BYTES)):
        there = next(path for path in (place, *place.parents) if path.exists())
        free = shutil.disk_usage(there).free
        if free < wanted:
            values = {"free": f"{free / 1e9:.2f}", "needed": f"{wanted / 1e9:.2f}"}
            raise StudioError("no_room_for_export", "to", path=str(there), **values)


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
