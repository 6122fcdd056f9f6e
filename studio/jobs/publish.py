"""`python -m studio.jobs.publish SOURCE TARGET JOB`: move a proven folder to where it is found.

The last step of an export: until then nothing stands at the target that could be taken for a model.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.core.merging import ENGINE_FILES
from studio.core.runs import LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT
from studio.stores.atomic import write_json
from studio.stores.models import ENGINE_NOTES
from studio.stores.runs import JobPaths, read_json

REPORT = "export_report.json"
CARD = "README.md"


def publish(source: Path, target: Path, job: Path) -> None:
    """Move a folder to a target on the same disk that must not exist, with its model card and its report.

    The report that stays in the job's folder is whole; the one that goes along names no folder of this machine.
    """
    report = read_json(job / REPORT)
    report["seconds"] = {**report.get("seconds", {}), **read_json(JobPaths(job).state).get("steps", {})}
    write_json(job / REPORT, report)
    write_json(source / REPORT, _public(report))
    card = job / CARD
    if card.is_file():
        (source / CARD).write_bytes(card.read_bytes())
    for path in source.iterdir():
        if path.name.startswith(ENGINE_NOTES) or path.name in ENGINE_FILES:
            path.unlink()
        else:
            # The engine makes private files of weights; a model is meant to be read by its owner's other tools.
            path.chmod(0o644)
    if target.exists():
        raise FileExistsError(target)
    # From here on it is there, and the exit status is to say so.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.rename(source, target)


def _public(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report that goes round with its model: where things lay on this machine is nobody else's business."""
    return {
        **report,
        "base": Path(report.get("base", "")).name,
        "adapters": [_folder_name(Path(adapter)) for adapter in report.get("adapters", [])],
    }


def _folder_name(adapter: Path) -> str:
    """A checkpoint's folder says nothing without its run's."""
    is_checkpoint = any(form.fullmatch(adapter.name) for form in (LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT))
    return f"{adapter.parent.name}/{adapter.name}" if is_checkpoint else adapter.name


if __name__ == "__main__":
    publish(*(Path(argument) for argument in sys.argv[1:4]))
