"""What Gradio would ask one after another is asked at once."""

from typing import Any

import gradio as gr

from studio.stores.home import Home
from studio.ui.listeners import join_listeners
from studio.ui.server import build_app


def fail(spoken: str) -> str:
    raise ZeroDivisionError(spoken)


def test_a_listener_that_fails_leaves_the_others_alone() -> None:
    with gr.Blocks() as page:
        language, name = gr.Radio(["en", "zh"], value="en"), gr.Textbox()
        first, second, third, fourth = (gr.HTML() for _ in range(4))
        language.change(fail, language, first)
        language.change(lambda spoken: spoken, language, second)
        gr.on([name.change, language.change], lambda *given: given, [name, language], [third, fourth])
        join_listeners(page, language)
    plain, rest = (one for one in page.fns.values() if (language._id, "change") in one.targets)
    assert plain.fn
    assert rest.fn
    assert plain.fn({language: "zh"}) == {second: "zh"}
    assert rest.fn({language: "zh", name: "a"}) == {third: "a", fourth: "zh"}
    # By itself it still follows the other event.
    assert [one.targets for one in page.fns.values()].count([(name._id, "change")]) == 1


def test_a_change_of_language_asks_the_server_three_times(home: Home) -> None:
    config: Any = build_app(home).routes[-1].app.get_blocks().config  # type: ignore[attr-defined]
    chosen = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "page-language")
    asking = [one for one in config["dependencies"] if one["backend_fn"] and (chosen, "change") in one["targets"]]
    # Words, words that depend on more, and the rows, which stay in their queue.
    assert len(asking) == 3


def test_the_page_opens_without_asking_for_tabs_that_nobody_has_opened(home: Home) -> None:
    config: Any = build_app(home).routes[-1].app.get_blocks().config  # type: ignore[attr-defined]
    loading = [one for one in config["dependencies"] if one["backend_fn"] and (0, "load") in one["targets"]]
    filled = {component for one in loading for component in one["outputs"]}
    names = {one["id"]: one["props"].get("elem_id") or "" for one in config["components"]}
    head = next(key for key, name in names.items() if name == "page-head")
    later = ("history-", "batch-", "evaluation-", "probes-", "prove-", "export-", "serve-", "dataset-")
    assert [names[component] for component in filled if names[component].startswith(later)] == []
    # Those that show no progress tell nobody of it, or Gradio would go on telling all of them for ever.
    quiet = [one for one in config["dependencies"] if one["show_progress"] == "hidden"]
    assert {tuple(one["show_progress_on"]) for one in quiet} == {(head,)}
