"""Logging in and out as a person does, under the strictest policy that the page lives with."""

from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from studio.actions.access import set_password
from tests.browser.conftest import Studio, _is_foreign, _is_wrong
from tests.browser.page_parts import open_tab
from tests.browser.reading import findings

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TABS = ("train", "history", "chat", "evaluate", "export", "serve", "dataset")


def findings_in_both_schemes(page: Page) -> list[str]:
    found: list[str] = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {one}" for one in findings(page)]
    return found


@pytest.mark.browser
def test_a_person_logs_in_uses_the_page_and_logs_out(studio: Studio, browser: Browser) -> None:
    set_password(studio.home, "correct horse")
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", locale="zh-CN")
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: _is_wrong(message) and wrong.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"page: {error}"))
    page.on("request", lambda request: _is_foreign(request.url) and wrong.append(f"left: {request.url}"))

    page.goto(studio.address)
    expect(page).to_have_url(f"{studio.address}studio/login")
    expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.get_by_text("登录", exact=True)).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(2, 6, 23)"
    assert findings_in_both_schemes(page) == []
    assert wrong == []

    page.get_by_label("Password").fill("wrong horse")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not the password.")
    assert findings_in_both_schemes(page) == []
    # The browser tells of the 401 itself.
    wrong.clear()

    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#page-header")).to_be_visible()
    out = page.get_by_role("button", name="Log out")
    expect(out).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1360, "height": 900})
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(200)
    page.locator("#page-language label", has_text="中文").click()
    expect(page.get_by_role("button", name="退出登录")).to_be_visible()
    # What is put into the page by somebody runs nothing.
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.hit = 1\">')")
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None
    assert [text for text in wrong if "inline event handler" not in text] == []

    wrong.clear()
    page.get_by_role("button", name="退出登录").click()
    expect(page).to_have_url(f"{studio.address}studio/login")
    expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    context.close()
