"""A model behind an address: what was asked, its command, what stands in its way, and how it is called."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from typing import Any

from studio.core.command import Command
from studio.core.options import OptionSpec, OptionValue, read_option
from studio.core.problems import RUN_NAME
from studio.errors import Problem

BACKENDS = ("builtin", "fastdeploy", "vllm")
# It listens on all addresses of its machine; nobody can call it there.
CALLED_AT = {4: "127.0.0.1", 6: "::1"}
PARSER_NAME = re.compile(r"(\w[\w.-]*)?")
DEFAULT_PORT = 8188
PORT = OptionSpec("port", "int", DEFAULT_PORT, "serving", 1, 65_535)

# FastDeploy's own arguments, with the values that ERNIEKit serves with.
SERVER_OPTIONS: tuple[OptionSpec, ...] = (
    OptionSpec("tensor_parallel_size", "int", 1, "serving", 1, 1024),
    OptionSpec("max_model_len", "int", 2048, "serving", 16, 1_048_576),
    OptionSpec("max_num_seqs", "int", 8, "serving", 1, 4096),
    OptionSpec("gpu_memory_utilization", "float", 0.9, "serving", 0, 1, above_minimum=True),
    # What quantises while it loads; the empty one leaves the weights as they are.
    OptionSpec("quantization", "choice", "", "serving", choices=("", "wint8", "wint4", "block_wise_fp8")),
    OptionSpec("block_size", "int", 64, "serving", 1, 4096),
    OptionSpec("kv_cache_ratio", "float", 0.75, "serving", 0, 1, above_minimum=True),
    OptionSpec("use_warmup", "bool", False, "serving"),
    OptionSpec("metrics_port", "int", 8001, "serving", 1, 65_535),
    OptionSpec("engine_worker_queue_port", "int", 8002, "serving", 1, 65_535),
    OptionSpec("reasoning_parser", "parser", "", "serving"),
    OptionSpec("tool_call_parser", "parser", "", "serving"),
)
PORT_OPTIONS = ("metrics_port", "engine_worker_queue_port")
# A model that never learnt to end answers until its context is full, which takes minutes on a CPU.
SNIPPET_TOKENS = 256


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """One server as asked for: raw values, checked later and all at once by `find_serve_problems`.

    `model` is a folder; `adapters` are folders of LoRA adapters that stand on it. `options` go by the names of
    SERVER_OPTIONS and matter to FastDeploy alone.
    """

    model: str
    name: str = ""
    backend: str = "builtin"
    adapters: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: object = DEFAULT_PORT
    options: Mapping[str, object] = field(default_factory=dict[str, object])

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "adapters": list(self.adapters)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ServeRequest":
        fields: dict[str, Any] = {**stored, "adapters": tuple(stored["adapters"])}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class ServePlace:
    """Where a server runs: its Python, the checkout, and the folder of its job."""

    python: str
    checkout: str
    folder: str

    @property
    def key_file(self) -> str:
        return f"{self.folder}/api_key"


@dataclass(frozen=True, slots=True)
class ServeFacts:
    """What the machine says about a request; ports and names are those that somebody uses now."""

    used_names: frozenset[str] = frozenset()
    used_ports: frozenset[int] = frozenset()
    host_is_here: bool = True
    has_fastdeploy: bool = False
    fastdeploy_takes_key: bool = False
    model_problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Snippets:
    """How a server is called, ready to paste; a key is taken from the variable STUDIO_API_KEY."""

    curl: str
    python: str


def serve_command(request: ServeRequest, place: ServePlace) -> Command:
    """The command that serves a model, for a request whose values can be read: raises ValueError otherwise.

    A key is handed over as the name of a file, or in the environment; never as an argument, which every user of
    the machine could read.
    """
    where = ("--host", request.host, "--port", str(_checked(PORT, request.port)))
    keyed = needs_key(request.host)
    if request.backend == "vllm":
        return Command(("vllm", "serve", request.model, "--served-model-name", request.name, *where))
    if request.backend == "fastdeploy":
        server = ("-m", "fastdeploy.entrypoints.openai.api_server", "--model", request.model)
        argv = (place.python, *server, *where, *_option_flags(request))
        if keyed:
            argv = (place.python, "-m", "studio.jobs.keyed", "FD_API_KEY", place.key_file, *argv)
        # Or it writes its logs into the folder in which it was started.
        return Command(argv, {"FD_LOG_DIR": f"{place.folder}/fastdeploy"}, place.checkout)
    adapters = [flag for adapter in request.adapters for flag in ("--adapter", adapter)]
    key = ("--api-key-file", place.key_file) if keyed else ()
    server = ("-m", "studio.engine.chat_server", "--model", request.model, *adapters, "--name", request.name)
    return Command((place.python, *server, *where, *key), {"OMP_NUM_THREADS": "1"}, place.checkout)


def shown_command(request: ServeRequest, place: ServePlace) -> str:
    """The command as text for a shell. Raises ValueError as `serve_command` does."""
    text = serve_command(request, place).shell()
    # Nobody makes a key for a command that is copied: it takes that of the person.
    return (
        f'VLLM_API_KEY="$STUDIO_API_KEY" {text}' if request.backend == "vllm" and needs_key(request.host) else text
    )


def find_serve_problems(request: ServeRequest, facts: ServeFacts) -> list[Problem]:
    """All that stands in the way of a server, at once."""
    found = [facts.model_problem] if facts.model_problem else []
    if request.backend not in BACKENDS:
        found.append(Problem("backend", "not_a_choice", {"given": request.backend, "choices": ", ".join(BACKENDS)}))
    elif request.backend != "builtin" and request.adapters:
        found.append(Problem("model", "server_needs_merged", {"given": request.adapters[0]}))
    if not RUN_NAME.fullmatch(request.name) or ".." in request.name:
        found.append(Problem("name", "bad_name", {"given": request.name}))
    elif request.name in facts.used_names:
        found.append(Problem("name", "server_name_used", {"given": request.name}))
    if not is_address(request.host):
        found.append(Problem("host", "bad_host", {"given": request.host}))
    elif not facts.host_is_here and request.backend != "vllm":
        found.append(Problem("host", "host_elsewhere", {"given": request.host}))
    found += _port_problems(request, facts)
    if request.backend == "fastdeploy":
        found += _fastdeploy_problems(request, facts)
    return found


def find_serve_notes(request: ServeRequest) -> list[Problem]:
    """What is worth knowing before a start, and stops nothing."""
    if not is_address(request.host) or not needs_key(request.host):
        return []
    code = "server_key_from_you" if request.backend == "vllm" else "server_key_made"
    return [Problem("host", code, {"given": request.host})]


def is_address(host: str) -> bool:
    """Whether a server can be told to listen there: an address in numbers, or `localhost`."""
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def needs_key(host: str) -> bool:
    """Whether other machines reach a server there, so that it must ask for a key."""
    return host != "localhost" and not (is_address(host) and ip_address(host).is_loopback)


def is_everywhere(host: str) -> bool:
    """Whether a host means all addresses of a machine."""
    return host != "localhost" and is_address(host) and ip_address(host).is_unspecified


def server_address(host: str, port: int) -> str:
    """Where a server is called from its own machine."""
    if host != "localhost":
        address = ip_address(host)
        host = CALLED_AT[address.version] if address.is_unspecified else host
        host = f"[{host}]" if address.version == 6 else host
    return f"http://{host}:{port}"


def model_name(request: ServeRequest) -> str:
    """What a served model is called in the protocol; FastDeploy calls it by its folder."""
    return request.model if request.backend == "fastdeploy" else request.name


def snippets(address: str, model: str, has_key: bool, greeting: str = "Hello!") -> Snippets:
    """A question to a server, for a shell and in Python."""
    messages = [{"role": "user", "content": greeting}]
    asked = {"model": model, "messages": messages, "max_tokens": SNIPPET_TOKENS}
    body = json.dumps(asked, ensure_ascii=False)
    key = ' \\\n  -H "Authorization: Bearer $STUDIO_API_KEY"' if has_key else ""
    curl = (
        f"curl {shlex.quote(f'{address}/v1/chat/completions')} \\\n  -H 'Content-Type: application/json'{key}"
        f" \\\n  -d {shlex.quote(body)}"
    )
    # The client refuses to have no key at all.
    imports, secret = ("import os\n\n", 'os.environ["STUDIO_API_KEY"]') if has_key else ("", '"none"')
    python = (
        f"{imports}from openai import OpenAI\n\n"
        f"client = OpenAI(base_url={f'{address}/v1'!r}, api_key={secret})\n"
        f"answer = client.chat.completions.create(\n    model={model!r},\n    messages={messages!r},\n"
        f"    max_tokens={SNIPPET_TOKENS},\n)\n"
        "print(answer.choices[0].message.content)"
    )
    return Snippets(curl, python)


def read_server_option(spec: OptionSpec, given: object) -> OptionValue | Problem:
    """What a person typed as the value it means, or why it cannot be."""
    if spec.kind == "parser":
        text = str(given or "").strip()
        return text if PARSER_NAME.fullmatch(text) else Problem(spec.name, "not_parser", {"given": given})
    return read_option(spec, given)


def _option_flags(request: ServeRequest) -> Iterator[str]:
    """Each option of FastDeploy as its flag; one that is empty is left out, since it takes any text for a value."""
    for spec in SERVER_OPTIONS:
        value = _checked(spec, request.options.get(spec.name, spec.default))
        if value == "":
            continue
        yield f"--{spec.name.replace('_', '-')}"
        yield str(int(value) if isinstance(value, bool) else value)


def _checked(spec: OptionSpec, given: object) -> OptionValue:
    value = read_server_option(spec, given)
    if isinstance(value, Problem):
        raise ValueError(f"{spec.name}: {value.code}")
    return value


def _port_problems(request: ServeRequest, facts: ServeFacts) -> list[Problem]:
    """Ports that are none, that somebody has, or that are wanted twice."""
    given: dict[str, object] = {"port": request.port}
    if request.backend == "fastdeploy":
        defaults = {spec.name: spec.default for spec in SERVER_OPTIONS}
        given |= {name: request.options.get(name, defaults[name]) for name in PORT_OPTIONS}
    found: list[Problem] = []
    wanted: dict[int, str] = {}
    for name, text in given.items():
        port = read_option(PORT, text)
        if isinstance(port, Problem):
            found.append(Problem(name, port.code, port.values))
        elif int(port) in wanted:
            found.append(Problem(name, "ports_collide", {"given": port}))
        elif int(port) in facts.used_ports and request.backend != "vllm":
            found.append(Problem(name, "server_port_used", {"given": port}))
        else:
            wanted[int(port)] = name
    return found


def _fastdeploy_problems(request: ServeRequest, facts: ServeFacts) -> list[Problem]:
    found: list[Problem] = []
    if not facts.has_fastdeploy:
        found.append(Problem("backend", "fastdeploy_missing"))
    elif needs_key(request.host) and is_address(request.host) and not facts.fastdeploy_takes_key:
        found.append(Problem("host", "fastdeploy_without_key", {"given": request.host}))
    for spec in SERVER_OPTIONS:
        value = read_server_option(spec, request.options.get(spec.name, spec.default))
        if isinstance(value, Problem) and spec.name not in PORT_OPTIONS:
            found.append(value)
    return found
