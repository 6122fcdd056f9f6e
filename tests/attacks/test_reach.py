"""Servers that somebody names on a page that others can open: no way into the network behind it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpcore2
import pytest

from studio.actions.notify import set_webhook, try_webhook
from studio.actions.serving import endpoint_reach
from studio.core.endpoint import Endpoint, Sampling
from studio.core.reach import Reach, studio_reach
from studio.core.serving import ServeRequest
from studio.errors import StudioError
from studio.jobs.endpoint import ask, see_prompt
from studio.jobs.launch import free_port
from studio.jobs.reach import find_addresses
from studio.stores.home import Home
from studio.stores.servers import write_server
from studio.ui.model_picker import read_endpoint

Note = Callable[[str, int], None]
PUBLIC_ONLY = Reach(private=False)
# Ways to write this machine, private networks, and what hands out keys.
PRIVATE = (
    "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127.0.0.1.", "LOCALHOST",
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "240.0.0.1",
    "255.255.255.255", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[2001:db8::1]", "[::ffff:10.0.0.1]",
)  # fmt: skip
NEVER = (
    "169.254.169.254", "169.254.1.1", "[fe80::1]", "[fe80::1%lo]", "168.63.129.16", "100.100.100.200",
    "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "2852039166",
    "0xa9fea9fe", "169.254.43518", "224.0.0.1", "[ff02::1]",
)  # fmt: skip


class Service(BaseHTTPRequestHandler):
    """Counts who comes, and sends them on where `way` says."""

    way = ""
    asked: list[str]

    def do_POST(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.way:
            self.send_response(307)
            self.send_header("Location", self.way)
        else:
            self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def service() -> Iterator[Any]:
    server = HTTPServer(("127.0.0.1", 0), type("One", (Service,), {}))
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def call(address: str, reach: Reach | None) -> str:
    """What is said of a call; empty when it reached somebody."""
    said = ""
    for act in (see_prompt, lambda endpoint, messages: ask(endpoint, messages, Sampling())):
        with pytest.raises(StudioError) as failed:
            act(Endpoint(address, "m", "key", reach), [{"role": "user", "content": "x"}])
        said += failed.value.code + " "
    return said


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where somebody tried to connect to; nobody gets through."""
    seen: list[str] = []

    def refuse(_: object, host: str, *__: object, **___: object) -> None:
        seen.append(host)
        raise httpcore2.ConnectError(host)

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", refuse)
    return seen


def test_every_way_to_write_a_private_address_is_refused(connected: list[str], tried: Note) -> None:
    for written in (*PRIVATE, *NEVER):
        said = call(f"http://{written}:9/v1", PUBLIC_ONLY)
        # Or it is no address at all, to the client or to the machine.
        assert "address_refused" in said or written in ("0177.0.0.1", "127.0.0.1."), written
    assert connected == []
    tried("reach.endpoint", 2 * len(PRIVATE + NEVER))


def test_what_gives_keys_away_is_refused_to_a_studio_of_this_machine_too(tried: Note) -> None:
    for written in NEVER:
        assert call(f"http://{written}:9/v1", Reach()) == "address_refused address_refused ", written
    tried("reach.metadata", 2 * len(NEVER))


def test_a_public_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"):
        assert PUBLIC_ONLY.allows("public.example", 443, address)
    assert not PUBLIC_ONLY.allows("public.example", 443, "10.0.0.1")


def test_a_name_that_stands_for_both_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(StudioError, match="address_refused"):
        find_addresses("both.example", 80, PUBLIC_ONLY)


def test_a_name_that_changes_its_mind_is_called_where_it_was_checked(
    service: Any, monkeypatch: pytest.MonkeyPatch, tried: Note
) -> None:
    port, looks = service.server_port, []
    real = socket.getaddrinfo

    def rebind(host: Any, *given: Any, **named: Any) -> Any:
        if host != "rebind.example":
            return real(host, *given, **named)
        looks.append(host)
        # Checked as one address; the second look would lead elsewhere.
        return real("127.0.0.1" if len(looks) == 1 else "127.0.0.99", *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    see = Endpoint(f"http://rebind.example:{port}/v1", "m", "", Reach(hosts=()))
    with pytest.raises(StudioError, match="endpoint_no_prompt"):
        see_prompt(see, [])
    assert looks == ["rebind.example"]
    assert service.asked == ["/tokenize"]
    tried("reach.rebinding", 1)


def test_a_redirect_leads_no_further_than_a_call(service: Any, tried: Note) -> None:
    port = service.server_port
    reach = Reach(private=False, hosts=(f"127.0.0.1:{port}",))
    for way in (
        "http://127.0.0.1:1/x",
        f"http://localhost:{port}/x",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
    ):
        service.RequestHandlerClass.way = way
        call(f"http://127.0.0.1:{port}/v1", reach)
        assert len(service.asked) == 2, way
        service.asked.clear()
    tried("reach.redirect", 8)


def test_who_opens_the_studio_decides_what_may_be_called(home: Home, service: Any, tried: Note) -> None:
    port = service.server_port
    address = f"http://127.0.0.1:{port}/v1"
    for allowed, refused in (
        ((), True),
        ((f"127.0.0.1:{port}",), False),
        (("127.0.0.1",), False),
        (("private",), False),
        (("127.0.0.1:1",), True),
        (("localhost",), True),
    ):
        open_to_others = replace(home, reach=studio_reach(True, allowed))
        _, endpoint = read_endpoint(open_to_others, address, "m", "")
        assert ("address_refused" in call(endpoint.address, endpoint.reach)) is refused, allowed
    own = replace(home, reach=studio_reach(False))
    assert "address_refused" not in call(address, endpoint_reach(own, address))
    tried("reach.allowed", 7)


def test_the_studios_own_servers_may_be_called_while_they_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    jailed = replace(home, reach=studio_reach(True))
    port = free_port()
    write_server(home.serving / "mine", ServeRequest("m", name="mine", port=port), 0.0)
    address = f"http://127.0.0.1:{port}/v1"
    assert endpoint_reach(jailed, address) == jailed.reach
    monkeypatch.setattr("studio.actions.serving._is_active", lambda _: True)
    assert endpoint_reach(jailed, address) is None
    assert endpoint_reach(jailed, f"http://127.0.0.1:{port + 1}/v1") == jailed.reach


def test_a_webhook_goes_no_further_than_who_gave_it(
    home: Home, connected: list[str], monkeypatch: pytest.MonkeyPatch, tried: Note
) -> None:
    monkeypatch.setattr("studio.jobs.notify.PAUSE_S", 0)
    jailed = replace(home, reach=studio_reach(True))
    for host in (*PRIVATE, *NEVER):
        set_webhook(jailed, f"http://{host}:9/hook")
        # Its supervisor knows nothing of the page.
        with pytest.raises(StudioError, match="webhook_failed"):
            try_webhook(home)
    assert connected == []
    tried("reach.webhook", len(PRIVATE + NEVER))


def test_a_webhook_that_is_allowed_is_told_and_leads_nowhere_else(home: Home, service: Any) -> None:
    allowed = replace(home, reach=studio_reach(True, ["127.0.0.1"]))
    set_webhook(allowed, f"http://127.0.0.1:{service.server_port}/hook")
    try_webhook(home)
    assert service.asked == ["/hook"]
    service.RequestHandlerClass.way = "http://169.254.169.254/latest"
    with pytest.raises(StudioError, match="307"):
        try_webhook(home)
    assert json.loads(home.webhook.read_text())["reach"] == {"private": False, "hosts": ["127.0.0.1"]}
