"""Runs are watched, read, kept, found again and compared in a real browser, after the real engine trained them."""

import csv
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from studio.actions.runs import find_run
from tests.browser.conftest import Studio
from tests.browser.page_parts import (
    LONG_MS,
    card_of,
    open_tab,
    points,
    unfold,
    visible_steps,
    wait_for_points,
    write,
)

pytestmark = pytest.mark.browser
TRAINS_OFTEN = True


def train(page: Page, name: str, rate: str, steps: int) -> None:
    write(page, "train-name", name)
    write(page, "train-learning_rate", rate)
    write(page, "train-max_steps", str(steps))
    page.locator("#train-start").click()


def keep(page: Page, what: str, place: Path) -> Path:
    with page.expect_download(timeout=LONG_MS) as kept:
        page.locator(f"[data-chart=train] {what}").click()
    path = place / kept.value.suggested_filename
    kept.value.save_as(path)
    return path


def curves(page: Page, plot: str = "train-plot") -> list[str]:
    return page.evaluate(
        f"document.getElementById('{plot}').data.filter(t => t.showlegend !== false).map(t => t.name)"
    )


def test_two_runs_are_watched_kept_and_compared(
    page: Page, studio: Studio, browser: Browser, tmp_path: Path
) -> None:
    # A headless browser shows no notifications; what the page would show is kept.
    page.evaluate(
        """() => {
            window.told = [];
            window.Notification = class { constructor(text) { window.told.push(text); } };
            Object.assign(window.Notification, { permission: 'granted', requestPermission: async () => 'granted' });
        }"""
    )
    unfold(page, "Tell me when a run ends")
    page.locator("[data-notify] input").check()
    train(page, "slow-rate", "1e-4", 60)
    wait_for_points(page, 10)

    # Another plot under the first; a zoom outlives what comes, the axis and the smoothing do not move it.
    page.locator("[data-panel=learning_rate]").click()
    page.wait_for_function("document.getElementById('train-plot').data.some(t => t.name === 'Learning rate')")
    page.evaluate("Plotly.relayout('train-plot', {'xaxis.range[0]': 2, 'xaxis.range[1]': 8})")
    seen = points(page)
    wait_for_points(page, seen + 10)
    assert visible_steps(page) == [2, 8]
    page.locator("[data-control=weight]").fill("0.5")
    page.wait_for_function("document.getElementById('train-plot').data.some(t => t.opacity === 0.25)")
    assert visible_steps(page) == [2, 8]
    expect(card_of(page, "slow-rate", "finished")).to_be_visible(timeout=LONG_MS)
    page.wait_for_function("window.told.includes('slow-rate: Finished')", timeout=LONG_MS)
    page.locator("[data-control=axis]").select_option("tokens")
    page.wait_for_function("document.getElementById('train-plot').layout.xaxis.title.text === 'Tokens'")
    page.wait_for_function("Math.max(...document.getElementById('train-plot').data[0].x) > 1000")
    page.locator("[data-control=axis]").select_option("step")
    # The machine was measured too, and stands on the same axis.
    page.locator("[data-panel=memory]").click()
    page.wait_for_function("document.getElementById('train-plot').data.some(t => t.name === 'Memory of the run')")

    # Each format holds what the run has logged.
    table = list(csv.DictReader(keep(page, "[data-keep=csv]", tmp_path).read_text().splitlines()))
    losses = [float(row["loss"]) for row in table if row["loss"]]
    assert len(losses) == 60
    kept = json.loads(keep(page, "[data-keep=json]", tmp_path).read_text())
    assert [point["loss"] for point in kept["points"] if "loss" in point] == losses
    assert keep(page, "[data-image=png]", tmp_path).read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in keep(page, "[data-image=svg]", tmp_path).read_bytes()[:200]
    assert zipfile.is_zipfile(keep(page, "[data-keep=zip]", tmp_path))
    alone = keep(page, "[data-keep=html]", tmp_path)
    opened = browser.new_context(offline=True).new_page()
    opened.goto(alone.as_uri())
    expect(opened.locator(".main-svg").first).to_be_visible()
    assert "Training loss" in opened.evaluate("document.querySelector('.js-plotly-plot').data.map(t => t.name)")
    opened.context.close()

    # The log can be searched, and says where an error is.
    log = page.locator("#train-log .logview")
    expect(log.locator("pre")).to_contain_text("train metrics")
    log.get_by_role("searchbox").fill("GLOBAL_STEP: 7,")
    log.get_by_role("searchbox").press("Enter")
    expect(log.locator(".found").last).to_contain_text("global_step: 7,")
    expect(log.get_by_label("Follow")).not_to_be_checked()
    log.get_by_role("searchbox").fill("no such words")
    log.get_by_role("searchbox").press("Enter")
    expect(log.locator(".said")).to_have_text("Not found.")

    train(page, "quick-rate", "1e-2", 40)
    expect(card_of(page, "quick-rate", "finished")).to_be_visible(timeout=LONG_MS)

    # Both are found again, noted and compared.
    open_tab(page, "history")
    history = page.locator("[data-history]")
    expect(history.locator("tbody tr")).to_have_count(2)
    history.get_by_role("searchbox").fill("quick")
    expect(history.locator("tbody tr")).to_have_count(1)
    history.get_by_label("Choose quick-rate").check()
    history.get_by_role("searchbox").fill("")
    history.get_by_label("Choose all that are shown").check()
    history.locator("[data-act=tags]").click()
    history.locator(".ask input").fill("rates")
    history.locator(".ask input").press("Enter")
    expect(history.locator("tbody .tag")).to_have_text(["rates", "rates"])
    history.get_by_role("button", name="Compare").click()
    expect(page.locator("#history-compare .differences")).to_contain_text("0.01")
    page.wait_for_function("document.getElementById('compare-plot').data?.length > 3")
    assert {name.split(" · ")[0] for name in curves(page, "compare-plot")} == {"quick-rate", "slow-rate"}
    page.wait_for_function("document.getElementById('history-scatter').data?.[0].x.length === 2")

    # To the trash and back.
    history.get_by_label("Choose quick-rate").uncheck()
    history.get_by_role("button", name="To the trash").click()
    expect(history.locator("tbody tr")).to_have_count(1)
    history.get_by_text("Trash", exact=True).click()
    history.get_by_role("button", name="Bring back").click()
    expect(history.locator("tbody tr")).to_have_count(2)
    assert find_run(studio.home, "slow-rate").state == "finished"
