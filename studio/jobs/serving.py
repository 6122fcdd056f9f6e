"""Model servers from outside: whether one answers, why one ended, what is free, and which engines are installed."""

import json
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import httpx2

from studio.errors import JobFailed
from studio.jobs.launch import is_port_free
from studio.stores.logs import read_log_tail
from studio.texts import LANGUAGES, word_error

HEALTH_TIMEOUT_S = 2.0
REASON_BYTES = 20_000
# What of its source names the variable by which FastDeploy is told a key; older ones know none.
KEY_VARIABLE = "FD_API_KEY"


def ask_health(address: str) -> str:
    """`ready`, `loading` while nobody listens or the server says so, or `silent` when it does not answer."""
    try:
        # Without certificates, which take longer to read than the question does.
        answer = httpx2.get(f"{address}/health", timeout=HEALTH_TIMEOUT_S, trust_env=False, verify=False)
    except httpx2.ConnectError:
        return "loading"
    except httpx2.TransportError:
        return "silent"
    return "ready" if answer.status_code == 200 else "loading"


def is_host_here(host: str) -> bool:
    """Whether an address is one of this machine, so that a server can listen on it."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def used_ports(ports: set[int], host: str) -> frozenset[int]:
    """Those of some ports on which somebody listens already."""
    return frozenset(port for port in ports if not is_port_free(port, host))


def find_fastdeploy() -> tuple[bool, bool]:
    """Whether Paddle's FastDeploy is installed, and whether it can be told a key without showing it.

    Its files are looked at and nothing is imported: that would import paddle. The package of this name on the
    common index is another project.
    """
    spec = find_spec("fastdeploy")
    for folder in (spec and spec.submodule_search_locations) or ():
        root = Path(folder)
        if (root / "entrypoints" / "openai" / "api_server.py").is_file():
            envs = root / "envs.py"
            return True, envs.is_file() and KEY_VARIABLE in envs.read_text(encoding="utf-8", errors="replace")
    return False, False


def read_failure(log: Path, state: Mapping[str, Any]) -> JobFailed:
    """Why a server ended: what it said itself, what its supervisor saw, or the last line of its log."""
    lines = [line for line in read_log_tail(log, REASON_BYTES).splitlines() if line.strip()]
    told = next(filter(None, map(read_error, reversed(lines))), None)
    if told:
        return told
    cause = cast("Mapping[str, Any]", state.get("cause") or {})
    values = cast("Mapping[str, object]", cause.get("values") or {})
    match cause.get("code"):
        case "killed_for_memory":
            return JobFailed("server_out_of_memory", "model")
        case "killed":
            return JobFailed("server_killed", "model", signal=values.get("signal"))
        case "log_flood":
            return JobFailed("server_log_flood", "model", limit=values.get("limit"))
        case "cannot_start":
            return JobFailed("cannot_start", "backend", **values)
        case _:
            return JobFailed("server_failed", "model", reason=lines[-1].strip() if lines else "-")


def read_error(line: str) -> JobFailed | None:
    """The line by which our own server tells why it could not load; None for any other line."""
    if not line.startswith('{"error"'):
        return None
    try:
        told = cast("dict[str, Any]", json.loads(line))
        code, values = str(told["error"]), cast("Mapping[str, object]", told.get("values") or {})
        failed = JobFailed(code, "model", **values)
        # What cannot be worded is told as it stands.
        word_error(failed, LANGUAGES[0])
    except (ValueError, TypeError, LookupError):
        return None
    return failed
