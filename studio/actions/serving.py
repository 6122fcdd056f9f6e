"""Serve a model to other programs: preview, start, look at, stop and remove servers, which outlive the studio."""

import secrets
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from filelock import FileLock

from studio.actions.chat import resolve_model
from studio.core.options import read_option
from studio.core.problems import RUN_NAME
from studio.core.reach import Reach
from studio.core.runs import ACTIVE_STATES
from studio.core.serving import (
    DEFAULT_PORT,
    PORT,
    PORT_OPTIONS,
    SERVER_OPTIONS,
    ServeFacts,
    ServePlace,
    ServeRequest,
    Snippets,
    find_serve_notes,
    find_serve_problems,
    is_address,
    is_everywhere,
    model_name,
    needs_key,
    serve_command,
    server_address,
    shown_command,
    snippets,
)
from studio.errors import NotFound, Problem, RequestRefused, StudioError
from studio.jobs.launch import CHECKOUT, Step, free_port, job_state, start_job, stop_job, wait_job
from studio.jobs.serving import ask_health, find_fastdeploy, is_host_here, read_failure, used_ports
from studio.stores.home import Home
from studio.stores.logs import read_part
from studio.stores.runs import JobPaths
from studio.stores.servers import StoredServer, find_server, find_servers, read_key, write_key, write_server

LOCK_TIMEOUT_S = 30
ASKED_AT_ONCE = 16
# Of a log that grows for weeks, what a glance is for.
LOG_LINES, LOG_BYTES = 200, 65_536
PORTS_OFFERED = 100
DEFAULT_NAME = "model"
CHECKPOINT = "hf_checkpoint-"


@dataclass(frozen=True, slots=True)
class ServePreview:
    """What Start would run, what stands in its way, and what is worth knowing; made without a side effect.

    `command` is empty where what was typed makes none.
    """

    request: ServeRequest
    command: str
    problems: list[Problem]
    notes: list[Problem]


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server as it stands. `health` is `ready`, `loading` or `silent` while it runs, and empty otherwise.

    `address` is where this machine calls it; with a key, other machines can, too. `cause` is why it ended alone.
    """

    name: str
    backend: str
    model: str
    adapters: tuple[str, ...]
    host: str
    port: int
    address: str
    model_name: str
    state: str
    health: str
    has_key: bool
    is_everywhere: bool
    created_at: float
    cause: StudioError | None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES


def preview_server(home: Home, request: ServeRequest) -> ServePreview:
    """The command of a server and everything to fix first; starts and writes nothing."""
    asked, facts = _examine(home, request)
    problems, command = find_serve_problems(asked, facts), ""
    # A command is of use even where it cannot be started here, but not without a model.
    if facts.model_problem is None:
        with suppress(ValueError):
            command = shown_command(asked, _place(home, asked.name))
    return ServePreview(asked, command, problems, find_serve_notes(asked))


def start_server(home: Home, request: ServeRequest) -> ServerView:
    """Start a server; one of its name that has ended is replaced, and its key stays.

    Returns at once: `view_server` tells when it answers. Raises RequestRefused with all problems.
    """
    home.serving.mkdir(parents=True, exist_ok=True)
    # Two that start at the same time must not both be told that a port and a name are free.
    with FileLock(home.serving / ".lock", timeout=LOCK_TIMEOUT_S):
        asked, facts = _examine(home, request)
        problems = find_serve_problems(asked, facts)
        if asked.backend == "vllm":
            problems.append(Problem("backend", "vllm_is_copied"))
        if problems:
            raise RequestRefused(problems)
        place = _place(home, asked.name)
        folder = Path(place.folder)
        key = read_key(folder) or secrets.token_urlsafe(32)
        shutil.rmtree(folder, ignore_errors=True)
        if needs_key(asked.host):
            write_key(Path(place.key_file), key)
        write_server(folder, asked, time.time())
        start_job(folder, [Step("serving", serve_command(asked, place))])
    return view_server(home, asked.name)


def restart_server(home: Home, name: str) -> ServerView:
    """Start a server that has ended again, as it was asked for. Raises StudioError."""
    return start_server(home, find_server(home, name).request)


def list_servers(home: Home) -> list[ServerView]:
    """All servers, the newest first; those that run are asked how they are, many at the same time."""
    with ThreadPoolExecutor(max_workers=ASKED_AT_ONCE) as pool:
        views = list(pool.map(_view, find_servers(home)))
    return sorted(views, key=lambda view: view.created_at, reverse=True)


def view_server(home: Home, name: str) -> ServerView:
    """A server, asked now how it is. Raises NotFound."""
    return _view(find_server(home, name))


def wait_server(home: Home, name: str, timeout_s: float) -> ServerView:
    """Wait until a server answers or has ended; returns how it stands then, or when the time is over."""
    deadline = time.monotonic() + timeout_s
    while (view := view_server(home, name)).is_active and view.health != "ready" and time.monotonic() < deadline:
        time.sleep(0.2)
    return view


def stop_server(home: Home, name: str) -> ServerView:
    """Tell a server to stop; its processes are gone when its state says so. Raises StudioError."""
    folder = find_server(home, name).folder
    if not _is_active(folder):
        raise StudioError("server_not_running", "name", given=name)
    stop_job(folder, now=True)
    return view_server(home, name)


def wait_stopped(home: Home, name: str) -> ServerView:
    """Wait until a server that was told to stop has ended."""
    wait_job(find_server(home, name).folder)
    return view_server(home, name)


def remove_server(home: Home, name: str) -> None:
    """Forget a server that has ended, with its log and its key. Raises StudioError for one that has not."""
    folder = find_server(home, name).folder
    if _is_active(folder):
        raise StudioError("server_is_running", "name", given=name)
    shutil.rmtree(folder, ignore_errors=True)


def server_key(home: Home, name: str) -> str:
    """The key that a server asks for, to be shown to who asked for it. Raises NotFound."""
    key = read_key(find_server(home, name).folder)
    if not key:
        raise NotFound("server_without_key", "name", given=name)
    return key


def endpoint_reach(home: Home, address: str) -> Reach | None:
    """How far a call to an address may go that was named on the page: our own servers may be called anyway."""
    ours = (server_address(one.request.host, int(str(one.request.port))) for one in _active_servers(home))
    return None if home.reach is None or address.removesuffix("/v1") in ours else home.reach


def server_snippets(view: ServerView, greeting: str) -> Snippets:
    """How a server is called from this machine."""
    return snippets(view.address, view.model_name, view.has_key, greeting)


def read_server_log(home: Home, name: str) -> str:
    """The last lines of a server's log, with the colours of a terminal. Raises NotFound."""
    part = read_part(JobPaths(find_server(home, name).folder).log, LOG_BYTES)
    return "\n".join((part.text + part.rest).rstrip("\n").split("\n")[-LOG_LINES:])


def free_server_port(home: Home, wanted: int = DEFAULT_PORT) -> int:
    """`wanted`, or the next port that nobody listens on and no server of ours waits for."""
    near = set(range(wanted, min(wanted + PORTS_OFFERED, 65_536)))
    ours = _ports_of_ours(home)
    return min(near - ours - used_ports(near - ours, "127.0.0.1"), default=0) or free_port()


def _examine(home: Home, request: ServeRequest) -> tuple[ServeRequest, ServeFacts]:
    """A request with folders for what was picked and with a name, and what the machine says about it."""
    asked, problem = replace(request, host=request.host.strip()), None
    try:
        model, adapters = resolve_model(home, request.model, request.adapters)
        asked = replace(asked, model=model, adapters=adapters)
    except StudioError as error:
        problem = Problem(error.field, error.code, error.values)
    port = read_option(PORT, asked.port)
    asked = asked if isinstance(port, Problem) else replace(asked, port=port)
    in_use = frozenset(server.folder.name for server in _active_servers(home))
    asked = asked if asked.name else replace(asked, name=_offered_name(asked, in_use))
    installed, takes_key = find_fastdeploy() if asked.backend == "fastdeploy" else (False, False)
    here = is_address(asked.host) and is_host_here(asked.host)
    ports = _asked_ports(asked)
    facts = ServeFacts(
        used_names=in_use,
        used_ports=used_ports(ports if here else set(), asked.host) | (_ports_of_ours(home) & ports),
        host_is_here=here,
        has_fastdeploy=installed,
        fastdeploy_takes_key=takes_key,
        model_problem=problem,
    )
    return asked, facts


def _offered_name(request: ServeRequest, in_use: frozenset[str]) -> str:
    """A server is called as what it serves, with a number behind it while there is another."""
    folder = Path(request.adapters[0] if request.adapters else request.model)
    name = folder.name
    if name.startswith(CHECKPOINT):
        name = f"{folder.parent.name}-{name.removeprefix(CHECKPOINT)}"
    name = name if RUN_NAME.fullmatch(name) else DEFAULT_NAME
    names = (name if number == 1 else f"{name}-{number}" for number in range(1, len(in_use) + 2))
    return next(offered for offered in names if offered not in in_use)


def _asked_ports(request: ServeRequest) -> set[int]:
    """The ports that a request wants, as far as they are ports."""
    given = [request.port]
    if request.backend == "fastdeploy":
        given += [request.options.get(s.name, s.default) for s in SERVER_OPTIONS if s.name in PORT_OPTIONS]
    ports = (read_option(PORT, port) for port in given)
    return {int(port) for port in ports if not isinstance(port, Problem)}


def _view(server: StoredServer) -> ServerView:
    request, state = server.request, cast("dict[str, Any]", job_state(server.folder))
    named = str(state.get("state", "preparing"))
    port = int(str(request.port))
    address = server_address(request.host, port)
    return ServerView(
        name=server.folder.name,
        backend=request.backend,
        model=request.model,
        adapters=request.adapters,
        host=request.host,
        port=port,
        address=address,
        model_name=model_name(request),
        state=named,
        health=ask_health(address) if named == "running" else "",
        has_key=needs_key(request.host),
        is_everywhere=is_everywhere(request.host),
        created_at=server.created_at,
        cause=read_failure(JobPaths(server.folder).log, state) if named == "failed" else None,
    )


def _place(home: Home, name: str) -> ServePlace:
    return ServePlace(sys.executable, str(CHECKOUT), str(home.serving / name))


def _is_active(folder: Path) -> bool:
    return job_state(folder).get("state") in ACTIVE_STATES


def _active_servers(home: Home) -> list[StoredServer]:
    return [server for server in find_servers(home) if _is_active(server.folder)]


def _ports_of_ours(home: Home) -> frozenset[int]:
    """The ports of servers that run, also of those that load and do not listen yet."""
    return frozenset(port for server in _active_servers(home) for port in _asked_ports(server.request))
