"""A server as the page shows it: how it is, where it is called, and how."""

import html
from typing import Any

from studio.actions.serving import ServerView, list_servers, server_snippets
from studio.stores.home import Home
from studio.texts import say, word_error
from studio.ui.words import attempt, notice, off


def show_servers(home: Home, language: str) -> dict[str, Any]:
    """What the page shows of all servers: the parts of a card each, or what to do when there is none."""
    views, failed = attempt(lambda: list_servers(home), language)
    if failed:
        return {"servers": [], "empty": failed}
    shown = [_show(home, view, language) for view in views]
    return {"servers": shown, "empty": "" if shown else notice(say("serve.none", language))}


def _show(home: Home, view: ServerView, language: str) -> dict[str, Any]:
    """`head` changes while a server lives; `use` does not, so that what is marked in it stays marked."""
    return {
        "name": view.name,
        "state": view.state,
        "health": view.health,
        "head": _head(home, view, language),
        "use": _use(view, language) if view.is_active else "",
    }


def _head(home: Home, view: ServerView, language: str) -> str:
    facts = {
        "serve.address": f"{view.address}/v1",
        "serve.called": _short(home, view.model_name),
        "serve.serves": " + ".join(_short(home, path) for path in (view.model, *view.adapters)),
    }
    items = "".join(
        f"<div><dt>{html.escape(say(key, language))}</dt><dd>{html.escape(value)}</dd></div>"
        for key, value in facts.items()
    )
    why = notice(word_error(view.cause, language), "bad") if view.cause else ""
    if view.state == "lost":
        why = notice(say("serve.lost", language), "bad")
    acts = ("stop",) if view.is_active else ("again", "remove")
    refused = off("server_stopping" if view.state == "stopping" else "", language)
    buttons = "".join(_button(act, language, refused) for act in acts)
    return (
        f'<div class="top"><b>{html.escape(view.name)}</b>{_pill(view, language)}'
        f'<span class="phase">{html.escape(say(f"serve.backend.{view.backend}", language))}</span>'
        f'<span class="acts">{buttons}</span></div><dl class="facts">{items}</dl>{why}'
    )


def _pill(view: ServerView, language: str) -> str:
    """One word for state and health: whether it can be called now is what matters."""
    looks = {"ready": "finished", "loading": "running", "silent": "failed"}
    if view.health:
        return _label(looks[view.health], say(f"serve.{view.health}", language))
    if view.state == "finished":
        return _label("stopped", say("serve.ended", language))
    return _label(view.state, say(f"state.{view.state}", language))


def _label(look: str, text: str) -> str:
    return f'<span class="pill {look}">{html.escape(text)}</span>'


def _use(view: ServerView, language: str) -> str:
    """The snippets with a button each that copies; the key is in none of them."""
    made = server_snippets(view, say("serve.hello", language))
    key = ""
    if view.has_key:
        told = html.escape(say("serve.use.key", language))
        key = (
            f'<p class="line">{told}</p><div class="acts">{_button("key", language)}<code class="key"></code></div>'
        )
    if view.is_everywhere:
        told = say("serve.everywhere", language, address=view.address.partition("//")[2].rpartition(":")[0])
        key += f'<p class="line">{html.escape(told)}</p>'
    return key + _snippet("curl", made.curl, language) + _snippet("python", made.python, language)


def _snippet(kind: str, text: str, language: str) -> str:
    name = html.escape(say("copy.copy", language))
    copied = f'<button type="button" data-copy-from=".snippet">{name}</button>'
    return (
        f'<div class="snippet" data-kind="{kind}"><div class="acts"><span class="line">'
        f"{html.escape(say(f'serve.{kind}', language))}</span>{copied}</div>"
        f'<pre tabindex="0">{html.escape(text)}</pre></div>'
    )


def _button(act: str, language: str, refused: str = "") -> str:
    text = html.escape(say(f"serve.{act}", language))
    return f'<button type="button" data-act="{act}"{refused}>{text}</button>'


def _short(home: Home, path: str) -> str:
    """A folder of this home as the lists on the page call it."""
    for root in (home.models, home.saves):
        if path.startswith(f"{root}/"):
            return path[len(str(root)) + 1 :]
    return path
