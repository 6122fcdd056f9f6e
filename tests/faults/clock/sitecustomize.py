"""In every process whose PYTHONPATH names this folder, the time of day is off by what the file FAULTS_CLOCK says.

What the kernel says of when processes started goes with the time of day, as it does where somebody sets the clock.
"""

import os
import time

import psutil

_time, _boot_time = time.time, psutil._pslinux.boot_time


def _off() -> float:
    try:
        with open(os.environ["FAULTS_CLOCK"]) as file:
            return float(file.read() or 0)
    except (OSError, KeyError):
        return 0.0


time.time = lambda: _time() + _off()
time.time_ns = lambda: int(time.time() * 1e9)
psutil._pslinux.boot_time = lambda: _boot_time() + _off()
