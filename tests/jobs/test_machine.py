"""What a run asks of its machine is measured, and never costs the run its supervisor."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from studio.jobs import machine
from studio.jobs.machine import MachineMeter

# A parent that rests and a child that works and holds 200 MB: a tree is more than its root.
TREE = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'held = b\"x\" * 200_000_000\\nwhile True: pass'])"


@pytest.fixture
def tree() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", TREE], start_new_session=True) as process:
        yield process.pid
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_whole_tree_is_measured(tree: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SAMPLE_S", 0.5)
    meter = MachineMeter(tmp_path / "machine.jsonl", [])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        meter.measure(tree)
        time.sleep(0.1)
        if (tmp_path / "machine.jsonl").exists() and lines(tmp_path / "machine.jsonl")[-1]["memory"] > 0.2:
            break
    last = lines(tmp_path / "machine.jsonl")[-1]
    assert last["memory"] > 0.2
    assert 10 < last["cpu"] < 120
    assert last["disk_free"] > 0
    assert last["step"] == int(last["time"])


def test_a_process_that_is_gone_and_a_disk_that_takes_nothing_are_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SAMPLE_S", 0.0)
    # Linux's own full disk.
    full = MachineMeter(Path("/dev/full"), [])
    gone = MachineMeter(tmp_path / "machine.jsonl", [])
    for _ in range(3):
        full.measure(1)
        gone.measure(2**22 + 1)
    assert lines(tmp_path / "machine.jsonl")[-1]["memory"] == 0


def test_each_of_several_gpus_has_names_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NVMLError(Exception):
        pass

    def utilisation(handle: int) -> SimpleNamespace:
        if handle == 3:
            raise NVMLError
        return SimpleNamespace(gpu=10 * handle)

    stand_in: Any = ModuleType("pynvml")
    stand_in.NVMLError = NVMLError
    stand_in.NVML_TEMPERATURE_GPU = 0
    stand_in.nvmlInit = lambda: None
    stand_in.nvmlDeviceGetHandleByIndex = lambda index: index
    stand_in.nvmlDeviceGetUtilizationRates = utilisation
    stand_in.nvmlDeviceGetMemoryInfo = lambda handle: SimpleNamespace(used=handle * 10**9)
    stand_in.nvmlDeviceGetTemperature = lambda handle, _: 50 + handle
    stand_in.nvmlDeviceGetPowerUsage = lambda _: 100_000
    monkeypatch.setitem(sys.modules, "pynvml", stand_in)
    monkeypatch.setattr(machine, "SAMPLE_S", 0.0)
    meter = MachineMeter(tmp_path / "machine.jsonl", ["1", "2", "3"])
    for _ in range(2):
        meter.measure(1)
    last = lines(tmp_path / "machine.jsonl")[-1]
    assert (last["gpu_use:1"], last["gpu_memory:2"], last["gpu_temperature:2"], last["gpu_power:1"]) == (
        10.0,
        2.0,
        52.0,
        100.0,
    )
    # One that does not answer is left out, and the others stay.
    assert not any(name.endswith(":3") for name in last)
