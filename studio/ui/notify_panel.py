"""Who is told when a run ends: this browser, or an address."""

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.actions.notify import known_webhook, set_webhook, try_webhook
from studio.core.notify import SHAPES
from studio.stores.home import Home
from studio.texts import say
from studio.ui.words import Words, attempt, notice

SHAPE_CHOICES = [(f"notify.shape.{shape}", shape) for shape in SHAPES]


def build_notify(words: Words) -> Mapping[str, Any]:
    """The panel's parts."""
    with words.on(gr.Accordion(say("notify.panel"), open=False), label="notify.panel"):
        here = gr.HTML(browser_box("en"), elem_classes="plain")
        with gr.Row(elem_classes="fields"):
            url = words.on(
                gr.Textbox(
                    "",
                    label=say("notify.url"),
                    info=say("notify.url.help"),
                    type="password",
                    max_lines=1,
                    elem_id="notify-url",
                ),
                label="notify.url",
                info="notify.url.help",
            )
            shape = words.on(
                gr.Dropdown(
                    [(say(key), shape) for key, shape in SHAPE_CHOICES],
                    value=SHAPES[0],
                    label=say("notify.shape"),
                    elem_id="notify-shape",
                ),
                label="notify.shape",
                choices=SHAPE_CHOICES,
            )
        with gr.Row(elem_classes="actions"):
            save = words.button("notify.save", "notify-save", size="sm")
            trial = words.button("notify.try", "notify-try", size="sm")
        told = gr.HTML(elem_classes="plain", elem_id="notify-told")
    return {"here": here, "url": url, "shape": shape, "save": save, "trial": trial, "told": told}


def wire_notify(home: Home, tab: Any, language: gr.Radio, parts: Mapping[str, Any]) -> None:
    """What the buttons do; an address that is kept is shown masked, and never sent to the page."""
    language.change(browser_box, language, parts["here"], show_progress="hidden")

    def show() -> Any:
        address, shape = known_webhook(home)
        return gr.update(placeholder=address), shape

    def save(url: str, shape: str, spoken: str) -> Any:
        address, failed = attempt(lambda: set_webhook(home, url, shape, spoken), spoken)
        if failed:
            return failed, gr.skip()
        saved = say("notify.saved", spoken, address=address) if address else say("notify.forgotten", spoken)
        return notice(saved, "good"), gr.update(value="", placeholder=address)

    def send_trial(spoken: str) -> str:
        _, failed = attempt(lambda: try_webhook(home), spoken)
        return failed or notice(say("notify.tried", spoken), "good")

    url, shape, told = parts["url"], parts["shape"], parts["told"]
    tab.select(show, None, [url, shape], show_progress="hidden")
    parts["save"].click(save, [url, shape, language], [told, url], trigger_mode="once")
    parts["trial"].click(send_trial, language, told, trigger_mode="once")


def browser_box(language: str) -> str:
    """The browser's own switch, which `notify.js` reads; states are worded for its messages."""
    states = ("finished", "stopped", "failed", "lost")
    words = " ".join(f'data-{state}="{html.escape(say(f"state.{state}", language))}"' for state in states)
    denied = html.escape(say("notify.browser.refused", language))
    return (
        f'<label class="notify" data-notify {words} data-denied="{denied}"><input type="checkbox"> '
        f'{html.escape(say("notify.browser", language))} <span class="said" role="status"></span></label>'
    )
