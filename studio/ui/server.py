"""The studio as one web application: guards first, then our routes, then Gradio's."""

import re
import shlex
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import Mount

from studio.actions.access import Access, has_password
from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.actions.tokens import Encoders
from studio.actions.visualdl import VisualDL
from studio.core.exposure import LOOPBACK, Exposure, host_name, is_every_address, is_frame_origin, is_loopback
from studio.core.reach import studio_reach
from studio.errors import StudioError
from studio.jobs.addresses import own_addresses
from studio.jobs.warm import WarmEngine
from studio.stores.home import Home
from studio.texts import say
from studio.ui.guard import Guard
from studio.ui.login import cookie_name
from studio.ui.look import build_theme, read_style
from studio.ui.page import StudioParts, build_page
from studio.ui.page_policy import PagePolicy
from studio.ui.routes import SCRIPTS, build_routes
from studio.ui.tagged import tell_failure
from studio.ui.words import script_words

ROOT_PATH = re.compile(r"(/[A-Za-z0-9_.~-]+)+")
UPLOAD_LIMIT = "2gb"
BACKLOG = 2048
HEAD = script_words() + "".join(f'<script src="studio/{name}.js" defer></script>' for name in ("plotly", *SCRIPTS))


def build_app(
    home: Home,
    roots: Sequence[Path] = (),
    *,
    warm: bool = False,
    exposure: Exposure | None = None,
    endpoints: Sequence[str] = (),
) -> FastAPI:
    """The whole application over one home; the page may name what lies under it or under `roots`.

    Without an `exposure` it is offered to this machine alone. Where others can open it, it calls those servers of
    private networks that `endpoints` names. With `warm`, an engine is kept warm beside it, for CPU runs that start
    in a moment.
    """
    engine = WarmEngine()
    # Its own folders may be links to a larger disk.
    own = (home.root, home.data, home.saves, home.models)
    exposure = exposure or Exposure()
    home = replace(
        home,
        roots=tuple(dict.fromkeys(root.resolve() for root in (*own, *roots))),
        reach=studio_reach(exposure.is_open, endpoints),
    )
    models = ChatModels()
    parts = StudioParts(home, models, Batches(home, models), VisualDL(), Encoders())

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
    app.add_exception_handler(StudioError, tell_failure)
    app.add_middleware(Guard, access=Access(home), exposure=exposure, cookie=cookie_name(home))
    app.include_router(build_routes(home))
    mounted = gr.mount_gradio_app(
        app,
        build_page(parts),
        path="/",
        root_path=exposure.root_path or None,
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
    page = next(route.app for route in mounted.routes if isinstance(route, Mount))
    assert isinstance(page, FastAPI)
    # The last is the innermost: it reads pages before they are compressed.
    page.user_middleware.append(Middleware(PagePolicy, exposure=exposure))
    return mounted


def find_exposure(
    home: Home,
    host: str,
    hosts: Sequence[str] = (),
    frames: Sequence[str] = (),
    *,
    behind_proxy: bool = False,
    root_path: str = "",
) -> Exposure:
    """How a studio may be offered. Raises StudioError where that takes a password and there is none."""
    for name in hosts:
        # With a port or a path it would never be matched; an empty one or a comma matches too much.
        if not host_name(name) or host_name(name) != name.lower().strip("[]"):
            raise StudioError("bad_host_name", "host", given=name)
    for frame in frames:
        if not is_frame_origin(frame):
            raise StudioError("bad_frame", "frame", given=frame)
    if root_path and ROOT_PATH.fullmatch(root_path) is None:
        raise StudioError("bad_root_path", "root_path", given=root_path)
    # A proxy or another name is meant for somebody else, wherever we listen.
    is_open = not is_loopback(host) or behind_proxy or bool(hosts)
    if is_open and not has_password(home):
        given = host if not is_loopback(host) else "--behind-proxy" if behind_proxy else hosts[0]
        raise StudioError("only_loopback", "host", given=given, home=shlex.quote(str(home.root)))
    own = () if is_loopback(host) else own_addresses() if is_every_address(host) else (host.lower(),)
    names = tuple(name.lower().strip("[]") for name in hosts)
    return Exposure((*own, *names), tuple(frames), behind_proxy, root_path, is_open)


def serve(
    home: Home,
    host: str,
    port: int,
    roots: Sequence[Path] = (),
    *,
    warm: bool = True,
    exposure: Exposure | None = None,
    endpoints: Sequence[str] = (),
) -> None:
    """Serve until interrupted. Raises StudioError when the port is taken."""
    exposure = exposure or find_exposure(home, host)
    place = listen(host, port)
    app = build_app(home, roots, warm=warm, exposure=exposure, endpoints=endpoints)
    print(say("page.running", address=f"http://{_shown_host(host)}:{port}"), flush=True)
    # What a proxy says is read by the guard, where there is one: uvicorn believes anybody on this machine.
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=3,
        proxy_headers=False,
        server_header=False,
        root_path=exposure.root_path,
    )
    # It has closed everything by then.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[place])


def _shown_host(host: str) -> str:
    """What a browser can call: all addresses of a machine are none."""
    if is_every_address(host):
        found = (address for address in own_addresses() if ":" not in address and not address.startswith("127."))
        return next(found, LOOPBACK[0])
    return f"[{host}]" if ":" in host else host


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
