"""Texts on the page: each component knows its keys, and one table in the browser switches them all."""

import html
import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from studio.errors import Problem, RequestRefused, StudioError
from studio.texts import LANGUAGES, TEXTS, say, word_error, word_problem
from studio.ui.empty_lists import KIND_OF

log = logging.getLogger("studio")

# The key of a text, or of each choice with its value.
Keys = str | Sequence[tuple[str, str]]
# Texts that scripts need beside those that stand in the parts they fill.
SCRIPTED = ("copy.", "go.", "link.", "tour.", "unit.", "why.")
COPY_SIGN = (
    '<svg viewBox="0 0 16 16" aria-hidden="true"><rect x="5.5" y="5.5" width="8" height="9" rx="1.5"/>'
    '<path d="M10.5 3V2.5A1 1 0 0 0 9.5 1.5h-6a1 1 0 0 0-1 1v8a1 1 0 0 0 1 1H4"/></svg>'
)
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

    def command(self, key: str, elem_id: str, value: str | None = None) -> Any:
        """A command to copy, under a label that is worded by a key."""
        box = gr.Code(
            value,
            language="shell",
            label=say(key),
            elem_id=elem_id,
            elem_classes="command",
            lines=2,
            wrap_lines=True,
        )
        return self.on(box, label=key)

    def components(self) -> list[Any]:
        return [component for component, _ in self.entries]

    def switch_script(self) -> str:
        """JavaScript from a language to an update of every component: no request, nothing typed is lost.

        Gradio looks through the whole page for each, so that only the tab which is shown is worded at once;
        what the others are to say is kept for `tab_switches`, when `parts.js` sees them open.
        """
        tabs = json.dumps([tab_of(component) for component, _ in self.entries])
        return (
            "(language) => { document.documentElement.lang = language; window.studioLanguage = language;"
            f" const shown = document.querySelector('#{TABS} > .tab-wrapper [role=tab][aria-selected=true]');"
            " const tab = shown?.dataset.tabId ?? ''; (window.studioTabs ??= {})[tab] = language;"
            f" const tabs = {tabs}; return {_table(self.entries)}[language].map((update, place) =>"
            " ({__type__: 'update', ...(tabs[place] === '' || tabs[place] === tab ? update : {})})); }"
        )

    def tab_switches(self) -> list[tuple[str, list[Any], str]]:
        """The id of each tab of the page, its components, and JavaScript that words them where that was put off."""
        switches: list[tuple[str, list[Any], str]] = []
        for tab in (str(component.id) for component, _ in self.entries if is_page_tab(component)):
            entries = [entry for entry in self.entries if tab_of(entry[0]) == tab]
            script = (
                f"() => {_table(entries)}[window.studio.language()].map(update =>"
                " ({__type__: 'update', ...update}))"
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


def script_words() -> str:
    """What the scripts of the page say themselves, in every language, for the head of the page."""
    table = {
        language: {
            **{key: worded[index] for key, worded in TEXTS.items() if key.startswith(SCRIPTED)},
            **{f"empty.{element}": say(f"empty.{kind}", language) for element, kind in KIND_OF.items()},
        }
        for index, language in enumerate(LANGUAGES)
    }
    text = json.dumps(table, ensure_ascii=False).replace("</", "<\\/")
    return f'<script type="application/json" id="studio-words">{text}</script>'


def refusals(reasons: Mapping[str, str], language: str) -> str:
    """Which buttons (by element id) do nothing now and why (a code; empty where it works); `page.js` reads it."""
    return "".join(
        f'<span hidden data-refused="{button}" data-because="{why(code, language)}"></span>'
        for button, code in reasons.items()
    )


def off(code: str, language: str) -> str:
    """The attributes of a button of ours that does nothing, and says why; none without a code."""
    return f' aria-disabled="true" data-why="{why(code, language)}"' if code else ""


def why(code: str, language: str) -> str:
    return html.escape(say(f"why.{code}", language)) if code else ""


def in_both(key: str) -> str:
    """A text in every language, of which the style sheet shows the page's."""
    parts = "".join(f'<span lang="{one}">{html.escape(say(key, one))}</span>' for one in LANGUAGES)
    return f'<span class="both">{parts}</span>'


def copy_button(text: str, key: str, language: str) -> str:
    """A small button that copies a text; `key` says what."""
    label = html.escape(say(f"copy.{key}", language))
    copied = html.escape(text)
    return f'<button type="button" class="copy" data-copy="{copied}" aria-label="{label}">{COPY_SIGN}</button>'


def notice(text: str, kind: str = "info", more: str = "") -> str:
    """A message as a coloured box, and `more` HTML behind it; the empty string is no box."""
    role = "alert" if kind == "bad" else "status"
    return f'<div class="notice {kind}" role="{role}">{html.escape(text)}{more}</div>' if text else ""


def copied_notice(text: str, kind: str, language: str) -> str:
    """A message that may be sent to somebody, with a button that copies it."""
    return notice(text, kind, copy_button(text, "error", language))


def go_link(tab: str, text: str, run: str = "") -> str:
    """A link within the page, which opens in its own tab of the browser as well: to a tab, or to a run."""
    query = html.escape(urlencode({"tab": tab, **({"run": run} if run else {})}))
    target = f' data-run="{html.escape(run)}"' if run else ""
    return f'<a class="go" href="?{query}" data-go="{tab}"{target}>{html.escape(text)}</a>'


def train_first(key: str, language: str) -> str:
    """What a text says, and the way to the Train tab, where it begins."""
    return notice(say(key, language), more=" " + go_link("train", say("go.train", language)))


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
    text = "\n".join(f"{field_label(each.field, language)}: {word_problem(each, language)}" for each in problems)
    copied = copy_button(text, "error", language)
    return f'<div class="notice bad" role="alert"><b>{title}</b>{copied}<ul>{items}</ul></div>'


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
        return copied_notice(word_error(error, language), "bad", language)
    number = uuid.uuid4().hex[:8]
    log.error("unexpected error %s", number, exc_info=error)
    return copied_notice(say("page.internal", language, id=number), "bad", language)


def attempt(act: Callable[[], Any], language: str) -> tuple[Any, str]:
    """The result of an action and no notice, or None and the notice that tells why not."""
    try:
        return act(), ""
    except Exception as error:
        return None, tell(error, language)
