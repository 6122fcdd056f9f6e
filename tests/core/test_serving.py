"""What serves a model: the exact command, everything that stands in its way, and how it is called."""

import json
import shlex
from typing import Any

import pytest

from studio.core.serving import (
    BACKENDS,
    SERVER_OPTIONS,
    ServeFacts,
    ServePlace,
    ServeRequest,
    find_serve_notes,
    find_serve_problems,
    needs_key,
    serve_command,
    server_address,
    shown_command,
    snippets,
)
from studio.errors import Problem
from studio.texts import LANGUAGES, TEXTS, word_problem

PLACE = ServePlace("/py", "/house", "/home/serving/bot")
INSTALLED = ServeFacts(has_fastdeploy=True, fastdeploy_takes_key=True)
WILDCARD = "0.0.0.0"


def a_request(**changes: Any) -> ServeRequest:
    return ServeRequest(**{"model": "/models/a b", "name": "bot", "port": "8188", **changes})


def codes(request: ServeRequest, facts: ServeFacts = INSTALLED) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in find_serve_problems(request, facts)]


def test_the_built_in_server_is_told_model_adapters_name_and_where_to_listen() -> None:
    command = serve_command(a_request(adapters=("/saves/x", "/saves/y")), PLACE)
    assert command.argv == (
        *("/py", "-m", "studio.engine.chat_server", "--model", "/models/a b"),
        *("--adapter", "/saves/x", "--adapter", "/saves/y", "--name", "bot"),
        *("--host", "127.0.0.1", "--port", "8188"),
    )
    assert command.folder == "/house"


def test_beyond_this_machine_the_key_comes_as_a_file() -> None:
    command = serve_command(a_request(host=WILDCARD), PLACE)
    assert command.argv[-2:] == ("--api-key-file", "/home/serving/bot/api_key")


def test_fastdeploy_gets_its_own_arguments_and_nothing_for_what_is_empty() -> None:
    command = serve_command(a_request(backend="fastdeploy"), PLACE)
    assert command.argv == (
        *("/py", "-m", "fastdeploy.entrypoints.openai.api_server", "--model", "/models/a b"),
        *("--host", "127.0.0.1", "--port", "8188"),
        *("--tensor-parallel-size", "1", "--max-model-len", "2048", "--max-num-seqs", "8"),
        *("--gpu-memory-utilization", "0.9", "--block-size", "64", "--kv-cache-ratio", "0.75"),
        *("--use-warmup", "0", "--metrics-port", "8001", "--engine-worker-queue-port", "8002"),
    )
    assert command.env == {"FD_LOG_DIR": "/home/serving/bot/fastdeploy"}


def test_fastdeploy_gets_every_option_that_was_given() -> None:
    given = {"quantization": "wint8", "use_warmup": True, "reasoning_parser": "ernie-x1", "max_model_len": "4096"}
    argv = serve_command(a_request(backend="fastdeploy", options=given), PLACE).argv
    told = dict(zip(argv[5::2], argv[6::2], strict=True))
    assert told["--quantization"] == "wint8"
    assert told["--use-warmup"] == "1"
    assert told["--reasoning-parser"] == "ernie-x1"
    assert told["--max-model-len"] == "4096"
    assert "--tool-call-parser" not in told


def test_fastdeploys_key_is_in_its_environment_and_in_no_argument() -> None:
    argv = serve_command(a_request(backend="fastdeploy", host=WILDCARD), PLACE).argv
    assert argv[:7] == (
        *("/py", "-m", "studio.jobs.keyed", "FD_API_KEY", "/home/serving/bot/api_key"),
        *("/py", "-m"),
    )
    assert "--api-key" not in argv


def test_vllm_is_a_command_to_copy() -> None:
    command = serve_command(a_request(backend="vllm"), PLACE)
    assert command.argv == (
        *("vllm", "serve", "/models/a b", "--served-model-name", "bot"),
        *("--host", "127.0.0.1", "--port", "8188"),
    )
    shown = shown_command(a_request(backend="vllm", host=WILDCARD), PLACE)
    assert shown.startswith('VLLM_API_KEY="$STUDIO_API_KEY" vllm serve ')


def test_every_engine_has_a_name_and_a_command_of_its_own() -> None:
    assert {f"serve.backend.{backend}" for backend in BACKENDS} <= TEXTS.keys()
    assert len({serve_command(a_request(backend=backend), PLACE).argv for backend in BACKENDS}) == len(BACKENDS)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("host", ["127.0.0.1", WILDCARD])
def test_nothing_that_is_not_there_is_passed_as_text(backend: str, host: str) -> None:
    empty = {spec.name: "" for spec in SERVER_OPTIONS if spec.default == ""}
    argv = serve_command(a_request(backend=backend, host=host, options=empty), PLACE).argv
    assert not {"None", "null", "", "False", "True"} & set(argv)


def test_what_is_shown_does_the_same_when_it_is_pasted() -> None:
    request = a_request()
    shown = shlex.split(shown_command(request, PLACE).split(" && ", 1)[1])
    assert shown == ["OMP_NUM_THREADS=1", *serve_command(request, PLACE).argv]


def test_a_value_that_cannot_be_read_makes_no_command() -> None:
    for request in (a_request(port="x"), a_request(backend="fastdeploy", options={"max_num_seqs": "many"})):
        with pytest.raises(ValueError, match="not_int"):
            serve_command(request, PLACE)


def test_a_sound_request_has_no_problem() -> None:
    for backend in ("builtin", "fastdeploy", "vllm"):
        for host in ("127.0.0.1", "localhost", "::1", WILDCARD):
            assert codes(a_request(backend=backend, host=host)) == []


def test_everything_wrong_is_told_at_once() -> None:
    request = a_request(backend="tgi", name="../x", host="example.org", port="http")
    facts = ServeFacts(model_problem=Problem("model", "no_model"))
    assert codes(request, facts) == [
        ("model", "no_model"),
        ("backend", "not_a_choice"),
        ("name", "bad_name"),
        ("host", "bad_host"),
        ("port", "not_int"),
    ]


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_told(port: str) -> None:
    assert codes(a_request(port=port)) == [("port", "out_of_bounds")]


def test_ports_and_names_that_are_in_use_are_told() -> None:
    facts = ServeFacts(used_names=frozenset({"bot"}), used_ports=frozenset({8188}))
    assert codes(a_request(), facts) == [("name", "server_name_used"), ("port", "server_port_used")]
    assert codes(a_request(name="other", port=8189), facts) == []


def test_fastdeploys_ports_must_be_free_and_not_the_same() -> None:
    request = a_request(backend="fastdeploy", port="8001", options={"engine_worker_queue_port": "9"})
    facts = ServeFacts(has_fastdeploy=True, used_ports=frozenset({9}))
    assert codes(request, facts) == [
        ("metrics_port", "ports_collide"),
        ("engine_worker_queue_port", "server_port_used"),
    ]
    # The built-in server has none of them.
    assert codes(a_request(port="8001", options={"engine_worker_queue_port": "9"}), facts) == []


@pytest.mark.parametrize("backend", ["fastdeploy", "vllm"])
def test_an_adapter_needs_the_built_in_server_or_an_export(backend: str) -> None:
    request = a_request(backend=backend, adapters=("/saves/x",))
    assert codes(request) == [("model", "server_needs_merged")]
    assert "Export" in word_problem(find_serve_problems(request, INSTALLED)[0], "en")
    assert codes(a_request(adapters=("/saves/x",))) == []


def test_fastdeploy_must_be_there() -> None:
    assert codes(a_request(backend="fastdeploy"), ServeFacts()) == [("backend", "fastdeploy_missing")]
    assert codes(a_request(), ServeFacts()) == []


def test_a_fastdeploy_that_would_show_its_key_stays_on_this_machine() -> None:
    old = ServeFacts(has_fastdeploy=True, fastdeploy_takes_key=False)
    assert codes(a_request(backend="fastdeploy", host=WILDCARD), old) == [("host", "fastdeploy_without_key")]
    assert codes(a_request(backend="fastdeploy"), old) == []


def test_wrong_options_are_told_where_they_matter() -> None:
    wrong = {"quantization": "int3", "gpu_memory_utilization": "1.5", "reasoning_parser": "a b", "max_num_seqs": ""}
    assert codes(a_request(backend="fastdeploy", options=wrong)) == [
        ("max_num_seqs", "not_int"),
        ("gpu_memory_utilization", "out_of_bounds"),
        ("quantization", "not_a_choice"),
        ("reasoning_parser", "not_parser"),
    ]
    assert codes(a_request(options=wrong)) == []


def test_a_host_of_another_machine_is_told() -> None:
    elsewhere = ServeFacts(host_is_here=False)
    assert codes(a_request(host="192.0.2.1"), elsewhere) == [("host", "host_elsewhere")]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.1.1", "localhost", "::1"])
def test_this_machine_needs_no_key(host: str) -> None:
    assert not needs_key(host)
    assert find_serve_notes(a_request(host=host)) == []


@pytest.mark.parametrize("host", [WILDCARD, "::", "192.0.2.1"])
def test_any_other_address_does(host: str) -> None:
    assert needs_key(host)
    assert [note.code for note in find_serve_notes(a_request(host=host))] == ["server_key_made"]


def test_a_server_is_called_where_it_can_be() -> None:
    assert server_address("127.0.0.1", 1) == "http://127.0.0.1:1"
    assert server_address(WILDCARD, 1) == "http://127.0.0.1:1"
    assert server_address("::", 1) == "http://[::1]:1"
    assert server_address("localhost", 1) == "http://localhost:1"


def test_snippets_survive_quotes_and_hold_no_key() -> None:
    name = 'it\'s "my" $HOME `model`\n一'
    made = snippets("http://127.0.0.1:1", name, True, "Don't $(ls)")
    words = shlex.split(made.curl.replace("\\\n", " "))
    body = json.loads(words[words.index("-d") + 1])
    # A model that never learnt to end would answer for minutes.
    assert body == {"model": name, "messages": [{"role": "user", "content": "Don't $(ls)"}], "max_tokens": 256}
    assert words[words.index("-d") - 1] == "Authorization: Bearer $STUDIO_API_KEY"
    assert words[1] == "http://127.0.0.1:1/v1/chat/completions"
    compile(made.python, "snippet", "exec")
    assert 'os.environ["STUDIO_API_KEY"]' in made.python


def test_without_a_key_nobody_is_asked_for_one() -> None:
    made = snippets("http://127.0.0.1:1", "bot", False)
    assert "STUDIO_API_KEY" not in made.curl + made.python
    assert "import os" not in made.python


def test_a_request_is_the_same_after_it_was_stored() -> None:
    request = a_request(adapters=("/x",), options={"max_num_seqs": "4"})
    assert ServeRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_every_option_has_its_words_in_every_language() -> None:
    for spec in SERVER_OPTIONS:
        for key in (f"serve.{spec.name}", f"serve.{spec.name}.help"):
            assert len(TEXTS[key]) == len(LANGUAGES)
