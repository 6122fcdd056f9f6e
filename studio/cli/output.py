"""What the commands print: plain values, and a progress bar on a terminal."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
BAR_WIDTH = 30


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: plain(item) for key, item in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def show_progress(done: int, total: int | None, told: str = "") -> None:
    """Draw the bar, where somebody can see it."""
    if not sys.stderr.isatty():
        return
    filled = BAR_WIDTH * done // total if total else 0
    bar = "█" * filled + "░" * (BAR_WIDTH - filled)
    print(f"\r{bar} {done}/{total or '?'}  {told}   ", end="", file=sys.stderr)


def print_progress(done: int, total: int) -> None:
    """A line for whoever follows from another process."""
    print(json.dumps({"done": done, "total": total}), file=sys.stderr, flush=True)


def end_progress() -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)
