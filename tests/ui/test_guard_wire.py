"""The guard as bytes on a socket meet it: requests that no well-behaved client can send."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import uvicorn
from gradio_client import Client

from studio.actions.access import make_token, set_password
from studio.core.access import Cost
from studio.stores.home import Home
from studio.ui.server import build_app, listen

LOGIN = b"POST /studio/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    set_password(home, "correct horse", Cost(2, 1, 1))
    return home


@pytest.fixture(scope="module")
def port(home: Home) -> Iterator[int]:
    place = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(build_app(home), log_level="critical", proxy_headers=False, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    yield place.getsockname()[1]
    server.should_exit = True
    thread.join(20)


def ask(port: int, sent: bytes) -> bytes:
    """All that comes back until the server closes or says nothing more for a moment."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as place:
        place.sendall(sent)
        told = place.recv(65536)
        place.settimeout(0.3)
        with_more = time.monotonic() + 5
        while time.monotonic() < with_more:
            try:
                more = place.recv(65536)
            except TimeoutError:
                break
            if not more:
                break
            told += more
        return told


def status(told: bytes) -> int:
    return int(told.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET /studio/login/../runs HTTP/1.1", 401),
        (b"GET /studio/login/%2e%2e/runs HTTP/1.1", 401),
        (b"GET /studio/login?/../runs HTTP/1.1", 200),
        (b"GET /%73tudio/runs HTTP/1.1", 401),
        (b"GET //config HTTP/1.1", 401),
        (b"GET http://127.0.0.1/config HTTP/1.1", 401),
        (b"GET http://evil.example/studio/runs HTTP/1.1", 401),
        (b"GET /studio/health/../../config HTTP/1.1", 401),
        (b"HEAD /config HTTP/1.1", 401),
        (b"PROPFIND /config HTTP/1.1", 401),
    ],
)
def test_no_request_line_leads_past_the_guard(port: int, line: bytes, expected: int) -> None:
    told = ask(port, line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert status(told) == expected
    assert b"gradio_config" not in told
    assert b'"runs"' not in told


def test_one_host_header_it_must_be(port: int) -> None:
    for hosts in (b"", b"Host: evil.example\r\n", b"Host: 127.0.0.1\r\nHost: evil.example\r\n", b"Host:\r\n"):
        for version in (b"1.0", b"1.1"):
            told = ask(port, b"GET /studio/login HTTP/" + version + b"\r\n" + hosts + b"Connection: close\r\n\r\n")
            assert status(told) == 400, hosts


def test_a_request_hidden_in_another_is_guarded_too(port: int) -> None:
    hidden = b"GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    both = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    for sent in (LOGIN + both + hidden, LOGIN + b"Content-Length: 0\r\n\r\n" + hidden):
        told = ask(port, sent)
        assert b"gradio" not in told
        assert b"200 OK" not in told


def test_a_form_that_never_ends_is_cut_off(port: int) -> None:
    piece = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    told = ask(port, LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + piece * 3)
    assert status(told) == 415


def test_a_body_without_a_stated_length_is_limited_too(
    port: int, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.uploads.MOST_TOLD", 1000)
    token = make_token(home, "wire").encode()
    head = b"POST /studio/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += b"Authorization: Bearer " + token + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    told = ask(port, head + b"400\r\n" + b" " * 0x400 + b"\r\n0\r\n\r\n")
    assert status(told) in (400, 413)


def test_odd_headers_are_refused_and_break_nothing(port: int) -> None:
    for header in (
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: Bearer",
        b"Authorization: bEaReR x",
        b"Cookie: \xff=\xff; studio-session=;;;=",
        b"Cookie: " + b"a=b; " * 2000,
        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: evil.example",
        b"Accept-Language: \xff\xff",
    ):
        told = ask(port, b"GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + b"\r\nConnection: close\r\n\r\n")
        assert status(told) == 401, header[:40]


def test_gradios_own_client_gets_in_with_a_token_and_not_without(port: int, home: Home) -> None:
    address = f"http://127.0.0.1:{port}"
    token = make_token(home, "client")
    client = Client(address, headers={"Authorization": f"Bearer {token}"}, verbose=False)
    assert client.predict("zh", api_name="/_header")
    client.close()
    with pytest.raises(Exception, match="Please login"):
        Client(address, verbose=False)
