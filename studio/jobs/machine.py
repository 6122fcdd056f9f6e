"""What a job asks of its machine, measured while it runs."""

import contextlib
import importlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from studio.jobs.processes import ProcessIdentity

SAMPLE_S = 2.0


class MachineMeter:
    """Measures a process with all its descendants, the disk that it writes to, and its GPUs.

    `cpu` and `gpu_use` are per cent, of one core and of a GPU; `memory` (resident), `disk_free` and `gpu_memory`
    are in 10⁹ bytes, `gpu_temperature` in °C and `gpu_power` in W. Of several GPUs each has names of its own:
    `gpu_use:0`.
    """

    def __init__(self, path: Path, gpus: Sequence[str]) -> None:
        self._path = path
        self._gpus = gpus
        self._nvml = _open_nvml() if gpus else None
        self._busy: dict[ProcessIdentity, float] = {}
        self._measured = 0.0

    def measure(self, pid: int) -> None:
        """Append a line to the file, if it is time to; what cannot be measured is left out."""
        now = time.monotonic()
        since, first = now - self._measured, not self._measured
        if since < SAMPLE_S:
            return
        self._measured = now
        numbers = self._processes(pid, since)
        if first:
            # Now there is something to compare with.
            return
        # A full disk, of all moments, is none at which the run may lose its supervisor over a measurement.
        with contextlib.suppress(OSError):
            numbers["disk_free"] = shutil.disk_usage(self._path.parent).free / 1e9
            numbers |= self._read_gpus()
            # Its steps are seconds: a file of points like that of the engine, read in the same way.
            at = time.time()
            line = json.dumps({"kind": "log", "time": at, "step": int(at), **numbers})
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def _processes(self, pid: int, since: float) -> dict[str, float]:
        busy: dict[ProcessIdentity, float] = {}
        memory = 0
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error, OSError):
                    times = process.cpu_times()
                    busy[ProcessIdentity.of(process.pid)] = times.user + times.system
                    memory += process.memory_info().rss
        spent = sum(seconds - self._busy.get(who, 0.0) for who, seconds in busy.items())
        self._busy = busy
        return {"cpu": 100 * spent / since, "memory": memory / 1e9}

    def _read_gpus(self) -> dict[str, float]:
        if not self._nvml:
            return {}
        nvml, numbers = self._nvml, dict[str, float]()
        for gpu in self._gpus:
            mark = f":{gpu}" if len(self._gpus) > 1 else ""
            with contextlib.suppress(nvml.NVMLError, ValueError):
                handle = nvml.nvmlDeviceGetHandleByIndex(int(gpu))
                numbers[f"gpu_use{mark}"] = float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
                numbers[f"gpu_memory{mark}"] = nvml.nvmlDeviceGetMemoryInfo(handle).used / 1e9
                numbers[f"gpu_temperature{mark}"] = float(
                    nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
                )
                numbers[f"gpu_power{mark}"] = nvml.nvmlDeviceGetPowerUsage(handle) / 1000
        return numbers


def _open_nvml() -> Any:
    """NVIDIA's management library, or None where there is none."""
    # It ships no types.
    nvml: Any = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml
