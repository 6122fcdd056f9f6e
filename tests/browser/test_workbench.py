"""From a file with columns of its own to a run on what is sound in it, all on the Dataset tab."""

import contextlib
import json
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from studio.actions.datasets import add_dataset
from studio.actions.rows import read_page
from studio.actions.tokens import read_statistics
from studio.stores.registry import find_entry
from tests.browser.conftest import Studio
from tests.browser.page_parts import LONG_MS, card_of, open_tab, pick, unfold, write
from tests.conftest import write_jsonl

pytestmark = pytest.mark.browser


def write_messy_csv(path: Path) -> None:
    rows = [f"第{i}味药何时服用？,每天{i}次，饭后服用。" for i in range(1, 31)]
    rows[4] = rows[3]
    rows[10] = "没有回答？,"
    rows[20] = '"分成两行的\n问题？",好。'
    path.write_text("问,答\n" + "\n".join(row.replace("次，", "次、") for row in rows) + "\n", encoding="utf-8-sig")


def set_code(page: Page, field: str, text: str) -> None:
    page.locator(f"#{field} .cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def test_from_a_file_with_its_own_columns_to_a_run(page: Page, studio: Studio, tmp_path: Path) -> None:
    write_messy_csv(tmp_path / "药.csv")
    told = page.locator("#dataset-told")

    # The mapping is guessed, looked at, changed, and registered as changed.
    open_tab(page, "dataset")
    page.locator("#dataset-upload input[type=file]").set_input_files(tmp_path / "药.csv")
    expect(told).to_contain_text("guessed by the contents of the columns")
    expect(told).to_contain_text("第1味药何时服用？")
    set_code(page, "dataset-mapping", '{"formatting": "alpaca", "columns": {"promt": "问"}}')
    page.locator("#dataset-inspect").click()
    expect(told).to_contain_text("“promt” is not one of")
    mapping = {"formatting": "alpaca", "columns": {"prompt": "问", "response": "答"}}
    set_code(page, "dataset-mapping", json.dumps(mapping, ensure_ascii=False))
    page.locator("#dataset-inspect").click()
    expect(told).to_contain_text("as mapped. 30 rows, utf-8-sig.")
    write(page, "dataset-name", "drugs")
    page.locator("#dataset-add").click()
    expect(page.locator("#dataset-table")).to_contain_text("drugs")
    expect(page.locator("#dataset-rows .said").first).to_have_text("第1味药何时服用？")
    assert find_entry(studio.home, "drugs")["columns"] == mapping["columns"]

    # Faults are told, shown alone, and can be kept.
    page.locator("#dataset-check").click()
    checked = page.locator("#dataset-checked")
    expect(checked).to_contain_text("1 of 30 rows are faulty.")
    expect(checked).to_contain_text("Line 11, 答: the field is empty")
    kept = page.request.get(studio.address + (checked.locator("a").get_attribute("href") or "")).text()
    assert json.loads(kept)["row"] == {"问": "没有回答？", "答": ""}
    rows = page.locator("#dataset-rows .datarow")
    page.locator("#dataset-only-faulty input").check()
    expect(rows).to_have_count(1)
    page.locator("#dataset-only-faulty input").uncheck()
    expect(rows).to_have_count(5)

    # Search, jump, and the row as the model sees it.
    write(page, "dataset-search", "两行")
    expect(rows).to_have_count(1)
    expect(page.locator("#dataset-rows [data-row='21']")).to_be_visible()
    write(page, "dataset-search", "")
    page.locator("#dataset-goto input, #dataset-goto textarea").first.fill("23")
    page.keyboard.press("Enter")
    expect(page.locator("#dataset-rows [data-row='23']")).to_be_visible()
    pick(page, "dataset-view", "As the model sees it")
    expect(page.locator("#dataset-rows .tok.counts").first).to_be_visible(timeout=LONG_MS)

    # Statistics with the model's tokenizer.
    unfold(page, "Statistics")
    page.locator("#statistics-measure").click()
    expect(page.locator("#statistics-told .histogram")).to_have_count(5, timeout=LONG_MS)
    expect(page.locator("#statistics-told")).to_contain_text("Chinese29")

    # What is doubtful is found and left out with a click, then parted.
    unfold(page, "Examine, mend, split, convert")
    page.locator("#versions-examine").click()
    expect(page.locator("#versions-told")).to_contain_text("1 rows: seen before, word for word (lines 5)")
    page.locator("#versions-clean").click()
    expect(page.locator("#versions-told")).to_contain_text("drugs-clean is registered: 28 rows.")
    pick(page, "dataset-pick", "drugs-clean")
    page.locator("#versions-split").click()
    expect(page.locator("#versions-told")).to_contain_text("drugs-clean-eval is registered: 3 rows.")

    # And trained on.
    open_tab(page, "train")
    page.locator("#train-datasets").get_by_role("button", name="Remove").first.click()
    pick(page, "train-datasets", "drugs-clean-train")
    page.keyboard.press("Escape")
    pick(page, "train-eval_dataset", "drugs-clean-eval")
    write(page, "train-max_steps", "2")
    page.locator("#train-start").click()
    expect(card_of(page, "my-first-run", "finished")).to_be_visible(timeout=LONG_MS)


def test_quick_choices_on_a_slow_line_settle(page: Page) -> None:
    """Two listeners of one choice that Gradio both put off woke each other for ever."""
    open_tab(page, "dataset")
    expect(page.locator("#dataset-rows .datarow").first).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 300, "downloadThroughput": -1, "uploadThroughput": -1}
    line.send("Network.emulateNetworkConditions", slow)
    for name in ("medical_en", "medical_zh_text", "medical_en"):
        pick(page, "dataset-pick", name)
    page.wait_for_timeout(5000)
    settled = len(asked)
    page.wait_for_timeout(2000)
    assert len(asked) == settled > 0


def test_measuring_can_be_cancelled_and_leaves_nothing_running(page: Page, studio: Studio, tmp_path: Path) -> None:
    rows = [{"instruction": f"第{i}味药何时服用？", "output": f"每天{i}次。" * 20} for i in range(30_000)]
    add_dataset(studio.home, write_jsonl(tmp_path / "many.jsonl", rows), "many")
    open_tab(page, "dataset")
    pick(page, "dataset-pick", "many")
    unfold(page, "Statistics")
    page.locator("#statistics-measure").click()
    told = page.locator("#statistics-told")
    expect(told).to_contain_text(" of 30,000 rows", timeout=LONG_MS)
    page.locator("#statistics-cancel").click()
    expect(told).to_have_text("Cancelled.")
    for _ in range(100):
        if not measuring_processes(studio):
            break
        page.wait_for_timeout(100)
    assert measuring_processes(studio) == []
    expect(told).to_have_text("Cancelled.")
    assert read_statistics(studio.home, "many", "ernie-4.5-demo") is None


def measuring_processes(studio: Studio) -> list[psutil.Process]:
    """What counts tokens on behalf of this studio, as often as one looks."""
    assert studio.process
    found: list[psutil.Process] = []
    for process in psutil.Process(studio.process.pid).children(recursive=True):
        # One that has ended meanwhile measures nothing.
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if "measure" in line or "studio.engine.encode" in line:
                found.append(process)
    return found


def test_a_pipeline_is_looked_at_and_run(page: Page, studio: Studio) -> None:
    open_tab(page, "dataset")
    unfold(page, "Prepare with a pipeline")
    page.locator("#prepare-preview").click()
    told = page.locator("#prepare-told")
    expect(told.locator(".datarow")).to_have_count(10, timeout=LONG_MS)
    set_code(page, "prepare-yaml", "sources: [{dataset: medical_zh}]\nsteps: [{banned: {}}]\n")
    page.locator("#prepare-run").click()
    expect(told).to_contain_text("steps[0].banned.phrases")
    set_code(page, "prepare-yaml", "sources: [{dataset: medical_zh}]\nrows: 50\nsplit: {parts: {a: 0.8, b: 0.2}}\n")
    write(page, "prepare-name", "few")
    page.locator("#prepare-run").click()
    expect(told).to_contain_text("few-b is registered: 10 rows.")
    assert read_page(studio.home, "few-a", 1, 100).total == 40


def test_an_entry_is_renamed_edited_and_removed(page: Page, studio: Studio) -> None:
    open_tab(page, "dataset")
    unfold(page, "Edit, rename, remove")
    pick(page, "dataset-pick", "medical_en")
    expect(page.locator("#entry-mapping .cm-content")).to_contain_text("alpaca")
    first = read_page(studio.home, "medical_en", 1, 1)
    expect(page.locator("#dataset-rows .turn.user .said").first).to_have_text(first.rows[0]["instruction"])
    set_code(
        page,
        "entry-mapping",
        '{"formatting": "alpaca", "columns": {"prompt": "output", "response": "instruction"}}',
    )
    page.locator("#entry-save").click()
    expect(page.locator("#entry-told")).to_contain_text("medical_en is read so from now on")
    expect(page.locator("#dataset-rows .turn.user .said").first).to_have_text(first.rows[0]["output"])
    write(page, "entry-name", "english")
    page.locator("#entry-rename").click()
    expect(page.locator("#dataset-table")).to_contain_text("english")
    page.locator("#entry-delete input").check()
    page.locator("#entry-remove").click()
    expect(page.locator("#entry-told")).to_contain_text("english and its file are removed.")
    assert not (studio.home.data / "medical_en.json").exists()


def test_the_page_reads_only_where_it_may(page: Page) -> None:
    open_tab(page, "dataset")
    write(page, "dataset-path", "/etc/passwd")
    page.locator("#dataset-inspect").click()
    expect(page.locator("#dataset-told")).to_contain_text(
        "/etc/passwd lies outside of the folders that the page may read"
    )
