"""`python -m studio.engine.chat_server --model DIR [--adapter DIR …] --port P`: a model behind an
OpenAI-compatible address: `/health`, `/v1/models`, `/v1/chat/completions`.

Prints one JSON line with `error` and exits with 1 when the model cannot be loaded.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from studio.engine.generation import LoadedModel, Sampling, Usage, load_model
from studio.errors import StudioError


class Message(BaseModel):
    role: Literal["system", "user", "assistant", "tool", "function", "developer"]
    content: str


class ChatRequest(BaseModel):
    """The fields of the protocol that the engine can honour; others are refused, not ignored."""

    model_config = {"extra": "allow"}

    model: str = ""
    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Literal[1] = 1
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    frequency_penalty: Literal[0] = 0
    presence_penalty: Literal[0] = 0

    def sampling(self, context: int) -> Sampling:
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            max_tokens=self.max_completion_tokens or self.max_tokens or context,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            repetition_penalty=self.repetition_penalty,
            stop=tuple(stop for stop in stops if stop),
            seed=self.seed,
        )


def build_app(loaded: LoadedModel, name: str) -> FastAPI:
    """The server's routes over one loaded model."""
    app = FastAPI(title="PaddlePaddle model", openapi_url=None)
    created = int(time.time())

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return _error(f"{where}: {first['msg']}", where or None)

    @app.exception_handler(StudioError)
    async def refuse_known(_: Request, error: StudioError) -> JSONResponse:
        return _error(_say(error), error.field or None, error.code)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": created, "owned_by": "studio"}],
        }

    @app.post("/v1/chat/completions")
    async def chat(asked: ChatRequest, request: Request) -> Any:
        if asked.model and asked.model != name:
            message = f"The model {asked.model!r} is not loaded here; loaded is {name!r}."
            return _error(message, "model", "model_not_found", status=404)
        prompt = loaded.encode_chat([message.model_dump() for message in asked.messages])
        if len(prompt) >= loaded.context:
            raise StudioError("prompt_too_long", "messages", tokens=len(prompt), limit=loaded.context)
        gone = threading.Event()
        pieces = _in_thread(loaded.stream(prompt, asked.sampling(loaded.context), gone.is_set), gone)
        answer = _Answer(name)
        if asked.stream:
            include_usage = bool((asked.stream_options or {}).get("include_usage"))
            events = answer.events(pieces, len(prompt), include_usage=include_usage)
            return StreamingResponse(events, media_type="text/event-stream")
        watcher = asyncio.create_task(_watch(request, gone))
        try:
            text, usage = "", Usage(prompt_tokens=len(prompt))
            async with aclosing(pieces):
                async for piece, counted in pieces:
                    text, usage = text + piece, counted
        finally:
            watcher.cancel()
        return answer.whole(text, usage)

    return app


class _Answer:
    """One answer in the protocol's words."""

    def __init__(self, model: str) -> None:
        self.head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, text: str, usage: Usage) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": usage.finish_reason,
            "logprobs": None,
        }
        return {**self.head, "object": "chat.completion", "choices": [choice], "usage": _usage(usage)}

    async def events(
        self, pieces: AsyncGenerator[tuple[str, Usage]], prompt_tokens: int, *, include_usage: bool
    ) -> AsyncIterator[str]:
        """Server-sent events; closing them (a client that went away) closes the generation."""
        usage = Usage(prompt_tokens=prompt_tokens)
        yield self._event({"role": "assistant", "content": ""})
        try:
            async with aclosing(pieces):
                async for piece, counted in pieces:
                    usage = counted
                    yield self._event({"content": piece})
        except StudioError as error:
            yield f"data: {json.dumps({'error': _error_body(_say(error), error.field, error.code)})}\n\n"
            return
        yield self._event({}, usage.finish_reason)
        if include_usage:
            yield f"data: {json.dumps({**self._chunk(), 'choices': [], 'usage': _usage(usage)})}\n\n"
        yield "data: [DONE]\n\n"

    def _chunk(self) -> dict[str, Any]:
        return {**self.head, "object": "chat.completion.chunk"}

    def _event(self, delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return f"data: {json.dumps({**self._chunk(), 'choices': [choice]}, ensure_ascii=False)}\n\n"


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


async def _in_thread(
    source: Iterator[tuple[str, Usage]], gone: threading.Event
) -> AsyncGenerator[tuple[str, Usage]]:
    """Run a blocking iterator beside the event loop; closing this one sets `gone` and waits for its end."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[str, Usage] | Exception | None] = asyncio.Queue()

    def run() -> None:
        try:
            for item in source:
                loop.call_soon_threadsafe(queue.put_nowait, item)
            loop.call_soon_threadsafe(queue.put_nowait, None)
        except Exception as error:
            loop.call_soon_threadsafe(queue.put_nowait, error)

    worker = loop.run_in_executor(None, run)
    try:
        while (item := await queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        gone.set()
        await asyncio.shield(worker)


async def _watch(request: Request, gone: threading.Event) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.1)
    gone.set()


def _say(error: StudioError) -> str:
    if error.code == "prompt_too_long":
        return "This model's context is {limit} tokens, and the messages are {tokens}.".format(**error.values)
    return str(error)


def _error(message: str, param: str | None, code: str = "invalid_request", status: int = 400) -> JSONResponse:
    return JSONResponse({"error": _error_body(message, param, code)}, status_code=status)


def _error_body(message: str, param: str | None, code: str) -> dict[str, Any]:
    return {"message": message, "type": "invalid_request_error", "param": param, "code": code}


def main() -> int:
    """Load, then serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, action="append", default=[])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", help="what the model is called in the protocol (default: its folder)")
    flags = parser.parse_args()
    try:
        loaded = load_model(flags.model, flags.adapter)
    except StudioError as error:
        print(
            json.dumps({"error": error.code, "values": error.values}, ensure_ascii=False, default=str),
            flush=True,
        )
        return 1
    last = flags.adapter[-1] if flags.adapter else flags.model
    app = build_app(loaded, flags.name or last.resolve().name)
    uvicorn.run(app, host=flags.host, port=flags.port, log_level="warning", timeout_graceful_shutdown=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
