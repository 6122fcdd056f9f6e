"""Where the studio can be reached from, and which names and origins are its own."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?")
FRAME = re.compile(r"https?:/{2}[A-Za-z0-9.-]+(?::\d{1,5})?")
# Gradio's page runs functions that come as text ('unsafe-eval') and sets styles on its parts. No inline script
# runs but those of the page itself, whose hashes are put in.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; worker-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'{frames}"
)
# What was uploaded or made by somebody is no page of ours, even when it looks like one.
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
LOGIN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'{frames}"
)
PERMISSIONS = ", ".join(
    f"{name}=()"
    for name in ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "midi", "payment", "usb")
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the studio is offered: under which names, in whose frames, and whether a proxy stands before it.

    `hosts` are names and addresses beside loopback; `frames` are origins that may show the page in a frame.
    """

    hosts: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    behind_proxy: bool = False
    root_path: str = ""
    is_open: bool = False

    def is_host(self, header: str) -> bool:
        """Whether a `Host` header names this studio; any other name may be an attacker's that was rebound."""
        name = host_name(header)
        return bool(name) and (name in LOOPBACK or name in self.hosts)

    @property
    def frame_origins(self) -> str:
        return "".join(f" {origin}" for origin in self.frames)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's alone."""
    return host in LOOPBACK


def is_every_address(host: str) -> bool:
    """Whether an address stands for all of the machine's."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_frame_origin(given: str) -> bool:
    """Whether a text is an origin, such as https and a name; a policy must not be written by it."""
    return FRAME.fullmatch(given) is not None


def host_name(header: str) -> str:
    """The name in a `Host` header, without its port, in lower case; empty where it is none."""
    found = HOST.fullmatch(header.strip())
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


def is_own_origin(origin: str, hosts: Sequence[str], scheme: str) -> bool:
    """Whether an `Origin` header is that of the page itself: the same host and port, and https where we are.

    `hosts` are the `Host` headers under which the request may have left the browser.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    same = parts.netloc.lower() in {host.strip().lower() for host in hosts if host}
    return same and parts.scheme in (("https",) if scheme == "https" else ("http", "https"))


def is_loopback_origin(origin: str) -> bool:
    """Whether an `Origin` header is of this machine, on any port."""
    try:
        return urlsplit(origin).hostname in LOOPBACK
    except ValueError:
        return False


def last_value(headers: Sequence[str]) -> str:
    """The last of a header's values: the one that our own proxy added; those before it anybody can write."""
    return ",".join(headers).rpartition(",")[2].strip()
