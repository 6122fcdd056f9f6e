"""Addresses that lead into the page: `?tab=…` opens a tab, `?run=…` a run; what is not there is told."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.runs import find_run
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import say
from studio.ui.runs_panel import run_choices
from studio.ui.words import notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

ASKED = "new URLSearchParams(location.search)"
READ_ADDRESS = f"() => [{ASKED}.get('tab') || '', {ASKED}.get('run') || '', window.studio.language()]"


def build_links() -> dict[str, Any]:
    """What `links.js` presses, what an address asks for, and the place where a wrong one is told."""
    with gr.Row(elem_classes="marker"):
        parts: dict[str, Any] = {name: gr.Button("", elem_id=f"page-open-{name}") for name in ("tab", "run")}
        parts |= {f"asked_{name}": gr.Textbox("") for name in ("tab", "run", "language")}
    parts["told"] = gr.HTML(elem_classes="plain", elem_id="page-told")
    return parts


def wire_links(parts: "StudioParts", page: gr.Blocks, tabs: gr.Tabs, links: dict[str, Any]) -> None:
    """Let an address open what it names, and follow what is opened."""
    names = [str(tab.id) for tab in tabs.children if isinstance(tab, gr.Tab)]
    blocks: Any = page.blocks.values()
    run = next(block for block in blocks if block.elem_id == "train-run")
    asked = [links["asked_tab"], links["asked_run"], links["asked_language"]]
    page.load(
        lambda tab, name, spoken: _tell(parts.home, names, tab, name, spoken),
        asked,
        links["told"],
        js=READ_ADDRESS,
        show_progress="hidden",
    )
    known = f"({names}).includes(window.studio.wanted)"
    selected = "({__type__: 'update', selected: window.studio.wanted})"
    links["tab"].click(None, None, tabs, js=f"() => {known} ? {selected} : {{__type__: 'update'}}")
    links["run"].click(
        lambda name, spoken: (run_choices(parts.home, name), _tell(parts.home, names, "", name, spoken)),
        asked[1:],
        [run, links["told"]],
        js="() => [window.studio.wanted, window.studio.language()]",
        show_progress="hidden",
    )
    for tab, name in zip((each for each in tabs.children if isinstance(each, gr.Tab)), names, strict=True):
        tab.select(None, None, None, js=f"() => window.studio.selected('{name}')")
    run.input(None, run, None, js="(run) => window.studio.picked(run)")


def _tell(home: Home, tabs: list[str], tab: str, run: str, language: str) -> str:
    told = notice(say("link.no_tab", language, given=tab), "bad") if tab and tab not in tabs else ""
    try:
        if run:
            find_run(home, run)
    except StudioError:
        told += notice(say("link.no_run", language, given=run), "bad")
    return told
