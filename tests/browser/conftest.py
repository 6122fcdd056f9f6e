"""A studio of its own in a real browser that tolerates nothing: no console error, no failed or foreign request."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from studio.actions.home import make_demo_model, open_home
from studio.actions.runs import list_runs, stop_run, wait_run
from studio.jobs.launch import free_port
from studio.stores.home import Home

CHECKOUT = Path(__file__).parents[2]
# A reload cuts off what the page is asking just then, and Gradio's client says so for each.
CUT_OFF = ("AbortError: signal is aborted", "Connection errored out")
# A busy machine takes longer than the five seconds that Playwright waits by itself, and two tests keep this one busy.
expect.set_options(timeout=40_000)
FLAGS = ["--no-sandbox", "--disable-background-networking"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: of two workers none waits for the other at the end."""
    items.sort(key=lambda item: not getattr(getattr(item, "module", None), "TRAINS_OFTEN", False))


@dataclass
class Studio:
    """A studio process over a home; it can be killed and started again on the same port."""

    home: Home
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None
    flags: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        argv = [sys.executable, "app.py", "--home", str(self.home.root), "--port", str(self.port)]
        argv += ["--allow-path", str(self.home.root.parent), *self.flags]
        env = {**os.environ, **self.variables}
        self.process = subprocess.Popen(argv, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        # It prints its address once it listens.
        assert self.address.rstrip("/") in self.process.stdout.readline()
        # The page, or that one must log in.
        assert httpx.get(self.address, timeout=30).status_code in (200, 401)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self.process:
            os.kill(self.process.pid, how)
            self.process.wait(30)
            assert self.process.stdout
            self.process.stdout.close()
            self.process = None


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as a first start makes it: to make the demo model takes longer than to copy it."""
    home = open_home(tmp_path_factory.mktemp("furnished") / "home")
    make_demo_model(home)
    return home.root


@contextmanager
def running(studio: Studio) -> Iterator[Studio]:
    studio.start()
    yield studio
    studio.stop()
    # A run outlives its studio, and must not outlive a test that failed in its midst.
    for view in list_runs(studio.home):
        if view.is_active:
            stop_run(studio.home, view.run, now=True)
            wait_run(studio.home, view.run)


@pytest.fixture
def studio(tmp_path: Path, furnished: Path, request: pytest.FixtureRequest) -> Iterator[Studio]:
    """Without a warm engine, whose imports take the processor from a page, unless the module says `TRAINS_OFTEN`."""
    flags = () if getattr(request.module, "TRAINS_OFTEN", False) else ("--no-warm-engine",)
    with running(Studio(Home(Path(shutil.copytree(furnished, tmp_path / "home"))), flags=flags)) as studio:
        yield studio


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)


@contextmanager
def watched(browser: Browser, studio: Studio, told: Sequence[str] = (), **how: Any) -> Iterator[Page]:
    """The open page; at the end, everything that went wrong in it fails the test, but for what is told beforehand."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, **how)
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    page.on("console", lambda message: _is_wrong(message) and wrong.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"page: {error}"))
    page.on("response", lambda answer: answer.status >= 400 and wrong.append(f"{answer.status} {answer.url}"))
    page.on(
        "request", lambda request: _is_foreign(request.url) and wrong.append(f"left this machine: {request.url}")
    )
    page.goto(studio.address)
    yield page
    context.close()
    assert [one for one in wrong if not any(part in one for part in told)] == []


@pytest.fixture
def page(browser: Browser, studio: Studio) -> Iterator[Page]:
    with watched(browser, studio) as page:
        yield page


def _is_wrong(message: ConsoleMessage) -> bool:
    return message.type == "error" and not any(cut in message.text for cut in CUT_OFF)


def _is_foreign(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1"
