"""Settings from elsewhere, arguments of the engine, and a run that goes on."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.actions.runs import find_run
from tests.browser.conftest import Studio
from tests.browser.page_parts import LONG_MS, card_of, unfold, value, wait_for_points, write

pytestmark = pytest.mark.browser
TRAINS_OFTEN = True


def test_another_tools_settings_fill_the_form_and_each_key_is_told(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "lora.yaml"
    file.write_text(
        "stage: dpo\nfinetuning_type: lora\ncutoff_len: 99\ntemplate: qwen\nneftune: yes\noutput_dir: x\n"
    )
    unfold(page, "Import settings")
    page.locator("#train-import input[type=file]").set_input_files(file)
    told = page.locator("#train-imported")
    expect(told).to_contain_text("6 keys read from lora.yaml")
    expect(told.locator("tr[data-outcome=unsupported]")).to_contain_text("template: qwen")
    expect(told.locator("tr[data-outcome=translated]")).to_have_count(3)
    assert value(page, "train-max_seq_len") == "99"
    expect(page.locator("#train-stage input")).to_have_value("DPO")
    expect(page.locator("#train-method input")).to_have_value("lora")
    expect(page.locator("#train-problems")).to_contain_text("does not fit DPO")
    unfold(page, "More engine arguments (YAML)")
    assert value(page, "train-extra").strip() == "neftune: true"


def test_an_argument_is_found_and_a_wrong_one_is_said_before_the_start(page: Page) -> None:
    unfold(page, "More engine arguments (YAML)")
    page.locator("#train-find input, #train-find textarea").first.press_sequentially("neftune")
    expect(page.locator("#train-found")).to_contain_text("neftune_noise_alpha")
    write(page, "train-extra", "neftunee: 1\nadam_epsilon: tiny")
    problems = page.locator("#train-problems")
    expect(problems).to_contain_text("The engine has no argument “neftunee”. Near it: neftune")
    expect(problems).to_contain_text("adam_epsilon is a number, and “tiny” is none.")


def test_a_stopped_run_goes_on_and_its_settings_are_used_again(page: Page, studio: Studio) -> None:
    write(page, "train-max_steps", "60")
    write(page, "train-name", "parted")
    page.locator("#train-start").click()
    expect(card_of(page, "parted", "running")).to_be_visible(timeout=LONG_MS)
    wait_for_points(page, 5)
    page.locator("#train-stop").click()
    expect(card_of(page, "parted", "stopped")).to_be_visible(timeout=LONG_MS)
    stopped = find_run(studio.home, "parted").step
    assert stopped < 60
    page.locator("#train-resume").click()
    expect(page.locator("#train-run-told")).to_contain_text(f"parted goes on from step {stopped}.")
    expect(card_of(page, "parted", "finished")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#train-card")).to_contain_text("60 / 60")
    wait_for_points(page, 60)
    page.locator("#train-resume").click()
    expect(page.locator("#train-run-told")).to_contain_text("parted has")
    write(page, "train-changes", "seed: 1")
    page.locator("#train-resume").click()
    expect(page.locator("#train-run-told")).to_contain_text("seed cannot change when a run goes on")
    write(page, "train-changes", "max_steps: 64, learning_rate: 1e-4")
    page.locator("#train-resume").click()
    expect(page.locator("#train-card")).to_contain_text("64 / 64", timeout=LONG_MS)
    write(page, "train-max_steps", "7")
    page.locator("#train-clone").click()
    expect(page.locator("#train-max_steps textarea, #train-max_steps input").first).to_have_value("60")
    assert value(page, "train-name") == "parted-2"


def test_a_click_takes_less_memory_with_the_same_steps(page: Page) -> None:
    problems = page.locator("#train-problems")
    expect(problems).to_contain_text("of memory: weights")
    steps = problems.inner_text().splitlines()[-2:]
    unfold(page, "Take less memory")
    button = page.locator("#train-reduce-single_rows")
    expect(button).to_contain_text("One row at a time: −0.")
    button.click()
    expect(button).to_be_hidden()
    assert value(page, "train-per_device_train_batch_size") == "1"
    assert value(page, "train-gradient_accumulation_steps") == "16"
    assert problems.inner_text().splitlines()[-2:][0] == steps[0]
