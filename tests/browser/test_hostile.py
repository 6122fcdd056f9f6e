"""What others have written is shown as text, wherever it is shown: rows, names, notes, logs, answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.actions.history import note_run
from studio.actions.runs import wait_run
from studio.actions.train import start_run
from studio.core.batch import BatchRequest, Contender
from studio.stores.home import Home
from studio.stores.runs import JobPaths, RunPaths
from tests.actions.model_server import ModelServer, serve
from tests.actions.test_train import a_request
from tests.browser.conftest import Studio, running, watched
from tests.browser.page_parts import LONG_MS, open_tab, unfold, write
from tests.browser.reading import walk
from tests.conftest import FAKE, make_home, write_jsonl

pytestmark = pytest.mark.browser
HOSTILE = (
    "<b id=bold-part>bold</b><img src=/x onerror=window.smuggled=1><script>window.smuggled=2</script>"
    "\"'><svg onload=window.smuggled=3></svg></script><script>window.smuggled=4</script>"
    "[here](javascript:window.smuggled=5)<iframe srcdoc='<script>parent.smuggled=6</script>'></iframe>"
)
SMUGGLED = """() => [
  ...(window.smuggled === undefined ? [] : [`ran: ${window.smuggled}`]),
  ...[...document.querySelectorAll("#bold-part, [onerror], [onload], iframe[srcdoc], a[href^='javascript:']")]
    .map(one => one.outerHTML.slice(0, 200)),
]"""
# Controls, names of the page's own parts, and what would lie over them; behind it what Markdown is for.
IMITATING = """# train-card

<form action="/studio/logout" id="chat-send"><input name="cookie" type="password"><button id="train-start">Start</button>
<select><option>a</option></select><textarea>b</textarea><label for="chat-prompt">c</label></form>

<p id="page-logout" class="notice bad" style="position:fixed;inset:0;z-index:9999;background:red" accesskey="s" contenteditable>over</p>

<div class="katex"><div style="position:fixed;inset:0;z-index:9999;background:red">over</div></div>

<svg id="s"><a href="javascript:window.smuggled=8"><text>d</text></a></svg>

```mermaid
graph TD; A["<img src=/x onerror=window.smuggled=9>"] --> B; click A href "javascript:window.smuggled=10"
```

- [x] done

**strong** $x^2$

```python
x = 1
```
"""
# Gradio makes HTML of a diagram's text before anybody can look at it; the page's policy lets none of it run.
STOPPED = ("Executing inline event handler violates", "/x", "(Not Found)")
IMITATED = """() => [...document.querySelectorAll("#chat-talk .md *")].filter(one => one.matches(
  "[id], [name], [for], [accesskey], [contenteditable], form, select, textarea, label, .notice, .mermaid, .md > svg,"
  + "button:not(.copy_code_button), input:not([type=checkbox][disabled]), [style*=position]:not(.katex *)"
)).map(one => one.outerHTML.slice(0, 200))"""
# Whether a part of the page can be clicked in its midst.
IN_REACH = """(id) => {
  const part = document.getElementById(id);
  part.scrollIntoView({ block: "center" });
  const place = part.getBoundingClientRect();
  return part.contains(document.elementFromPoint(place.x + place.width / 2, place.y + place.height / 2));
}"""


def hostile_home(root: Path) -> Home:
    """Rows, a name in a registry that was written by hand, a run's note, tag and log that all want to be more than text."""
    home = make_home(root)
    said = [{"role": role, "content": f"{role}: {HOSTILE}"} for role in ("system", "user", "assistant")]
    write_jsonl(home.data / "pairs.jsonl", [{"messages": said}])
    entries = json.loads(home.registry.read_text())
    home.registry.write_text(json.dumps({**entries, HOSTILE: entries["pairs"]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FAKE))
        patch.setenv("FAKE_ENGINE", "")
        view = wait_run(home, start_run(home, a_request(home, name="first")).run)
    note_run(home, view.run, note=HOSTILE, tags=[HOSTILE[:40]])
    with JobPaths(RunPaths(Path(view.path)).job).log.open("a", encoding="utf-8") as log:
        log.write(f"{HOSTILE}\n\x1b]8;;javascript:window.smuggled=7\x07here\x1b]8;;\x07 \x1b[31m{HOSTILE}\n")
    return home


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with running(Studio(hostile_home(tmp_path / "home"), flags=("--no-warm-engine",))) as studio:
        yield studio


def ask_in_a_batch(home: Home, server: ModelServer) -> None:
    """One question that wants to be more than text; the answer repeats it."""
    models = ChatModels()
    batches = Batches(home, models)
    batches.start(
        BatchRequest("hostile", pasted=HOSTILE, contenders=(Contender("far", "m", address=server.address),))
    )
    batches.wait("hostile", LONG_MS / 1000)
    batches.close()
    models.close()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """Its answers repeat the questions."""
    with serve() as told:
        yield told


def test_nothing_that_others_wrote_becomes_a_part_of_the_page(
    studio: Studio, server: ModelServer, browser: Browser
) -> None:
    ask_in_a_batch(studio.home, server)
    with watched(browser, studio, told=STOPPED) as page:
        open_tab(page, "chat")
        unfold(page, "Another server")
        write(page, "chat-address", server.address)
        page.locator("#chat-outside-add").click()
        expect(page.locator("#chat-outside-told")).to_contain_text("can be chosen", timeout=LONG_MS)
        write(page, "chat-prompt", HOSTILE)
        page.locator("#chat-send").click()
        expect(page.locator("#chat-talk .bot.message")).to_contain_text("re: ", timeout=LONG_MS)
        write(page, "chat-prompt", IMITATING)
        page.locator("#chat-send").click()
        expect(page.locator("#chat-talk .bot.message .katex-html")).to_be_visible(timeout=LONG_MS)
        expect(page.locator("#chat-talk .bot.message .code_wrap code.language-python")).to_have_text("x = 1\n")
        expect(page.locator("#chat-talk .bot.message li > input")).to_be_checked()
        assert page.evaluate(IMITATED) == []
        assert [
            part for part in ("chat-send", "chat-prompt", "chat-clear") if not page.evaluate(IN_REACH, part)
        ] == []
        found: list[str] = []
        for part in walk(page):
            page.wait_for_timeout(500)
            found += [f"{part}: {one}" for one in page.evaluate(SMUGGLED)]
            if part == "train":
                expect(page.locator("[data-log][data-export=false]")).to_contain_text("<script>window.smuggled=2")
            if part == "chat batch":
                expect(page.locator("#batch-shown")).to_contain_text("<img src=/x")
            if part == "history":
                expect(page.locator("#history")).to_contain_text("<img src=/x")
            if part == "dataset":
                expect(page.locator("#dataset-rows")).to_contain_text("<svg onload=window.smuggled=3>")
        assert found == []
