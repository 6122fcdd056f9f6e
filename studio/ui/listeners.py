"""The listeners of one event, which Gradio works through one after another."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction

from studio.ui.words import attempt


def join_listeners(page: gr.Blocks, language: gr.Radio) -> None:
    """Let the server word all that follows the language in few requests: what needs nothing else, then the rest.

    Gradio 6.31 lets the listeners of an event ask one after another, each with a request and an answer of its own.
    It refuses a value that a list does not hold, and then all that is asked with it. What shares a queue with other
    events comes last, in that queue.
    """
    event = (language._id, "change")
    plain: list[BlockFunction] = []
    rest: list[BlockFunction] = []
    queued: list[list[BlockFunction]] = []
    for listener in (one for one in page.fns.values() if event in one.targets):
        listener.targets.remove(event)
        if listener.concurrency_id != str(id(listener.fn)):
            queued.append([listener])
        else:
            (plain if [*listener.inputs] == [language] else rest).append(listener)
    for listeners in (plain, rest, *queued):
        language.change(
            partial(_word_again, listeners, language),
            {component for listener in listeners for component in listener.inputs},
            [*dict.fromkeys(component for listener in listeners for component in listener.outputs)],
            concurrency_id=listeners[0].concurrency_id,
            show_progress="hidden",
        )


def part_deferred(page: gr.Blocks) -> None:
    """Let no two listeners of one event be put off.

    Gradio 6.31 puts an event off while its listener works (`always_last`), and then dispatches it to all of its
    listeners again. Two that were put off at once wake each other for ever; `multiple` runs them one after another.
    """
    deferred = [listener for listener in page.fns.values() if listener.trigger_mode == "always_last"]
    listeners = Counter(event for listener in deferred for event in listener.targets)
    for listener in deferred:
        if any(listeners[event] > 1 for event in listener.targets):
            listener.trigger_mode = "multiple"


def show_no_progress(page: gr.Blocks, first: gr.HTML) -> None:
    """Let listeners that show no progress say theirs to the first component alone.

    Gradio 6.31 keeps the state of every output that a listener ever had, and at each event tells all of them again,
    looking for each through the whole page: after the page has opened, a tenth of a second's work for each event.
    """
    for listener in page.fns.values():
        if listener.show_progress == "hidden":
            listener.show_progress_on = [first]


def _word_again(
    listeners: Sequence[BlockFunction], language: gr.Radio, values: Mapping[Any, Any]
) -> dict[Any, Any]:
    """What each of the listeners answers, by component; one that fails is logged and leaves the others alone."""
    said: dict[Any, Any] = {}
    for listener in listeners:
        given = {component: values[component] for component in listener.inputs}
        asked = [given] if listener.inputs_as_dict else given.values()
        word: Any = listener.fn
        answer, failed = attempt(partial(word, *asked), values[language])
        if not failed:
            answers = answer if len(listener.outputs) > 1 else [answer]
            said |= zip(listener.outputs, answers, strict=True)
    return said
