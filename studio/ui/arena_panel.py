"""Several models answer the same message at once, and a person says which answer is better."""

import html
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.chat import stream_reply
from studio.actions.conversations import keep_vote, list_votes, make_vote_dataset
from studio.core.arena import Arena
from studio.core.conversation import Conversation
from studio.core.endpoint import Sampling
from studio.core.sampling import BOUNDS, read_sampling
from studio.core.votes import count_wins
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import say
from studio.ui.answering import Answering, AnsweringNow
from studio.ui.model_picker import Connection, OutsidePanel, choices, connect
from studio.ui.sampling_fields import build_sampling_fields
from studio.ui.talk_events import REDRAW_S, follow_answer
from studio.ui.turns import LATEX, show_turns
from studio.ui.words import Words, attempt, notice, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

LETTERS = "ABCD"


def build_arena_panel(
    parts: "StudioParts", words: Words, language: gr.Radio, outside: OutsidePanel, tab: gr.Tab
) -> None:
    """Build the panel and wire it."""
    sides = gr.State(Arena())
    intro = gr.HTML(_intro("en"), elem_classes="plain")
    models = words.on(
        gr.Dropdown(
            [],
            label=say("arena.models"),
            info=say("arena.models.help"),
            multiselect=True,
            max_choices=len(LETTERS),
            allow_custom_value=True,
            elem_id="arena-models",
        ),
        label="arena.models",
        info="arena.models.help",
    )
    system = words.on(gr.Textbox("", label=say("chat.system"), elem_id="arena-system"), label="chat.system")
    sampling = build_sampling_fields(words, "arena")
    with gr.Row(elem_id="arena-sides"):
        talks = [
            gr.Chatbot(
                [],
                label=say("arena.side", letter=letter),
                visible=place < 2,
                height=380,
                min_width=280,
                elem_id=f"arena-talk-{letter}",
                latex_delimiters=LATEX,
                feedback_options=None,
                buttons=["copy"],
            )
            for place, letter in enumerate(LETTERS)
        ]
    failed = gr.HTML("", elem_classes="plain", elem_id="arena-failed")
    with gr.Row(elem_classes="actions", elem_id="arena-vote"):
        better = [
            gr.Button(say("arena.better", letter=letter), visible=place < 2, elem_id=f"arena-better-{letter}")
            for place, letter in enumerate(LETTERS)
        ]
        tie = words.button("arena.tie", "arena-tie")
    prompt = words.on(
        gr.Textbox(
            "",
            label=say("chat.prompt"),
            placeholder=say("chat.prompt.hint"),
            max_lines=8,
            elem_id="arena-prompt",
        ),
        label="chat.prompt",
        placeholder="chat.prompt.hint",
    )
    with gr.Row(elem_classes="actions"):
        send = words.button("chat.send", "arena-send", variant="primary")
        stop = words.button("chat.stop", "arena-stop")
        clear = words.button("chat.clear", "arena-clear")
    with words.on(gr.Accordion(say("arena.votes"), open=False, elem_id="arena-votes"), label="arena.votes") as kept:
        table = gr.HTML("", elem_classes="plain", elem_id="arena-table")
        with gr.Row(elem_classes="fields"):
            name = words.on(
                gr.Textbox("", label=say("arena.dataset"), elem_id="arena-dataset"), label="arena.dataset"
            )
            make = words.button("arena.make", "arena-make")
        made = gr.HTML("", elem_classes="plain", elem_id="arena-made")

    now = AnsweringNow()

    def answer(
        picked: list[str] | None,
        text: str,
        before: Arena,
        servers: Any,
        opening: str,
        stops: str,
        spoken: str,
        request: gr.Request,
        *numbers: str,
    ) -> Iterator[Any]:
        chosen = list(dict.fromkeys(picked or []))
        still = [gr.skip()] * len(LETTERS)
        user = str(request.session_hash)
        running = now.begin(user, len(chosen)) if text.strip() else None
        if running is None:
            yield gr.skip(), gr.skip(), notice(say("chat.busy", spoken)) if now.is_busy(user) else "", *still
            return
        try:
            if not 2 <= len(chosen) <= len(LETTERS):
                raise StudioError("too_few_models", "models")
            how = read_sampling(dict(zip(BOUNDS, numbers, strict=True)), stops)
            yield gr.skip(), gr.skip(), notice(say("arena.loading", spoken, count=len(chosen))), *still
            with ThreadPoolExecutor(len(chosen)) as loading:
                connected = list(loading.map(lambda one: connect(parts, one, [], servers, user), chosen))
            parts.models.keep(user, [one.key for one in connected if one.key])
            asked = before.ask(tuple(one.label for one in connected), text, opening or "")
            yield "", asked, "", *_show(asked, spoken)
            for state, told in _answer_all(connected, asked, how, running, spoken):
                if running.discarded:
                    return
                yield gr.skip(), state, told or gr.skip(), *_show(state, spoken)
        except Exception as error:
            yield gr.skip(), gr.skip(), tell(error, spoken), *still
        finally:
            now.end(user, running)

    def vote(state: Arena, spoken: str, place: int | None, request: gr.Request) -> Any:
        if now.is_busy(str(request.session_hash)):
            return gr.skip(), notice(say("chat.busy", spoken)), gr.skip()
        if not state.can_vote:
            word = "arena.voted" if state.voted else "arena.no_answers"
            return gr.skip(), notice(say(word, spoken), "info" if state.voted else "bad"), gr.skip()
        given = state.vote(place)
        _, wrong = attempt(lambda: keep_vote(parts.home, given), spoken)
        if wrong:
            return gr.skip(), wrong, gr.skip()
        best = None if place is None else state.labels[place]
        thanks = say("arena.tied", spoken) if best is None else say("arena.thanks", spoken, model=best)
        return replace(state, voted=True, best=place), notice(thanks, "good"), _votes(parts.home, spoken)

    def stop_all(request: gr.Request) -> None:
        now.stop(str(request.session_hash))

    def clear_all(request: gr.Request) -> Any:
        now.stop(str(request.session_hash), discard=True)
        return Arena(), "", *([[]] * len(LETTERS))

    def make_dataset(new_name: str, spoken: str) -> str:
        found, wrong = attempt(lambda: make_vote_dataset(parts.home, new_name.strip()), spoken)
        return wrong or notice(say("arena.made", spoken, name=found.dataset.name, rows=found.dataset.rows), "good")

    quiet: Any = {"show_progress": "hidden"}
    refresh: Any = {"fn": lambda servers: gr.update(choices=choices(parts, servers)), **quiet}
    tab.select(inputs=outside.servers, outputs=models, **refresh)
    outside.servers.change(inputs=outside.servers, outputs=models, **refresh)
    inputs = [models, prompt, sides, outside.servers, system, sampling["stops"], language]
    inputs += [sampling[each] for each in BOUNDS]
    answering = [
        event(answer, inputs, [prompt, sides, failed, *talks], concurrency_limit=8, **quiet)
        for event in (send.click, prompt.submit)
    ]
    stop.click(stop_all, **quiet)
    gr.on(
        [clear.click, *(talk.clear for talk in talks)],
        clear_all,
        outputs=[sides, failed, *talks],
        cancels=answering,
        **quiet,
    )
    models.change(_visible, models, [*talks, *better], **quiet)
    for place, button in [*enumerate(better), (None, tie)]:

        def act(state: Arena, spoken: str, request: gr.Request, place: int | None = place) -> Any:
            return vote(state, spoken, place, request)

        button.click(act, [sides, language], [sides, failed, table], **quiet)
    kept.expand(lambda spoken: _votes(parts.home, spoken), language, table, **quiet)
    make.click(make_dataset, [name, language], made, **quiet)
    language.change(_intro, language, intro, **quiet)
    language.change(
        lambda spoken: [
            *(gr.update(value=say("arena.better", spoken, letter=letter)) for letter in LETTERS),
            *(gr.update(label=say("arena.side", spoken, letter=letter)) for letter in LETTERS),
        ],
        language,
        [*better, *talks],
        **quiet,
    )
    language.change(lambda spoken: _votes(parts.home, spoken), language, table, **quiet)


def _answer_all(
    connected: Sequence[Connection], asked: Arena, sampling: Sampling, running: Answering, language: str
) -> Iterator[tuple[Arena, str]]:
    """All sides as they grow, with what failed; closing this ends every generation."""
    came: queue.Queue[tuple[int, Conversation | Exception | None]] = queue.Queue()

    def follow(place: int) -> None:
        one, side = connected[place], asked.sides[place]
        reply = stream_reply(one.endpoint, side.messages(), side.system, sampling, line=running.lines[place])
        try:
            for state in follow_answer(reply, side, one.label):
                came.put((place, state))
        except Exception as error:
            came.put((place, error))
        finally:
            came.put((place, None))

    for place in range(len(connected)):
        threading.Thread(target=follow, args=(place,), daemon=True).start()
    state, told, left = asked, "", len(connected)
    try:
        while left:
            batch = [came.get()]
            time.sleep(REDRAW_S)
            while not came.empty():
                batch.append(came.get_nowait())
            for place, news in batch:
                if news is None:
                    left -= 1
                elif isinstance(news, Conversation):
                    state = state.with_side(place, news)
                else:
                    told += tell(news, language)
            yield state, told
    finally:
        for line in running.lines:
            line.cut()


def _show(state: Arena, language: str) -> list[Any]:
    shown: list[Any] = []
    for place, letter in enumerate(LETTERS):
        if place < len(state.sides):
            label = f"{letter} · {state.labels[place]}"
            shown.append(gr.update(value=show_turns(state.sides[place], language), label=label, visible=True))
        else:
            shown.append(gr.update(value=[], visible=False))
    return shown


def _visible(picked: list[str] | None) -> list[Any]:
    count = max(2, len(picked or []))
    return [gr.update(visible=place < count) for place in range(len(LETTERS))] * 2


def _votes(home: Home, language: str) -> str:
    wins = count_wins(list_votes(home))
    if not wins:
        return f"<p>{html.escape(say('arena.votes.none', language))}</p>"
    heads = "".join(
        f"<th>{html.escape(say(f'arena.votes.{key}', language))}</th>" for key in ("model", "won", "shown")
    )
    ranked = sorted(wins.items(), key=lambda item: -item[1][0] / item[1][1])
    cells = [(html.escape(model), won, shown) for model, (won, shown) in ranked]
    rows = "".join(
        f'<tr><td>{model}</td><td class="number">{won}</td><td class="number">{shown}</td></tr>'
        for model, won, shown in cells
    )
    return f'<table class="data"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _intro(language: str) -> str:
    return f"<p>{html.escape(say('arena.intro', language))}</p>"
