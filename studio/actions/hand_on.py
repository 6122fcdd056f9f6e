"""Hand a finished model on: as a tar with checksums, or to a hub."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.hubs import HUBS, REPOSITORY
from studio.core.runs import ACTIVE_STATES
from studio.errors import NotFound, StudioError
from studio.jobs.ends import read_end
from studio.jobs.launch import Step, job_state, own_command, start_job, stop_job, wait_job
from studio.jobs.pack import fingerprint, partial_of
from studio.jobs.progress import read_progress
from studio.jobs.publish import REPORT
from studio.jobs.push import TOKEN_VARIABLE
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.jail import allowed_path, is_allowed
from studio.stores.models import is_model, model_path, shipped_files
from studio.stores.runs import JobPaths, RunPaths, find_run_folders, read_json

MARGIN_BYTES = 50_000_000
KINDS = ("package", "push")


@dataclass(frozen=True, slots=True)
class HandOnView:
    """A package or a push as it stands; `done` and `total` are bytes, `where` is its file or address."""

    kind: str
    model: str
    state: str
    done: int
    total: int
    file: str
    where: str
    hub: str = ""
    failed: StudioError | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES


def list_merged(home: Home) -> list[tuple[str, str]]:
    """Models that a merge has made, as (name, folder): those of `models/`, and those that runs were exported to."""
    found = {str(path.parent) for path in home.models.glob(f"*/{REPORT}") if not path.parent.name.startswith(".")}
    for folder in find_run_folders(home):
        for job in RunPaths(folder).exports.glob("*/export.json"):
            if read_json(JobPaths(job.parent).state).get("state") == "finished":
                found.add(str(read_json(job).get("target", "")))
    return sorted((Path(path).name, path) for path in found if path and is_model(Path(path)))


def start_package(home: Home, model: str) -> HandOnView:
    """Pack a model into `<model>.tar` beside it, in place of one that was packed here. Raises StudioError."""
    folder = _model(home, model)
    job = _job(home, "package", folder)
    target = folder.with_name(f"{folder.name}.tar")
    made = _made_before(job)
    if target.exists() and fingerprint(target) not in made:
        raise StudioError("target_taken", "model", given=str(target))
    needed = sum(path.stat().st_size for path in shipped_files(folder)) + MARGIN_BYTES
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        values = {"free": f"{free / 1e9:.2f}", "needed": f"{needed / 1e9:.2f}"}
        raise StudioError("no_room_for_export", "model", path=str(folder.parent), **values)
    step = Step("packing", own_command("jobs.pack", str(folder), str(target), str(job)), (target,), publishes=True)
    _begin(job, {"model": str(folder), "where": str(target), "made": made})
    listed = target.with_name(f"{target.name}.sha256")
    start_job(job, [step], scratch=[partial_of(target), partial_of(listed)])
    return view_hand_on(home, "package", str(folder))


def start_push(home: Home, model: str, hub: str, repository: str, private: bool, token: str) -> HandOnView:
    """Send a model to a hub; the token is kept in the memory of the process that sends. Raises StudioError."""
    folder = _model(home, model)
    if hub not in HUBS:
        raise StudioError("unknown_hub", "hub", given=hub, known=", ".join(HUBS))
    repository, token = repository.strip(), token.strip()
    if not REPOSITORY.fullmatch(repository):
        raise StudioError("bad_repository", "repository", given=repository)
    if not token or not token.isascii() or not token.isprintable():
        raise StudioError("no_token", "token", hub=HUBS[hub])
    job = _job(home, "push", folder)
    seen = "private" if private else "public"
    _begin(job, {"model": str(folder), "where": repository, "hub": hub})
    step = Step("pushing", own_command("jobs.push", hub, str(folder), repository, str(job), seen), publishes=True)
    start_job(job, [step], secrets={TOKEN_VARIABLE: token})
    return view_hand_on(home, "push", str(folder))


def stop_hand_on(home: Home, kind: str, model: str) -> HandOnView:
    """End a package or a push; of a package nothing stays."""
    job = _folder(home, kind, Path(model))
    if job_state(job).get("state") in ACTIVE_STATES:
        stop_job(job, now=True)
    return view_hand_on(home, kind, model)


def wait_hand_on(home: Home, view: HandOnView) -> HandOnView:
    wait_job(_folder(home, view.kind, Path(view.model)))
    return view_hand_on(home, view.kind, view.model)


def find_hand_on(home: Home, kind: str, model: str) -> HandOnView | None:
    """A model's package or push; None when there was none yet."""
    there = bool(model) and (_folder(home, kind, Path(model)) / "asked.json").is_file()
    return view_hand_on(home, kind, model) if there else None


def view_hand_on(home: Home, kind: str, model: str) -> HandOnView:
    """What a job's folder says, right now. Raises NotFound."""
    job = _folder(home, kind, Path(model))
    asked = read_json(job / "asked.json")
    if not asked:
        raise NotFound("not_handed_on", "model", given=model)
    state: Mapping[str, Any] = job_state(job)
    told = read_progress(job)
    failed = read_end(job, state, "model") if state.get("state") == "failed" else None
    return HandOnView(
        kind,
        str(asked["model"]),
        str(state.get("state", "preparing")),
        int(told["done"]),
        int(told["total"]),
        str(told["file"]),
        str(told.get("url") or asked["where"]),
        HUBS.get(str(asked.get("hub", "")), ""),
        failed,
    )


def package_file(home: Home, model: str) -> Path:
    """The tar of a model that was packed. Raises NotFound."""
    view = find_hand_on(home, "package", model)
    if view is None or view.state != "finished" or not Path(view.where).is_file():
        raise NotFound("not_handed_on", "model", given=model)
    return Path(view.where)


def _made_before(job: Path) -> list[list[int]]:
    """The packages that this job's folder knows to be ours: of its last round, or of those before."""
    last: list[int] | None = read_progress(job).get("made")
    earlier: list[list[int]] = read_json(job / "asked.json").get("made", [])
    return [last] if last else earlier


def _begin(job: Path, asked: dict[str, Any]) -> None:
    shutil.rmtree(job, ignore_errors=True)
    write_json(job / "asked.json", asked)


def _model(home: Home, given: str) -> Path:
    folder = model_path(home, given)
    if not given or not is_model(folder):
        raise StudioError("not_a_model", "model", given=given, missing="config.json")
    for file in shipped_files(folder):
        # What a link in it leads to would be handed on, too.
        allowed_path(home, file, "model")
    return folder


def _job(home: Home, kind: str, folder: Path) -> Path:
    """The folder for a new job. Raises StudioError while one is active."""
    job = _folder(home, kind, folder)
    if job_state(job).get("state") in ACTIVE_STATES:
        raise StudioError("hand_on_is_running", "model", given=folder.name)
    return job


def _folder(home: Home, kind: str, model: Path) -> Path:
    # Models of one name may lie in several places.
    name = str(model).strip("/").replace("/", "%")[-200:]
    if kind not in KINDS or name.strip(".") == "" or not is_allowed(home, home.root / name):
        raise NotFound("not_handed_on", "model", given=str(model))
    return home.saves / f".{kind}s" / name
