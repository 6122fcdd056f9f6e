"""What is said in the Talk panel: asked, answered, asked again, edited, taken back, shown as the model sees it."""

import html
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.chat import stream_reply
from studio.core.conversation import Conversation, Said, read_tools, split_thinking
from studio.core.endpoint import AnswerFacts
from studio.core.sampling import BOUNDS, read_sampling
from studio.errors import StudioError
from studio.jobs.endpoint import see_prompt
from studio.texts import say
from studio.ui.answering import AnsweringNow
from studio.ui.model_picker import Connection, connect, name_of
from studio.ui.talk_models import say_loaded
from studio.ui.turns import edited_text, show_turns, turn_of
from studio.ui.words import attempt, notice, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts
    from studio.ui.talk_panel import TalkFields

# A small model says hundreds of tokens a second; nobody reads more than twenty pictures of them.
REDRAW_S = 0.05


def wire_talk(
    parts: "StudioParts",
    language: gr.Radio,
    fields: "TalkFields",
    connection: Any,
    conversation: Any,
    now: AnsweringNow,
) -> None:
    """Wire the conversation; `now` tells who is being answered, also to what else changes it."""

    def change(spoken: str, request: gr.Request, make: Callable[[], tuple[Any, ...]], count: int) -> Any:
        """What a change of the conversation gives, and no notice; while it is being answered, only a notice."""
        if now.is_busy(str(request.session_hash)):
            return *((gr.skip(),) * count), notice(say("chat.busy", spoken))
        return *make(), ""

    def ask(text: str, said: Conversation, role: str, spoken: str, request: gr.Request) -> Any:
        def make() -> tuple[Any, ...]:
            # The message joins the conversation before anything can fail, and stays there.
            asked = said.ask(text, role)
            return "", asked, show_turns(asked, spoken)

        return change(spoken, request, make, 3) if text.strip() else (gr.skip(),) * 4

    def answer(
        said: Conversation,
        loaded: Connection | None,
        picked: str | None,
        chosen: list[str] | None,
        servers: Any,
        system: str,
        tools: str,
        stops: str,
        spoken: str,
        request: gr.Request,
        *numbers: str,
    ) -> Iterator[Any]:
        user, begun = str(request.session_hash), time.monotonic()
        still = (gr.skip(),) * 4
        running = now.begin(user) if said.awaits_answer else None
        if running is None:
            yield *still, gr.skip()
            return
        said = replace(said, system=system or "", tools=tools or "")
        came, failed = False, ""
        try:
            sampling = read_sampling(dict(zip(BOUNDS, numbers, strict=True)), stops)
            offered = read_tools(tools)
            if not (loaded or picked):
                raise StudioError("no_model_loaded", "model")
            wanted = loaded.picked if loaded and not picked else (picked or "", tuple(chosen or ()))
            gone = loaded is None or (loaded.key and not parts.models.find(loaded.key))
            if loaded is None or gone or loaded.picked != wanted:
                # What is picked answers: nobody must press Load first, nor again after a model was idle for long.
                yield *still, notice(say("chat.loading", spoken, model=name_of(parts, wanted[0])))
                loaded = connect(parts, *wanted, servers, user)
                parts.models.keep(user, [loaded.key])
                yield *still[:2], loaded, say_loaded(loaded, spoken, time.monotonic() - begun), ""
            (line,) = running.lines
            reply = stream_reply(loaded.endpoint, said.messages(), said.system, sampling, offered, line)
            for state in follow_answer(reply, said, loaded.label):
                if running.discarded:
                    return
                if not came:
                    yield *still, ""
                came = True
                # Not the notice, too: it may say by now that something else must wait.
                yield state, show_turns(state, spoken), loaded, gr.skip(), gr.skip()
        except Exception as error:
            failed = tell(error, spoken)
        finally:
            now.end(user, running)
        if not running.discarded and not came:
            # What was to be answered anew keeps the answer that it had.
            before = said.give_back()
            yield before, show_turns(before, spoken), *still[2:], failed
        elif not running.discarded:
            yield *still, failed

    def retry(said: Conversation, data: gr.RetryData, spoken: str, request: gr.Request) -> Any:
        def make() -> tuple[Any, ...]:
            place, _ = turn_of(said, _first(data.index))
            again = said.regenerate(next((i for i in range(place, len(said.turns)) if _is_answer(said, i)), None))
            return again, show_turns(again, spoken)

        return change(spoken, request, make, 2)

    def undo(said: Conversation, spoken: str, request: gr.Request) -> Any:
        def make() -> tuple[Any, ...]:
            before, asked = said.undo()
            return before, show_turns(before, spoken), asked

        return change(spoken, request, make, 3)

    def edit(said: Conversation, data: gr.EditData, spoken: str, request: gr.Request) -> Any:
        def make() -> tuple[Any, ...]:
            place, is_said = turn_of(said, _first(data.index))
            # Gradio edits all messages of a bubble at once; an answer's thoughts and facts are not to be.
            changed = said.edit(place, edited_text(said.turns[place], data.value)) if is_said else said
            return changed, show_turns(changed, spoken)

        return change(spoken, request, make, 2)

    def stop(request: gr.Request) -> None:
        now.stop(str(request.session_hash))

    def clear(request: gr.Request) -> Any:
        now.stop(str(request.session_hash), discard=True)
        return Conversation(), [], ""

    def see(
        said: Conversation, loaded: Connection | None, system: str, tools: str, text: str, role: str, spoken: str
    ) -> str:
        def look() -> str:
            if loaded is None:
                raise StudioError("no_model_loaded", "model")
            asked = replace(said.ask(text, role) if text.strip() else said, system=system or "", tools=tools or "")
            opening = [{"role": "system", "content": asked.system}] if asked.system.strip() else []
            return _show_prompt(
                see_prompt(loaded.endpoint, [*opening, *asked.messages()], read_tools(tools)), spoken
            )

        found, told = attempt(look, spoken)
        return told or found

    numbers = [fields.sampling[name] for name in BOUNDS]
    stops = fields.sampling["stops"]
    quiet: Any = {"show_progress": "hidden"}
    begun = [
        event(
            ask,
            [fields.prompt, conversation, fields.role, language],
            [fields.prompt, conversation, fields.talk, fields.failed],
            **quiet,
        )
        for event in (fields.send.click, fields.prompt.submit)
    ]
    changed = [conversation, fields.talk, fields.failed]
    begun += [
        fields.talk.retry(retry, [conversation, language], changed, **quiet),
        fields.talk.edit(edit, [conversation, language], changed, **quiet),
    ]
    answering = [
        event.then(
            answer,
            [
                *(conversation, connection, fields.model, fields.adapters, fields.outside.servers),
                *(fields.system, fields.tools, stops, language, *numbers),
            ],
            [conversation, fields.talk, connection, fields.status, fields.failed],
            concurrency_limit=8,
            **quiet,
        )
        for event in begun
    ]
    fields.talk.undo(
        undo, [conversation, language], [conversation, fields.talk, fields.prompt, fields.failed], **quiet
    )
    fields.stop.click(stop, **quiet)
    gr.on(
        [fields.clear.click, fields.talk.clear],
        clear,
        outputs=changed,
        cancels=answering,
        **quiet,
    )
    fields.see.click(
        see,
        [conversation, connection, fields.system, fields.tools, fields.prompt, fields.role, language],
        fields.seen,
        **quiet,
    )
    language.change(show_turns, [conversation, language], fields.talk, **quiet)


def follow_answer(reply: Any, said: Conversation, label: str) -> Generator[Conversation]:
    """The conversation with the answer as it grows; closing this ends the generation."""
    text, thought = "", ""
    shown_at = 0.0
    facts: AnswerFacts | None = None
    try:
        for piece in reply:
            if isinstance(piece, AnswerFacts):
                facts = piece
            else:
                text, thought = text + piece.content, thought + piece.reasoning
            if facts or time.monotonic() - shown_at >= REDRAW_S:
                shown_at = time.monotonic()
                yield said.answer(_said(text, thought, label, facts))
        if facts is None and (text or thought):
            # It was cut off on purpose, and what came last was not shown yet.
            yield said.answer(_said(text, thought, label, None))
    except StudioError:
        # What came before the failure is kept.
        if text or thought:
            yield said.answer(_said(text, thought, label, None))
        raise
    finally:
        reply.close()


def _said(text: str, thought: str, label: str, facts: AnswerFacts | None) -> Said:
    inside, content = split_thinking(text)
    return Said("assistant", content, thought or inside, label, facts)


def _is_answer(said: Conversation, place: int) -> bool:
    return said.turns[place].role == "assistant"


def _first(index: int | tuple[int, int]) -> int:
    return index[0] if isinstance(index, list | tuple) else index


def _show_prompt(told: dict[str, Any], language: str) -> str:
    count = say("chat.seen.count", language, count=told["count"], limit=told["max_model_len"])
    prompt, template = (html.escape(str(told.get(key, ""))) for key in ("prompt", "chat_template"))
    titles = [html.escape(say(f"chat.seen.{key}", language)) for key in ("prompt", "template")]
    return (
        f'<p>{html.escape(count)}</p><b>{titles[0]}</b><pre class="code">{prompt}</pre>'
        f'<b>{titles[1]}</b><pre class="code">{template}</pre>'
    )
