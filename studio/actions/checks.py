"""What must hold before a request may start."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from studio.actions.notes import count_held_out, estimate_run_disk
from studio.actions.training_data import count_rows, find_data_problems
from studio.core.devices import asked_devices
from studio.core.model_check import ModelFacts
from studio.core.problems import MachineFacts, checked_options, find_problems
from studio.core.request import TrainRequest
from studio.errors import Problem, StudioError
from studio.jobs.gpus import visible_gpus
from studio.jobs.launch import is_port_free
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.models import model_files, read_adapter, read_model
from studio.stores.runs import find_run_folders


def find_request_problems(home: Home, request: TrainRequest, model: ModelFacts | None = None) -> list[Problem]:
    """Everything that must hold before this request may start; `model` is its folder, where it was read before."""
    if outside := list(find_place_problems(home, request)):
        return outside
    facts = MachineFacts(
        model_files=model_files(Path(request.model)) if request.model else None,
        model=model or read_request_model(request),
        taken_names=frozenset(folder.name for folder in find_run_folders(home)),
        gpus=visible_gpus(),
        adapter=read_adapter(Path(request.adapter)) if request.adapter else None,
    )
    problems = find_problems(request, facts)
    if not request.datasets:
        problems.append(Problem("datasets", "no_dataset"))
    drop = request.drop_faulty
    problems += find_data_problems(home, request.datasets, request.stage, "datasets", drop)
    if not problems:
        problems += _room_problems(home, request, facts.model)
    if request.eval_dataset:
        problems += find_data_problems(home, (request.eval_dataset,), request.stage, "eval_dataset", drop)
    return problems


def read_request_model(request: TrainRequest) -> ModelFacts | None:
    """The model that a request names; None where there is no such folder."""
    return read_model(Path(request.model)) if request.model and Path(request.model).is_dir() else None


def find_place_problems(home: Home, request: TrainRequest) -> Iterator[Problem]:
    """Paths that lie where the page may not reach; those of further engine keys begin in `saves/`, if anywhere."""
    places = [(field, place) for field, place in (("model", request.model), ("adapter", request.adapter)) if place]
    named = (text for text in _texts(dict(request.extra)) if "/" in text or ".." in text)
    places += [("extra", str(home.saves / text)) for text in named]
    for field, place in places:
        try:
            allowed_path(home, place, field)
        except StudioError as error:
            yield Problem(field, error.code, error.values)


def _texts(value: object) -> Iterator[str]:
    """Every text in a value; a `~` at its beginning as the folder that it means."""
    match value:
        case str():
            yield os.path.expanduser(value)
        case dict():
            for item in cast("dict[object, object]", value).values():
                yield from _texts(item)
        case list():
            for item in cast("list[object]", value):
                yield from _texts(item)
        case _:
            return


def _room_problems(home: Home, request: TrainRequest, model: ModelFacts | None) -> Iterator[Problem]:
    """What can only be judged of a request that is right so far: rows to hold out, a port, room on the disk."""
    options = checked_options(request)
    sound = {name: rows - faulty for name, (rows, faulty) in count_rows(home, request.datasets).items()}
    rows = sum(sound.values())
    if options["eval_share"]:
        held_out = count_held_out(options, sound)
        if not held_out:
            yield Problem("eval_share", "nothing_held_out")
        rows -= held_out
    devices = asked_devices(options)
    if devices.machines > 1 and not is_port_free(devices.port):
        yield Problem("master_port", "master_port_taken", {"given": devices.port})
    disk = estimate_run_disk(request, options, model, rows)
    free = shutil.disk_usage(home.saves).free
    if disk and free < disk.total:
        values = {"free": f"{free / 1e9:.1f}", "needed": f"{disk.total / 1e9:.1f}"}
        yield Problem("save_total_limit", "disk_too_small", values)
