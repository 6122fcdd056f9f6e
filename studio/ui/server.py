"""The studio as one web application: guards first, then our routes, then Gradio's."""

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

# Before Gradio is imported: no call leaves this machine.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.actions.tokens import Encoders
from studio.actions.visualdl import VisualDL
from studio.errors import StudioError
from studio.jobs.warm import WarmEngine
from studio.stores.home import Home
from studio.texts import say
from studio.ui.look import build_theme, read_style
from studio.ui.page import StudioParts, build_page
from studio.ui.routes import SCRIPTS, build_routes

HOSTS = ["127.0.0.1", "localhost", "[::1]"]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
UPLOAD_LIMIT = "2gb"
BACKLOG = 2048
HEAD = "".join(f'<script src="studio/{name}.js" defer></script>' for name in ("plotly", *SCRIPTS))


class Guard:
    """Refuses other sites' writes, and forbids other sites to frame the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin")
        own = urlsplit(origin).hostname in ("127.0.0.1", "localhost", "::1") if origin else True
        if scope["method"] not in SAFE_METHODS and not own:
            refusal = PlainTextResponse("Requests of other sites are refused.", status_code=403)
            await refusal(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Frame-Options"] = "SAMEORIGIN"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, guarded)


def build_app(home: Home, roots: Sequence[Path] = (), *, warm: bool = False) -> FastAPI:
    """The whole application over one home; the page may register what lies under it or under `roots`.

    With `warm`, an engine is kept warm beside it, for CPU runs that start in a moment.
    """
    engine = WarmEngine()
    allowed = tuple(dict.fromkeys(root.resolve() for root in (home.root, *roots)))
    models = ChatModels()
    parts = StudioParts(home, models, Batches(home, models), VisualDL(), Encoders(), allowed)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if warm:
            engine.start(home.warm)
        yield
        engine.close()
        # First, or its questions would fail one by one as their model ends.
        parts.batches.close()
        parts.models.close()
        parts.visualdl.close()
        parts.encoders.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    app.add_middleware(Guard)
    app.include_router(build_routes(home))
    return gr.mount_gradio_app(
        app,
        build_page(parts),
        path="/",
        theme=build_theme(),
        css=read_style(),
        head=HEAD,
        footer_links=[],
        show_error=False,
        max_file_size=UPLOAD_LIMIT,
        allowed_paths=[],
        # Or every call, conversations included, is written into the browser's storage.
        run_history=False,
    )


def serve(home: Home, host: str, port: int, roots: Sequence[Path] = (), *, warm: bool = True) -> None:
    """Serve until interrupted. Raises StudioError when the port is taken."""
    place = listen(host, port)
    app = build_app(home, roots, warm=warm)
    print(say("page.running", address=f"http://{host}:{port}"), flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    # It has closed everything by then.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[place])


def listen(host: str, port: int) -> socket.socket:
    """Take a port. Who connects from now on waits until the page is there. Raises StudioError."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise StudioError("port_taken", port=port) from error
    return found
