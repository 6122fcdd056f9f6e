"""`python -m studio password` and `python -m studio token …`."""

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from typing import Any

from studio.actions import access
from studio.cli.output import Answer, plain
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import say


def add_access_commands(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add both commands; `add` makes one."""
    password = add(commands, "password", _password)
    what = password.add_mutually_exclusive_group()
    what.add_argument("--stdin", action="store_true", help=say("cli.password.stdin"))
    what.add_argument("--remove", action="store_true", help=say("cli.password.remove"))
    tokens = commands.add_parser("token", help=say("cli.tokens")).add_subparsers(required=True, metavar="WHAT")
    make = add(tokens, "make", _token_make, "name")
    make.add_argument("--days", type=int, default=access.TOKEN_DAYS, help=say("cli.token.days"))
    add(tokens, "list", _token_list)
    add(tokens, "revoke", _token_revoke, "name")


def _password(home: Home, flags: argparse.Namespace) -> Answer:
    if flags.remove:
        access.remove_password(home)
        return {"text": say("cli.password.removed", flags.language)}
    # Never as an argument: those are seen by every user of the machine.
    access.set_password(home, sys.stdin.readline().rstrip("\r\n") if flags.stdin else _ask(flags.language))
    return {"text": say("cli.password.set", flags.language)}


def _ask(language: str) -> str:
    if not sys.stdin.isatty():
        raise StudioError("no_terminal", "password")
    given = getpass.getpass(say("cli.password.ask", language))
    if given != getpass.getpass(say("cli.password.again", language)):
        raise StudioError("passwords_differ", "password")
    return given


def _token_make(home: Home, flags: argparse.Namespace) -> Answer:
    token = access.make_token(home, flags.name, flags.days)
    return {"token": token} if flags.json else {"text": token}


def _token_list(home: Home, flags: argparse.Namespace) -> Answer:
    found = access.list_tokens(home)
    if flags.json:
        return {"tokens": plain(found)}
    over = say("cli.token.over", flags.language)
    return {"text": "\n".join(f"{v.name}\t{_day(v.made)}\t{over if v.is_over else _day(v.ends)}" for v in found)}


def _token_revoke(home: Home, flags: argparse.Namespace) -> Answer:
    access.revoke_token(home, flags.name)
    return {"revoked": flags.name}


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at)) if at else "-"
