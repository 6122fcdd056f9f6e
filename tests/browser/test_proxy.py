"""The page under a sub-path in a real browser, behind a proxy that does what the page on deployment has nginx do."""

import shutil
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from studio.actions.access import set_password
from studio.jobs.launch import free_port
from studio.stores.home import Home
from studio.texts import say
from tests.browser.conftest import Studio
from tests.browser.page_parts import open_tab, unfold, write
from tests.docs.test_deployment import set_headers

pytestmark = pytest.mark.browser
PATH = "/studio"
# Of one connection, or made anew by the proxy.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "host"}


def behind_nginx(headers: dict[str, str], own: str) -> dict[str, str]:
    """What nginx makes of a browser's headers, by the lines of the page on deployment."""
    return set_headers(headers, {"$http_host": own, "$scheme": "http", "$remote_addr": "127.0.0.1"})


def in_a_notebook(headers: dict[str, str], own: str) -> dict[str, str]:
    """What a notebook's proxy makes of them, by the entry on that page."""
    return {**headers, "host": "127.0.0.1", "origin": "http://127.0.0.1"}


SETS = {"nginx": behind_nginx, "notebook": in_a_notebook}


def proxy_to(address: str, own: str, kind: str) -> Starlette:
    """A proxy that takes the sub-path off, replaces the page's headers, and hands on what comes as it comes."""
    client = httpx.AsyncClient(base_url=address, timeout=None, trust_env=False)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()

    async def hand_on(request: Request) -> StreamingResponse:
        given = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        headers = SETS[kind](given, own)
        url = httpx.URL(path=request.url.path.removeprefix(PATH), query=request.url.query.encode())
        content = request.stream() if request.method in ("POST", "PUT") else None
        asked = client.build_request(request.method, url, headers=headers, content=content)
        answer = await client.send(asked, stream=True)

        async def body() -> AsyncIterator[bytes]:
            async with asynccontextmanager(_closing)(answer):
                async for piece in answer.aiter_bytes():
                    yield piece

        kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
        return StreamingResponse(body(), answer.status_code, kept)

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
    return Starlette(routes=[Route(f"{PATH}/{{rest:path}}", hand_on, methods=methods)], lifespan=lifespan)


async def _closing(answer: httpx.Response) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await answer.aclose()


@pytest.fixture(params=list(SETS))
def proxied(tmp_path: Path, furnished: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The address of a studio behind a proxy, and the password that it asks for."""
    studio = Studio(Home(Path(shutil.copytree(furnished, tmp_path / "home"))))
    port, password = free_port(), ""
    address = f"http://127.0.0.1:{port}{PATH}"
    if request.param == "nginx":
        password = "long enough"
        set_password(studio.home, password)
        studio.flags = ("--behind-proxy", "--root-path", PATH)
    else:
        studio.variables = {"GRADIO_ROOT_PATH": address}
    studio.start()
    # In a process of its own: the streams of events never end by themselves.
    arguments = (studio.address, port, request.param)
    process = get_context("spawn").Process(target=serve_proxy, args=arguments, daemon=True)
    process.start()
    deadline = time.monotonic() + 60
    while not is_open(port):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield f"{address}/", password
    process.kill()
    process.join()
    studio.stop()


def serve_proxy(address: str, port: int, kind: str) -> None:
    uvicorn.run(proxy_to(address, f"127.0.0.1:{port}", kind), port=port, log_level="warning")


def is_open(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_works_under_a_sub_path(proxied: tuple[str, str], browser: Browser) -> None:
    address, password = proxied
    page = browser.new_context().new_page()
    refused: list[str] = []
    astray: list[str] = []
    page.on("response", lambda answer: answer.status >= 400 and refused.append(f"{answer.status} {answer.url}"))
    page.on("request", lambda asked: asked.url.startswith((address, "data:", "blob:")) or astray.append(asked.url))
    page.goto(address)
    if password:
        page.locator("input[type=password]").fill(password)
        page.locator("button[type=submit]").click()
    # Gradio's events: the command of the form comes from the server.
    unfold(page, "Command")
    expect(page.locator("#train-yaml")).to_contain_text("learning_rate: 0.003")
    write(page, "train-learning_rate", "0.002")
    expect(page.locator("#train-yaml")).to_contain_text("learning_rate: 0.002")
    # Our own routes and scripts: the list of runs.
    open_tab(page, "history")
    expect(page.locator("[data-history]")).to_contain_text(say("history.empty", "en"))
    assert page.evaluate("typeof Plotly.react") == "function"
    # An upload.
    open_tab(page, "dataset")
    file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": b"question,answer\nA?,B.\n"}
    page.locator("#dataset-upload input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(page.locator("#dataset-told")).to_contain_text("Alpaca")
    assert (refused, astray) == ([], [])
    page.context.close()
