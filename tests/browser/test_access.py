"""The page for everybody: by keyboard, by screen reader, on a phone, in high contrast, in either language."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from studio.actions.runs import wait_run
from studio.actions.train import start_run
from tests.actions.model_server import serve
from tests.actions.test_train import a_request
from tests.browser.conftest import Studio, running, watched
from tests.browser.page_parts import LONG_MS, answers, open_tab, unfold, wait_for_points, write
from tests.browser.reading import CUT, SPILT, findings, foreign, spilt, walk
from tests.conftest import FAKE, make_home

pytestmark = pytest.mark.browser
# Names and roles hold for every width and language; contrast must be looked at again where colours change.
NAMING = (
    "aria-allowed-attr",
    "aria-input-field-name",
    "button-name",
    "label",
    "link-name",
    "image-alt",
    "target-size",
)
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      if (!one.hadRecentInput) window.shifts.push([one.value, one.sources.map((from) => from.node?.id || from.node?.className)]);
    }
  }).observe({ type: "layout-shift", buffered: false });
}"""
MOST_SHIFT = 0.02


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With a run that has ended; the runs of these tests are recorded ones."""
    with pytest.MonkeyPatch.context() as patch:
        home = make_home(tmp_path_factory.mktemp("access") / "home")
        with running(Studio(home, flags=("--no-warm-engine",))) as studio:
            # The studio itself has the real engine, which chat and prove need.
            patch.setenv("PYTHONPATH", str(FAKE))
            patch.setenv("FAKE_ENGINE", "")
            wait_run(home, start_run(home, a_request(home, name="first")).run)
            patch.setenv("FAKE_ENGINE", "slow")
            yield studio


@pytest.fixture(scope="module")
def page(browser: Browser, studio: Studio) -> Iterator[Page]:
    """One page for all: English in a browser that speaks Chinese, until a test says otherwise."""
    # Without motion: a colour that is on its way to another has no contrast yet.
    with watched(browser, studio, locale="zh-CN", reduced_motion="reduce") as page:
        expect(page.locator("#page-keys")).to_be_visible(timeout=LONG_MS)
        yield page


def recolour(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
    # Gradio lets some colours change bit by bit.
    page.wait_for_timeout(400)


def test_no_part_has_a_grave_finding_a_spilt_word_or_one_of_another_language(page: Page) -> None:
    found: list[str] = []
    for part in walk(page):
        found += [f"{part}: {text}" for text in foreign(page, "en")]
        found += [f"{part}: {one}" for one in findings(page)]
        found += [f"{part}, {one}" for one in spilt(page)]
        recolour(page, "dark")
        found += [f"{part}, dark: {one}" for one in findings(page, "color-contrast")]
        recolour(page, "light")
    assert not found, "\n".join(found)


def test_on_a_phone_everything_fits_can_be_touched_and_is_chinese(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#page-language").get_by_text("中文").click()
    open_tab(page, "train")
    expect(page.locator("#train-start")).to_have_text("开始训练")
    # What the server words comes after what the page words itself.
    expect(page.locator("[data-log]").first).to_contain_text("跟随")
    found: list[str] = []
    for part in walk(page):
        found += [f"{part}: {text}" for text in foreign(page, "zh")]
        found += [f"{part}: {one}" for one in findings(page, *NAMING)]
        found += [f"{part}, cut: {one}" for one in [*page.evaluate(CUT), *page.evaluate(SPILT)]]
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 390:
            found.append(f"{part}: {width} wide")
    page.locator("#page-language").get_by_text("English").click()
    page.set_viewport_size({"width": 1360, "height": 900})
    assert not found, "\n".join(found)


def focus(page: Page) -> str:
    return page.evaluate("document.activeElement.dataset.tabId || document.activeElement.id")


def test_the_keyboard_opens_tabs_and_the_list_of_shortcuts_and_takes_no_key_from_who_types(page: Page) -> None:
    open_tab(page, "train")
    expect(page.locator("#train-start")).to_have_text("Start")
    expect(page.locator("#page-keys")).to_have_attribute("data-keys", re.compile("Keyboard shortcuts"))
    page.locator("[role=tab][data-tab-id=train]").focus()
    page.keyboard.press("ArrowRight")
    assert focus(page) == "history"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    # What is typed is typed.
    page.keyboard.type("g3?")
    assert page.evaluate("document.activeElement.value") == "g3?"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("g")
    page.keyboard.press("3")
    expect(page.locator("#chat-parts")).to_be_visible()
    assert focus(page) == "chat"
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(listed).to_contain_text("Ctrl + Enter")
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(listed).to_have_count(0)
    assert focus(page) == "chat"
    page.get_by_role("button", name="Keyboard shortcuts").click()
    listed.get_by_label("Single keys work").uncheck()
    listed.get_by_role("button", name="Close").click()
    assert focus(page) == "page-keys"
    page.keyboard.press("?")
    expect(listed).to_have_count(0)
    page.evaluate("localStorage.removeItem('studio-single-keys')")


def test_whatever_the_tab_key_reaches_shows_that_it_has_the_focus(page: Page) -> None:
    open_tab(page, "train")
    page.locator("#page-keys").focus()
    unseen: list[str] = []
    reached: list[str] = []
    for _ in range(45):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
              const one = document.activeElement;
              const style = getComputedStyle(one.matches('.cm-content') ? one.closest('.cm-editor') : one);
              const around = getComputedStyle(one.closest('label') || one);
              const seen = [style, around].some((how) => how.outlineStyle !== 'none' && parseFloat(how.outlineWidth) >= 2);
              return [one.id || one.closest('[id]')?.id || one.tagName, seen, one.getBoundingClientRect().top];
            }"""
        )
        reached.append(told[0])
        # Behind the last stop the browser has the focus itself.
        if not told[1] and told[0] != "BODY":
            unseen.append(told[0])
    assert unseen == [], reached
    # One stop for all tabs, and then what stands below them in its order.
    order = [
        "page-tabs",
        "train-preset",
        "train-model",
        "train-stage",
        "train-method",
        "train-datasets",
        "train-name",
    ]
    places = [next(place for place, name in enumerate(reached) if name.startswith(one)) for one in order[1:]]
    assert places == sorted(places)


def test_nothing_moves_while_a_run_ticks_and_ctrl_enter_starts_it(page: Page, studio: Studio) -> None:
    open_tab(page, "train")
    wait_for_points(page, 3)
    view = start_run(studio.home, a_request(studio.home, name="ticking"))
    page.reload()
    page.locator("#train-card [data-run$='/ticking']").wait_for(timeout=LONG_MS)
    wait_for_points(page, 3)
    page.evaluate(SHIFTS)
    page.locator("#train-card [data-state=finished][data-run$='/ticking']").wait_for(timeout=LONG_MS)
    page.wait_for_timeout(1500)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < MOST_SHIFT, shifts
    wait_run(studio.home, view.run)


def test_an_answer_streams_without_a_shift_and_esc_stops_it(page: Page) -> None:
    open_tab(page, "chat")
    with serve() as server:
        unfold(page, "Another server (OpenAI-compatible)")
        write(page, "chat-address", server.address)
        page.locator("#chat-outside-add").click()
        page.locator("#chat-prompt textarea").fill("slow please")
        page.locator("#chat-prompt textarea").dispatch_event(
            "keydown", {"key": "Enter", "ctrlKey": True, "isComposing": True, "bubbles": True}
        )
        page.locator("#chat-prompt textarea").press("Control+Enter")
        expect(answers(page)).to_contain_text("more more")
        page.evaluate(SHIFTS)
        page.wait_for_timeout(2500)
        shifts = page.evaluate("window.shifts")
        page.keyboard.press("Escape")
        assert server.ended.wait(10)
    assert sum(value for value, _ in shifts) < MOST_SHIFT, shifts


def test_who_asks_for_contrast_gets_stronger_lines_and_frames(browser: Browser, studio: Studio) -> None:
    with watched(browser, studio, contrast="more", forced_colors="active", color_scheme="dark") as page:
        page.wait_for_function("document.getElementById('train-plot')?.dataset.points > 0", timeout=LONG_MS)
        drawn = page.evaluate(
            "document.getElementById('train-plot').data.map(one => [one.line?.color, one.line?.dash]).filter(one => one[1])"
        )
        assert drawn[0] == ["#93c5fd", "solid"]
        assert len({tuple(one) for one in drawn}) == len(drawn)
        framed = page.evaluate(
            "[...document.querySelectorAll('.card, .pill')].map(one => getComputedStyle(one).borderTopStyle)"
        )
        assert framed
        assert set(framed) == {"solid"}
