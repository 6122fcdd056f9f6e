"""Texts on the page: each component knows its keys, and one table in the browser switches them all."""

import html
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from studio.errors import Problem, RequestRefused, StudioError
from studio.texts import LANGUAGES, say, word_error, word_problem

log = logging.getLogger("studio")

# The key of a text, or of each choice with its value.
Keys = str | Sequence[tuple[str, str]]
# The id of the tabs of the page.
TABS = "page-tabs"


@dataclass(slots=True)
class Words:
    """Which text of which component comes from which key."""

    entries: list[tuple[Any, dict[str, Keys]]] = field(default_factory=list)

    def on(self, component: Any, **keys: Keys) -> Any:
        """Remember that a property (label, value, info, placeholder …) of a component is worded by a key.

        `choices` takes (key, value) pairs.
        """
        self.entries.append((component, keys))
        return component

    def button(self, key: str, elem_id: str, **look: Any) -> Any:
        """A button that is worded by a key."""
        return self.on(gr.Button(say(key), elem_id=elem_id, **look), value=key)

    def components(self) -> list[Any]:
        return [component for component, _ in self.entries]

    def switch_script(self) -> str:
        """JavaScript from a language to an update of every component: no request, nothing typed is lost.

        Gradio looks through the whole page for each, so that only the tab which is shown is worded at once;
        what the others are to say is kept for `tab_switches`.
        """
        tabs = json.dumps([tab_of(component) for component, _ in self.entries])
        return (
            "(language) => { document.documentElement.lang = language; window.studioLanguage = language;"
            f" const shown = document.querySelector('#{TABS} > .tab-wrapper [role=tab][aria-selected=true]');"
            " const tab = shown?.dataset.tabId ?? ''; (window.studioTabs ??= {})[tab] = language;"
            f" const tabs = {tabs}; return {_table(self.entries)}[language].map((update, place) =>"
            " ({__type__: 'update', ...(tabs[place] === '' || tabs[place] === tab ? update : {})})); }"
        )

    def tab_switches(self) -> list[tuple[Any, list[Any], str]]:
        """Each tab of the page, its components, and JavaScript that words them where that was put off."""
        switches: list[tuple[Any, list[Any], str]] = []
        for tab in (component for component, _ in self.entries if is_page_tab(component)):
            entries = [entry for entry in self.entries if tab_of(entry[0]) == tab.id]
            script = (
                f"(language) => {{ const tabs = (window.studioTabs ??= {{}}), was = tabs['{tab.id}'] ?? 'en';"
                f" tabs['{tab.id}'] = language; return {_table(entries)}[language].map(update =>"
                " ({__type__: 'update', ...(was === language ? {} : update)})); }"
            )
            switches.append((tab, [component for component, _ in entries], script))
        return switches


def is_page_tab(component: Any) -> bool:
    """Whether it is one of the tabs of the page, not a part of one."""
    return isinstance(component, gr.Tab) and getattr(component.parent, "elem_id", None) == TABS


def tab_of(component: Any) -> str:
    """The tab of the page in which a component stands; empty for what stands above, and for the tabs."""
    parent = component.parent
    while parent is not None and not is_page_tab(parent):
        parent = parent.parent
    return "" if parent is None else str(parent.id)


def _table(entries: Sequence[tuple[Any, dict[str, Keys]]]) -> str:
    """What each is to say in each language, as JavaScript."""
    table = {
        language: [{name: _worded(keys, language) for name, keys in worded.items()} for _, worded in entries]
        for language in LANGUAGES
    }
    return "(" + json.dumps(table, ensure_ascii=False).replace("</", "<\\/") + ")"


def _worded(keys: Keys, language: str) -> Any:
    return say(keys, language) if isinstance(keys, str) else [[say(key, language), value] for key, value in keys]


def notice(text: str, kind: str = "info") -> str:
    """A message as a coloured box; the empty string is no box."""
    role = "alert" if kind == "bad" else "status"
    return f'<div class="notice {kind}" role="{role}">{html.escape(text)}</div>' if text else ""


def progress_bar(percent: float, language: str) -> str:
    """How far something is, of 100, for eyes and for screen readers."""
    return (
        f'<div class="bar" role="progressbar" aria-label="{html.escape(say("page.progress", language))}" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent:.0f}">'
        f'<i style="width:{percent:.1f}%"></i></div>'
    )


def problem_list(problems: Sequence[Problem], language: str) -> str:
    """All that is to be fixed, each with the name of its field."""
    if not problems:
        return ""
    items = "".join(
        f"<li><b>{html.escape(field_label(problem.field, language))}</b> "
        f"{html.escape(word_problem(problem, language))}</li>"
        for problem in problems
    )
    title = html.escape(say("page.to_fix", language))
    return f'<div class="notice bad" role="alert"><b>{title}</b><ul>{items}</ul></div>'


def field_label(name: str, language: str) -> str:
    for key in (f"option.{name}", f"train.{name}"):
        try:
            return say(key, language)
        except KeyError:
            continue
    return name


def tell(error: Exception, language: str) -> str:
    """An error as a notice: ours in words, any other under an id that the log has too."""
    if isinstance(error, RequestRefused):
        return problem_list(error.problems, language)
    if isinstance(error, StudioError):
        return notice(word_error(error, language), "bad")
    number = uuid.uuid4().hex[:8]
    log.error("unexpected error %s", number, exc_info=error)
    return notice(say("page.internal", language, id=number), "bad")


def attempt(act: Callable[[], Any], language: str) -> tuple[Any, str]:
    """The result of an action and no notice, or None and the notice that tells why not."""
    try:
        return act(), ""
    except Exception as error:
        return None, tell(error, language)
