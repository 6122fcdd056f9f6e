"""`python -m studio.engine.chat_server --model DIR [--lora NAME=DIR …] --port P`: a model behind an
OpenAI-compatible address.

`/health`, `/metrics` (Prometheus), `/v1/models`, `/v1/chat/completions`, `/v1/completions`, `/tokenize`,
`/likelihood`, and with `--manage` `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`. A `--lora` is one more
name to ask for; an `--adapter` is part of the model for every name. Prints one JSON line with `error` and exits
with 1 when the model cannot be loaded or the port is taken.
"""

import argparse
import asyncio
import hmac
import json
import logging
import math
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.engine.encode import RowEncoder
from studio.engine.generation import Ending, Piece
from studio.engine.loading import AdaptedModel, Layers, load_model
from studio.engine.protocol import (
    AdapterRequest,
    ChatRequest,
    CompletionRequest,
    GenerationRequest,
    LikelihoodRequest,
    RemovalRequest,
    Reply,
    TokenizeRequest,
    error_answer,
    error_event,
    known_error,
)
from studio.engine.server_metrics import ServerMetrics
from studio.engine.slot import Slot
from studio.errors import StudioError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What anybody may ask: whether it lives says nothing else.
OPEN_PATHS = ("/health",)
IDLE_LOOK_S = 1.0
log = logging.getLogger("uvicorn.error")


class ModelServer:
    """A loaded model with its names, its slot and its counts."""

    def __init__(self, loaded: AdaptedModel, name: str) -> None:
        self.loaded = loaded
        self.name = name
        self.created = int(time.time())
        self.slot = Slot()
        self._encoding = ThreadPoolExecutor(1, "encoding")
        self._rows: RowEncoder | None = None
        self.metrics = ServerMetrics(self.slot)
        # What the base itself answers as: nothing, or adapters that belong to every name.
        self._always = loaded.adapters()

    def names(self) -> list[str]:
        return [self.name, *(name for name in self.loaded.adapters() if name not in self._always)]

    def layers_for(self, asked: str) -> Layers:
        """The adapter's layers for a model's name in a request. Raises StudioError."""
        if asked in ("", self.name):
            return self.loaded.layers_of(self._always[0] if self._always else "")
        if asked not in self.names():
            raise StudioError("not_loaded_here", "model", given=asked, known=self.names())
        return self.loaded.layers_of(asked)

    async def encode(self, write: Callable[[], list[int]]) -> list[int]:
        """Token ids, made beside the answers that stream meanwhile. Raises StudioError."""
        return await asyncio.get_running_loop().run_in_executor(self._encoding, write)

    async def likelihoods(self, asked: LikelihoodRequest) -> list[dict[str, Any]]:
        """Of each answer the sum of its tokens' natural log-probabilities, and their number. Raises StudioError."""
        layers = self.layers_for(asked.model)
        messages = [message.plain() for message in asked.messages]
        sequences = await asyncio.get_running_loop().run_in_executor(
            self._encoding, lambda: [self._encoder().last_answer(messages, answer) for answer in asked.answers]
        )

        def work() -> list[dict[str, Any]]:
            self.loaded.put_in_place(layers)
            last = None if asked.with_end else -1
            found = [self.loaded.logprobs(ids[:last], start) for ids, start in sequences]
            return [{"logprob": _finite(each.sum()), "tokens": len(each)} for each in found]

        self.slot.refuse_if_full()
        return await self.slot.call(work)

    def _encoder(self) -> RowEncoder:
        # The engine's datasets take seconds to import, and few ask for them.
        self._rows = self._rows or RowEncoder(self.loaded.tokenizer)
        return self._rows

    async def answer(
        self, asked: GenerationRequest, prompt: list[int], request: Request, *, chat: bool
    ) -> Response:
        """One answer, whole or as events. Raises StudioError before anything is generated."""
        # From here on they are this request's, whatever is removed before its turn.
        layers = self.layers_for(asked.model)
        if len(prompt) >= self.loaded.context:
            raise StudioError("prompt_too_long", "messages", tokens=len(prompt), limit=self.loaded.context)
        if not prompt:
            return error_answer("The prompt is empty.", "prompt", "empty_prompt")
        self.slot.refuse_if_full()
        reply = Reply(asked.model or self.name, len(prompt), chat=chat)

        def work(put: Callable[[Piece], None], cancelled: Callable[[], bool]) -> Ending:
            self.loaded.put_in_place(layers)
            sampling = asked.sampling(self.loaded.context)
            return self.loaded.generate(prompt, sampling, put, cancelled, asked.top_count())

        counted = self.metrics.request(len(prompt))
        found = self.slot.stream(counted.watch(work), counted.waited, counted.given_up)
        if asked.stream:
            return StreamingResponse(_events(found, reply, usage=asked.wants_usage), media_type="text/event-stream")
        return await self._whole(found, reply, request)

    async def _whole(self, found: Any, reply: Reply, request: Request) -> Response:
        answering = asyncio.ensure_future(_collect(found))
        leaving = asyncio.ensure_future(_wait_until_gone(request))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                # Nobody reads this; 499 is what proxies log for it.
                return Response(status_code=499)
            pieces, ending = answering.result()
            return JSONResponse(reply.whole(pieces, ending))
        finally:
            answering.cancel()
            leaving.cancel()


class KeyGuard:
    """Refuses requests without the key; in front of everything, and in nobody's way while an answer streams."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._wanted = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            given = Headers(scope=scope).get("authorization", "").encode()
            if not hmac.compare_digest(given, self._wanted):
                refusal = error_answer("The API key is missing or wrong.", None, "invalid_api_key", 401)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def build_app(server: ModelServer, key: str = "", *, manage: bool = False, local: bool = True) -> FastAPI:
    """The server's routes. With a `key` each but `/health` wants it as a bearer token."""
    loaded = server.loaded
    app = FastAPI(title="PaddlePaddle model", openapi_url=None)
    if local:
        # Or a page of another site could ask under a name of its own that it lets point here.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])
    if key:
        app.add_middleware(KeyGuard, key=key)

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return error_answer(f"{where}: {first['msg']}", where or None, "invalid_request")

    @app.exception_handler(StudioError)
    async def refuse_known(_: Request, error: StudioError) -> JSONResponse:
        return known_error(error)

    @app.exception_handler(HTTPException)
    async def refuse_path(request: Request, error: HTTPException) -> JSONResponse:
        return error_answer(f"{request.url.path}: {error.detail}", None, None, error.status_code)

    @app.exception_handler(Exception)
    async def tell_unexpected(_: Request, error: Exception) -> JSONResponse:
        return error_answer(say_unexpected(error), None, "engine_failed", 500)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(server.metrics.text(), media_type=server.metrics.media_type)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        def entry(name: str) -> dict[str, Any]:
            about = {"id": name, "object": "model", "created": server.created, "owned_by": "studio"}
            parent = None if name == server.name else server.name
            return {**about, "max_model_len": loaded.context, "parent": parent}

        return {"object": "list", "data": [entry(name) for name in server.names()]}

    @app.post("/v1/chat/completions")
    async def chat(asked: ChatRequest, request: Request) -> Response:
        messages = [message.plain() for message in asked.messages]
        tools, options = asked.offered_tools(), asked.chat_template_kwargs

        def write() -> list[int]:
            return loaded.encode(loaded.write_prompt(messages, tools, options), special=False)

        return await server.answer(asked, await server.encode(write), request, chat=True)

    @app.post("/v1/completions")
    async def complete(asked: CompletionRequest, request: Request) -> Response:
        prompt = asked.prompt[0] if isinstance(asked.prompt, list) and len(asked.prompt) == 1 else asked.prompt
        if isinstance(prompt, str):
            found = await server.encode(partial(loaded.encode, prompt, special=True))
            return await server.answer(asked, found, request, chat=False)
        tokens = [int(token) for token in (prompt if isinstance(prompt, list) else [prompt])]
        if not all(0 <= token < len(loaded.tokenizer) for token in tokens):
            return error_answer("prompt: there is no such token.", "prompt", "invalid_request")
        return await server.answer(asked, tokens, request, chat=False)

    @app.post("/v1/embeddings")
    async def embed() -> JSONResponse:
        message = "This server generates text; it offers no embeddings. Ask an embedding model for them."
        return error_answer(message, None, "not_supported")

    @app.post("/tokenize")
    async def tokenize(asked: TokenizeRequest) -> dict[str, Any]:
        if asked.messages:
            messages = [message.plain() for message in asked.messages]
            text = loaded.write_prompt(messages, asked.tools or [], asked.chat_template_kwargs)
        else:
            text = asked.prompt or ""
        tokens = await server.encode(partial(loaded.encode, text, special=asked.messages is None))
        told = {"count": len(tokens), "max_model_len": loaded.context, "tokens": tokens, "prompt": text}
        return {**told, "chat_template": loaded.chat_template}

    @app.post("/likelihood")
    async def likelihood(asked: LikelihoodRequest) -> dict[str, Any]:
        return {"model": asked.model or server.name, "answers": await server.likelihoods(asked)}

    if manage:
        _add_management(app, server)
    return app


def _add_management(app: FastAPI, server: ModelServer) -> None:
    """Routes by which whoever started the server has it take further adapters; they read any folder."""

    @app.post("/v1/load_lora_adapter")
    async def load(asked: AdapterRequest) -> dict[str, Any]:
        paths = [asked.lora_path] if isinstance(asked.lora_path, str) else asked.lora_path
        begun = time.monotonic()
        if asked.lora_name == server.name:
            raise StudioError("name_taken", "lora_name", given=asked.lora_name)
        folders = [Path(path) for path in paths]
        await server.slot.call(partial(server.loaded.add_adapter, asked.lora_name, folders))
        return {"loaded": asked.lora_name, "seconds": round(time.monotonic() - begun, 3)}

    @app.post("/v1/unload_lora_adapter")
    async def unload(asked: RemovalRequest) -> dict[str, str]:
        if asked.lora_name == server.name or asked.lora_name not in server.names():
            raise StudioError("not_loaded_here", "lora_name", given=asked.lora_name, known=server.names())
        server.loaded.remove_adapter(asked.lora_name)
        return {"unloaded": asked.lora_name}


async def _events(found: Any, reply: Reply, *, usage: bool) -> AsyncIterator[str]:
    """Server-sent events; closing them, as for a client that went away, ends the generation."""
    if opening := reply.opening():
        yield opening
    async with aclosing(found):
        try:
            async for item in found:
                yield reply.closing(item, usage=usage) if isinstance(item, Ending) else reply.part(item)
        except StudioError as error:
            yield error_event(error)
        except Exception as error:
            yield error_event(StudioError("engine_failed", reason=say_unexpected(error)))


async def _collect(found: Any) -> tuple[list[Piece], Ending]:
    pieces: list[Piece] = []
    async with aclosing(found):
        async for item in found:
            if isinstance(item, Ending):
                return pieces, item
            pieces += item
    raise RuntimeError("a generation without an end")


def _finite(logprob: float) -> float | None:
    """JSON knows no infinity, and a broken model has no likelihoods."""
    return float(logprob) if math.isfinite(logprob) else None


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def say_unexpected(error: Exception) -> str:
    """What nobody foresaw, as a line for the client; the whole of it stands in the log."""
    log.error("unexpected", exc_info=error)
    return f"{type(error).__name__}: {error}"[:500]


def read_key(path: Path | None) -> str:
    """The key that requests must carry; none where there is no file. Raises StudioError for an empty one."""
    if path is None:
        return ""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StudioError("no_key_in_file", "api_key_file", path=str(path)) from error
    if not key:
        # An open server is not what was asked for.
        raise StudioError("no_key_in_file", "api_key_file", path=str(path))
    return key


def bind(host: str, port: int) -> socket.socket:
    """Take the port before the model is loaded. Raises StudioError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise StudioError("port_taken", "port", port=port) from error
    return found


def main() -> int:
    """Load, then serve until ended."""
    flags = read_flags()
    try:
        key = read_key(flags.api_key_file)
        place = bind(flags.host, flags.port)
        loaded = load_model(flags.model, flags.adapter)
        name = flags.name or (flags.adapter[-1] if flags.adapter else flags.model).resolve().name
        server = ModelServer(loaded, name)
        for lora in flags.lora:
            lora_name, _, folder = lora.partition("=")
            loaded.add_adapter(lora_name, [Path(folder)])
    except StudioError as error:
        told = {"error": error.code, "values": error.values}
        print(json.dumps(told, ensure_ascii=False, default=str), flush=True)
        return 1
    app = build_app(server, key, manage=flags.manage, local=flags.host in LOOPBACK)
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    if flags.idle_exit_s:
        app.router.lifespan_context = partial(_end_when_idle, running, server.slot, flags.idle_exit_s)
    with suppress(KeyboardInterrupt):
        running.run(sockets=[place])
    return 0


@asynccontextmanager
async def _end_when_idle(running: uvicorn.Server, slot: Slot, idle_s: float, _: FastAPI) -> AsyncIterator[None]:
    async def watch() -> None:
        while slot.running or slot.waiting or time.monotonic() - slot.last_used < idle_s:
            await asyncio.sleep(min(IDLE_LOOK_S, idle_s))
        running.should_exit = True

    watching = asyncio.create_task(watch())
    yield
    watching.cancel()


def read_flags(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, action="append", default=[])
    parser.add_argument("--lora", metavar="NAME=DIR", action="append", default=[])
    parser.add_argument("--host", default=LOOPBACK[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", help="what the model is called in the protocol (default: its folder)")
    parser.add_argument("--api-key-file", type=Path, help="requests must carry the key that is written there")
    parser.add_argument("--manage", action="store_true", help="let clients load further adapters")
    parser.add_argument("--idle-exit-s", type=float, default=0, help="end after so many seconds without a request")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
