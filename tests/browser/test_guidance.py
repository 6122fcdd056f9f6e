"""What helps along: the tour, addresses, why buttons do nothing, the kept form, copying."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from studio.stores.home import Home
from studio.texts import TEXTS
from tests.browser.conftest import Studio
from tests.browser.page_parts import open_tab, value, write

pytestmark = pytest.mark.browser
TABS = ("train", "history", "chat", "evaluate", "export", "serve", "dataset")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests here; none of them starts a run."""
    studio = Studio(Home(tmp_path_factory.mktemp("guidance") / "home"))
    studio.start()
    yield studio
    studio.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    context.set_default_timeout(30_000)
    yield context
    context.close()


def opened(context: BrowserContext, studio: Studio, query: str = "") -> Page:
    page = context.new_page()
    page.goto(studio.address + query)
    expect(page.locator("#train-reset, #chat-load, #evaluation-start").first).to_be_attached()
    return page


def refused(page: Page) -> list[tuple[str, str]]:
    """Every button in view that does nothing, and what a screen reader says of it."""
    script = """() => [...document.querySelectorAll('button:disabled, button[aria-disabled=true]')]
        .filter((button) => button.offsetParent)
        .map((button) => [button.id || button.textContent,
          document.getElementById(button.getAttribute('aria-describedby'))?.textContent || ''])"""
    return [tuple(each) for each in page.evaluate(script)]


def test_every_button_that_does_nothing_says_why(context: BrowserContext, studio: Studio) -> None:
    page = opened(context, studio)
    reasons = {worded[0] for key, worded in TEXTS.items() if key.startswith("why.")}
    seen: set[str] = set()
    expect(page.locator("#train-stop")).to_be_disabled()
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(1500)
        expect(page.locator("button[aria-disabled=true]:not([aria-describedby])")).to_have_count(0)
        found = refused(page)
        assert [name for name, why in found if why not in reasons] == [], tab
        seen |= {name for name, _ in found}
    assert {"train-stop", "Compare", "evaluation-cancel", "export-cancel"} <= seen
    # Who presses it learns why, and nothing else happens.
    open_tab(page, "train")
    page.locator("#train-stop").click(force=True)
    expect(page.locator(".whisper")).to_have_text(TEXTS["why.no_run"][0])
    expect(page.locator("#train-told .notice")).to_have_count(0)


def test_the_tour_is_offered_once_and_works_by_keyboard(context: BrowserContext, studio: Studio) -> None:
    page = opened(context, studio)
    page.locator(".invitation").get_by_role("button", name="Show me around").click()
    tour = page.get_by_role("dialog")
    expect(tour).to_contain_text("1 of 7")
    expect(page.locator("#dataset-table.toured")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#train-start.toured")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(tour).to_contain_text("1 of 7")
    page.keyboard.press("Escape")
    expect(tour).to_be_hidden()
    expect(page.locator("#tour-open")).to_be_focused()
    page.goto(studio.address)
    expect(page.locator("#train-start")).to_be_visible()
    expect(page.locator(".invitation")).to_be_hidden()


def test_addresses_open_tabs_and_follow_them(context: BrowserContext, studio: Studio) -> None:
    page = opened(context, studio, "?tab=evaluate&run=no-such-run")
    expect(page.locator("#evaluation-start")).to_be_visible()
    expect(page.locator("#page-told")).to_contain_text("There is no run no-such-run")
    # Who comes for something certain is offered nothing.
    open_tab(page, "train")
    expect(page.locator(".invitation")).to_be_hidden()
    open_tab(page, "chat")
    expect(page).to_have_url(f"{studio.address}?tab=chat")
    page.go_back()
    expect(page.locator("#train-start")).to_be_visible()


def test_the_form_comes_back_without_what_is_gone(context: BrowserContext, studio: Studio, tmp_path: Path) -> None:
    page = opened(context, studio)
    model = tmp_path / "gone"
    model.mkdir()
    write(page, "train-learning_rate", "0.0123")
    page.locator("#train-model input").fill(str(model))
    page.locator("#train-model input").press("Enter")
    page.wait_for_function("localStorage['studio-train-form']?.includes('gone')")
    model.rmdir()
    page.reload()
    expect(page.locator("#train-kept")).to_contain_text(f"Gone meanwhile, and left out: {model}.")
    assert value(page, "train-learning_rate") == "0.0123"
    expect(page.locator("#train-model input")).to_have_value("ernie-4.5-demo")
    page.locator("#train-reset").click()
    page.wait_for_function("!('studio-train-form' in localStorage)")
    assert value(page, "train-learning_rate") == "0.003"


def test_copying_works_without_a_clipboard_of_the_browser(context: BrowserContext, studio: Studio) -> None:
    context.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined })")
    context.add_init_script("document.addEventListener('copy', () => (window.copied = String(getSelection())))")
    page = opened(context, studio)
    write(page, "train-learning_rate", "abc")
    page.locator("#train-problems").get_by_role("button", name="Copy the message").click()
    expect(page.locator(".whisper")).to_have_text("Copied")
