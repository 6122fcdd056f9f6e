"""What a merged model leaves the studio with: its card, a package, a hub."""

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.export import find_export
from studio.actions.hand_on import list_merged, start_package, start_push, stop_hand_on
from studio.actions.model_card import read_card, save_card
from studio.core.hubs import HUBS
from studio.stores.home import Home
from studio.texts import say
from studio.ui.run_card import card_box, run_marker
from studio.ui.use_model import build_uses
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

VISIBILITIES = [("push.private", "private"), ("push.public", "public")]


def build_hand_on(
    parts: "StudioParts", words: Words, language: gr.Radio, tab: gr.Tab, run: Any, started: Any
) -> None:
    """Build the panels of a merged model and wire them.

    `run` is the picker of the run that was exported, `started` the target of the export that this page began.
    """
    home = parts.home
    model = words.on(
        gr.Dropdown([], label=say("export.model"), elem_id="export-model", interactive=True), label="export.model"
    )
    build_uses(words)
    # Pressed by `live.js` when an export has brought a model.
    arrived = gr.Button("", elem_id="export-arrived", elem_classes="marker")
    marker = gr.HTML(run_marker("", "en"), elem_classes="plain marker", elem_id="export-current-model")
    gr.on(
        [tab.select, model.focus],
        lambda picked: _models(parts, picked),
        model,
        model,
        show_progress="hidden",
    )
    gr.on([model.change, language.change], run_marker, [model, language], marker, show_progress="hidden")
    text, kept = _build_card(home, words, language, model)
    arrived.click(
        lambda *given: arrive(home, *given),
        [run, model, started, text, kept, language],
        [model, started],
        show_progress="hidden",
    )
    _build_package(home, words, language, model)
    _build_push(home, words, language, model)


def _build_card(home: Any, words: Words, language: gr.Radio, model: Any) -> tuple[Any, Any]:
    """Returns the card's text as it stands on the page, and as it stands in its file."""
    with words.on(gr.Accordion(say("card.panel"), open=False, elem_id="export-card"), label="card.panel"):
        text = words.on(
            gr.Textbox("", label=say("card.text"), lines=12, max_lines=24, elem_id="export-card-text"),
            label="card.text",
        )
        save = words.button("card.save", "export-card-save", size="sm")
        told = gr.HTML(elem_classes="plain", elem_id="export-card-told")
    kept = gr.State("")

    def read(picked: str | None, spoken: str) -> Any:
        found, failed = attempt(lambda: read_card(home, picked), spoken) if picked else ("", "")
        return found or "", found or "", failed

    def keep(picked: str | None, written: str, spoken: str) -> Any:
        _, failed = attempt(lambda: save_card(home, picked or "", written), spoken)
        return (gr.skip(), failed) if failed else (written, notice(say("card.saved", spoken), "good"))

    model.change(read, [model, language], [text, kept, told], show_progress="hidden")
    save.click(keep, [model, text, language], [kept, told], show_progress="hidden", trigger_mode="once")
    return text, kept


def _build_package(home: Any, words: Words, language: gr.Radio, model: Any) -> None:
    with words.on(gr.Accordion(say("package.panel"), open=False, elem_id="export-package"), label="package.panel"):
        intro = gr.HTML(_text("package.intro", "en"), elem_classes="plain")
        with gr.Row(elem_classes="actions"):
            start = words.button("package.start", "package-start", size="sm")
            cancel = words.button("export.cancel", "package-cancel", size="sm")
        told = gr.HTML(elem_classes="plain", elem_id="package-told")
        gr.HTML(card_box("package"), elem_classes="plain", elem_id="package-result")

    def begin(picked: str | None, spoken: str) -> str:
        return attempt(lambda: start_package(home, picked or ""), spoken)[1]

    language.change(lambda spoken: _text("package.intro", spoken), language, intro, show_progress="hidden")
    start.click(begin, [model, language], told, show_progress="hidden", trigger_mode="once")
    cancel.click(_stopper(home, "package"), [model, language], told, show_progress="hidden")


def _build_push(home: Any, words: Words, language: gr.Radio, model: Any) -> None:
    hubs = [(label, value) for value, label in HUBS.items()]
    with words.on(gr.Accordion(say("push.panel"), open=False, elem_id="export-push"), label="push.panel"):
        hub = words.on(
            gr.Radio(hubs, value="aistudio", label=say("push.hub"), elem_id="push-hub"), label="push.hub"
        )
        repository = words.on(
            gr.Textbox(
                "", label=say("push.repository"), info=say("push.repository.help"), elem_id="push-repository"
            ),
            label="push.repository",
            info="push.repository.help",
        )
        private = words.on(
            gr.Radio(
                [(say(key), value) for key, value in VISIBILITIES],
                value="private",
                label=say("push.visibility"),
                elem_id="push-visibility",
            ),
            label="push.visibility",
            choices=VISIBILITIES,
        )
        token = words.on(
            gr.Textbox(
                "", label=say("push.token"), info=say("push.token.help"), type="password", elem_id="push-token"
            ),
            label="push.token",
            info="push.token.help",
        )
        with gr.Row(elem_classes="actions"):
            start = words.button("push.start", "push-start", size="sm")
            cancel = words.button("export.cancel", "push-cancel", size="sm")
        told = gr.HTML(elem_classes="plain", elem_id="push-told")
        gr.HTML(card_box("push"), elem_classes="plain", elem_id="push-result")

    def begin(picked: str | None, to: str, name: str, seen: str, secret: str, spoken: str) -> str:
        hidden = seen == "private"
        return attempt(lambda: start_push(home, picked or "", to, name, hidden, secret), spoken)[1]

    start.click(
        begin, [model, hub, repository, private, token, language], told, show_progress="hidden", trigger_mode="once"
    )
    cancel.click(_stopper(home, "push"), [model, language], told, show_progress="hidden")


def _stopper(home: Any, kind: str) -> Any:
    def stop(picked: str | None, spoken: str) -> str:
        return attempt(lambda: stop_hand_on(home, kind, picked or ""), spoken)[1]

    return stop


def _text(key: str, language: str) -> str:
    return f"<p>{html.escape(say(key, language))}</p>"


def _models(parts: "StudioParts", picked: str | None) -> Any:
    found = list_merged(parts.home)
    paths = [path for _, path in found]
    # A value is sent only where there is none, or one that is gone: a late answer must not undo a pick.
    value: dict[str, Any] = {} if picked in paths else {"value": paths[-1] if paths else None}
    return gr.update(choices=found, **value)


def arrive(
    home: Home, run: str | None, picked: str | None, started: str, text: str | None, kept: str, language: str
) -> tuple[Any, str]:
    """Offer a model that an export has brought, and what this page still waits for.

    It is picked where nothing is, or where this page asked for it, and never over a card that is being edited.
    """
    view, _ = attempt(lambda: find_export(home, run or ""), language)
    target = view.target if view and view.is_there else ""
    # A browser has one kind of line end.
    is_edited = (text or "").splitlines() != kept.splitlines()
    picks = target and not is_edited and (not picked or target == started)
    value: dict[str, Any] = {"value": target} if picks else {}
    return gr.update(choices=list_merged(home), **value), "" if target == started else started
