"""Much at once: two studios, two people, fifty runs, a run of a day, and browsers that vanish."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from studio.actions.runs import find_run, list_runs, wait_run
from studio.actions.train import start_run
from studio.core.request import TrainRequest
from studio.stores.home import Home
from studio.stores.registry import read_registry
from tests.faults.parts import (
    SHORT_FORM,
    Curve,
    Studio,
    busy_device,
    fault,
    is_whole,
    kill,
    met_in,
    page_says,
    state_of,
)

CHECKOUT = Path(__file__).parents[2]
# What two people do at the same moment, when they get a line; each prints OK or the code of what was refused.
AT_ONCE = """
import sys
from pathlib import Path
from studio.actions.home import open_home
from studio.actions.resume import resume_run
from studio.actions.train import request_from_keys, start_run
from studio.errors import RequestRefused, StudioError
home, act, name = open_home(Path(sys.argv[1])), *sys.argv[2:]
request = request_from_keys(home, {"name": name, "max_steps": 2, "eval_dataset": "none", "max_seq_len": 48})
print("ready", flush=True)
input()
try:
    resume_run(home, name) if act == "resume" else start_run(home, request)
    print("OK")
except RequestRefused as error:
    print(error.problems[0].code)
except StudioError as error:
    print(error.code)
"""


def at_once(home: Home, act: str, name: str) -> list[str]:
    """What two processes are told that do the same at the same moment."""
    argv = [sys.executable, "-c", AT_ONCE, str(home.root), act, name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    people = [subprocess.Popen(argv, cwd=CHECKOUT, text=True, **pipes) for _ in range(2)]
    for person in people:
        assert person.stdout
        assert person.stdout.readline() == "ready\n"
    for person in people:
        assert person.stdin
        person.stdin.write("\n")
        person.stdin.flush()
    return sorted(person.communicate(timeout=60)[0].strip() for person in people)


@fault(
    "Two studios on one folder: both show the same, either may be killed, and of two who start or go on with the "
    "same run at the same moment one does and the other is told.",
    "两个工作台共用一个目录：两边显示一致，任一个都可被结束；两人同时启动或继续同一运行时，一人成功，另一人得到提示。",
)
def test_two_studios_on_one_folder(engine_home: Home, studio: Studio, undisturbed: Curve) -> None:
    other = Studio(engine_home)
    other.start()
    try:
        with met_in(engine_home, "shared", "training") as view:
            page_says(studio, view, "running")
            page_says(other, view, "running")
            studio.kill()
            page_says(other, view, "running")
            kill(state_of(view)["pid"])
        assert wait_run(engine_home, view.run).state == "failed"
        assert at_once(engine_home, "resume", view.name) == ["OK", "run_is_active"]
        wait_run(engine_home, view.run)
        is_whole(engine_home, view.run, undisturbed)
        page_says(other, view, "finished")
        assert at_once(engine_home, "start", "same-name") == ["OK", "name_taken"]
        assert wait_run(engine_home, "same-name").state == "finished"
        studio.start()
        page_says(studio, view, "finished")
    finally:
        other.stop()


# One person: what each operation did goes into a file of its own before the next, as the person saw it.
PERSON = """
import json, random, sys
from pathlib import Path
from studio.actions.home import open_home
from studio.actions.queue import hold_run, move_run
from studio.actions.runs import stop_run
from studio.actions.train import start_run
from studio.core.request import TrainRequest
from studio.stores.registry import add_entry, change_entry, remove_entry, rename_entry
home, who, count = open_home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
draw, mine, waiting, stopped, done, shared = random.Random(who), {}, [], [], 0, 0
change_entry(home, "pairs", {who: 0})
for number in range(count):
    if number % 50 == 0:
        name = f"{who}-run-{number}"
        waiting.append(start_run(home, TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name=name)).run)
    elif number % 50 == 10:
        move_run(home, waiting[-1], -1)
    elif number % 50 == 15:
        hold_run(home, waiting[-1], True)
    elif number % 100 == 20:
        stopped.append(waiting.pop())
        stop_run(home, stopped[-1])
    elif not mine or draw.random() < 0.4:
        mine[f"{who}-{number}"] = {"file_name": "pairs.jsonl", "tags": [number]}
        add_entry(home, f"{who}-{number}", mine[f"{who}-{number}"])
    else:
        name = draw.choice(list(mine))
        match draw.choice(["change", "rename", "remove", "shared"]):
            case "change":
                mine[name] |= {"note": number}
                change_entry(home, name, {"note": number})
            case "rename":
                mine[f"{name}x"] = mine.pop(name)
                rename_entry(home, name, f"{name}x")
            case "remove":
                del mine[name]
                remove_entry(home, name)
            case "shared":
                change_entry(home, "pairs", {who: number})
                shared = number
    done += 1
print(json.dumps({"mine": mine, "waiting": waiting, "stopped": stopped, "shared": shared, "done": done}))
"""


def live_together(home: Home, operations: int) -> None:
    """Two people do so many operations in all, side by side; nothing that either was told is missing."""
    before = read_registry(home)
    argv = [sys.executable, "-c", PERSON, str(home.root)]
    names = ("ann", "bo")
    with busy_device(home):
        people = [
            subprocess.Popen([*argv, name, str(operations // 2)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
            for name in names
        ]
        told: list[dict[str, Any]] = [json.loads(person.communicate(timeout=300)[0]) for person in people]
        assert sum(one["done"] for one in told) == operations
        expected = {**before, **told[0]["mine"], **told[1]["mine"]}
        expected["pairs"] = {
            **before["pairs"],
            **{name: one["shared"] for name, one in zip(names, told, strict=True)},
        }
        assert read_registry(home) == expected
        waiting, stopped = ([run for one in told for run in one[kind]] for kind in ("waiting", "stopped"))
        assert {view.run for view in list_runs(home)} == {*waiting, *stopped}
        assert [wait_run(home, run).state for run in stopped] == ["stopped"] * len(stopped)
        left = [find_run(home, run) for run in waiting]
        assert [(view.state, view.held) for view in left] == [("queued", True)] * len(waiting)


@fault(
    "Two people start, stop, move and hold runs and edit the registry at once, 1,000 operations: the registry is what "
    "both were told, and every run is there in the state that it was put into.",
    "两人同时启动、停止、移动、暂缓运行并编辑登记表，共 1,000 次操作：登记表与两人所得结果完全一致，每个运行都在且状态正确。",
    engine="recorded",
)
def test_two_people_at_once(home: Home, recorded_engine: None) -> None:
    live_together(home, 1000)


@fault(
    "The same, 60 operations: the same.",
    "同样的操作 60 次：同上。",
    engine="recorded",
)
@SHORT_FORM
def test_two_people_for_a_moment(home: Home, recorded_engine: None) -> None:
    live_together(home, 60)


@fault(
    "SIGKILL in the midst of writing the registry, 20 times: it is whole each time, and holds all that was told as "
    "done.",
    "写登记表途中用 SIGKILL 结束，共 20 次：每次登记表都完好，且包含所有已确认的条目。",
    engine="none",
)
def test_killed_while_the_registry_is_written(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.stores.home import Home;"
        "from studio.stores.registry import add_entry\n"
        "for i in range(10**6):\n    add_entry(Home(Path(sys.argv[1])), f'{sys.argv[2]}-{i}', {})\n    print(i, flush=True)"
    )
    for time_of in range(20):
        argv = [sys.executable, "-c", code, str(home.root), str(time_of)]
        with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == "0\n"
            time.sleep(0.001 * time_of)
            writer.kill()
            told = [0, *map(int, writer.stdout.read().split())]
        written = {name for name in read_registry(home) if name.startswith(f"{time_of}-")}
        assert {f"{time_of}-{number}" for number in told} <= written
        # The one that was written and not told any more.
        assert len(written) <= len(told) + 1


@fault(
    "50 runs are queued: they run in the order in which they were started, all finish, and the list of runs answers "
    "in less than a second meanwhile.",
    "50 个运行排队：按启动顺序执行并全部完成，期间运行列表在一秒内响应。",
    engine="recorded",
)
def test_fifty_runs_queued(home: Home, recorded_engine: None) -> None:
    with busy_device(home):
        runs = [
            start_run(home, TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name=f"run-{n}")).run
            for n in range(50)
        ]
        begun = time.monotonic()
        assert sorted(view.place or 0 for view in list_runs(home)) == list(range(1, 51))
        took = time.monotonic() - begun
    views = [wait_run(home, run) for run in runs]
    assert {view.state for view in views} == {"finished"}
    ended = [state_of(view)["ended_at"] for view in views]
    assert ended == sorted(ended)
    assert took < 1, took


@fault(
    "A run of 24 h, replayed: each of its 86,400 steps is in the curve, and while it is followed the studio answers "
    "in less than a second and grows by less than 200 MB.",
    "重放 24 小时的运行：曲线包含全部 86,400 步；跟踪期间工作台在一秒内响应，内存增长不足 200 MB。",
    engine="recorded",
)
def test_a_run_of_a_day(home: Home, recorded_engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.models / "ernie-4.5-demo").symlink_to(home.models / "tiny")
    studio = Studio(home)
    studio.start()
    try:
        assert studio.process
        monkeypatch.setenv("FAKE_ENGINE", "day")
        run = start_run(home, TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name="day")).run
        asked = [
            ("run", {"run": run}),
            ("points", {"run": run, "panels": "loss,learning_rate,speed"}),
            ("runs", {}),
        ]
        grown, slowest = psutil.Process(studio.process.pid).memory_info().rss, 0.0
        before = grown
        while find_run(home, run).is_active:
            for route, params in asked:
                begun = time.monotonic()
                answer = httpx.get(f"{studio.address}studio/{route}", params=params, timeout=30)
                slowest = max(slowest, time.monotonic() - begun)
                assert answer.status_code == 200, answer.text
            grown = max(grown, psutil.Process(studio.process.pid).memory_info().rss)
            time.sleep(0.1)
        page_says(studio, find_run(home, run), "finished")
        table = httpx.get(f"{studio.address}studio/metrics.csv", params={"run": run}, timeout=60).text
        steps = {line.split(",")[0] for line in table.splitlines()[1:]}
        assert steps == {str(step) for step in range(1, 86_401)}
        assert slowest < 1, slowest
        assert grown - before < 200e6, grown - before
    finally:
        studio.stop()
