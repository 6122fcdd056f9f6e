"""`python -m benchmarks.startup`: from `python app.py` to a page that answers, beside a bare page of Gradio.

Both are started in turns, over files that are in the system's cache: seconds until the page is answered in whole,
and the resident memory of the process then. The studio is started without its warm engine, a process of its own
that is never waited for.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from studio.actions.home import make_demo_model, open_home
from studio.jobs.launch import CHECKOUT, free_port

POLL_S = 0.01
LIMIT_S = 120
BARE = """
import sys
import gradio as gr
with gr.Blocks() as page:
    gr.Textbox()
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
"""


@dataclass(frozen=True, slots=True)
class Started:
    """One start: seconds until the page was answered, and the process' resident bytes then."""

    seconds: float
    resident: int


def start(argv: list[str], port: int) -> Started:
    """Start a page, wait until it is answered, and end it. Raises TimeoutError."""
    began = time.monotonic()
    process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(trust_env=False, timeout=LIMIT_S) as client:
            while not answers(client, port):
                if time.monotonic() - began > LIMIT_S:
                    raise TimeoutError(argv)
                time.sleep(POLL_S)
        return Started(time.monotonic() - began, psutil.Process(process.pid).memory_info().rss)
    finally:
        process.terminate()
        process.wait()


def answers(client: httpx.Client, port: int) -> bool:
    """Whether the page is there: a studio that takes calls while it starts lets them wait."""
    try:
        return client.get(f"http://127.0.0.1:{port}/").status_code == 200
    except httpx.TransportError:
        return False


def main() -> int:
    """Start both in turns and print their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="starts of each, after one that is not counted")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        make_demo_model(home)
        studio = [sys.executable, "app.py", "--home", folder, "--no-warm-engine", "--port"]
        bare = [sys.executable, "-c", BARE]
        starts: dict[str, list[Started]] = {"bare page": [], "studio": []}
        for _ in range(times + 1):
            for name, argv in (("bare page", bare), ("studio", studio)):
                port = free_port()
                starts[name].append(start([*argv, str(port)], port))
    middle = {
        name: (median(found[1:], lambda one: one.seconds), median(found[1:], lambda one: one.resident / 2**20))
        for name, found in starts.items()
    }
    for name, (seconds, mebibytes) in middle.items():
        print(f"{name:<10} {seconds:6.2f} s {mebibytes:6.0f} MiB")
    own, other = middle["studio"], middle["bare page"]
    print(f"{'ratio':<10} {own[0] / other[0]:6.2f}   {own[1] / other[1]:6.2f}")
    return 0


def median(found: list[Started], value: Callable[[Started], float]) -> float:
    return statistics.median(value(one) for one in found)


if __name__ == "__main__":
    raise SystemExit(main())
