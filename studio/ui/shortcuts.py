"""The keyboard's shortcuts: one table, which `shortcuts.js` follows and lists."""

import html
import json
from dataclasses import dataclass

from studio.texts import say

KEYBOARD = (
    '<svg viewBox="0 0 20 14" aria-hidden="true"><rect x=".75" y=".75" width="18.5" height="12.5" rx="2"/>'
    '<path d="M4 4.5h1M8 4.5h1M12 4.5h1M16 4.5h.5M4 7h1M8 7h1M12 7h1M16 7h.5M6 10h8"/></svg>'
)
# The main button of each part of the page, and what stops an answer; only what is shown is pressed.
MAIN = (
    "train-start",
    "chat-send",
    "arena-send",
    "batch-start",
    "evaluation-start",
    "probes-start",
    "export-start",
    "serve-start",
)
STOP = ("chat-stop", "arena-stop")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Keys that are pressed together, or one after another where a text says so, and the text of what they do."""

    keys: tuple[str, ...]
    does: str
    joined: str = ""


SHORTCUTS = (
    Shortcut(("?",), "keys.list"),
    Shortcut(("Ctrl", "Enter"), "keys.main"),
    Shortcut(("Esc",), "keys.cancel"),
    Shortcut(("g", "1 … 7"), "keys.tab", "keys.then"),
    Shortcut(("←", "→"), "keys.next", "keys.or"),
    Shortcut(("/",), "keys.search"),
)


def shortcuts_button(language: str) -> str:
    """The button that opens the list; `shortcuts.js` makes the list of what stands in its data."""
    told = {
        "main": MAIN,
        "stop": STOP,
        "words": {key: say(f"keys.{key}", language) for key in ("title", "close", "single")},
        "rows": [
            {
                "keys": shortcut.keys,
                "joined": say(shortcut.joined, language) if shortcut.joined else " + ",
                "does": say(shortcut.does, language),
            }
            for shortcut in SHORTCUTS
        ],
    }
    title = html.escape(say("keys.title", language))
    data = html.escape(json.dumps(told, ensure_ascii=False))
    return (
        f'<button type="button" id="page-keys" data-keys="{data}" aria-haspopup="dialog" title="{title}" '
        f'aria-label="{title}">{KEYBOARD}</button>'
    )
