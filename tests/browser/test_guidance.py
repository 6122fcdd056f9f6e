"""What helps along: the tour, addresses, why buttons do nothing, the kept form, copying."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from studio.actions.runs import stop_run, wait_run
from studio.actions.train import start_run
from studio.stores.home import Home
from studio.texts import TEXTS
from tests.actions.test_resume import make_checkpoint
from tests.actions.test_train import a_request, until
from tests.browser.conftest import Studio, running
from tests.browser.page_parts import LONG_MS, card_of, open_tab, value, write
from tests.conftest import FAKE

pytestmark = pytest.mark.browser
TABS = ("train", "history", "chat", "evaluate", "export", "serve", "dataset")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, furnished: Path) -> Iterator[Studio]:
    """One studio for all tests here; its runs are recorded ones."""
    home = Home(Path(shutil.copytree(furnished, tmp_path_factory.mktemp("guidance") / "home")))
    variables = {"PYTHONPATH": str(FAKE), "FAKE_ENGINE": ""}
    with running(Studio(home, flags=("--no-warm-engine",), variables=variables)) as studio:
        yield studio


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
    # Who comes again goes on where they were.
    open_tab(page, "serve")
    page.goto(studio.address)
    expect(page.locator("#serve-start")).to_be_visible()
    open_tab(page, "train")
    expect(page.locator("#train-start")).to_be_visible()
    expect(page.locator(".invitation")).to_be_hidden()
    page.wait_for_function("!('studio-train-form' in localStorage)")


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


def test_an_address_opens_a_run_whose_settings_are_kept_and_which_goes_on(
    context: BrowserContext, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_ENGINE", "slow")
    model, options = str(studio.home.models / "ernie-4.5-demo"), {"learning_rate": "0.0321"}
    request = a_request(studio.home, model=model, datasets=("medical_zh",), name="left", options=options)
    view = start_run(studio.home, request)
    until(studio.home, view.run, lambda view: view.step >= 3)
    stop_run(studio.home, view.run, now=True)
    wait_run(studio.home, view.run)
    make_checkpoint(Path(view.path), 2)

    page = opened(context, studio, "?run=left")
    expect(card_of(page, "left", "stopped")).to_be_visible()
    page.locator("#train-clone").click()
    page.wait_for_function("localStorage['studio-train-form']?.includes('0.0321')")
    page.reload()
    expect(page.locator("#train-kept")).to_contain_text(TEXTS["kept.back"][0])
    assert (value(page, "train-learning_rate"), value(page, "train-name")) == ("0.0321", "left-2")
    expect(card_of(page, "left", "stopped")).to_be_visible()
    page.locator("#train-resume").click()
    expect(card_of(page, "left", "finished")).to_be_visible(timeout=LONG_MS)
    assert (value(page, "train-learning_rate"), value(page, "train-name")) == ("0.0321", "left-2")


def test_what_is_typed_early_stands_and_the_form_comes_back_without_what_is_gone(
    context: BrowserContext, studio: Studio, tmp_path: Path
) -> None:
    kept = '{"option.learning_rate": "0.5", "option.max_steps": "7"}'
    context.add_init_script(f"localStorage['studio-train-form'] ??= '{kept}'")
    page = context.new_page()
    late: list[Route] = []
    page.route("**/queue/data*", lambda route: late.append(route))
    page.goto(studio.address)
    write(page, "train-learning_rate", "0.0123")
    for answer in late:
        answer.continue_()
    page.unroute("**/queue/data*")
    expect(page.locator("#train-max_steps input, #train-max_steps textarea")).to_have_value("7")
    page.wait_for_function("localStorage['studio-train-form'].includes('0.0123')")
    assert value(page, "train-learning_rate") == "0.0123"
    model = tmp_path / "gone"
    model.mkdir()
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
