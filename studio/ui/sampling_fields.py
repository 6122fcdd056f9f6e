"""The fields of sampling, as the parts of the Chat tab share them."""

from typing import Any

import gradio as gr

from studio.core.sampling import BOUNDS
from studio.texts import say
from studio.ui.words import Words

DEFAULTS = {
    "temperature": "0",
    "top_p": "1",
    "max_tokens": "256",
    "top_k": "0",
    "repetition_penalty": "1",
    "seed": "",
}
FIRST = ("temperature", "top_p", "max_tokens")
WITH_HELP = ("temperature", "top_k", "seed")


def build_sampling_fields(words: Words, panel: str) -> dict[str, Any]:
    """Every number of BOUNDS by its name, and `stops`; text fields, so that what was typed is what is judged."""
    fields: dict[str, Any] = {}
    with gr.Row(elem_classes="fields"):
        for name in FIRST:
            fields[name] = _number(words, panel, name)
    with words.on(gr.Accordion(say("chat.more"), open=False, elem_id=f"{panel}-more"), label="chat.more"):
        with gr.Row(elem_classes="fields"):
            for name in BOUNDS:
                if name not in FIRST:
                    fields[name] = _number(words, panel, name)
        fields["stops"] = words.on(
            gr.Textbox(
                "",
                label=say("chat.stop_texts"),
                info=say("chat.stop_texts.help"),
                lines=2,
                elem_id=f"{panel}-stops",
            ),
            label="chat.stop_texts",
            info="chat.stop_texts.help",
        )
    return fields


def _number(words: Words, panel: str, name: str) -> Any:
    keys: dict[str, Any] = {"label": f"chat.{name}"}
    if name in WITH_HELP:
        keys["info"] = f"chat.{name}.help"
    told: dict[str, Any] = {prop: say(key) for prop, key in keys.items()}
    return words.on(gr.Textbox(DEFAULTS[name], **told, elem_id=f"{panel}-{name}", min_width=90), **keys)
