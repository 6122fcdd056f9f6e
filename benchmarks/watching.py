"""`python -m benchmarks.watching`: what it costs to watch long runs, to list many and to read a large log.

A run of 100,000 logged steps is written and then grows by a step a second, as a real one does. Beside each number
stands the naive way: the whole file read, and the whole figure sent and drawn, at every tick.
"""

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from playwright.sync_api import sync_playwright

from studio.actions.history import list_summaries
from studio.actions.home import open_home
from studio.actions.runs import list_runs
from studio.jobs.launch import CHECKOUT, free_port
from studio.stores.home import Home
from studio.stores.runs import RunPaths

STEPS = 100_000
RUNS = 1000
BROWSERS = 30
WATCHED_S = 10
TICKS = 8
LOG_BYTES = 1_000_000_000
PANELS = "loss,learning_rate,tokens_per_s"
SHOWN = ("loss", "learning_rate", "tokens_per_s")


def logged(step: int) -> str:
    """A line as the engine's hook writes it."""
    loss = 8 * math.exp(-step / 25_000) + random.gauss(1, 0.1)
    record = {
        "kind": "log",
        "time": 1000 + step / 10,
        "step": step,
        "loss": loss,
        "learning_rate": 1e-4 / (1 + step),
        "interval_runtime": 0.1,
        "interval_samples_per_second": 48.1,
        "interval_steps_per_second": 10.0,
        "ppl": math.exp(loss),
        "progress_or_epoch": step / STEPS,
        "cpu_used_memory": 0.9,
        "cpu_available_memory": 22.6,
        "tokens_per_s": random.gauss(4000, 300),
    }
    return json.dumps(record) + "\n"


def make_run(home: Home, name: str, steps: int) -> RunPaths:
    paths = RunPaths(home.saves / "model" / "full" / name)
    paths.job.mkdir(parents=True)
    request = {"model": "model", "datasets": ["d"], "name": name, "options": {"learning_rate": "1e-4"}}
    paths.request.write_text(json.dumps({"request": request}))
    (paths.job / "state.json").write_text(json.dumps({"state": "finished", "started_at": 1000, "ended_at": 2000}))
    with paths.metrics.open("w") as file:
        file.write(json.dumps({"kind": "begin", "time": 1000.0, "step": 0, "total_steps": steps}) + "\n")
        file.writelines(logged(step) for step in range(1, steps + 1))
    return paths


@contextmanager
def page(home: Home) -> Iterator[tuple[str, psutil.Process]]:
    """The studio's page over a home: its address and its process."""
    port = free_port()
    argv = [sys.executable, "app.py", "--home", str(home.root), "--port", str(port), "--no-warm-engine"]
    process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(address).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def milliseconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - begun)


def naive_tick(path: Path) -> str:
    """The whole file read, and the whole figure as text."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    points = [record for record in records if record["kind"] == "log"]
    steps = [record["step"] for record in points]
    return json.dumps([{"x": steps, "y": [record[name] for record in points]} for name in SHOWN])


def grow(paths: RunPaths, step: int) -> None:
    with paths.metrics.open("a") as file:
        file.write(logged(step))


def server_ticks(address: str, paths: RunPaths, step: int) -> tuple[float, float, int]:
    """Milliseconds to open a run of which nothing is known, of a tick, and a tick's bytes."""
    query = {"run": "model/full/long", "panels": PANELS, "weight": "0.6"}
    with httpx.Client(base_url=address) as client:
        # The connection and the first use of the route are no part of it.
        client.get("/studio/points", params={**query, "run": "model/full/short"})
        opened = milliseconds(lambda: client.get("/studio/points", params=query))
        times: list[float] = []
        size = 0
        for count in range(TICKS):
            grow(paths, step + count)
            begun = time.perf_counter()
            answer = client.get("/studio/points", params=query)
            times.append(1000 * (time.perf_counter() - begun))
            size = max(size, len(answer.content))
    return opened, statistics.median(times), size


def browser_ticks(address: str, paths: RunPaths, step: int) -> tuple[float, float]:
    """Milliseconds of the browser's main thread for a tick of the page, and for a naive one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        window = browser.new_page()
        window.goto(address)
        kept = json.dumps({"panels": PANELS.split(",")})
        window.evaluate("kept => localStorage.setItem('studio-chart', kept)", kept)
        window.reload()
        window.locator("#train-run input").click()
        window.get_by_role("option", name="long").first.click()
        window.wait_for_function(f"+document.getElementById('train-plot')?.dataset.points >= {STEPS}")
        tools = window.context.new_cdp_session(window)
        tools.send("Performance.enable")

        def busy() -> float:
            told = tools.send("Performance.getMetrics")["metrics"]
            return next(1000 * metric["value"] for metric in told if metric["name"] == "TaskDuration")

        window.wait_for_timeout(3000)
        before = busy()
        window.wait_for_timeout(1000 * TICKS)
        idle = busy() - before
        before = busy()
        for count in range(TICKS):
            grow(paths, step + count)
            window.wait_for_timeout(1000)
        ours = (busy() - before - idle) / TICKS
        text = naive_tick(paths.metrics)
        window.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<div id=naive style=\"height:300px\"></div>')"
        )
        before = busy()
        for _ in range(3):
            window.evaluate("text => Plotly.react('naive', JSON.parse(text))", text)
            window.wait_for_timeout(500)
        naive = (busy() - before) / 3
        browser.close()
    return ours, naive


def many_browsers(address: str, studio: psutil.Process, paths: RunPaths, step: int) -> float:
    """Per cent of a core that the studio takes while many pages watch a run that grows by a step a second."""
    over = threading.Event()
    routes = (
        ("/studio/points", {"run": "model/full/long", "panels": PANELS, "weight": "0.6"}),
        ("/studio/run", {"run": "model/full/long", "language": "en"}),
        ("/studio/log", {"run": "model/full/long", "start": "0"}),
    )

    def watch(number: int) -> None:
        tags: dict[str, str] = {}
        time.sleep(number / BROWSERS)
        with httpx.Client(base_url=address) as client:
            while not over.is_set():
                for route, query in routes:
                    answer = client.get(route, params=query, headers={"If-None-Match": tags.get(route, "")})
                    tags[route] = answer.headers.get("etag", "")
                over.wait(1)

    threads = [threading.Thread(target=watch, args=(number,)) for number in range(BROWSERS)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    before = studio.cpu_times()
    for count in range(WATCHED_S):
        grow(paths, step + count)
        time.sleep(1)
    after = studio.cpu_times()
    over.set()
    for thread in threads:
        thread.join()
    return 100 * (after.user + after.system - before.user - before.system) / WATCHED_S


def list_many(home: Home) -> dict[str, float]:
    """Milliseconds to list many runs: as after a start of the studio, once more, and each folder looked into."""
    for number in range(RUNS):
        make_run(home, f"r{number}", 20)
    list_summaries(home)
    code = (
        "import sys, time; from pathlib import Path; from studio.stores.home import Home;"
        "from studio.actions.history import list_summaries; home = Home(Path(sys.argv[1]));"
        "begun = time.perf_counter(); list_summaries(home); print(1000 * (time.perf_counter() - begun))"
    )
    argv = [sys.executable, "-c", code, str(home.root)]
    fresh = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return {
        "after a start": float(fresh),
        "again": milliseconds(lambda: list_summaries(home)),
        "naive": milliseconds(lambda: list_runs(home)),
    }


def open_log(address: str, paths: RunPaths) -> dict[str, float]:
    """Milliseconds to open a short log and a large one, at its end, and to find its first error."""
    found: dict[str, float] = {}
    with httpx.Client(base_url=address, timeout=60) as client:
        query: dict[str, Any] = {"run": "model/full/long"}
        for name, size in (("short", 100_000), ("large", LOG_BYTES)):
            line = b"[2026-01-01 00:00:00] - loss: 1.0, learning_rate: 0.001, global_step: 1\n"
            with (paths.job / "log.txt").open("wb") as log:
                for _ in range(size // 1_000_000 or 1):
                    log.write(line * (min(size, 1_000_000) // len(line)))
                log.write(b"ValueError: at the end\n")
            client.get("/studio/log", params=query)
            found[name] = statistics.median(
                milliseconds(lambda: client.get("/studio/log", params=query)) for _ in range(5)
            )
        found["first error"] = milliseconds(lambda: client.get("/studio/log/find", params=query))
    (paths.job / "log.txt").unlink()
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        paths = make_run(home, "long", STEPS)
        make_run(home, "short", 10)
        with page(home) as (address, studio):
            opened, tick, size = server_ticks(address, paths, STEPS + 1)
            naive_server = milliseconds(lambda: naive_tick(paths.metrics))
            naive_size = len(naive_tick(paths.metrics))
            ours, naive = browser_ticks(address, paths, STEPS + 100)
            share = many_browsers(address, studio, paths, STEPS + 200)
            logs = open_log(address, paths)
        listed = list_many(open_home(Path(folder) / "many"))
    print(f"{STEPS:,} steps, 3 plots{'':22} {'studio':>12} {'naive':>12} {'ratio':>8}")
    for name, here, there, unit in (
        ("open a finished run", opened, naive_server, "ms"),
        ("a tick, server", tick, naive_server, "ms"),
        ("a tick, bytes", size / 1000, naive_size / 1000, "kB"),
        ("a tick, browser's main thread", ours, naive, "ms"),
        (f"list {RUNS:,} runs after a start", listed["after a start"], listed["naive"], "ms"),
        (f"list {RUNS:,} runs again", listed["again"], listed["naive"], "ms"),
    ):
        print(f"{name:40} {here:9.1f} {unit} {there:9.1f} {unit} {here / there:8.4f}")
    print(f"{BROWSERS} browsers: {share:.1f} % of a core")
    print(f"log: {logs['short']:.1f} ms short, {logs['large']:.1f} ms {LOG_BYTES / 1e9:g} GB;", end=" ")
    print(f"first error at its end {logs['first error']:.0f} ms")


if __name__ == "__main__":
    main()
