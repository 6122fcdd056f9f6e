"""Calls that go no further than they may: names are looked up once, and what was checked is what is called."""

import importlib
import socket
import ssl
from typing import Any

from studio.core.reach import Reach
from studio.errors import StudioError


def checked_transport(reach: Reach | None, verify: ssl.SSLContext) -> Any:
    """A transport for `httpx2`; its requests raise StudioError for an address out of reach, redirects included.

    Without a `reach` it goes everywhere.
    """
    # Imported here: a command that calls nobody is quicker without it.
    httpx: Any = importlib.import_module("httpx2")
    core: Any = importlib.import_module("httpcore2")
    transport = httpx.HTTPTransport(verify=verify, trust_env=False)
    if reach is not None:
        # It has no argument for this, though the pool that it makes has one.
        transport._pool = core.ConnectionPool(ssl_context=verify, network_backend=_backend(core, reach))
    return transport


def find_addresses(host: str, port: int, reach: Reach) -> list[str]:
    """What a name stands for now. Raises StudioError where any of it is out of reach, and OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    for address in addresses:
        if not reach.allows(host, port, address):
            raise StudioError("address_refused", "address", given=host, port=port, address=address)
    return addresses


def _backend(core: Any, reach: Reach) -> Any:
    """How a connection is made: to an address that was checked, whatever its name would mean a moment later."""
    plain = core.SyncBackend()

    class Checked(core.NetworkBackend):
        def connect_tcp(self, host: str, port: int, *given: Any, **named: Any) -> Any:
            failed: Exception = core.ConnectError(host)
            try:
                addresses = find_addresses(host, port, reach)
            except OSError as error:
                raise core.ConnectError(str(error)) from error
            for address in addresses:
                try:
                    return plain.connect_tcp(address, port, *given, **named)
                except core.ConnectError as error:
                    failed = error
            raise failed

    return Checked()
