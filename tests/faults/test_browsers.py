"""Browsers that vanish."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import browser
from tests.browser.page_parts import LONG_MS, answers, ask, load, open_tab, write
from tests.faults.parts import Studio, fault, wait_until

__all__ = ["browser"]
MODEL = "ernie-4.5-demo"
ASKED = "发烧怎么办？"


def running(studio: Studio) -> float:
    """How many answers the studio's chat process is at, as it counts them itself."""
    assert studio.process
    below = psutil.Process(studio.process.pid).children(recursive=True)
    serving = [process.cmdline() for process in below if "studio.engine.chat_server" in process.cmdline()]
    port = serving[0][serving[0].index("--port") + 1]
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("studio_requests_running"))


@contextmanager
def chat(browser: Browser, studio: Studio, max_tokens: int) -> Iterator[Page]:
    """A browser with a model loaded, which vanishes at the end."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(studio.address)
    open_tab(page, "chat")
    load(page, MODEL)
    write(page, "chat-max_tokens", str(max_tokens))
    yield page
    context.close()


@fault(
    "A browser vanishes in the midst of an answer: the answer ends, and the model answers the next browser.",
    "浏览器在回答途中消失：生成随即结束，模型可回答下一个浏览器。",
)
def test_browser_vanishes_in_an_answer(studio: Studio, browser: Browser) -> None:
    with chat(browser, studio, max_tokens=4000) as page:
        write(page, "chat-prompt", ASKED)
        page.locator("#chat-send").click()
        expect(answers(page).first).not_to_be_empty(timeout=LONG_MS)
        assert running(studio) == 1
    wait_until(lambda: running(studio) == 0, seconds=5)
    with chat(browser, studio, max_tokens=8) as page:
        assert ask(page, ASKED)
