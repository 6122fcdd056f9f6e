"""A run is exported, its model gets a card and a package, and goes on to chat, to a server and to training."""

import tarfile

import pytest
from playwright.sync_api import Page, expect

from studio.actions.runs import wait_run
from studio.actions.train import request_from_keys, start_run
from tests.browser.conftest import Studio
from tests.browser.page_parts import LONG_MS, open_tab, pick, unfold, value, write

pytestmark = pytest.mark.browser
KEYS = {
    "fine_tuning": "LoRA",
    "max_steps": 4,
    "warmup_steps": 0,
    "learning_rate": 0.02,
    "max_seq_len": 48,
    "eval_dataset": "none",
}


@pytest.fixture
def trained(studio: Studio) -> Studio:
    """A studio with one LoRA run."""
    run = start_run(studio.home, request_from_keys(studio.home, {**KEYS, "name": "tuned"}))
    assert wait_run(studio.home, run.run).state == "finished"
    return studio


def test_an_export_is_proven_and_used(page: Page, trained: Studio) -> None:
    open_tab(page, "export")
    expect(page.locator("#export-run input")).to_have_value("tuned")
    expect(page.locator("#export-cancel")).to_be_disabled()
    # Nothing is there to be used yet.
    page.locator("#export-chat").click()
    expect(page.locator("#export-used")).to_contain_text("no finished export")

    write(page, "export-to", "merged")
    page.locator("#export-start").click()
    expect(page.locator("#export-result [data-state=finished]")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#export-result .pill.pass")).to_be_visible()
    expect(page.locator("#export-result")).to_contain_text("Merged in")
    expect(page.locator("#export-result [data-check=changed]")).to_contain_text("28 of 38")
    # The new model is picked by itself.
    expect(page.locator("#export-model input")).to_have_value("merged")

    unfold(page, "Model card")
    card = page.locator("#export-card-text textarea")
    assert "base_model: ernie-4.5-demo" in card.input_value()
    write(page, "export-card-text", "# My card")
    page.locator("#export-card-save").click()
    expect(page.locator("#export-card-told")).to_contain_text("Saved.")
    assert (trained.home.models / "merged" / "README.md").read_text() == "# My card\n"

    unfold(page, "Package")
    page.locator("#package-start").click()
    with page.expect_download() as kept:
        page.locator("#package-result a").click(timeout=LONG_MS)
    with tarfile.open(kept.value.path()) as archive:
        assert {"merged/SHA256SUMS", "merged/README.md", "merged/export_report.json"} <= set(archive.getnames())

    # Somebody's folder that is not base + adapter: the base itself.
    unfold(page, "Check a merged folder")
    pick(page, "prove-base", "ernie-4.5-demo")
    pick(page, "prove-adapters", "ernie-4.5-demo/lora/tuned")
    page.keyboard.press("Escape")
    pick(page, "prove-merged", "ernie-4.5-demo")
    page.locator("#prove-start").click()
    expect(page.locator("#prove-result .pill.fail")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#prove-result [data-check=changed]")).to_contain_text("did not change where they should")
    expect(page.locator("#prove-cancel")).to_be_disabled()
    # A page that is opened anew takes it up again.
    page.reload()
    open_tab(page, "export")
    unfold(page, "Check a merged folder")
    expect(page.locator("#prove-result .pill.fail")).to_be_visible()

    page.locator("#export-train").click()
    expect(page.locator("#train-model input")).to_have_value("merged")
    assert value(page, "train-name") != "tuned"
    open_tab(page, "export")
    page.locator("#export-serve").click()
    expect(page.locator("#serve-model input")).to_have_value("merged")
    expect(page.locator("#serve-command")).to_contain_text("models/merged")
    open_tab(page, "export")
    page.locator("#export-chat").click()
    expect(page.locator("#chat-model input")).to_have_value("merged")
