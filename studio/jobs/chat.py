"""Model servers: start one, wait until it answers, talk to it, end it."""

import json
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from typing import IO, Any, cast

import httpx2

from studio.errors import JobFailed, StudioError
from studio.jobs.launch import TetheredProcess, free_port

START_TIMEOUT_S = 300
ENGINE_ENV = {"OMP_NUM_THREADS": "1"}


class ModelServer:
    """One loaded model in a process of its own, behind an OpenAI-compatible address."""

    def __init__(self, model: str, adapters: Sequence[str], port: int | None = None) -> None:
        self.model = model
        self.adapters = tuple(adapters)
        port = port or free_port()
        self.address = f"http://127.0.0.1:{port}"
        argv = [sys.executable, "-m", "studio.engine.chat_server", "--model", model, "--port", str(port)]
        for adapter in adapters:
            argv += ["--adapter", adapter]
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._process = TetheredProcess(argv, ENGINE_ENV, self._log)

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when the model answers. Raises StudioError with the server's own reason when it cannot."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.is_running:
                error = self._reason()
                self.stop()
                raise error
            try:
                if httpx2.get(f"{self.address}/health", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
        self.stop()
        raise JobFailed("model_load_timeout", "model", seconds=int(timeout_s))

    def stop(self) -> None:
        """End the process; its memory is back when this returns."""
        self._process.stop()
        self._log.close()

    def _reason(self) -> StudioError:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        for line in reversed(lines):
            if line.startswith('{"error"'):
                told = cast("dict[str, Any]", json.loads(line))
                values = cast("Mapping[str, object]", told.get("values", {}))
                return JobFailed(str(told["error"]), "model", **values)
        return JobFailed("model_load_failed", "model", reason=lines[-1] if lines else "-")


def stream_chat(
    address: str, messages: Sequence[Mapping[str, str]], temperature: float, top_p: float, max_tokens: int
) -> Generator[str]:
    """The answer as it comes, piece by piece, from any OpenAI-compatible address.

    Closing the iterator closes the connection, which cancels the generation. Raises StudioError.
    """
    # Imported here: the package takes most of a second, and the page is up before anybody chats.
    import openai

    client = openai.OpenAI(
        base_url=f"{address}/v1",
        api_key="none",
        max_retries=0,
        timeout=600,
        http_client=openai.DefaultHttpxClient(trust_env=False, timeout=600),
    )
    try:
        with client:
            model = next(iter(client.models.list())).id
            stream = client.chat.completions.create(
                model=model,
                messages=cast("Any", list(messages)),
                temperature=temperature,
                top_p=top_p,
                max_tokens=max_tokens,
                stream=True,
            )
            with stream:
                for event in stream:
                    if event.choices and event.choices[0].delta.content:
                        yield event.choices[0].delta.content
    except openai.APIStatusError as error:
        raise StudioError("endpoint_refused", "prompt", reason=error.message) from error
    except openai.APIError as error:
        raise StudioError("endpoint_failed", "model", reason=str(error)) from error
