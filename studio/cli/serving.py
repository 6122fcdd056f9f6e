"""`python -m studio servers …`."""

import argparse
from collections.abc import Callable
from typing import Any

from studio.actions import serving
from studio.actions.serving import ServerView
from studio.cli.output import Answer, plain
from studio.core.serving import BACKENDS, SERVER_OPTIONS, ServeRequest
from studio.stores.home import Home
from studio.texts import say, word_error

# A large model on a CPU takes long to load.
LOADING_S = 3600


def add_server_commands(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `servers WHAT` to the commands; `add` makes one command."""
    servers = commands.add_parser("servers", help=say("cli.servers")).add_subparsers(required=True, metavar="WHAT")
    add(servers, "list", _servers_list)
    start = add(servers, "start", _servers_start)
    start.add_argument("--model", required=True)
    start.add_argument("--adapter", action="append", default=[])
    start.add_argument("--name", default="", help=say("serve.name.help"))
    start.add_argument("--backend", choices=BACKENDS[:2], default=BACKENDS[0])
    start.add_argument("--host", default="127.0.0.1", help=say("serve.host.help"))
    start.add_argument("--port", help=say("serve.port.help"))
    start.add_argument("--wait", action="store_true", help=say("cli.servers_wait"))
    for spec in SERVER_OPTIONS:
        flag = f"--{spec.name.replace('_', '-')}"
        start.add_argument(
            flag, dest=spec.name, default=spec.default, help=f"FastDeploy: {say(f'serve.{spec.name}')}"
        )
    add(servers, "stop", _servers_stop, "name")
    add(servers, "remove", _servers_remove, "name")
    add(servers, "key", _servers_key, "name")


def _servers_list(home: Home, flags: argparse.Namespace) -> Answer:
    found = serving.list_servers(home)
    if flags.json:
        return {"servers": [_plain(view, flags.language) for view in found]}
    return {"text": "\n".join(f"{v.name}\t{v.state}\t{v.health or '-'}\t{v.address}/v1\t{v.model}" for v in found)}


def _servers_start(home: Home, flags: argparse.Namespace) -> Answer:
    request = ServeRequest(
        model=flags.model,
        name=flags.name,
        backend=flags.backend,
        adapters=tuple(flags.adapter),
        host=flags.host,
        port=flags.port or serving.free_server_port(home),
        options={spec.name: getattr(flags, spec.name) for spec in SERVER_OPTIONS},
    )
    view = serving.start_server(home, request)
    if flags.wait:
        view = serving.wait_server(home, view.name, LOADING_S)
    answer = _plain(view, flags.language)
    # What was waited for and does not answer has failed, whatever the reason.
    if flags.wait and view.health != "ready":
        answer["error"] = answer["cause"] or say("error.server_ended", flags.language)
    return answer


def _servers_stop(home: Home, flags: argparse.Namespace) -> Answer:
    serving.stop_server(home, flags.name)
    return _plain(serving.wait_stopped(home, flags.name), flags.language)


def _servers_remove(home: Home, flags: argparse.Namespace) -> Answer:
    serving.remove_server(home, flags.name)
    return {"removed": flags.name}


def _servers_key(home: Home, flags: argparse.Namespace) -> Answer:
    key = serving.server_key(home, flags.name)
    return {"key": key} if flags.json else {"text": key}


def _plain(view: ServerView, language: str) -> Answer:
    return {**plain(view), "cause": word_error(view.cause, language) if view.cause else None}
