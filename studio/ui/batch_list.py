"""The batches of a kind: pick one, follow it, cancel it, go on with it, delete it."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.batch import cancel_batch, name_batches, remove_batch, view_batch
from studio.actions.batches import Batches
from studio.stores.home import Home
from studio.texts import LANGUAGES, say
from studio.ui.batch_card import ACTS
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

NO_KEYS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class BatchList:
    """The components of a list; `kind` is the kind of its batches, and begins the element ids."""

    kind: str
    picked: Any
    buttons: Mapping[str, Any]
    changed: Any
    shown: Any


def build_batch_list(words: Words, kind: str) -> BatchList:
    """The list, what can be done with the one that is picked, and its place, which `batch.js` fills."""
    picked = words.on(
        gr.Dropdown([], label=say(f"{kind}.pick"), elem_id=f"{kind}-pick", interactive=True), label=f"{kind}.pick"
    )
    with gr.Row(elem_classes="actions"):
        buttons = {act: words.button(f"batch.{act}", f"{kind}-{act}", size="sm") for act in ACTS}
    changed = gr.HTML(elem_classes="plain", elem_id=f"{kind}-changed")
    shown = gr.HTML(batch_box(kind, None, "en"), elem_classes="plain", elem_id=f"{kind}-shown")
    return BatchList(kind, picked, buttons, changed, shown)


def wire_batch_list(
    parts: "StudioParts",
    language: gr.Radio,
    listed: BatchList,
    opened: Sequence[Any],
    key_fields: Mapping[str, Any] = NO_KEYS,
) -> None:
    """What the buttons do. The list is read again at the `opened` events; `key_fields` hold a key for a resume, by
    the label of the model that wants it, the empty one for any model elsewhere."""
    home, batches, picked = parts.home, parts.batches, listed.picked
    gr.on(opened, lambda name: batch_choices(home, listed.kind, name), picked, picked, show_progress="hidden")
    gr.on(
        [picked.change, language.change],
        lambda name, spoken: batch_box(listed.kind, name, spoken),
        [picked, language],
        listed.shown,
        show_progress="hidden",
    )
    listed.buttons["cancel"].click(
        lambda name, spoken: _cancel(home, name, spoken), [picked, language], listed.changed, show_progress="hidden"
    )
    listed.buttons["resume"].click(
        lambda name, spoken, *keys: _resume(home, batches, name, dict(zip(key_fields, keys, strict=True)), spoken),
        [picked, language, *key_fields.values()],
        listed.changed,
        trigger_mode="once",
        show_progress="hidden",
    )
    listed.buttons["remove"].click(
        lambda name, spoken: _remove(home, listed.kind, name, spoken),
        [picked, language],
        [listed.changed, picked],
        js=_confirm_script("batch.remove.ask"),
        show_progress="hidden",
    )
    picked.input(lambda: "", None, listed.changed, show_progress="hidden")


def batch_choices(home: Home, kind: str, name: str | None, pick: str | None = None) -> Any:
    """All batches of a kind; without a pick the newest, and with `pick` that one."""
    names = name_batches(home, kind)
    if pick is None and name in names:
        return gr.update(choices=names)
    return gr.update(choices=names, value=pick or (names[0] if names else None))


def batch_box(kind: str, name: str | None, language: str) -> str:
    """The place of a batch."""
    marker = f'data-kind="{kind}" data-batch="{html.escape(name or "")}" data-language="{language}"'
    return f'<div class="batch" {marker}><div data-part="card"></div><div data-part="table"></div></div>'


def _cancel(home: Home, name: str | None, language: str) -> str:
    """What went wrong; that it went well is seen in the batch itself."""
    if not name:
        return notice(say("batch.none", language))
    _, failed = attempt(lambda: cancel_batch(home, name), language)
    return failed


def _resume(home: Home, batches: Batches, name: str | None, given: Mapping[str, str], language: str) -> str:
    if not name:
        return notice(say("batch.none", language))

    def go_on() -> None:
        keys = {label: key.strip() for label, key in given.items() if key.strip()}
        outside = [each.label for each in view_batch(home, name).request.contenders if each.address]
        batches.resume(name, {**keys, **dict.fromkeys(outside, keys[""])} if "" in keys else keys)

    _, failed = attempt(go_on, language)
    return failed


def _remove(home: Home, kind: str, name: str | None, language: str) -> Any:
    """Nothing happens without a name: nothing was chosen, or the question was answered with no."""
    if not name:
        return gr.skip(), gr.skip()
    _, failed = attempt(lambda: remove_batch(home, name), language)
    if failed:
        return failed, gr.skip()
    return notice(say("batch.removed", language, name=name), "good"), batch_choices(home, kind, None)


def _confirm_script(key: str) -> str:
    """JavaScript that passes a name on only when the person says yes."""
    asked = json.dumps({language: say(key, language, name="%s") for language in LANGUAGES}, ensure_ascii=False)
    return f"(name, language) => [name && confirm(({asked})[language].replace('%s', name)) ? name : null, language]"
