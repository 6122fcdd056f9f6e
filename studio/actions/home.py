"""Open a studio's home, and fill a new one with the demo."""

import shutil
import subprocess
import sys
from pathlib import Path

from studio.core.command import Command
from studio.errors import JobFailed
from studio.jobs.launch import CHECKOUT, scrubbed_environment
from studio.stores.home import Home
from studio.stores.models import is_model

DEMO_MODEL = "ernie-4.5-demo"


def open_home(root: Path) -> Home:
    """The home at `root`, with its folders; a new empty one gets the demo registry and data."""
    home = Home(root.resolve())
    if not home.registry.exists() and not home.data.exists():
        shutil.copytree(CHECKOUT / "data", home.data)
        shutil.copy2(CHECKOUT / "dataset_registry.json", home.registry)
    for folder in (home.data, home.saves, home.models):
        folder.mkdir(parents=True, exist_ok=True)
    return home


def demo_model_command(home: Home) -> Command:
    argv = (sys.executable, "-m", "studio.engine.demo_model", str(home.models / DEMO_MODEL))
    return Command(argv, {}, str(CHECKOUT))


def make_demo_model(home: Home) -> Path:
    """Make the demo base model when it is not there; takes seconds, needs no download.

    Raises JobFailed with the last line of what the maker said.
    """
    folder = home.models / DEMO_MODEL
    if is_model(folder):
        return folder
    command = demo_model_command(home)
    done = subprocess.run(
        command.argv,
        cwd=command.folder,
        env=scrubbed_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not is_model(folder):
        reason = (done.stderr.strip() or done.stdout.strip() or "-").splitlines()[-1]
        raise JobFailed("demo_model_failed", reason=reason)
    return folder
