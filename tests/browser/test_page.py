"""The page under bad input, bad luck, two languages and small screens."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from studio.actions.runs import find_run, list_runs, stop_run, wait_run
from tests.browser.conftest import Studio
from tests.browser.page_parts import (
    LONG_MS,
    answers,
    ask,
    card_of,
    load,
    open_tab,
    pick,
    points,
    unfold,
    value,
    visible_steps,
    wait_for_points,
    write,
)

pytestmark = pytest.mark.browser


def start_long(page: Page, name: str) -> None:
    write(page, "train-name", name)
    write(page, "train-max_steps", "3000")
    page.locator("#train-start").click()
    wait_for_points(page, 3)


def test_bad_input_is_told_at_its_field_and_nothing_starts(page: Page, studio: Studio) -> None:
    problems = page.locator("#train-problems")
    write(page, "train-learning_rate", "abc")
    expect(problems).to_contain_text("“abc” is not a number. Give one such as 0.001 or 1e-3.")
    write(page, "train-name", "../evil")
    expect(problems).to_contain_text("“../evil” cannot be a name.")
    unfold(page, "More engine arguments (YAML)")
    write(page, "train-extra", "- not\n- a mapping")
    expect(problems).to_contain_text("This is not a YAML mapping")
    write(page, "train-extra", "output_dir: elsewhere")
    expect(problems).to_contain_text("output_dir is set by the studio itself")
    write(page, "train-extra", "")
    page.locator("#train-model input").fill(str(studio.home.data))
    page.locator("#train-model input").press("Enter")
    expect(problems).to_contain_text("is not a model folder")
    page.locator("#train-start").click()
    expect(problems).to_contain_text("“abc” is not a number.")
    expect(problems).to_contain_text("is not a model folder")
    # What was typed is still there, and nothing was started.
    assert value(page, "train-learning_rate") == "abc"
    assert list_runs(studio.home) == []


def test_data_problems_are_told_with_file_line_and_field(page: Page, studio: Studio) -> None:
    problems = page.locator("#train-problems")
    pick(page, "train-stage", "DPO")
    expect(problems).to_contain_text("medical_zh (messages) does not fit DPO; it fits: SFT")
    pick(page, "train-stage", "SFT")
    file = studio.home.data / "medical_zh.jsonl"
    file.write_text('{"messages": [{"role": "user", "content": "x"}, {"role": "assistant"}]}\n')
    page.locator("#train-start").click()
    expect(problems).to_contain_text("medical_zh.jsonl, line 1, field messages[1].content: the field is missing")
    file.write_text("")
    page.locator("#train-start").click()
    expect(problems).to_contain_text("medical_zh has no rows.")
    file.unlink()
    page.locator("#train-start").click()
    expect(problems).to_contain_text("The file of medical_zh is gone")
    assert list_runs(studio.home) == []


def test_a_broken_file_is_told_and_not_registered(page: Page, studio: Studio, tmp_path: Path) -> None:
    before = studio.home.registry.read_bytes()
    (tmp_path / "x.jsonl").write_text("{broken\n")
    open_tab(page, "dataset")
    write(page, "dataset-path", str(tmp_path / "x.jsonl"))
    page.locator("#dataset-inspect").click()
    expect(page.locator("#dataset-told")).to_contain_text("x.jsonl has no readable row. Line 1")
    write(page, "dataset-path", str(tmp_path / "gone.jsonl"))
    write(page, "dataset-name", "gone")
    page.locator("#dataset-add").click()
    expect(page.locator("#dataset-told")).to_contain_text("There is no file")
    assert studio.home.registry.read_bytes() == before


def test_chat_says_what_is_missing_and_keeps_the_message(page: Page, studio: Studio) -> None:
    gone = studio.home.models / "gone"
    open_tab(page, "chat")
    expect(page.locator("#chat-model input")).to_have_value("ernie-4.5-demo")
    page.locator("#chat-model input").fill(str(gone))
    page.locator("#chat-model input").press("Enter")
    write(page, "chat-prompt", "Are you there?")
    page.locator("#chat-send").click()
    expect(page.locator("#chat-failed")).to_contain_text(f"There is no model, run or folder {gone}.")
    expect(page.locator("#chat-talk .user.message")).to_have_text("Are you there?")
    page.locator("#chat-load").click()
    expect(page.locator("#chat-status")).to_contain_text(f"There is no model, run or folder {gone}.")


def test_an_answer_can_be_stopped_while_it_streams(page: Page) -> None:
    open_tab(page, "chat")
    load(page, "ernie-4.5-demo")
    write(page, "chat-max_tokens", "3000")
    write(page, "chat-temperature", "1")
    write(page, "chat-prompt", "你好")
    page.locator("#chat-send").click()
    answer = answers(page)
    expect(answer).not_to_be_empty()
    page.locator("#chat-stop").click()
    page.wait_for_timeout(1000)
    told = answer.inner_text()
    page.wait_for_timeout(1000)
    assert answer.inner_text() == told
    # The model is free again, and the conversation goes on.
    write(page, "chat-max_tokens", "8")
    assert ask(page, "还在吗？")
    expect(page.locator("#chat-talk .user.message")).to_have_count(2)


def test_a_run_outlives_a_killed_studio_and_is_found_again(page: Page, studio: Studio) -> None:
    start_long(page, "survivor")
    page.goto("about:blank")
    studio.kill()
    at_death = find_run(studio.home, "survivor").step
    page.wait_for_timeout(2000)
    view = find_run(studio.home, "survivor")
    assert (view.state, view.step > at_death) == ("running", True)
    studio.start()
    page.goto(studio.address)
    expect(card_of(page, "survivor", "running")).to_be_visible(timeout=LONG_MS)
    wait_for_points(page, view.step)
    page.locator("#train-stop").click()
    expect(card_of(page, "survivor", "stopped")).to_be_visible(timeout=LONG_MS)


def test_two_windows_see_the_same_run_each_with_its_own_zoom(page: Page, studio: Studio, browser: Browser) -> None:
    start_long(page, "shared")
    second = browser.new_page()
    second.goto(studio.address)
    wait_for_points(second, 5)
    page.evaluate("Plotly.relayout('train-plot', {'xaxis.range[0]': 1, 'xaxis.range[1]': 3})")
    wait_for_points(page, points(page) + 10)
    assert visible_steps(page) == [1, 3]
    assert visible_steps(second)[1] > 5
    second.close()
    stop_run(studio.home, "shared", now=True)
    wait_run(studio.home, "shared")


def test_the_language_changes_at_once_and_nothing_typed_is_lost(page: Page) -> None:
    write(page, "train-learning_rate", "0.0123")
    write(page, "train-name", "my-name")
    page.get_by_text("中文").click()
    expect(page.locator("#train-start")).to_have_text("开始训练")
    expect(page.locator("#page-header")).to_contain_text("飞桨微调工作台")
    assert (value(page, "train-learning_rate"), value(page, "train-name")) == ("0.0123", "my-name")
    left = r"[...document.querySelectorAll('.tabitem')].filter(t => t.offsetParent).map(t => t.innerText).join(' ')"
    for tab in ("chat", "export", "dataset"):
        open_tab(page, tab)
        # A tab is worded as it is opened.
        page.wait_for_function(f"!/Load|Model\\b|Export|Register|Page |Rows/.test({left})")
    drop = (
        "getComputedStyle(document.querySelector('#dataset-upload [data-testid=upload-text]'), '::after').content"
    )
    assert "把文件拖到这里" in page.evaluate(drop)
    # The choice and the form are remembered, and nothing else: conversations are not the browser's to keep.
    page.wait_for_function("localStorage['studio-train-form']?.includes('0.0123')")
    assert sorted(page.evaluate("Object.keys(localStorage)")) == ["studio-language", "studio-train-form"]
    page.reload()
    open_tab(page, "train")
    expect(page.locator("#train-start")).to_have_text("开始训练")
    # The form comes after the words.
    expect(page.locator("#train-learning_rate").locator("input, textarea")).to_have_value("0.0123")


def test_visualdl_opens_with_one_click(page: Page, studio: Studio) -> None:
    write(page, "train-max_steps", "2")
    page.locator("#train-start").click()
    expect(card_of(page, "my-first-run", "finished")).to_be_visible(timeout=LONG_MS)
    page.locator("#train-visualdl").click()
    link = page.locator("#train-run-told a")
    expect(link).to_be_visible(timeout=LONG_MS)
    answer = page.request.get(link.get_attribute("href") or "")
    assert answer.status == 200
    # A reload offers the next free name, and has nothing to complain about.
    page.reload()
    expect(page.locator("#train-name textarea, #train-name input").first).to_have_value("my-first-run-2")
    unfold(page, "Command")
    expect(page.locator("#train-command")).to_contain_text("my-first-run-2")
    expect(page.locator("#train-problems .notice.bad")).to_have_count(0)
