"""Browsers that vanish."""

import httpx
import psutil
from playwright.sync_api import Browser, expect

from tests.browser.conftest import browser
from tests.browser.page_parts import LONG_MS, answers, ask, load, open_tab, write
from tests.faults.parts import Studio, fault, wait_until

__all__ = ["browser"]
MODEL = "ernie-4.5-demo"


def running(studio: Studio) -> float:
    """How many answers the studio's chat process is at, as it counts them itself."""
    assert studio.process
    below = psutil.Process(studio.process.pid).children(recursive=True)
    serving = [process.cmdline() for process in below if "studio.engine.chat_server" in process.cmdline()]
    port = serving[0][serving[0].index("--port") + 1]
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("studio_requests_running"))


@fault(
    "A browser vanishes in the midst of an answer: the answer ends, and the model answers the next browser.",
    "浏览器在回答途中消失：生成随即结束，模型可回答下一个浏览器。",
)
def test_browser_vanishes_in_an_answer(studio: Studio, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(studio.address)
    open_tab(page, "chat")
    load(page, MODEL)
    write(page, "chat-max_tokens", "4000")
    write(page, "chat-prompt", "发烧怎么办？")
    page.locator("#chat-send").click()
    expect(answers(page).first).not_to_be_empty(timeout=LONG_MS)
    assert running(studio) == 1
    context.close()
    wait_until(lambda: running(studio) == 0, seconds=5)
    context = browser.new_context()
    page = context.new_page()
    page.goto(studio.address)
    open_tab(page, "chat")
    load(page, MODEL)
    write(page, "chat-max_tokens", "8")
    assert ask(page, "发烧怎么办？")
    context.close()
