"""`python -m studio.jobs.publish SOURCE TARGET JOB`: move a proven folder to where it is found.

The last step of an export: until then nothing stands at the target that could be taken for a model.
"""

import os
import signal
import sys
from pathlib import Path

from studio.core.merging import ENGINE_FILES
from studio.stores.atomic import write_json
from studio.stores.models import ENGINE_NOTES
from studio.stores.runs import JobPaths, read_json

REPORT = "export_report.json"
CARD = "README.md"


def publish(source: Path, target: Path, job: Path) -> None:
    """Move a folder, with its report and its model card, to a target on the same disk that must not exist."""
    report = read_json(job / REPORT)
    report["seconds"] = {**report.get("seconds", {}), **read_json(JobPaths(job).state).get("steps", {})}
    write_json(job / REPORT, report)
    write_json(source / REPORT, report)
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


if __name__ == "__main__":
    publish(*(Path(argument) for argument in sys.argv[1:4]))
