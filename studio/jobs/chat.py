"""Model servers of the studio: start one, wait until it answers, have it take adapters, end it."""

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

import httpx2

from studio.core.endpoint import Endpoint
from studio.errors import JobFailed, StudioError
from studio.jobs.launch import TetheredProcess, free_port

START_TIMEOUT_S = 300
# An adapter of a large model is read from a disk.
ADAPTER_TIMEOUT_S = 300
ENGINE_ENV = {"OMP_NUM_THREADS": "1"}


def chat_command(model: str, port: int, idle_s: float, adapters: Sequence[str]) -> list[str]:
    """The arguments of our own server for one base and adapters, folders all."""
    argv = [sys.executable, "-m", "studio.engine.chat_server", f"--model={model}", "--port", str(port)]
    return [*argv, "--manage", "--idle-exit-s", str(idle_s), *(f"--adapter={adapter}" for adapter in adapters)]


class ModelServer:
    """One base model in a process of its own, behind an OpenAI-compatible address.

    It answers with `adapters` whatever name is asked for. It ends by itself when nobody has asked it for `idle_s`
    seconds; 0 is never.
    """

    def __init__(
        self, model: str, port: int | None = None, idle_s: float = 0, adapters: Sequence[str] = ()
    ) -> None:
        self.model = model
        port = port or free_port()
        self._root = f"http://127.0.0.1:{port}"
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._process = TetheredProcess(chat_command(model, port, idle_s, adapters), ENGINE_ENV, self._log)

    @property
    def address(self) -> str:
        return f"{self._root}/v1"

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    def endpoint(self, name: str = "") -> Endpoint:
        """Where the base answers, or an adapter by its name."""
        return Endpoint(self.address, name)

    def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when the model answers. Raises StudioError with the server's own reason when it cannot."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.is_running:
                error = self._reason()
                self.stop()
                raise error
            try:
                if httpx2.get(f"{self._root}/health", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
        self.stop()
        raise JobFailed("model_load_timeout", "model", seconds=int(timeout_s))

    def add_adapter(self, name: str, folders: Sequence[str]) -> None:
        """Have it answer to `name` with an adapter, or the sum of several. Raises StudioError."""
        self._manage("load_lora_adapter", {"lora_name": name, "lora_path": list(folders)})

    def remove_adapter(self, name: str) -> None:
        """Forget an adapter. Raises StudioError."""
        self._manage("unload_lora_adapter", {"lora_name": name})

    def stop(self) -> None:
        """End the process; its memory is back when this returns."""
        self._process.stop()
        self._log.close()

    def _manage(self, what: str, asked: Mapping[str, object]) -> None:
        try:
            answer = httpx2.post(f"{self.address}/{what}", json=asked, timeout=ADAPTER_TIMEOUT_S, trust_env=False)
        except httpx2.TransportError as error:
            raise JobFailed("model_load_failed", "adapters", reason=str(error)) from error
        if answer.status_code != 200:
            try:
                reason = str(answer.json()["error"]["message"])
            except (ValueError, KeyError, TypeError):
                reason = answer.text[:500]
            raise JobFailed("adapter_refused", "adapters", reason=reason)

    def _reason(self) -> StudioError:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return read_refusal(lines)


def read_refusal(lines: Sequence[str]) -> StudioError:
    """Why a model server ended, from what it printed: its own reason, or else the last line."""
    for line in reversed(lines):
        if line.startswith('{"error"'):
            told = cast("dict[str, Any]", json.loads(line))
            values = cast("Mapping[str, object]", told.get("values", {}))
            return JobFailed(str(told["error"]), "model", **values)
    return JobFailed("model_load_failed", "model", reason=lines[-1] if lines else "-")
