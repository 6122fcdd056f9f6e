"""What the Serve tab is told about servers, and what it may do with them."""

import json
import os

import pytest
from fastapi.testclient import TestClient

from studio.core.serving import ServeRequest
from studio.jobs.launch import free_port
from studio.jobs.processes import ProcessIdentity
from studio.stores.home import Home
from studio.stores.runs import JobPaths, write_state
from studio.stores.servers import write_key, write_server

KEY = "a-key-that-nobody-guesses"
WILDCARD = "0.0.0.0"


def a_server(home: Home, name: str, *, host: str = "127.0.0.1", model: str = "/models/m", **state: object) -> None:
    """A server's folder; it is alive as long as this process is."""
    folder = home.serving / name
    if host == WILDCARD:
        write_key(folder / "api_key", KEY)
    write_server(folder, ServeRequest(model, name, host=host, port=free_port()), 1.0)
    me = ProcessIdentity.of(os.getpid())
    alive = {"supervisor_pid": me.pid, "supervisor_started": me.started}
    write_state(folder, **{"state": "running", **alive, **state})


def shown(client: TestClient, language: str = "en") -> list[dict[str, str]]:
    return client.get("/studio/servers", params={"language": language}).json()["servers"]


def test_without_a_server_it_says_what_to_do(client: TestClient) -> None:
    told = client.get("/studio/servers", params={"language": "zh"}).json()
    assert told["servers"] == []
    assert "启动服务" in told["empty"]


def test_a_server_that_nobody_listens_for_yet_is_loading(client: TestClient, home: Home) -> None:
    a_server(home, "bot")
    (server,) = shown(client)
    assert (server["name"], server["state"], server["health"]) == ("bot", "running", "loading")
    assert "curl" in server["use"]


def test_nothing_is_sent_twice(client: TestClient, home: Home) -> None:
    a_server(home, "bot", state="stopped")
    first = client.get("/studio/servers")
    again = client.get("/studio/servers", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_what_is_shown_is_escaped(client: TestClient, home: Home) -> None:
    a_server(home, "bot", model="/m/<b>x</b>", state="failed")
    JobPaths(home.serving / "bot").log.write_text("<script>alert(1)</script>\n")
    (server,) = shown(client)
    assert "<b>x" not in server["head"] + server["use"]
    assert "<script>" not in server["head"]
    log = client.get("/studio/servers/log", params={"name": "bot"}).json()["html"]
    assert "&lt;script&gt;" in log


def test_a_key_is_shown_to_who_asks_for_it_and_in_no_list(client: TestClient, home: Home) -> None:
    a_server(home, "bot", host=WILDCARD)
    listed = client.get("/studio/servers").text
    assert KEY not in listed
    assert "STUDIO_API_KEY" in listed
    asked = {"act": "key", "name": "bot"}
    assert client.post("/studio/servers", json=asked).json() == {"told": "", "key": KEY}
    evil = client.post("/studio/servers", json=asked, headers={"Origin": "http://evil.example"})
    assert (evil.status_code, KEY in evil.text) == (403, False)


def test_a_server_that_runs_is_not_removed(client: TestClient, home: Home) -> None:
    a_server(home, "bot")
    told = client.post("/studio/servers", json={"act": "remove", "name": "bot"}).json()["told"]
    assert "Stop it first" in told
    write_state(home.serving / "bot", state="stopped")
    assert "is removed" in client.post("/studio/servers", json={"act": "remove", "name": "bot"}).json()["told"]
    assert not (home.serving / "bot").exists()


@pytest.mark.parametrize("name", ["gone", "..", "../models/tiny", ""])
def test_a_name_that_is_no_server_reaches_no_file(client: TestClient, home: Home, name: str) -> None:
    assert client.get("/studio/servers/log", params={"name": name}).status_code == 404
    for act in ("stop", "again", "remove", "key"):
        told = client.post("/studio/servers", json={"act": act, "name": name}).json()
        assert "There is no server" in told["told"]
    assert (home.models / "tiny").is_dir()


def test_a_lost_server_says_so_in_words(client: TestClient, home: Home) -> None:
    a_server(home, "bot", supervisor_pid=1, supervisor_started="then")
    (server,) = shown(client, "zh")
    assert server["state"] == "lost"
    assert "重新启动" in server["head"]
    assert server["use"] == ""


def test_a_file_that_is_no_request_hides_no_other_server(client: TestClient, home: Home) -> None:
    a_server(home, "bot", state="stopped")
    for name, text in (("half", "{"), ("odd", json.dumps({"request": {"nothing": 1}})), ("list", "[]")):
        (home.serving / name).mkdir()
        (home.serving / name / "serving.json").write_text(text)
    assert [server["name"] for server in shown(client)] == ["bot"]
