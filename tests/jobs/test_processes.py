"""A pid alone is no identity."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from studio.jobs.launch import TetheredProcess
from studio.jobs.processes import ProcessIdentity, is_alive

CHECKOUT = Path(__file__).parents[2]
# What moves the time of day of a process, and what the kernel says of starts with it.
CLOCK = CHECKOUT / "tests" / "faults" / "clock"


def test_a_pid_that_was_used_again_is_another_process() -> None:
    me = ProcessIdentity.of(os.getpid())
    assert is_alive(me.pid, me.started)
    assert not is_alive(me.pid, me.started + "0")
    assert not is_alive(None, None)


def test_a_clock_that_is_set_makes_no_other_process_of_one(tmp_path: Path) -> None:
    me = ProcessIdentity.of(os.getpid())
    clock = tmp_path / "clock"
    clock.write_text("86400")
    code = (
        "import sys, time; from studio.jobs.processes import is_alive;"
        "print(time.time(), is_alive(int(sys.argv[1]), sys.argv[2]))"
    )
    env = {**os.environ, "FAULTS_CLOCK": str(clock), "PYTHONPATH": str(CLOCK)}
    argv = [sys.executable, "-c", code, str(me.pid), me.started]
    told = subprocess.run(argv, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=True)
    at, alive = told.stdout.split()
    assert float(at) > time.time() + 80_000
    assert alive == "True"


def test_a_process_that_ended_but_was_not_collected_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    identity = ProcessIdentity.of(child.pid)
    deadline = time.monotonic() + 10
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not is_alive(identity.pid, identity.started)
    child.wait()


def test_a_tethered_process_ends_with_its_starter_however_that_ends() -> None:
    code = (
        "import sys, tempfile, time, psutil, os\n"
        "from studio.jobs.launch import TetheredProcess\n"
        "t = TetheredProcess([sys.executable, '-c', 'import time; time.sleep(300)'], {}, tempfile.TemporaryFile())\n"
        "me = psutil.Process(t.process.pid)\n"
        "while not me.children(): time.sleep(0.05)\n"
        "print(me.pid, me.children()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_stop_returns_when_the_process_is_gone() -> None:
    with open(os.devnull, "wb") as log:
        tethered = TetheredProcess([sys.executable, "-c", "import time; time.sleep(300)"], {}, log)
        pid = tethered.process.pid
        assert tethered.is_running
        tethered.stop()
    assert not psutil.pid_exists(pid)


def test_a_tethered_process_that_ends_by_itself_has_its_own_exit_status() -> None:
    with tempfile.TemporaryFile() as log:
        for status in (0, 3):
            tethered = TetheredProcess([sys.executable, "-c", f"raise SystemExit({status})"], {}, log)
            assert tethered.process.wait(20) == status
            tethered.stop()
        log.seek(0)
        assert log.read() == b""
