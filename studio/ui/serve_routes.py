"""The routes of the Serve tab: the servers, what is done with one, its key, and its log."""

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from studio.actions.serving import read_server_log, remove_server, restart_server, server_key, stop_server
from studio.stores.home import Home
from studio.texts import say
from studio.ui.log_box import log_html
from studio.ui.server_card import show_servers
from studio.ui.tagged import Language, Shared, tagged
from studio.ui.words import attempt, notice

ACTS = {"stop": stop_server, "again": restart_server, "remove": remove_server}


class ServerChange(BaseModel):
    """What shall be done with a server; `key` asks to be shown what its callers must send."""

    act: Literal["stop", "again", "remove", "key"]
    name: str
    language: Language = "en"


def build_serve_routes(home: Home) -> APIRouter:
    """What the Serve tab asks for."""
    router = APIRouter()
    # Each look asks every server how it is, so that many pages share one.
    shown = Shared(show_servers)

    @router.get("/servers")
    def servers(request: Request, language: Language = "en") -> Response:
        """All servers as cards; 304 when nothing has changed."""
        return tagged(request, shown(home, language))

    @router.post("/servers")
    def change(wanted: ServerChange) -> dict[str, str]:
        """Do something with a server; the answer has the notice that tells how it went, or the key."""
        if wanted.act == "key":
            key, failed = attempt(lambda: server_key(home, wanted.name), wanted.language)
            return {"told": failed, "key": key or ""}
        _, failed = attempt(lambda: ACTS[wanted.act](home, wanted.name), wanted.language)
        good = notice(say(f"serve.changed.{wanted.act}", wanted.language, name=wanted.name), "good")
        return {"told": failed or good, "key": ""}

    @router.get("/servers/log")
    def log(request: Request, name: str, language: Language = "en") -> Response:
        """The last lines of a server's log as HTML; 304 when nothing came."""
        text = read_server_log(home, name)
        return tagged(request, {"html": log_html(text) or say("serve.log.none", language)})

    return router
