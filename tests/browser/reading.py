"""What a page is for those who read it otherwise: what axe-core finds, what is cut, what is in another language."""

import re
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page, expect

from studio.core.options import METHODS, OPTIONS, STAGES
from tests.browser.page_parts import open_tab

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
GRAVE = ("serious", "critical")
# Every tab, with the parts that it has.
PARTS = {
    "train": (),
    "history": (),
    "chat": ("talk", "arena", "batch"),
    "evaluate": ("scores", "probes"),
    "export": (),
    "serve": (),
    "dataset": (),
}
UNFOLD = """() => {
  const folded = [...document.querySelectorAll('button.label-wrap:not(.open)')].filter(one => one.checkVisibility());
  folded.forEach(one => one.click());
  return folded.length;
}"""
TOLD = """() => {
  const told = [];
  for (const part of document.querySelectorAll('body *')) {
    if (part.matches('[data-testid=upload-text]')) told.push(getComputedStyle(part, '::after').content);
    // Code, logs and rows of data are in the language in which they were written.
    if (part.closest('script, style, pre, code, .cm-editor, .said, [data-testid=upload-text], [data-testid=user], .bot') || !part.checkVisibility()) continue;
    for (const node of part.childNodes) if (node.nodeType === 3) told.push(node.data);
    for (const name of ['aria-label', 'title', 'placeholder', 'alt']) told.push(part.getAttribute(name) || '');
    if (part.matches('input[role=combobox]')) told.push(part.value);
  }
  return [...new Set(told.map(text => text.trim()).filter(Boolean))];
}"""
# Gradio words an upload once, as it is first shown; ours is to be drawn over it.
GRADIOS = """() => [...document.querySelectorAll('[data-testid=upload-text]')]
  .filter(one => !getComputedStyle(one, '::after').content.startsWith('"'))
  .map(one => `an upload in Gradio's words: ${one.textContent.trim()}`)"""
CUT = """() => [...document.querySelectorAll('button, label, h1, h2, h3, .info-text, .notice, dt, dd, th, .pill')]
  .filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible')
  .map(one => `${one.id || one.className}: ${one.textContent.trim().slice(0, 40)}`)"""
# Words that stand out of their button, over the next one. Gradio's arrow at what folds does so by itself.
SPILT = """() => [...document.querySelectorAll('button:not(.label-wrap), a, summary, .pill')].filter(one => {
  const words = document.createRange();
  words.selectNodeContents(one);
  const [inner, outer] = [words, one].map(each => each.getBoundingClientRect());
  return one.checkVisibility() && inner.width && getComputedStyle(one).overflowX === 'visible'
    && (inner.left < outer.left - 1.5 || inner.right > outer.right + 1.5);
}).map(one => `${one.id || one.className}: ${one.textContent.trim().slice(0, 40)}`)"""
WIDTHS = (820, 1024, 1180, 1360)
# What is called so in Chinese, too: names, formats, units, and what is typed or in the files of the test.
CALLED_SO = frozenset((Path(__file__).parent / "latin.txt").read_text(encoding="utf-8").split())
OF_OPTIONS = {choice for spec in OPTIONS for choice in spec.choices} | {spec.name for spec in OPTIONS}
PATH = re.compile(r"(?:/[\w.-]+)+")
LATIN = re.compile(r"[A-Za-z_]{2,}")
SETTLING_TRIES = 50
HAN = re.compile(r"[\u4e00-\u9fff]+")


def walk(page: Page) -> Any:
    """Open each part of each tab with all that is folded in it, and yield its name."""
    for tab, parts in PARTS.items():
        open_tab(page, tab)
        expect(page.locator(f"[role=tab][data-tab-id={tab}][aria-selected=true]")).to_be_visible()
        for part in parts or ("",):
            if part:
                page.locator(f"[role=tab][data-tab-id={part}]").click()
            page.wait_for_timeout(300)
            for _ in range(4):
                if not page.evaluate(UNFOLD):
                    break
                page.wait_for_timeout(300)
            yield f"{tab} {part}".strip()


def findings(page: Page, *rules: str) -> list[str]:
    """What axe-core finds serious or critical: rule, place, reason. Without rules by all that it knows."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    how = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = page.evaluate("how => axe.run(how)", how)
    return [
        f"{one['id']} {node['target']} {node['failureSummary'][:300]}"
        for one in found["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def spilt(page: Page) -> list[str]:
    """Which buttons are too small for their words, at the widths of tablets and laptops; leaves the widest."""
    found: list[str] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(50)
        found += [f"{width} px: {one}" for one in page.evaluate(SPILT)]
    return found


def foreign(page: Page, language: str) -> list[str]:
    """What the page still tells in the other language when what the server words has had its time."""
    for _ in range(SETTLING_TRIES):
        if not (found := _foreign(page, language)):
            break
        page.wait_for_timeout(200)
    return found


def _foreign(page: Page, language: str) -> list[str]:
    known = CALLED_SO | OF_OPTIONS | set(METHODS) | set(STAGES)
    told: list[str] = page.evaluate(TOLD)
    theirs: list[str] = page.evaluate(GRADIOS)
    if language == "en":
        return theirs + [text for text in told if HAN.search(text) and text != "中文"]
    return theirs + [text for text in told if set(LATIN.findall(PATH.sub("", text))) - known]
