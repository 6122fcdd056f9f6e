"""Change how a registered dataset is read, what it is called, or that it is registered."""

from typing import Any

import gradio as gr

from studio.actions.datasets import edit_dataset, read_mapping, remove_dataset, rename_dataset
from studio.stores.home import Home
from studio.texts import say
from studio.ui.mapping_editor import build_mapping_editor, mapping_text, read_mapping_text
from studio.ui.words import Words, attempt, notice


def build_entry_panel(home: Home, words: Words, picked: gr.Dropdown, language: gr.Radio, choices: Any) -> list[Any]:
    """Build the panel; returns the events after which the registry is another."""
    with words.on(gr.Accordion(say("entry.panel"), open=False, elem_id="entry"), label="entry.panel"):
        mapping = build_mapping_editor(words, "entry-mapping")
        save = words.on(gr.Button(say("entry.save"), size="sm", elem_id="entry-save"), value="entry.save")
        with gr.Row(elem_classes="fields"):
            new_name = words.on(
                gr.Textbox("", label=say("entry.new_name"), elem_id="entry-name", max_lines=1),
                label="entry.new_name",
            )
            delete = words.on(
                gr.Checkbox(False, label=say("entry.delete_file"), elem_id="entry-delete"),
                label="entry.delete_file",
            )
        with gr.Row(elem_classes="actions"):
            rename = words.on(
                gr.Button(say("entry.rename"), size="sm", elem_id="entry-rename"), value="entry.rename"
            )
            remove = words.on(
                gr.Button(say("entry.remove"), size="sm", variant="stop", elem_id="entry-remove"),
                value="entry.remove",
            )
        told = gr.HTML(elem_classes="plain", elem_id="entry-told")

    def show(name: str | None) -> str:
        found, failed = attempt(lambda: read_mapping(home, name or ""), "en")
        return "" if failed else mapping_text(found)

    def do_save(name: str | None, written: str, spoken: str) -> str:
        edited, failed = attempt(lambda: edit_dataset(home, name or "", read_mapping_text(written) or {}), spoken)
        if failed:
            return failed
        kind = say(f"format.{edited.format}", spoken)
        return notice(say("entry.saved", spoken, name=edited.name, format=kind), "good")

    def do_rename(name: str | None, wanted: str, spoken: str) -> Any:
        _, failed = attempt(lambda: rename_dataset(home, name or "", wanted.strip()), spoken)
        if failed:
            return failed, gr.skip(), gr.skip()
        done = notice(say("entry.renamed", spoken, name=name, new_name=wanted.strip()), "good")
        return done, choices(wanted.strip()), ""

    def do_remove(name: str | None, with_file: bool, spoken: str) -> Any:
        _, failed = attempt(lambda: remove_dataset(home, name or "", with_file), spoken)
        if failed:
            return failed, gr.skip(), gr.skip()
        key = "entry.removed_with_file" if with_file else "entry.removed"
        return notice(say(key, spoken, name=name), "good"), choices(None), False

    picked.change(show, picked, mapping, show_progress="hidden")
    return [
        save.click(do_save, [picked, mapping, language], told, trigger_mode="once"),
        rename.click(do_rename, [picked, new_name, language], [told, picked, new_name], trigger_mode="once"),
        remove.click(do_remove, [picked, delete, language], [told, picked, delete], trigger_mode="once"),
    ]
