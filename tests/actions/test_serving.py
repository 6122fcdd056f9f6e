"""What is looked at before a model is served: names, ports, adapters, without starting anything."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.actions.serving import free_server_port, list_servers, preview_server, start_server
from studio.cli import main
from studio.core.serving import ServeRequest
from studio.errors import RequestRefused
from studio.jobs.launch import free_port
from studio.jobs.processes import ProcessIdentity
from studio.jobs.serving import read_failure
from studio.stores.home import Home
from studio.stores.runs import write_state
from studio.stores.servers import write_server
from studio.texts import word_error


def a_running_server(home: Home, name: str, port: int) -> None:
    """A server that loads: it has a port, and nobody listens there yet."""
    write_server(home.serving / name, ServeRequest("/m", name, port=port), 1.0)
    me = ProcessIdentity.of(os.getpid())
    write_state(home.serving / name, state="running", supervisor_pid=me.pid, supervisor_started=me.started)


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        yield somebody.getsockname()[1]


def refused(home: Home, request: ServeRequest) -> list[tuple[str, str]]:
    with pytest.raises(RequestRefused) as caught:
        start_server(home, request)
    return [(problem.field, problem.code) for problem in caught.value.problems]


def test_a_server_is_named_after_what_it_serves(home: Home) -> None:
    preview = preview_server(home, ServeRequest("tiny", port=free_port()))
    assert (preview.request.name, preview.problems) == ("tiny", [])
    assert f"--model {home.models / 'tiny'} --name tiny" in preview.command
    a_running_server(home, "tiny", free_port())
    assert preview_server(home, ServeRequest("tiny")).request.name == "tiny-2"


def test_a_preview_writes_nothing(home: Home) -> None:
    before = sorted(home.root.rglob("*"))
    for backend in ("builtin", "fastdeploy", "vllm"):
        assert preview_server(home, ServeRequest("tiny", backend=backend, host="::")).command
    assert sorted(home.root.rglob("*")) == before


def test_without_a_model_there_is_no_command(home: Home) -> None:
    preview = preview_server(home, ServeRequest("gone"))
    assert preview.command == ""
    assert [problem.code for problem in preview.problems] == ["model_not_found"]


def test_all_problems_come_at_once_and_nothing_is_written(home: Home, busy_port: int) -> None:
    request = ServeRequest("gone", name="a b", host="example.org", port=busy_port)
    # Whether somebody listens is not asked of a host that is none.
    assert refused(home, request) == [("model", "model_not_found"), ("name", "bad_name"), ("host", "bad_host")]
    assert refused(home, ServeRequest("tiny", port=busy_port)) == [("port", "server_port_used")]
    assert list_servers(home) == []


def test_vllm_is_not_started(home: Home) -> None:
    assert refused(home, ServeRequest("tiny", backend="vllm")) == [("backend", "vllm_is_copied")]


def test_an_address_of_another_machine_is_refused(home: Home) -> None:
    # Kept for documentation (RFC 5737): no machine has it.
    assert refused(home, ServeRequest("tiny", host="192.0.2.1")) == [("host", "host_elsewhere")]


def test_a_free_port_is_offered_past_those_that_are_waited_for(home: Home, busy_port: int) -> None:
    assert free_server_port(home, busy_port) > busy_port
    waited = free_server_port(home)
    a_running_server(home, "bot", waited)
    assert free_server_port(home) != waited
    assert refused(home, ServeRequest("tiny", port=waited)) == [("port", "server_port_used")]


@pytest.mark.parametrize(
    ("log", "state", "code", "told"),
    [
        (
            'loading\n{"error": "broken_weights", "values": {"path": "/m", "reason": "cut"}}\n',
            {},
            "broken_weights",
            "cut",
        ),
        # Of no use to anybody without its words.
        ('{"error": "from_the_future", "values": {}}\n', {}, "server_failed", "from_the_future"),
        ('{"error": "broken_weights"}\n', {}, "server_failed", "broken_weights"),
        ('{"error"', {}, "server_failed", '{"error"'),
        ("Traceback\nOSError: no space\n\n", {}, "server_failed", "OSError: no space"),
        ("", {}, "server_failed", "-"),
        ("loading\n", {"cause": {"code": "killed", "values": {"signal": "SIGTERM"}}}, "server_killed", "SIGTERM"),
        ("loading\n", {"cause": {"code": "killed_for_memory", "values": {}}}, "server_out_of_memory", "memory"),
        (
            "",
            {"cause": {"code": "cannot_start", "values": {"command": "/py", "reason": "gone"}}},
            "cannot_start",
            "gone",
        ),
    ],
)
def test_why_a_server_ended_is_told_in_words(
    tmp_path: Path, log: str, state: dict[str, object], code: str, told: str
) -> None:
    (tmp_path / "log.txt").write_text(log)
    failed = read_failure(tmp_path / "log.txt", state)
    assert failed.code == code
    assert told in word_error(failed, "en")


def test_the_command_line_tells_of_servers_as_json(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    write_server(home.serving / "bot", ServeRequest("/m", "bot", port=1), 1.0)
    write_state(home.serving / "bot", state="stopped")
    assert main(["--home", str(home.root), "servers", "list", "--json"]) == 0
    (server,) = json.loads(capsys.readouterr().out)["servers"]
    assert (server["name"], server["state"], server["cause"]) == ("bot", "stopped", None)
    assert main(["--home", str(home.root), "servers", "stop", "bot", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "server_not_running"
    assert main(["--home", str(home.root), "servers", "remove", "bot", "--json"]) == 0
    assert list_servers(home) == []
