"""`python -m benchmarks.overhead`: what the studio costs a run, and what the warm engine saves.

The same small CPU run is done by the studio's page and by the bare command line, in turns, in one go:

* steps per second, from the times that the engine itself prints for its steps, the first few left out;
* seconds from Start to the first loss: in what the page is sent for its curve, with the warm engine and without it,
  and in what the bare command line prints.

The bare command line is PaddleFormers with nothing of the studio but the fixes, without which 1.2.0 does not train
on a CPU at all (its RMSNorm has no kernel there).
"""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from studio.actions.home import DEMO_MODEL, make_demo_model, open_home
from studio.actions.runs import read_log, wait_run
from studio.actions.train import prepare_run, request_from_keys, start_run
from studio.jobs.launch import CHECKOUT, free_port
from studio.jobs.warm import ask
from studio.stores.home import Home
from studio.stores.runs import RunPaths, read_json
from studio.ui.points import unpack_curves

STEP_S = re.compile(r"global_step: (\d+), interval_runtime: ([\d.]+)")
FIRST_STEPS = 5
FIRST_LOSS = re.compile(rb"\bloss: ")
POLL_S = 0.02
FIXES_ONLY = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from studio.engine.fixes import apply_fixes
apply_fixes()
"""
USUAL = {"eval_dataset": "none", "save_steps": 1_000_000}


@dataclass(frozen=True, slots=True)
class Timed:
    """One run: seconds until its first loss was seen, and its steps per second."""

    first_loss_s: float
    steps_per_s: float


@contextlib.contextmanager
def page(home: Home, *flags: str) -> Iterator[str]:
    """The studio's page over a home, as `make run` serves it; its address."""
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), "--home", str(home.root), *flags]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            _until(lambda: _answers(address))
            if not flags:
                _until(lambda: ask(home.warm, {"do": "hello"}) is not None)
            yield address
        finally:
            server.terminate()


def studio_run(home: Home, address: str, name: str, steps: int) -> Timed:
    """Start a run as the Start button does, and ask for its points as the page does."""
    request = request_from_keys(home, {**USUAL, "max_steps": steps, "name": name})
    begun = time.monotonic()
    run = start_run(home, request).run
    with httpx.Client(base_url=address) as client:
        _until(lambda: unpack_curves(client.get("/studio/points", params={"run": run}).content)[0]["points"] > 0)
    first = time.monotonic() - begun
    view = wait_run(home, run)
    assert view.state == "finished", view.cause
    return Timed(first, _steps_per_s(read_log(home, run, 1_000_000)))


def bare_run(home: Home, name: str, steps: int) -> Timed:
    """The engine's own command with the same config, and a hook that mends it and does nothing else."""
    request = request_from_keys(home, {**USUAL, "max_steps": steps, "name": name})
    paths = RunPaths(Path(prepare_run(home, request).path))
    config = yaml.safe_load(paths.config.read_text())
    hook = paths.job / "fixes_only.py"
    hook.write_text(FIXES_ONLY)
    config["custom_register_path"] = str(hook)
    paths.config.write_text(yaml.safe_dump(config))
    command = read_json(paths.request)["command"]
    log = paths.job / "log.txt"
    env = {**os.environ, **command["env"]}
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command["argv"], cwd=command["folder"], env=env, stdout=output, stderr=output)
    _until(lambda: FIRST_LOSS.search(log.read_bytes()) is not None)
    first = time.monotonic() - begun
    assert process.wait() == 0, log.read_text()[-2000:]
    return Timed(first, _steps_per_s(log.read_text()))


def _steps_per_s(log: str) -> float:
    times = [float(seconds) for step, seconds in STEP_S.findall(log) if int(step) > FIRST_STEPS]
    return len(times) / sum(times)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.HTTPError:
        return False


def _until(holds: Callable[[], bool], limit_s: float = 120) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(POLL_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    flags = parser.parse_args()
    found: dict[str, list[Timed]] = {"warm": [], "cold": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        make_demo_model(home)
        assert (home.models / DEMO_MODEL).is_dir()
        for number in range(flags.rounds):
            with page(home) as address:
                found["warm"].append(studio_run(home, address, f"warm-{number}", flags.steps))
            with page(home, "--no-warm-engine") as address:
                found["cold"].append(studio_run(home, address, f"cold-{number}", flags.steps))
            found["bare"].append(bare_run(home, f"bare-{number}", flags.steps))
    bare = found["bare"]
    print(f"{'':34} {'first loss':>11} {'steps/s':>9} {'steps/s of bare':>16}")
    names = {"warm": "studio, warm engine", "cold": "studio, plain command", "bare": "bare command line"}
    for kind, name in names.items():
        timed = found[kind]
        first = statistics.median(each.first_loss_s for each in timed)
        speed = statistics.median(each.steps_per_s for each in timed)
        # Each round against its own bare run, so that a machine that slows down does not count.
        ratios = [each.steps_per_s / other.steps_per_s for each, other in zip(timed, bare, strict=True)]
        print(f"{name:34} {first:9.2f} s {speed:9.1f} {statistics.median(ratios):16.3f}")


if __name__ == "__main__":
    main()
