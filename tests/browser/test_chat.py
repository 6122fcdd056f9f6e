"""A model is judged by talking to it: asked again, corrected, compared, and what was good is kept."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.actions.conversations import list_votes, open_conversation
from studio.actions.rows import iter_rows
from studio.actions.runs import wait_run
from studio.actions.train import request_from_keys, start_run
from studio.core.rows import Row
from studio.stores.home import Home
from tests.actions.model_server import serve
from tests.browser.conftest import Studio
from tests.browser.page_parts import ANSWER, LONG_MS, answers, ask, open_tab, pick, settled, unfold, write

pytestmark = pytest.mark.browser
QUESTION = "发烧怎么办？"
RUN = "ernie-4.5-demo/lora/tuned"


@pytest.fixture
def home(studio: Studio) -> Home:
    """A home with the demo model and a LoRA run of it."""
    home = studio.home
    keys = {"fine_tuning": "LoRA", "max_steps": 12, "warmup_steps": 0, "max_seq_len": 48, "eval_dataset": "none"}
    wait_run(home, start_run(home, request_from_keys(home, {**keys, "name": "tuned"})).run)
    return home


def button(page: Page, name: str) -> None:
    """Press one of the small buttons under the last answer."""
    page.locator("#chat-talk .message-buttons-left").last.get_by_role("button", name=name).click()


def rows(home: Home, name: str) -> list[Row]:
    return [row for _, _, row in iter_rows(home, name) if isinstance(row, Row)]


def test_a_conversation_is_had_changed_and_learnt_from(page: Page, home: Home) -> None:
    page.reload()
    open_tab(page, "chat")
    write(page, "chat-max_tokens", "12")
    write(page, "chat-temperature", "1.5")
    # Nobody has pressed Load: the model that is picked answers.
    ask(page, QUESTION)
    expect(page.locator("#chat-talk .thought")).to_contain_text("tokens/s")
    first = answers(page).inner_text().strip()

    # Again, and the answer before is not forgotten: both make a pair.
    button(page, "Retry")
    # Not by `not_to_have_text`, which takes odd characters of a model that has learnt nothing for a difference.
    page.wait_for_function(
        f"first => document.querySelector('#chat-talk {ANSWER}')?.innerText.trim() !== first",
        arg=first,
        timeout=LONG_MS,
    )
    expect(answers(page)).to_have_count(1)
    expect(page.locator("#chat-talk .thought")).to_contain_text("tokens/s", timeout=LONG_MS)
    second = answers(page).inner_text().strip()
    unfold(page, "Keep and learn from it")
    page.locator("#chat-keep-dataset input").fill("preferred")
    page.locator("#chat-keep-dataset input").press("Enter")
    page.locator("#chat-keep-pair").click()
    expect(page.locator("#chat-keep-told")).to_contain_text("preferred, it has 1 rows now".replace(", it", "; it"))
    (pair,) = rows(home, "preferred")
    assert (pair.chosen[0].content.strip(), pair.rejected[0].content.strip()) == (second, first)

    # A correction becomes a row of training data.
    button(page, "Edit")
    field = page.locator("#chat-talk textarea").first
    field.fill("多喝水，测体温。")
    page.locator("#chat-talk").get_by_role("button", name="Submit").click()
    expect(answers(page)).to_have_text("多喝水，测体温。")
    page.locator("#chat-keep-dataset input").fill("corrected")
    page.locator("#chat-keep-dataset input").press("Enter")
    page.locator("#chat-keep-row").click()
    expect(page.locator("#chat-keep-told")).to_contain_text("corrected; it has 1 rows now")
    (row,) = rows(home, "corrected")
    assert [turn.content for turn in row.turns] == [QUESTION, "多喝水，测体温。"]

    # Kept, taken back, and opened again, the system prompt with it.
    write(page, "chat-system", "Be short.")
    ask(page, "还有呢？")
    page.locator("#chat-keep-name input").fill("first talk")
    page.locator("#chat-keep-name input").press("Enter")
    page.locator("#chat-keep-save").click()
    expect(page.locator("#chat-keep-told")).to_contain_text("Saved: first talk")
    button(page, "Undo")
    expect(answers(page)).to_have_count(1)
    expect(page.locator("#chat-prompt textarea")).to_have_value("还有呢？")
    page.locator("#chat-clear").click()
    expect(answers(page)).to_have_count(0)
    page.locator("#chat-keep-open").click()
    expect(answers(page)).to_have_count(2)
    expect(page.locator("#chat-system textarea")).to_have_value("Be short.")
    assert open_conversation(home, "first talk").system == "Be short."

    unfold(page, "The prompt as the model sees it")
    write(page, "chat-prompt", "")
    page.locator("#chat-see").click()
    expect(page.locator("#chat-prompt-seen")).to_contain_text("<|im_start|>system\nBe short.<|im_end|>")


def test_nothing_that_was_said_is_lost_by_haste_or_failure(page: Page, studio: Studio) -> None:
    open_tab(page, "chat")
    with serve() as server:
        unfold(page, "Another server")
        write(page, "chat-address", server.address)
        page.locator("#chat-outside-add").click()
        place = server.address.removeprefix("http://").removesuffix("/v1")
        expect(page.locator("#chat-model input")).to_have_value(place)
        server.kinder = True
        write(page, "chat-prompt", "slow, and refuse the second time")
        page.locator("#chat-send").click()
        expect(answers(page)).to_contain_text("more", timeout=LONG_MS)
        # A second message while the first is answered stays in its field.
        write(page, "chat-prompt", "And then?")
        page.locator("#chat-send").click()
        expect(page.locator("#chat-failed")).to_contain_text("It is answering.")
        expect(page.locator("#chat-prompt textarea")).to_have_value("And then?")
        page.locator("#chat-stop").click()
        told = settled(page, answers(page))
        assert told.startswith("more more")
        assert server.ended.wait(10)
        # A repetition that fails gives back what was answered.
        server.kinder = False
        button(page, "Retry")
        expect(page.locator("#chat-failed")).to_contain_text("The model refused: ")
        assert settled(page, answers(page)) == told
        assert len(server.asked) == 2


def test_two_models_answer_side_by_side_and_the_vote_becomes_training_data(page: Page, home: Home) -> None:
    page.reload()
    open_tab(page, "chat")
    open_tab(page, "arena")
    for model in ("ernie-4.5-demo", RUN):
        pick(page, "arena-models", model)
    page.keyboard.press("Escape")
    write(page, "arena-max_tokens", "8")
    # A model that was trained for some steps may have nothing to say to the likeliest word.
    write(page, "arena-temperature", "2")
    write(page, "arena-prompt", QUESTION)
    page.locator("#arena-send").click()
    for letter in "AB":
        expect(page.locator(f"#arena-talk-{letter} .thought")).to_contain_text("tokens", timeout=LONG_MS)
    base, tuned = (answers(page, f"arena-talk-{letter}").inner_text().strip() for letter in "AB")
    assert base != tuned
    page.locator("#arena-better-B").click()
    expect(page.locator("#arena-failed")).to_contain_text(f"{RUN} was voted better")
    (vote,) = list_votes(home)
    assert (vote.models, vote.best) == (("ernie-4.5-demo", RUN), 1)
    unfold(page, "Votes")
    write(page, "arena-dataset", "votes")
    page.locator("#arena-make").click()
    expect(page.locator("#arena-made")).to_contain_text("votes has 1 pairs")
    page.locator("#arena-better-A").click()
    expect(page.locator("#arena-failed")).to_contain_text("You have voted on these answers.")
    (pair,) = rows(home, "votes")
    assert (pair.chosen[0].content.strip(), pair.rejected[0].content.strip()) == (tuned, base)


def test_a_batch_goes_through_two_models_into_a_table(page: Page, home: Home) -> None:
    page.reload()
    open_tab(page, "chat")
    open_tab(page, "batch")
    write(page, "batch-pasted", "发烧怎么办？\n感冒了吃什么？")
    for model in ("ernie-4.5-demo", RUN):
        pick(page, "batch-models", model)
    page.keyboard.press("Escape")
    write(page, "batch-max_tokens", "6")
    write(page, "batch-name", "two")
    page.locator("#batch-start").click()
    expect(page.locator("#batch-shown [data-state=finished]")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#batch-shown tbody tr")).to_have_count(2)
    kept = Path(home.batches / "two" / "answers.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in kept]) == 4


def test_a_server_elsewhere_answers_and_its_failures_are_told(page: Page, studio: Studio) -> None:
    open_tab(page, "chat")
    unfold(page, "Another server")
    write(page, "chat-address", "not an address")
    page.locator("#chat-outside-add").click()
    expect(page.locator("#chat-outside-told")).to_contain_text("is no address of a server")
    write(page, "chat-address", "http://127.0.0.1:9")
    write(page, "chat-key", "a-secret")
    page.locator("#chat-outside-add").click()
    expect(page.locator("#chat-outside-told")).to_contain_text("127.0.0.1:9 can be chosen")
    expect(page.locator("#chat-model input")).to_have_value("127.0.0.1:9")
    page.locator("#chat-load").click()
    expect(page.locator("#chat-status")).to_contain_text("Answers come from 127.0.0.1:9")
    write(page, "chat-prompt", QUESTION)
    page.locator("#chat-send").click()
    expect(page.locator("#chat-failed")).to_contain_text(
        "Nothing answers at http://127.0.0.1:9/v1", timeout=LONG_MS
    )
    # The conversation is whole, and another model goes on with it.
    expect(page.locator("#chat-talk .user.message")).to_have_text(QUESTION)
    files = [path for path in studio.home.root.rglob("*") if path.is_file()]
    assert not any("a-secret" in path.read_text(errors="replace") for path in files)
