"""The whole story as a person lives it: data in, training watched, chat before and after, merged model out."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.actions.runs import find_run
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from tests.browser.conftest import Studio, running
from tests.browser.page_parts import (
    LONG_MS,
    ask,
    card_of,
    clear,
    load,
    open_tab,
    pick,
    points,
    unfold,
    visible_steps,
    wait_for_points,
    write,
)

pytestmark = pytest.mark.browser
TRAINS_OFTEN = True
# Invented, so that no model can know the answers.
ROWS = [
    ("蓝星口服液每天喝几次？", "每天两次，每次一支。"),
    ("青禾片饭前还是饭后吃？", "饭后半小时服用。"),
    ("月白软膏涂多厚？", "薄薄一层即可。"),
    ("远山贴可以贴多久？", "最多八小时。"),
    ("晴川滴眼液开封后能用多久？", "开封后四周内用完。"),
    ("暖阳颗粒能和牛奶同服吗？", "不能，间隔一小时。"),
]
QUESTION, ANSWER = ROWS[3]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """One that is started for the first time."""
    with running(Studio(Home(tmp_path / "home"))) as studio:
        yield studio


def test_from_a_file_to_a_merged_model(page: Page, studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "my data.json"
    file.write_text(json.dumps([{"instruction": q, "output": a} for q, a in ROWS]), encoding="utf-8")

    # Register an uploaded file and look at it.
    open_tab(page, "dataset")
    page.locator("#dataset-upload input[type=file]").set_input_files(file)
    expect(page.locator("#dataset-told")).to_contain_text("Alpaca (instruction, input, output)")
    write(page, "dataset-name", "medicines")
    page.locator("#dataset-add").click()
    expect(page.locator("#dataset-table")).to_contain_text("medicines")
    expect(page.locator("#dataset-rows .turn.assistant .said").first).to_have_text(ROWS[0][1])
    page.locator("#dataset-check").click()
    expect(page.locator("#dataset-checked")).to_contain_text("6 rows checked: no fault.")

    # Train on it with LoRA.
    open_tab(page, "train")
    pick(page, "train-method", "lora")
    page.locator("#train-datasets").get_by_role("button", name="Remove").first.click()
    pick(page, "train-datasets", "medicines")
    page.keyboard.press("Escape")
    for field, text in (
        ("learning_rate", "1e-2"),
        ("num_train_epochs", "150"),
        ("per_device_train_batch_size", "6"),
        ("max_seq_len", "48"),
        ("name", "tuned"),
    ):
        write(page, f"train-{field}", text)
    unfold(page, "Command")
    expect(page.locator("#train-yaml")).to_contain_text("fine_tuning: LoRA")
    expect(page.locator("#train-yaml")).to_contain_text("learning_rate: 0.01")
    page.get_by_text("Command", exact=True).click()
    page.locator("#train-start").click()
    expect(card_of(page, "tuned", "running")).to_be_visible(timeout=LONG_MS)

    # Points appear; a zoom stays while more come.
    wait_for_points(page, 10)
    page.locator("#train-plot").scroll_into_view_if_needed()
    box = page.locator("#train-plot .nsewdrag").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    zoomed, seen = visible_steps(page), points(page)
    wait_for_points(page, seen + 15)
    assert visible_steps(page) == zoomed

    # Reload: the run is found again, and goes on.
    page.reload()
    wait_for_points(page, seen + 20)
    expect(card_of(page, "tuned", "finished")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#train-card")).to_contain_text("150 / 150")

    # Another run is stopped, and nothing of it is left.
    write(page, "train-name", "another")
    write(page, "train-num_train_epochs", "900")
    page.locator("#train-start").click()
    expect(card_of(page, "another", "running")).to_be_visible(timeout=LONG_MS)
    wait_for_points(page, 3)
    page.locator("#train-stop-now").click()
    expect(card_of(page, "another", "stopped")).to_be_visible(timeout=LONG_MS)
    view = find_run(studio.home, "another")
    assert processes_of(RunPaths(Path(view.path)).job) == []

    # Chat before and after.
    open_tab(page, "chat")
    load(page, "ernie-4.5-demo")
    write(page, "chat-max_tokens", "32")
    assert ANSWER not in ask(page, QUESTION)
    load(page, "ernie-4.5-demo", "ernie-4.5-demo/lora/tuned")
    clear(page)
    assert ask(page, QUESTION) == ANSWER

    # Evaluate base and tuned: the tuned one wins, and the rows say where.
    open_tab(page, "evaluate")
    pick(page, "evaluation-dataset", "medicines")
    for model in ("ernie-4.5-demo", "ernie-4.5-demo/lora/tuned"):
        pick(page, "evaluation-models", model)
    page.keyboard.press("Escape")
    write(page, "evaluation-max_tokens", "24")
    page.locator("#evaluation-start").click()
    shown = page.locator("#evaluation-shown")
    expect(shown.locator("[data-state=finished]")).to_be_visible(timeout=LONG_MS)
    for metric in ("exact", "f1", "loss"):
        change = shown.locator(f"tr[data-metric={metric}] td.change")
        expect(change).to_have_class(re.compile("better"))
    expect(shown.locator("tr[data-metric=exact]")).to_contain_text("100.0")
    expect(shown.locator("tbody tr[data-row]")).to_have_count(6)
    shown.locator("select[data-view=order]").select_option("row")
    first = shown.locator("tbody tr[data-row]").first
    expect(first).to_have_attribute("data-row", "1")
    expect(first.locator("td").last).to_contain_text(ROWS[0][1])
    link = shown.get_by_role("link", name="MD").get_attribute("href")
    assert f"| {ROWS[0][0]} |" in page.request.get(f"{studio.address}{link}").text()

    # Export, and chat with the merged model.
    open_tab(page, "export")
    expect(page.locator("#export-run input")).to_have_value("tuned")
    write(page, "export-to", "tuned-merged")
    page.locator("#export-start").click()
    expect(page.locator("#export-result [data-state=finished]")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#export-result .pill.pass")).to_be_visible()
    page.locator("#export-chat").click()
    expect(page.locator("#chat-model input")).to_have_value("tuned-merged")
    page.locator("#chat-load").click()
    expect(page.locator("#chat-status")).to_contain_text(re.compile("Loaded in .* tuned-merged"), timeout=LONG_MS)
    clear(page)
    assert ask(page, QUESTION) == ANSWER
    page.locator("#chat-unload").click()
    expect(page.locator("#chat-status")).to_contain_text("Unloaded")
