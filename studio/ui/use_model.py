"""What is done next with a merged model: other tabs are opened with it picked."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.export import find_export
from studio.texts import say
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

USES = ("chat", "serve", "train")


def build_uses(words: Words) -> None:
    """A button for each use, worked by `wire_uses` once all tabs are there."""
    with gr.Row(elem_classes="actions"):
        for use in USES:
            words.button(f"export.{use}", f"export-{use}", size="sm")
    gr.HTML(elem_classes="plain", elem_id="export-used")


def wire_uses(parts: "StudioParts", page: gr.Blocks, language: gr.Radio) -> None:
    """Let the buttons fill the pickers of the other tabs, which go by the ids that they have on the page."""
    blocks: Any = page.blocks.values()
    found = {block.elem_id: block for block in blocks}
    for use in USES:
        outputs = [found["page-tabs"], found[f"{use}-model"], found["export-used"]]
        # What was picked beside the model before was for another one.
        outputs.append(found["train-adapter" if use == "train" else f"{use}-adapters"])
        if use == "chat":
            outputs.append(found["chat-parts"])
        found[f"export-{use}"].click(
            _opener(parts, use),
            [found["export-model"], found["export-run"], language],
            outputs,
            show_progress="hidden",
        )


def _opener(parts: "StudioParts", use: str) -> Any:
    def open_with(picked: str | None, run: str | None, spoken: str) -> Any:
        model = picked or _newest(parts, run, spoken)
        more = [gr.skip()] if use == "chat" else []
        if not model:
            return gr.skip(), gr.skip(), notice(say("export.not_there", spoken), "bad"), gr.skip(), *more
        told = notice(say(f"export.used.{use}", spoken, name=model.rpartition("/")[2]), "good")
        none: Any = "" if use == "train" else []
        more = [gr.update(selected="talk")] if use == "chat" else []
        return gr.update(selected=use), model, told, none, *more

    return open_with


def _newest(parts: "StudioParts", run: str | None, language: str) -> str:
    view, _ = attempt(lambda: find_export(parts.home, run or ""), language)
    return view.target if view and view.is_there else ""
