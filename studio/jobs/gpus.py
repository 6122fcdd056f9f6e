"""The GPUs of this machine, as NVIDIA's own tool tells them."""

import os
import subprocess
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from studio.core.options import list_names
from studio.core.paddleformers.config import DEVICE_VARIABLE

QUERY = ("nvidia-smi", "--query-gpu=index,memory.free", "--format=csv,noheader,nounits")
ANSWER_S = 5.0
# Asking takes some tenths of a second, and the page asks at every change.
KEPT_S = 5.0
MEBIBYTE = 2**20


def visible_gpus() -> tuple[str, ...]:
    """Numbers of the GPUs that the studio may use: those it was started with, or all; asking needs no process."""
    given = os.environ.get(DEVICE_VARIABLE)
    if given is not None:
        return tuple(name for name in list_names(given) if name.isdecimal())
    count = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return tuple(str(number) for number in range(count))


def free_gpu_bytes() -> Mapping[str, int]:
    """Free memory of each GPU by its number; nothing where there is none, or the tool does not say."""
    return _ask(int(time.monotonic() / KEPT_S))


@lru_cache(maxsize=1)
def _ask(_moment: int) -> Mapping[str, int]:
    try:
        told = subprocess.run(QUERY, capture_output=True, text=True, timeout=ANSWER_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [line.split(",") for line in told.splitlines() if line.count(",") == 1]
    return {name.strip(): int(free) * MEBIBYTE for name, free in rows if free.strip().isdecimal()}
