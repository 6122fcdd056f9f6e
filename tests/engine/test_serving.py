"""A model served for real: by the built-in server, called by the protocol's own client, and stopped."""

import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from studio.actions.runs import RunView
from studio.actions.serving import (
    ServerView,
    list_servers,
    preview_server,
    read_server_log,
    remove_server,
    restart_server,
    server_key,
    server_snippets,
    start_server,
    stop_server,
    wait_server,
    wait_stopped,
)
from studio.core.serving import ServeRequest
from studio.errors import NotFound, RequestRefused, StudioError
from studio.jobs.launch import free_port, is_port_free
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.texts import word_error
from tests.engine.conftest import in_engine

pytestmark = pytest.mark.slow
LOADING_S = 120
WILDCARD = "0.0.0.0"
ASKED = [{"role": "user", "content": "发烧怎么办？"}]


@pytest.fixture
def home(engine_home: Home) -> Iterator[Home]:
    """The engine's home; no server in it outlives a test."""
    yield engine_home
    for view in list_servers(engine_home):
        if view.is_active:
            stop_server(engine_home, view.name)
            wait_stopped(engine_home, view.name)
        remove_server(engine_home, view.name)


def serve(home: Home, model: str = "ernie-4.5-demo", **asked: object) -> ServerView:
    view = start_server(home, ServeRequest(model, port=free_port(), **asked))
    return wait_server(home, view.name, LOADING_S)


def answer(view: ServerView, key: str = "none") -> str:
    with openai.OpenAI(base_url=f"{view.address}/v1", api_key=key, max_retries=0) as client:
        told = client.chat.completions.create(model=view.model_name, messages=ASKED, max_tokens=8, temperature=0)
    return told.choices[0].message.content


def test_one_call_serves_a_model_and_stop_leaves_nothing(home: Home) -> None:
    view = serve(home)
    assert (view.name, view.state, view.health, view.has_key) == ("ernie-4.5-demo", "running", "ready", False)
    assert answer(view)
    assert processes_of(home.serving / view.name)
    stop_server(home, view.name)
    ended = wait_stopped(home, view.name)
    assert (ended.state, ended.health, ended.cause) == ("stopped", "", None)
    assert processes_of(home.serving / view.name) == []
    assert is_port_free(view.port, "127.0.0.1")
    with pytest.raises(StudioError, match="server_not_running"):
        stop_server(home, view.name)
    remove_server(home, view.name)
    assert list_servers(home) == []


def test_a_server_goes_on_when_who_started_it_is_gone(home: Home) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "studio", "--home", str(home.root), "servers", "start"]
    subprocess.run(
        [*argv, "--model", "ernie-4.5-demo", "--name", "alone", "--port", str(port), "--wait"],
        check=True,
        capture_output=True,
        timeout=LOADING_S,
    )
    (view,) = list_servers(home)
    assert (view.name, view.port, view.health) == ("alone", port, "ready")
    assert answer(view)


def test_a_lora_run_is_served_on_its_base(home: Home, lora_run: RunView) -> None:
    base, tuned = serve(home), serve(home, lora_run.run, name="tuned")
    assert tuned.adapters == (lora_run.path,)
    assert answer(base) != answer(tuned)


def test_a_port_in_use_is_refused_before_anything_starts(home: Home) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        with pytest.raises(RequestRefused) as caught:
            start_server(home, ServeRequest("ernie-4.5-demo", name="late", port=port))
    assert [(problem.field, problem.code) for problem in caught.value.problems] == [("port", "server_port_used")]
    assert list_servers(home) == []
    assert not (home.serving / "late").exists()


def test_a_port_that_a_loading_server_waits_for_is_in_use(home: Home) -> None:
    first = start_server(home, ServeRequest("ernie-4.5-demo", name="first", port=free_port()))
    with pytest.raises(RequestRefused) as caught:
        start_server(home, ServeRequest("ernie-4.5-demo", name="first", port=first.port))
    codes = [problem.code for problem in caught.value.problems]
    assert codes == ["server_name_used", "server_port_used"]


def test_a_broken_model_ends_with_its_reason_in_words(home: Home, fresh_model: Path) -> None:
    (fresh_model / "tokenizer.json").write_text("{")
    view = serve(home, str(fresh_model), name="broken")
    assert (view.state, view.health) == ("failed", "")
    assert view.cause
    assert view.cause.code == "broken_weights"
    assert word_error(view.cause, "zh")
    assert "broken_weights" in read_server_log(home, "broken")
    assert processes_of(home.serving / "broken") == []


def test_a_preview_changes_nothing_and_is_what_runs(home: Home) -> None:
    request = ServeRequest("ernie-4.5-demo", name="seen", host=WILDCARD, port=free_port())
    preview = preview_server(home, request)
    assert preview.problems == []
    assert [note.code for note in preview.notes] == ["server_key_made"]
    assert not (home.serving / "seen").exists()
    argv = shlex.split(preview.command)
    assert argv[argv.index("--api-key-file") + 1] == str(home.serving / "seen" / "api_key")


def test_beyond_this_machine_a_key_is_asked_for_and_shown_nowhere(home: Home) -> None:
    view = serve(home, name="open", host=WILDCARD)
    assert (view.health, view.has_key) == ("ready", True)
    key = server_key(home, "open")
    assert len(key) > 40
    with pytest.raises(openai.AuthenticationError):
        answer(view)
    assert answer(view, key)
    folder = home.serving / "open"
    assert stat.S_IMODE(os.stat(folder / "api_key").st_mode) == 0o600
    holders = [path for path in folder.rglob("*") if path.is_file() and key in path.read_text(errors="replace")]
    assert holders == [folder / "api_key"]
    assert not any(key in " ".join(process.cmdline()) for process in processes_of(folder))
    made = server_snippets(view, "Hi")
    assert key not in made.curl + made.python
    stop_server(home, "open")
    wait_stopped(home, "open")
    again = restart_server(home, "open")
    # Programs that call it go on with the key they have.
    assert (again.port, server_key(home, "open")) == (view.port, key)


def test_a_server_without_a_key_has_none_to_show(home: Home) -> None:
    serve(home, name="here")
    with pytest.raises(NotFound, match="server_without_key"):
        server_key(home, "here")


def test_the_snippets_work_as_they_are(home: Home) -> None:
    view = serve(home)
    made = server_snippets(view, "发烧怎么办？")
    told = subprocess.run(["bash", "-c", made.curl], capture_output=True, text=True, timeout=60, check=True)
    assert '"content"' in told.stdout
    run = subprocess.run(
        [sys.executable, "-c", made.python], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip()


PRINT_KEY = "import os, sys; print(os.environ['FD_API_KEY'], len(sys.argv))"


def test_a_key_from_a_file_is_in_the_environment_and_in_no_argument(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    argv = ["-m", "studio.jobs.keyed", "FD_API_KEY", str(tmp_path / "key"), sys.executable, "-c", PRINT_KEY]
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "secret 1\n"


def test_a_fastdeploy_that_is_somebody_elses_is_not_taken_for_paddles(tmp_path: Path) -> None:
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        "from studio.jobs.serving import find_fastdeploy;"
        "print(json.dumps([*find_fastdeploy(), 'fastdeploy' in sys.modules]))"
    )
    package = tmp_path / "fastdeploy"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('nobody imports this')")
    assert in_engine(code, str(tmp_path)) == [False, False, False]
    (package / "entrypoints" / "openai").mkdir(parents=True)
    (package / "entrypoints" / "openai" / "api_server.py").write_text("")
    assert in_engine(code, str(tmp_path)) == [True, False, False]
    (package / "envs.py").write_text('variables = {"FD_API_KEY": lambda: []}')
    assert in_engine(code, str(tmp_path)) == [True, True, False]
