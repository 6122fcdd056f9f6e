"""The Chat tab: pick a model and adapters, load them, talk."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.chat import ChatModel, stream_reply
from studio.actions.models import list_adapters, list_models
from studio.texts import say
from studio.ui.words import Words, attempt, notice, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

Turns = list[dict[str, Any]]
# A small model says hundreds of tokens a second; nobody reads more than twenty pictures of them.
REDRAW_S = 0.05


def build_chat_tab(parts: "StudioParts", words: Words, page: gr.Blocks, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    with words.on(gr.Tab(say("chat.tab"), id="chat"), label="chat.tab") as tab, gr.Row():
        # Inside of the tab: Gradio numbers the tabs by their place among all children.
        key = gr.State("")
        with gr.Column(scale=3, min_width=300):
            model = words.on(
                gr.Dropdown([], label=say("chat.model"), allow_custom_value=True, elem_id="chat-model"),
                label="chat.model",
            )
            adapters = words.on(
                gr.Dropdown([], label=say("chat.adapters"), multiselect=True, elem_id="chat-adapters"),
                label="chat.adapters",
            )
            with gr.Row(elem_classes="actions"):
                load = words.on(
                    gr.Button(say("chat.load"), variant="primary", elem_id="chat-load"), value="chat.load"
                )
                unload = words.on(gr.Button(say("chat.unload"), elem_id="chat-unload"), value="chat.unload")
            status = gr.HTML(notice(say("chat.none")), elem_classes="plain", elem_id="chat-status")
            system = words.on(
                gr.Textbox("", label=say("chat.system"), lines=2, elem_id="chat-system"), label="chat.system"
            )
            with gr.Row(elem_classes="fields"):
                temperature = words.on(
                    gr.Number(
                        0.0,
                        label=say("chat.temperature"),
                        info=say("chat.temperature.help"),
                        minimum=0,
                        maximum=2,
                        step=0.1,
                        elem_id="chat-temperature",
                    ),
                    label="chat.temperature",
                    info="chat.temperature.help",
                )
                top_p = words.on(
                    gr.Number(
                        1.0, label=say("chat.top_p"), minimum=0.01, maximum=1, step=0.05, elem_id="chat-top_p"
                    ),
                    label="chat.top_p",
                )
                max_tokens = words.on(
                    gr.Number(256, label=say("chat.max_tokens"), minimum=1, precision=0, elem_id="chat-max_tokens"),
                    label="chat.max_tokens",
                )
        with gr.Column(scale=6, min_width=320):
            talk = words.on(
                gr.Chatbot(
                    [],
                    label=say("chat.conversation"),
                    placeholder=say("chat.placeholder"),
                    height=480,
                    elem_id="chat-talk",
                    sanitize_html=True,
                    buttons=["copy"],
                ),
                label="chat.conversation",
                placeholder="chat.placeholder",
            )
            failed = gr.HTML(elem_classes="plain", elem_id="chat-failed")
            prompt = words.on(
                gr.Textbox(
                    "",
                    label=say("chat.prompt"),
                    placeholder=say("chat.prompt.hint"),
                    lines=1,
                    max_lines=8,
                    elem_id="chat-prompt",
                ),
                label="chat.prompt",
                placeholder="chat.prompt.hint",
            )
            with gr.Row(elem_classes="actions"):
                send = words.on(
                    gr.Button(say("chat.send"), variant="primary", elem_id="chat-send"), value="chat.send"
                )
                stop = words.on(gr.Button(say("chat.stop"), elem_id="chat-stop"), value="chat.stop")
                clear = words.on(gr.Button(say("chat.clear"), elem_id="chat-clear"), value="chat.clear")

    def load_model(picked: str | None, chosen: list[str] | None, spoken: str, request: gr.Request) -> Iterator[Any]:
        yield notice(say("chat.loading", spoken, model=_name(parts, picked or ""))), gr.skip()
        found, told = attempt(
            lambda: parts.models.load(parts.home, picked or "", chosen or [], str(request.session_hash)), spoken
        )
        yield (told, gr.skip()) if told else (_loaded(parts, found, spoken), found.key)

    def adopt(spoken: str, request: gr.Request) -> Any:
        """After a reload, the model that is loaded is the one that answers."""
        loaded = parts.models.loaded()
        if not loaded:
            return gr.skip(), ""
        parts.models.use(loaded[-1].key, str(request.session_hash))
        return _loaded(parts, loaded[-1], spoken), loaded[-1].key

    def leave(request: gr.Request) -> None:
        parts.models.leave(str(request.session_hash))

    def unload_model(loaded: str, spoken: str) -> Any:
        if not loaded:
            return notice(say("chat.none", spoken)), ""
        parts.models.unload(loaded)
        return notice(say("chat.unloaded", spoken)), ""

    def ask(text: str, turns: Turns) -> Any:
        # The message joins the conversation before anything can fail, and stays there.
        return ("", [*turns, {"role": "user", "content": text}]) if text.strip() else (gr.skip(), gr.skip())

    def answer(
        turns: Turns, loaded: str, prompt_text: str, heat: float, nucleus: float, most: float, spoken: str
    ) -> Iterator[Any]:
        if not turns or turns[-1]["role"] != "user":
            yield gr.skip(), ""
            return
        found = next((item for item in parts.models.loaded() if item.key == loaded), None)
        if found is None:
            yield gr.skip(), notice(say("chat.none", spoken), "bad")
            return
        said = [{"role": turn["role"], "content": _plain_text(turn["content"])} for turn in turns]
        reply = stream_reply(found, said, prompt_text or "", heat, nucleus, int(most))
        text = ""
        shown_at = 0.0
        try:
            for piece in reply:
                text += piece
                if time.monotonic() - shown_at >= REDRAW_S:
                    shown_at = time.monotonic()
                    yield [*turns, {"role": "assistant", "content": text}], ""
            yield [*turns, {"role": "assistant", "content": text}], ""
        except Exception as error:
            yield [*turns, {"role": "assistant", "content": text}] if text else gr.skip(), tell(error, spoken)
        finally:
            # Stop, and a page that is closed, close this generator: that ends the generation.
            reply.close()

    refresh = {"fn": lambda picked, chosen: _choices(parts, picked, chosen), "show_progress": "hidden"}
    gr.on([page.load, tab.select], inputs=[model, adapters], outputs=[model, adapters], **refresh)
    gr.on(
        [page.load],
        adopt,
        language,
        [status, key],
        show_progress="hidden",
    )
    language.change(
        lambda spoken, loaded: _status(parts, loaded, spoken), [language, key], status, show_progress="hidden"
    )
    page.unload(leave)
    load.click(load_model, [model, adapters, language], [status, key], trigger_mode="once")
    unload.click(unload_model, [key, language], [status, key])
    answering = [
        event(ask, [prompt, talk], [prompt, talk], show_progress="hidden").then(
            answer,
            [talk, key, system, temperature, top_p, max_tokens, language],
            [talk, failed],
            show_progress="hidden",
            concurrency_limit=8,
        )
        for event in (send.click, prompt.submit)
    ]
    stop.click(None, cancels=answering)
    clear.click(lambda: ([], ""), outputs=[talk, failed], cancels=answering, show_progress="hidden")


def _plain_text(content: Any) -> str:
    """Gradio hands messages back as lists of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return "".join(part.get("text", "") if isinstance(part, dict) else str(part) for part in parts)


def _choices(parts: "StudioParts", picked: str | None, chosen: list[str] | None) -> Any:
    models = [(choice.label, choice.path) for choice in list_models(parts.home)]
    adapters = [(choice.label, choice.path) for choice in list_adapters(parts.home)]
    known = {path for _, path in models}
    picked = picked if picked in known or picked else (models[0][1] if models else None)
    kept = [path for path in chosen or [] if path in {path for _, path in adapters}]
    return gr.update(choices=models, value=picked), gr.update(choices=adapters, value=kept)


def _status(parts: "StudioParts", key: str, language: str) -> str:
    found = next((item for item in parts.models.loaded() if item.key == key), None)
    return _loaded(parts, found, language) if found else notice(say("chat.none", language))


def _loaded(parts: "StudioParts", found: ChatModel, language: str) -> str:
    names = " + ".join(_name(parts, path) for path in (found.model, *found.adapters))
    return notice(f"{say('chat.loaded', language, model=names)}\n{found.address}/v1", "good")


def _name(parts: "StudioParts", path: str) -> str:
    for root in (parts.home.models, parts.home.saves):
        if path.startswith(f"{root}/"):
            return path[len(str(root)) + 1 :]
    return path
