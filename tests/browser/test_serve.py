"""A model is served with one click, found healthy, called as the page says, and stopped."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from playwright.sync_api import Locator, Page, expect

from studio.actions.serving import list_servers, remove_server, start_server, stop_server, wait_stopped
from studio.core.serving import ServeRequest
from studio.jobs.launch import free_port
from studio.jobs.processes import processes_of
from tests.browser.conftest import Studio
from tests.browser.page_parts import LONG_MS, open_tab, pick, value, write

pytestmark = pytest.mark.browser
WILDCARD = "0.0.0.0"


@pytest.fixture
def served(studio: Studio) -> Iterator[Studio]:
    """A studio none of whose servers outlives the test."""
    yield studio
    for view in list_servers(studio.home):
        if view.is_active:
            stop_server(studio.home, view.name)
            wait_stopped(studio.home, view.name)
        remove_server(studio.home, view.name)


def card(page: Page, name: str) -> Locator:
    return page.locator(f"[data-server='{name}']")


def healthy(page: Page, name: str) -> Locator:
    return page.locator(f"[data-server='{name}'][data-health=ready]")


def in_state(page: Page, name: str, state: str) -> Locator:
    return page.locator(f"[data-server='{name}'][data-state={state}]")


def test_one_click_serves_a_model_that_outlives_the_studio(page: Page, served: Studio) -> None:
    open_tab(page, "serve")
    expect(page.locator("#serve-servers")).to_contain_text("No server yet.")
    expect(page.locator("#serve-command")).to_contain_text("studio.engine.chat_server")
    assert list_servers(served.home) == []

    page.locator("#serve-start").click()
    expect(healthy(page, "ernie-4.5-demo")).to_be_visible(timeout=LONG_MS)
    (view,) = list_servers(served.home)
    expect(card(page, view.name)).to_contain_text(f"{view.address}/v1")
    # The next one needs another port and another name, and they are offered.
    expect(page.locator("#serve-port input, #serve-port textarea").first).not_to_have_value(str(view.port))
    expect(page.locator("#serve-command")).to_contain_text("ernie-4.5-demo-2")

    # The page says how it is called, and so it is.
    card(page, view.name).locator("summary", has_text="How to call it").click()
    expect(card(page, view.name).locator("[data-kind=curl]")).to_contain_text(f"{view.address}/v1/chat/completions")
    code = card(page, view.name).locator("[data-kind=python] pre").inner_text()
    compile(code, "snippet", "exec")
    with openai.OpenAI(base_url=f"{view.address}/v1", api_key="none") as client:
        asked = [{"role": "user", "content": "你好"}]
        told = client.chat.completions.create(model=view.model_name, messages=asked, max_tokens=4)
    assert told.usage.completion_tokens
    card(page, view.name).locator("summary", has_text="Log").click()
    expect(card(page, view.name).locator("pre.log")).not_to_be_empty()

    # The studio is killed and started again: the server went on, and is found.
    page.goto("about:blank")
    served.kill()
    assert httpx.get(f"{view.address}/health", timeout=10, trust_env=False).status_code == 200
    served.start()
    page.goto(served.address)
    open_tab(page, "serve")
    expect(healthy(page, view.name)).to_be_visible()
    # What the form offers is what it shows and checks.
    expect(page.locator("#serve-port").locator("input, textarea")).not_to_have_value(str(view.port))
    expect(page.locator("#serve-command")).to_contain_text(f"--port {value(page, 'serve-port')}")
    expect(page.locator("#serve-problems")).not_to_contain_text("in use")
    top, facts = (card(page, view.name).locator(part).bounding_box() for part in (".top", ".facts"))
    assert top
    assert facts
    assert facts["y"] >= top["y"] + top["height"]

    card(page, view.name).locator("[data-act=stop]").click()
    expect(in_state(page, view.name, "stopped")).to_be_visible(timeout=LONG_MS)
    assert processes_of(served.home.serving / view.name) == []
    card(page, view.name).locator("[data-act=again]").click()
    expect(healthy(page, view.name)).to_be_visible(timeout=LONG_MS)
    card(page, view.name).locator("[data-act=stop]").click()
    expect(in_state(page, view.name, "stopped")).to_be_visible(timeout=LONG_MS)
    card(page, view.name).locator("[data-act=remove]").click()
    expect(page.locator("#serve-servers")).to_contain_text("No server yet.")


def test_what_is_wrong_is_told_while_typing_and_nothing_starts(page: Page, served: Studio) -> None:
    open_tab(page, "serve")
    pick(page, "serve-model", "ernie-4.5-demo")
    write(page, "serve-port", "http")
    expect(page.locator("#serve-problems")).to_contain_text("Port “http” is not a whole number.")
    write(page, "serve-port", str(served.port))
    expect(page.locator("#serve-problems")).to_contain_text(f"Port {served.port} is in use.")
    page.locator("#serve-start").click()
    expect(page.locator("#serve-problems")).to_contain_text(f"Port {served.port} is in use.")
    assert value(page, "serve-port") == str(served.port)
    write(page, "serve-port", str(free_port()))
    expect(page.locator("#serve-problems")).not_to_contain_text("in use")

    # FastDeploy's own settings come with it; what is missing is told, and the command can be copied all the same.
    page.locator("#serve-backend label", has_text="FastDeploy").click()
    write(page, "serve-max_model_len", "4096")
    expect(page.locator("#serve-command")).to_contain_text("--max-model-len 4096")
    expect(page.locator("#serve-problems")).to_contain_text("FastDeploy is not installed here.")
    page.locator("#serve-backend label", has_text="vLLM").click()
    expect(page.locator("#serve-command")).to_contain_text("vllm serve")
    expect(page.locator("#serve-start")).to_be_disabled()
    expect(page.locator("#serve-max_model_len")).to_be_hidden()
    assert list_servers(served.home) == []


def test_a_server_that_ends_says_why_and_shows_its_key_only_when_asked(page: Page, served: Studio) -> None:
    broken = served.home.models / "broken"
    (served.home.models / "ernie-4.5-demo").rename(broken)
    (broken / "tokenizer.json").write_text("{")
    start_server(served.home, ServeRequest("broken", host=WILDCARD, port=free_port()))
    open_tab(page, "serve")
    expect(in_state(page, "broken", "failed")).to_be_visible(timeout=LONG_MS)
    expect(card(page, "broken").locator(".notice.bad")).not_to_be_empty()
    key = (served.home.serving / "broken" / "api_key").read_text().strip()
    assert key not in page.content()
    # In another language everything about it is in that language.
    page.get_by_text("中文").click()
    expect(card(page, "broken").locator(".output summary")).to_have_text("日志")
    expect(card(page, "broken").locator("[data-act=again]")).to_have_text("重新启动")
