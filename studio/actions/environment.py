"""What a run's result may depend on beside what was asked."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from studio import __version__
from studio.jobs.launch import CHECKOUT


def run_versions() -> dict[str, str]:
    """The studio and a hash of its code, Python, the engine and Paddle."""
    found = {"studio": __version__, "studio code": code_hash(), "python": platform.python_version()}
    for package in ("paddleformers", "paddlepaddle", "paddlepaddle-gpu"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_hash() -> str:
    """The first letters of a SHA-256 over the studio's own code, which between two releases has no version."""
    digest = hashlib.sha256()
    for path in sorted((CHECKOUT / "studio").rglob("*.py")):
        digest.update(path.relative_to(CHECKOUT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
