"""Clocks that jump, and pids that are used again."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.actions.runs import find_run, stop_run, wait_run
from studio.jobs.queue import read_queue
from studio.stores.home import Home
from studio.stores.runs import write_state
from tests.faults.parts import (
    SHORT_FORM,
    STEPS,
    Curve,
    Studio,
    busy_device,
    fault,
    goes_on,
    is_told,
    is_whole,
    job_of,
    kill,
    met_in,
    page_says,
    start,
    state_of,
)

DAY_S = 86_400
CLOCK = Path(__file__).parent / "clock"
Jump = Callable[[float], None]


@pytest.fixture
def jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Set the clock of every process that is started from now on, so many seconds off; also while it runs."""
    file = tmp_path / "clock"
    monkeypatch.setenv("FAULTS_CLOCK", str(file))
    monkeypatch.setenv("PYTHONPATH", str(CLOCK))
    return lambda seconds: file.write_text(str(seconds)) and None


@fault(
    "The clock jumps by a day under a run with a watchdog for silence: it goes on, the page says that it runs, and "
    "its losses are those of an undisturbed one.",
    "运行期间时钟跳变一天（已设静默监视）：运行继续，页面显示运行中，损失与未受干扰的运行一致。",
)
@pytest.mark.parametrize("phase", ["forward", "back"])
def test_clock_jumps(engine_home: Home, undisturbed: Curve, jump: Jump, phase: str) -> None:
    studio = Studio(engine_home)
    studio.start()
    try:
        with met_in(engine_home, "clock", "training", silence_minutes=1) as view:
            jump(DAY_S if phase == "forward" else -DAY_S)
            page_says(studio, view, "running")
            is_told(engine_home, view.run, "running")
        wait_run(engine_home, view.run)
        is_whole(engine_home, view.run, undisturbed)
        page_says(studio, view, "finished")
    finally:
        studio.stop()


@fault(
    "The clock is set back before a run is stopped: it saves all the same, and goes on from there.",
    "时钟被拨回后停止运行：仍会先保存，并可从该处继续。",
)
def test_clock_back_before_a_stop(engine_home: Home, undisturbed: Curve, jump: Jump) -> None:
    with met_in(engine_home, "clock-stop", "training") as view:
        jump(-DAY_S)
        stop_run(engine_home, view.run)
    ended = wait_run(engine_home, view.run)
    assert ended.state == "stopped"
    assert (Path(view.path) / f"checkpoint-{ended.step}").is_dir()
    assert ended.step < STEPS
    goes_on(engine_home, view.run, undisturbed)


@fault(
    "The clock is set back while runs wait: who came later still stands behind.",
    "排队期间时钟被拨回：后来的运行仍排在后面。",
)
@SHORT_FORM
def test_clock_back_while_runs_wait(engine_home: Home) -> None:
    with busy_device(engine_home):
        first = start(engine_home, "came-first")
        (ticket,) = read_queue(engine_home.pool("cpu"))
        ticket.put(ticket.place + DAY_S, held=False)
        second = start(engine_home, "came-second")
        assert [find_run(engine_home, view.run).place for view in (first, second)] == [1, 2]
        for view in (first, second):
            stop_run(engine_home, view.run, now=True)
            wait_run(engine_home, view.run)


@fault(
    "The pids of a run that was cut off belong to another process by now: the page does not take it for the run, "
    "Stop does not touch it, and the run goes on from its checkpoint.",
    "被中断运行的 pid 已被其他进程占用：页面不会误认，停止操作不会波及该进程，运行可从检查点继续。",
)
@SHORT_FORM
def test_pid_used_again(engine_home: Home, undisturbed: Curve) -> None:
    with met_in(engine_home, "reused", "training") as view:
        state = state_of(view)
        kill(state["supervisor_pid"])
        kill(state["pid"])
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        try:
            write_state(job_of(view), pid=other.pid, supervisor_pid=other.pid)
            is_told(engine_home, view.run, "lost", "cut off")
            stop_run(engine_home, view.run, now=True)
            assert other.poll() is None
        finally:
            other.kill()
    assert not os.path.exists(f"/proc/{other.pid}")
    goes_on(engine_home, view.run, undisturbed)
