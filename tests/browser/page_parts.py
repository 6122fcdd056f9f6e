"""What a person does on the page, by name."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from studio.texts import say

LONG_MS = 120_000


def open_tab(page: Page, name: str) -> None:
    """Click a tab; on a narrow page those that have no room stand in a menu behind the others."""
    tab = page.locator(f"[role=tab][data-tab-id={name}]")
    menu = page.locator("#page-tabs > .tab-wrapper .overflow-menu > button")
    expect(tab.or_(menu).filter(visible=True).first).to_be_visible()
    if tab.count():
        tab.click()
        return
    menu.filter(visible=True).first.click()
    label = say(f"{name}.tab", page.evaluate("document.documentElement.lang || 'en'"))
    page.locator("#page-tabs .overflow-dropdown").get_by_role("button", name=label, exact=True).click()


def pick(page: Page, field: str, choice: str) -> None:
    """Choose from a dropdown as a person does: click it, click the choice."""
    page.locator(f"#{field} input").click()
    page.locator(f"#{field}").get_by_role("option", name=choice, exact=True).click()


def write(page: Page, field: str, text: str) -> None:
    place = page.locator(f"#{field} input, #{field} textarea").first
    place.fill(text)
    expect(place).to_have_value(text)
    place.blur()


def unfold(page: Page, title: str) -> None:
    """Open a folded part of the page and wait, as a person would, until it is there."""
    page.locator("button.label-wrap", has_text=title).click()
    page.wait_for_timeout(500)


def value(page: Page, field: str) -> str:
    return page.locator(f"#{field} input, #{field} textarea").first.input_value()


def card_of(page: Page, run: str, state: str) -> Locator:
    return page.locator(f"#train-card [data-state={state}][data-run$='/{run}']")


def points(page: Page) -> int:
    return int(page.locator("#train-plot").get_attribute("data-points") or 0)


def visible_steps(page: Page) -> Any:
    return page.evaluate(
        "document.getElementById('train-plot').layout.xaxis.range.map(x => Math.round(x * 10) / 10)"
    )


def wait_for_points(page: Page, count: int) -> None:
    script = f"+document.getElementById('train-plot')?.dataset.points >= {count}"
    page.wait_for_function(script, timeout=LONG_MS)


ANSWER = ".bot.message > .message:not(.thought)"


def answers(page: Page, talk: str = "chat-talk") -> Locator:
    """What was answered, without what was thought before and counted after."""
    return page.locator(f"#{talk} {ANSWER}")


def ask(page: Page, text: str) -> str:
    """Send a message and return the whole answer."""
    before = answers(page).count()
    write(page, "chat-prompt", text)
    page.locator("#chat-send").click()
    answer = answers(page).nth(before)
    expect(answer).not_to_be_empty(timeout=LONG_MS)
    return settled(page, answer)


def settled(page: Page, answer: Locator) -> str:
    """The text of an answer when it no longer grows."""
    earlier = ""
    for _ in range(60):
        page.wait_for_timeout(500)
        told = answer.inner_text().strip()
        if told == earlier:
            return told
        earlier = told
    raise AssertionError("the answer never ended")


def clear(page: Page) -> None:
    page.locator("#chat-clear").click()
    expect(page.locator("#chat-talk .message")).to_have_count(0)


def load(page: Page, model: str, adapter: str = "") -> None:
    pick(page, "chat-model", model)
    if adapter:
        pick(page, "chat-adapters", adapter)
        page.keyboard.press("Escape")
    page.locator("#chat-load").click()
    loaded = re.compile(f"Loaded in [0-9.]+ s: {re.escape(adapter or model)}")
    expect(page.locator("#chat-status")).to_contain_text(loaded, timeout=LONG_MS)
