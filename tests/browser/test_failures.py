"""Five ways to fail, each told on the page in words and mended with the offered click."""

import os
import signal
import time

import pytest
from playwright.sync_api import Page, expect

from studio.actions.runs import request_of
from studio.stores.runs import read_json
from tests.browser.conftest import Studio
from tests.browser.page_parts import LONG_MS, card_of, pick, unfold, wait_for_points, write

pytestmark = pytest.mark.browser
TRAINS_OFTEN = True


def start(page: Page, name: str, extra: str = "") -> None:
    write(page, "train-extra", extra)
    write(page, "train-name", name)
    page.locator("#train-start").click()


def mend(page: Page, failed: str, said: str, offered: str, again: str) -> None:
    """The card of the failed run says why and what would be changed; a click does it, and the run gets through."""
    card = card_of(page, failed, "failed")
    expect(card).to_contain_text(said, timeout=LONG_MS)
    expect(card).to_contain_text(offered)
    page.locator("#train-repair").click()
    expect(card_of(page, again, "finished")).to_be_visible(timeout=LONG_MS)


def test_what_the_engines_parser_refuses_is_said_before_the_start(page: Page) -> None:
    unfold(page, "More engine arguments")
    problems = page.locator("#train-problems")
    # The engine takes a few seconds to get warm, and until then nobody asks it.
    deadline = time.monotonic() + 60
    while "The engine has no optimiser sgdd." not in problems.inner_text():
        assert time.monotonic() < deadline
        write(page, "train-extra", "optim: sgdd")
        page.wait_for_timeout(500)
    page.locator("#train-start").click()
    expect(problems).to_contain_text("The engine has no optimiser sgdd.")
    expect(page.locator("#train-run input")).to_have_value("")


def test_five_failures_are_explained_and_mended(page: Page, studio: Studio) -> None:
    unfold(page, "More engine arguments")
    write(page, "train-max_steps", "2")
    write(page, "train-max_seq_len", "48")

    start(page, "template", "template_backend: custom\ntemplate: nothing")
    mend(page, "template", "The engine has no template", "without template", "template-2")

    start(page, "attention", "_attn_implementation: flashmask")
    mend(page, "attention", "exists on GPUs only", "without _attn_implementation", "attention-2")

    pick(page, "train-method", "lora")
    unfold(page, "LoRA")
    write(page, "train-lora_target_modules", "c_attn")
    start(page, "module")
    mend(
        page,
        "module",
        "The model has no module c_attn. There are",
        "LoRA modules left empty instead of c_attn",
        "module-2",
    )
    write(page, "train-lora_target_modules", "")
    pick(page, "train-method", "full")

    write(page, "train-max_steps", "60")
    unfold(page, "Schedule and regularisation")
    for name, given in (("learning_rate", "0.5"), ("warmup_steps", "40"), ("max_grad_norm", "0")):
        write(page, f"train-{name}", given)
    start(page, "wild")
    mend(page, "wild", "The loss or the weights became infinite", "Learning rate 0.05 instead of 0.5", "wild-2")
    write(page, "train-learning_rate", "0.001")

    unfold(page, "Logging, evaluation, checkpoints")
    write(page, "train-save_steps", "5")
    start(page, "killed")
    expect(card_of(page, "killed", "running")).to_contain_text("training", timeout=LONG_MS)
    wait_for_points(page, 7)
    os.kill(read_json(studio.home.saves / "ernie-4.5-demo/full/killed/studio/state.json")["pid"], signal.SIGKILL)
    mend(page, "killed", "killed by SIGKILL", "goes on from the newest checkpoint", "killed")
    assert request_of(studio.home, "module-2").options["lora_target_modules"] == ""
