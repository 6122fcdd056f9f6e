"""How a fault is done to a real run, and how it is checked that nothing was lost."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from studio.actions.curves import read_curves
from studio.actions.resume import resume_run
from studio.actions.runs import RunView, find_run, wait_run
from studio.actions.train import free_name, request_from_keys, start_run
from studio.jobs.devices import Claim, take_devices
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.models import read_model
from studio.stores.runs import WHOLE_CHECKPOINT, RunPaths, read_json
from studio.ui.run_card import show_run
from tests.browser.conftest import Studio
from tests.engine.conftest import SHORT

__all__ = ["Studio"]

Curve = tuple[list[float], list[float]]
# Steps, a checkpoint at every fifth of them, and an evaluation that is long enough to be met.
STEPS = 20
RUN = {
    **SHORT,
    "max_steps": STEPS,
    "eval_dataset": "medical_zh_eval",
    "eval_steps": 8,
    "save_steps": 5,
    "per_device_train_batch_size": 2,
}
PHASES = {
    "": ("–", "–"),
    "queued": ("queued", "排队"),
    "loading": ("loading", "加载"),
    "training": ("between steps", "步与步之间"),
    "evaluating": ("evaluating", "评估"),
    "checkpoint": ("in the midst of a checkpoint", "写检查点的中途"),
    "saving": ("saving the result", "保存结果"),
    "answering": ("answering", "回答"),
    "idle": ("idle", "空闲"),
    "forward": ("forward", "向前"),
    "back": ("back", "向后"),
}
# A phase that nobody works in has no engine to kill.
AT_WORK = ("loading", "training", "evaluating", "checkpoint", "saving")
SHORT_FORM = pytest.mark.short
LONG_S = 90.0


def fault(english: str, chinese: str, engine: str = "real") -> Callable[[Any], Any]:
    """Mark a test with what the table says of it: what is done, and behind the colon what must hold then.

    `engine` is `real`, `recorded` where the engine has no part in the fault, or `none`.
    """

    def mark(test: Any) -> Any:
        test.__doc__ = english
        return pytest.mark.faults(english=english, chinese=chinese, engine=engine)(test)

    return mark


def wait_until(what: Callable[[], Any], seconds: float = LONG_S, every_s: float = 0.02) -> Any:
    deadline = time.monotonic() + seconds
    while not (told := what()):
        assert time.monotonic() < deadline
        time.sleep(every_s)
    return told


def start(home: Home, name: str, **keys: Any) -> RunView:
    return start_run(home, request_from_keys(home, {**RUN, **keys, "name": free_name(home, name)}))


def job_of(view: RunView) -> Path:
    return RunPaths(Path(view.path)).job


def state_of(view: RunView) -> dict[str, Any]:
    return read_json(job_of(view) / "state.json")


@contextmanager
def busy_device(home: Home) -> Iterator[None]:
    """Somebody else works on the CPU, so that runs wait."""
    with ExitStack() as held:
        wait_until(lambda: take_devices(Claim(home.pool("cpu")), held))
        yield


@contextmanager
def met_in(home: Home, name: str, phase: str, **keys: Any) -> Iterator[RunView]:
    """A run that has come to a phase; within the block it stays there, as its engine is held."""
    with ExitStack() as held:
        if phase == "queued":
            held.enter_context(busy_device(home))
        view = start(home, name, **keys)
        if phase == "queued":
            wait_until(lambda: "supervisor_pid" in state_of(view))
        else:
            wait_until(lambda: _is_in(home, view, phase), every_s=0.001)
            engine = psutil.Process(wait_until(lambda: state_of(view).get("pid")))
            engine.suspend()
            held.callback(_wake, engine)
            assert find_run(home, view.run).is_active
        yield find_run(home, view.run)


def _wake(engine: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        engine.resume()


def _is_in(home: Home, view: RunView, phase: str) -> bool:
    folder = Path(view.path)
    if phase == "checkpoint":
        # The second, so that there is a whole one to go on from.
        partial = folder / "checkpoint-10"
        return partial.exists() and not (partial / WHOLE_CHECKPOINT[0]).exists()
    now = find_run(home, view.run)
    assert now.is_active, now.cause
    match phase:
        case "loading":
            return now.phase == "loading" and bool(state_of(view).get("pid"))
        case "training":
            return now.phase == "training" and now.step >= 6
        case _:
            return now.phase == phase


def kill(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process and return when it is gone, or a zombie that nobody has collected."""
    process = psutil.Process(pid)
    os.kill(pid, how)
    wait_until(lambda: not is_at_work(process))


def is_at_work(process: psutil.Process) -> bool:
    """Whether a process is there, and more than a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def learn_undisturbed(home: Home) -> Curve:
    view = wait_run(home, start(home, "undisturbed").run)
    assert (view.state, view.step) == ("finished", STEPS), view.cause
    return read_curves(home, view.run)["loss"]


def is_told(home: Home, run: str, state: str, words: str = "") -> None:
    """The page says the state, and why."""
    card = str(show_run(home, run, "en")["card"])
    assert f'data-state="{state}"' in card, card
    assert words in card, card


def page_says(studio: Studio, view: RunView, state: str) -> None:
    """The card and the list of a studio that serves say the state; a card is made twice a second at most."""

    def card() -> str:
        return httpx.get(f"{studio.address}studio/run", params={"run": view.run}, timeout=30).json()["card"]

    wait_until(lambda: f'data-state="{state}"' in card(), seconds=5, every_s=0.2)
    runs = httpx.get(f"{studio.address}studio/runs", timeout=30).json()["runs"]
    assert {one["run"]: one["state"] for one in runs}[view.run] == state


def is_whole(home: Home, run: str, undisturbed: Curve) -> None:
    """A finished run has every step once, the losses of one that nothing happened to, and a model that loads."""
    view = find_run(home, run)
    assert (view.state, view.step) == ("finished", STEPS), view.cause
    assert read_curves(home, run)["loss"] == undisturbed
    facts = read_model(Path(view.path))
    assert (facts.missing, facts.damaged) == ((), ())
    assert processes_of(job_of(view)) == []


def goes_on(home: Home, run: str, undisturbed: Curve) -> None:
    """What was cut off is taken up from its checkpoint and comes to the end that it would have come to."""
    resume_run(home, run)
    wait_run(home, run)
    is_whole(home, run, undisturbed)


def is_device_free(home: Home) -> bool:
    with ExitStack() as held:
        return bool(take_devices(Claim(home.pool("cpu")), held))


def own_namespace() -> bool:
    """Whether file systems may be mounted here without anybody else seeing them."""
    return os.environ.get("FAULTS_NAMESPACE") == "own"


class SmallDisk:
    """A file system of so many 10⁶ bytes in memory."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        self._megabytes = megabytes

    def __enter__(self) -> "SmallDisk":
        self.path.mkdir()
        options = f"size={self._megabytes}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)

    def fill(self, left: int = 0) -> None:
        """Take all the room but so many bytes."""
        self.make_room()
        free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize
        with (self.path / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - left))

    def make_room(self) -> None:
        (self.path / "ballast").unlink(missing_ok=True)

    def make(self, how: str) -> None:
        """Make it `ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)
