"""The place of a log, which `log.js` fills, and its lines as HTML."""

import html
import re

from ansi2html import Ansi2HTMLConverter

from studio.stores.logs import collapse
from studio.texts import say
from studio.ui.words import COPY_SIGN

# What a terminal would do something else with than showing it: titles, links, bells; but for colours.
UNSHOWN = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


def log_box(follow: str, language: str, export: bool = False) -> str:
    """The log of the run that the element `follow` (a selector) names in its data, or of its newest export."""

    def word(key: str) -> str:
        return html.escape(say(f"log.{key}", language))

    def button(act: str, text: str) -> str:
        return (
            f'<button type="button" data-act="{act}" title="{word(act)}" aria-label="{word(act)}">{text}</button>'
        )

    copied = html.escape(say("copy.log", language))
    return (
        f'<div class="logview" data-log data-follow="{html.escape(follow)}" data-export="{str(export).lower()}" '
        f'data-none="{word("none")}" data-nothing="{word("nothing")}" data-no-error="{word("no_error")}">'
        f'<div class="chart-bar"><label><input type="checkbox" data-act="follow" checked> {word("follow")}</label>'
        f'<span class="search"><input type="search" placeholder="{word("search")}" aria-label="{word("search")}">'
        f"{button('back', '↑')}{button('next', '↓')}</span>"
        f'<button type="button" data-act="error">{word("error")}</button>'
        f'<select aria-label="{word("file")}" hidden></select><span class="said" role="status"></span>'
        f'<button type="button" data-copy-from=".logview" aria-label="{copied}" title="{copied}">'
        f"{COPY_SIGN}</button>"
        f'<a class="download" download>{word("download")}</a></div>'
        f'<pre class="log" tabindex="0" aria-label="{html.escape(say("train.log", language))}"></pre></div>'
    )


def log_html(text: str) -> str:
    """Lines as HTML: progress bars at their last state, colours as colours, any other control code left out."""
    if not text:
        return ""
    plain = UNSHOWN.sub("", collapse(text))
    return Ansi2HTMLConverter(inline=False, escaped=True).convert(plain, full=False).replace("\x1b", "")
