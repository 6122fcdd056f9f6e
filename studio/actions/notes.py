"""What is worth knowing of a request before it starts: rows, steps, memory, room on the disk."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import psutil

from studio.actions.training_data import HeldOut, count_rows
from studio.core.devices import asked_devices, named_devices
from studio.core.estimates import DiskEstimate, MemoryEstimate, estimate_disk, estimate_memory
from studio.core.model_check import ModelFacts
from studio.core.options import OptionValue
from studio.core.paddleformers.config import planned_steps
from studio.core.problems import checked_extra, checked_options
from studio.core.reductions import Reduction, find_reductions
from studio.core.request import TrainRequest
from studio.errors import Problem
from studio.jobs.gpus import free_gpu_bytes, visible_gpus
from studio.stores.home import Home
from studio.stores.models import read_adapter, read_model


def find_notes(home: Home, request: TrainRequest, model: ModelFacts | None) -> list[Problem]:
    """Rows that are left out or held out, the number of steps, memory, disk; nothing that stops a start."""
    counted = count_rows(home, [*request.datasets, *([request.eval_dataset] if request.eval_dataset else [])])
    notes = [
        Problem("datasets", "rows_dropped", {"name": name, "count": faulty, "rows": rows, "left": rows - faulty})
        for name, (rows, faulty) in counted.items()
        if faulty and request.drop_faulty
    ]
    try:
        options = checked_options(request)
    except ValueError:
        # An option is wrong, which is told as a problem.
        return notes
    if request.method == "lora" and (adapter := read_adapter(Path(request.adapter)) if request.adapter else None):
        values = {"rank": adapter.get("r"), "alpha": adapter.get("lora_alpha")}
        notes.append(Problem("adapter", "adapter_rules", values))
    notes += _memory_notes(request, options, model)
    sound = {name: rows - faulty for name, (rows, faulty) in counted.items() if name in request.datasets}
    rows = sum(sound.values())
    if options["eval_share"] and not request.eval_dataset:
        kept = count_held_out(options, sound)
        notes.append(Problem("eval_share", "rows_held_out", {"count": kept, "rows": rows}))
        rows -= kept
    notes += _step_notes(request, options, rows)
    if disk := estimate_run_disk(request, options, model, rows):
        free = shutil.disk_usage(home.saves).free
        values = {"one": disk.checkpoint, "kept": disk.kept, "total": disk.total, "free": free}
        told = {key: value if key == "kept" else f"{value / 1e9:.2f}" for key, value in values.items()}
        notes.append(Problem("save_steps", "disk_estimate", told))
    return notes


def count_held_out(options: Mapping[str, OptionValue], sound: Mapping[str, int]) -> int:
    """How many of the sound rows of some datasets are held out for evaluation."""
    apart = HeldOut(float(options["eval_share"]), 0, Path())
    return sum(apart.size(rows) for rows in sound.values())


def count_steps(home: Home, request: TrainRequest) -> int | None:
    """How many steps a request takes; None where that depends on how rows are mixed, or an option is wrong."""
    try:
        options = checked_options(request)
    except ValueError:
        return None
    sound = {name: rows - faulty for name, (rows, faulty) in count_rows(home, request.datasets).items()}
    rows = sum(sound.values()) - (count_held_out(options, sound) if options["eval_share"] else 0)
    mixed = len(request.datasets) > 1 and options["mix_strategy"] != "concat" and int(options["max_steps"]) <= 0
    return None if mixed or not rows else planned_steps(rows, options)


def _step_notes(request: TrainRequest, options: Mapping[str, OptionValue], rows: int) -> list[Problem]:
    if not rows:
        return []
    limited = int(options["max_steps"]) > 0
    if len(request.datasets) > 1 and options["mix_strategy"] != "concat" and not limited:
        return [Problem("max_steps", "steps_mixed", {"rows": rows})]
    values = {"steps": planned_steps(rows, options), "rows": rows, "epochs": f"{options['num_train_epochs']:g}"}
    code = "steps_given" if limited else "steps_at_most" if options["packing"] else "steps_planned"
    return [Problem("max_steps", code, values)]


def estimate_run(request: TrainRequest, model: ModelFacts | None = None) -> MemoryEstimate | None:
    """The memory that a request needs on its device; None when its model folder or an option does not say."""
    try:
        options = checked_options(request)
        model = model or read_model(Path(request.model))
        return estimate_memory(model, request.stage, request.method, options, checked_extra(request))
    except (ValueError, KeyError, OSError):
        return None


def estimate_run_disk(
    request: TrainRequest, options: Mapping[str, OptionValue], model: ModelFacts | None, rows: int
) -> DiskEstimate | None:
    """The room that a run takes until its end; None when nobody can say."""
    if model is None or not model.shapes or not rows:
        return None
    return estimate_disk(model, request.method, options, planned_steps(rows, options))


def reduce_memory(request: TrainRequest, model: ModelFacts | None = None) -> list[Reduction]:
    """Changes by which a request would take less memory, and how much less; none while an option is wrong."""
    try:
        options = checked_options(request)
        model = model or read_model(Path(request.model))
    except (ValueError, OSError):
        return []

    def total(changed: TrainRequest) -> int | None:
        found = estimate_run(changed, model)
        return found.total if found else None

    return list(find_reductions(request, options, total))


def _memory_notes(
    request: TrainRequest, options: Mapping[str, OptionValue], model: ModelFacts | None
) -> list[Problem]:
    said = estimate_run(request, model) if model else None
    if said is None:
        return []
    parts = ("weights", "gradients", "optimizer", "activations", "copy", "process", "total")
    values: dict[str, object] = {part: f"{getattr(said, part) / 1e9:.2f}" for part in parts}
    values |= {"parameters": f"{said.parameters / 1e6:,.1f}", "trainable": f"{said.trainable / 1e6:,.2f}"}
    notes = [Problem("memory", "memory_estimate", values)]
    for device, needed, free in _devices_of(options, said):
        verdict = "memory_fits" if needed <= free else "memory_too_small"
        values = {"device": device, "needed": f"{needed / 1e9:.1f}", "free": f"{free / 1e9:.1f}"}
        notes.append(Problem("memory", verdict, values))
    return notes


def _devices_of(options: Mapping[str, OptionValue], said: MemoryEstimate) -> list[tuple[str, int, int]]:
    """Of each device that a run may use: its name, the bytes that it needs there, and those that are free."""
    devices = asked_devices(options)
    if devices.kind == "cpu":
        return [("CPU", said.total * len(devices.ids), psutil.virtual_memory().available)]
    free = free_gpu_bytes()
    names = named_devices(options) or visible_gpus() or free
    return [(f"GPU {name}", said.total, free[name]) for name in names if name in free]
