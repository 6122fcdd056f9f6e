"""Prove a merged folder that somebody else made."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.actions.merging import prove_command
from studio.core.runs import ACTIVE_STATES
from studio.errors import NotFound, StudioError
from studio.jobs.ends import read_end
from studio.jobs.launch import Step, job_state, start_job, stop_job, wait_job
from studio.jobs.publish import REPORT
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.jail import allowed_path, is_allowed
from studio.stores.models import is_adapter, is_model, model_path
from studio.stores.runs import find_run_folder, read_json


@dataclass(frozen=True, slots=True)
class ProofView:
    """A proof as it stands; `report` once it was made, `failed` why it could not be."""

    name: str
    merged: str
    state: str
    phase: str
    report: dict[str, Any] | None
    failed: StudioError | None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES


def start_proof(home: Home, base: str, adapters: Sequence[str], merged: str) -> ProofView:
    """Begin to compare a merged folder with a base and adapters; runs may stand for their folders.

    Raises StudioError.
    """
    folders = {"base": model_path(home, base), "merged": model_path(home, merged)}
    for field, path in folders.items():
        if not path.is_dir():
            raise StudioError("no_folder", field, given=str(path))
    if not is_model(folders["base"]):
        raise StudioError("not_a_model", "base", given=base, missing="config.json")
    found = [adapter_path(home, adapter) for adapter in adapters if adapter]
    if not found:
        raise StudioError("no_adapter_given", "adapters")
    name = f"{folders['merged'].name}-{secrets.token_hex(3)}"
    job = _folder(home, name)
    command = prove_command(str(folders["base"]), found, folders["merged"], job / REPORT)
    write_json(job / "asked.json", {"merged": str(folders["merged"])})
    start_job(job, [Step("proving", command, (job / REPORT,))])
    return view_proof(home, name)


def view_proof(home: Home, name: str) -> ProofView:
    """What a proof's folder says, right now. Raises NotFound."""
    job = _folder(home, name)
    asked = read_json(job / "asked.json")
    if not asked:
        raise NotFound("no_proof", "name", given=name)
    state: dict[str, Any] = job_state(job)
    report = read_json(job / REPORT) or None
    told = str(state.get("state", "preparing"))
    failed = read_end(job, state, "merged") if told == "failed" and report is None else None
    # A proof that ends with FAIL has done its work.
    return ProofView(
        name, str(asked["merged"]), "finished" if report else told, str(state.get("phase", "")), report, failed
    )


def wait_proof(home: Home, view: ProofView) -> ProofView:
    wait_job(_folder(home, view.name))
    return view_proof(home, view.name)


def stop_proof(home: Home, name: str) -> ProofView:
    """End a proof that is still going on. Raises NotFound."""
    view = view_proof(home, name)
    if view.is_active:
        stop_job(_folder(home, name), now=True)
    return view_proof(home, name)


def newest_proof(home: Home) -> ProofView | None:
    """The proof that was begun last; None when there is none."""
    asked = (home.saves / ".proofs").glob("*/asked.json")
    newest = max(asked, key=lambda path: path.stat().st_mtime, default=None)
    return view_proof(home, newest.parent.name) if newest else None


def proof_report(home: Home, name: str) -> Path:
    """The file of a proof's report. Raises NotFound."""
    path = _folder(home, name) / REPORT
    if not path.is_file():
        raise NotFound("no_proof", "name", given=name)
    return path


def adapter_path(home: Home, given: str) -> Path:
    """An adapter's folder as it was given, or that of the run of this name. Raises StudioError."""
    given = given.strip()
    is_path = given.startswith(("/", "~"))
    folder = allowed_path(home, given, "adapters") if is_path else find_run_folder(home, given)
    if not is_adapter(folder):
        raise StudioError("not_an_adapter", "adapters", given=given)
    return folder


def _folder(home: Home, name: str) -> Path:
    if not name or "/" in name or name.startswith(".") or not is_allowed(home, home.root / name):
        raise NotFound("no_proof", "name", given=name)
    return home.saves / ".proofs" / name
