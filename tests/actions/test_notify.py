"""The end of a run is told to an address, by the run itself, in the shape that a service takes."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from studio.actions.notify import known_webhook, set_webhook, try_webhook
from studio.actions.runs import wait_run
from studio.actions.train import start_run
from studio.core.notify import mask_address, shape_message
from studio.errors import StudioError
from studio.jobs import notify
from studio.stores.home import Home
from tests.actions.test_train import a_request, until

FakeEngine = Callable[[str], None]


@dataclass
class Service:
    """A chat service that answers as it is told to, and remembers what it got."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = service.answers.pop(0) if service.answers else (200, "ok")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())
            service.got.append(json.loads(body))
            service.came.set()

        def log_message(self, *_: Any) -> None:
            """Nothing: a test's output is its own."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/hook/secret-token"
    yield service
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_end_of_a_run_is_told_by_the_run(home: Home, fake_engine: FakeEngine, service: Service) -> None:
    set_webhook(home, service.url)
    view = wait_run(home, start_run(home, a_request(home)).run)
    assert view.state == "finished"
    assert service.came.wait(10)
    assert service.got == [
        {"text": "run: Finished.", "event": "run_ended", "run": "run", "state": "finished", "cause": None}
    ]


def test_a_failure_is_told_with_its_cause_in_the_persons_language(
    home: Home, fake_engine: FakeEngine, service: Service
) -> None:
    set_webhook(home, service.url, "feishu", "zh")
    fake_engine("crash")
    view = wait_run(home, start_run(home, a_request(home)).run)
    assert view.state == "failed"
    assert service.came.wait(10)
    (message,) = service.got
    assert message["msg_type"] == "text"
    assert message["content"]["text"].startswith("run：失败。")


def test_an_address_that_does_not_answer_changes_nothing_and_is_told(home: Home, fake_engine: FakeEngine) -> None:
    set_webhook(home, "http://127.0.0.1:1/nobody")
    run = start_run(home, a_request(home)).run
    assert wait_run(home, run).state == "finished"
    assert "refused" in until(home, run, lambda view: bool(view.webhook_error)).webhook_error


def test_a_service_that_refuses_politely_is_a_failure(
    home: Home, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "PAUSE_S", 0)
    set_webhook(home, service.url, "dingtalk")
    service.answers = [(500, ""), (200, '{"errcode": 0}')]
    try_webhook(home)
    assert len(service.got) == 2
    service.answers = [(200, '{"errcode": 310000, "errmsg": "keywords not in content"}')] * 3
    with pytest.raises(StudioError) as refused:
        try_webhook(home)
    assert "keywords not in content" in refused.value.values["reason"]


def test_the_address_is_a_secret(home: Home, service: Service) -> None:
    assert set_webhook(home, service.url) == mask_address(service.url)
    assert "secret-token" not in "".join(known_webhook(home))
    assert home.webhook.stat().st_mode & 0o077 == 0
    assert set_webhook(home, "  ") == ""
    assert known_webhook(home) == ("", "json")
    with pytest.raises(StudioError) as refused:
        try_webhook(home)
    assert refused.value.code == "no_webhook"


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "hooks.slack.com/services", "http://", "http://a b/c", "file:///etc/passwd"]
)
def test_what_is_no_address_is_not_kept(home: Home, url: str) -> None:
    with pytest.raises(StudioError) as refused:
        set_webhook(home, url)
    assert refused.value.code == "bad_webhook"
    assert not home.webhook.exists()


def test_messages_have_the_shapes_of_the_services() -> None:
    assert shape_message("slack", "x", {"a": 1}) == {"text": "x"}
    assert shape_message("feishu", "x", {}) == {"msg_type": "text", "content": {"text": "x"}}
    assert shape_message("dingtalk", "x", {}) == {"msgtype": "text", "text": {"content": "x"}}
    assert shape_message("json", "x", {"a": 1}) == {"text": "x", "a": 1}
