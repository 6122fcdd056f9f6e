"""`python -m studio.jobs.publish SOURCE TARGET REPORT`: move a proven folder to where it is found.

The last step of an export: until then nothing stands at the target that could be taken for a model.
"""

import os
import shutil
import sys
from pathlib import Path


def publish(source: Path, target: Path, report: Path) -> None:
    """Move a folder with its report to a target that must not exist; across disks by a copy beside it.

    The folder lies in the copy of the adapter that the engine merged, which has done its work then.
    """
    if target.exists():
        raise FileExistsError(target)
    shutil.copy2(report, source / report.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.parent / f".{target.name}.partial"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.move(str(source), str(beside))
    os.rename(beside, target)
    shutil.rmtree(source.parent)


if __name__ == "__main__":
    publish(*(Path(argument) for argument in sys.argv[1:4]))
