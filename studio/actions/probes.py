"""Probe prompts: the same few questions to a run's base, to each of its checkpoints, and to what it became."""

from pathlib import Path

from studio.actions.history import list_summaries
from studio.core.batch import BatchRequest, Contender
from studio.core.endpoint import Sampling
from studio.core.questions import Wording
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home
from studio.stores.models import is_adapter, is_model
from studio.stores.runs import find_checkpoints, find_resumable, find_run_folder, read_request, run_id

BASE = "base"
FINAL = "final"


def list_probed_runs(home: Home) -> list[str]:
    """The runs that have something to probe, the newest first."""
    runs = [summary.run for summary in list_summaries(home) if not summary.archived]
    return [run for run in runs if _weights(find_run_folder(home, run))]


def probe_request(home: Home, run: str, prompts: str, system: str, sampling: Sampling) -> BatchRequest:
    """What asks each checkpoint of a run: its labels are `base`, the steps, and `final`. Raises StudioError.

    A line of `prompts` is a prompt.
    """
    if not run:
        raise RequestRefused([Problem("probes_run", "probes_no_run")])
    folder = find_run_folder(home, run)
    found = _weights(folder)
    if not found:
        raise RequestRefused([Problem("probes_run", "probes_no_checkpoint", {"run": run_id(home, folder)})])
    base = Contender(BASE, read_request(folder).model)
    contenders = (base, *(Contender(label, str(path)) for label, path in found))
    return BatchRequest(
        pasted=prompts,
        contenders=contenders,
        wording=Wording(system=system),
        sampling=sampling,
        probes_of=run_id(home, folder),
    )


def _weights(folder: Path) -> list[tuple[str, Path]]:
    """Every state of a run that can be loaded, in the order of training; of the two forms of a step the lighter."""
    steps = {step: folder / f"checkpoint-{step}" for step in find_resumable(folder)}
    steps |= {step: folder / f"hf_checkpoint-{step}" for step in find_checkpoints(folder)}
    found = [(str(step), steps[step]) for step in sorted(steps)]
    return [*found, (FINAL, folder)] if is_model(folder) or is_adapter(folder) else found
