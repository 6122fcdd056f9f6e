"""A little server that speaks OpenAI's protocol, and misbehaves when a question asks for it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-very-secret"


@dataclass
class ModelServer:
    """What was asked, and with which keys. A question that holds

    - `refuse` is refused; `break` is broken off; `forbid` is answered by 401; `repeat` makes it say with which key;
    - `slow` is answered piece by piece for ever; `silent` is answered by nothing at all.

    With `weighs` it tells likelihoods as our own server does: one nat a letter, in one token each,
    and refuses the answer `too long`.
    """

    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    address: str = ""
    begun: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    kinder: bool = False
    weighs: bool = False
    weighed: list[tuple[list[Any], list[str]]] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[ModelServer]:
    told = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "first", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/likelihood":
                told.weighed.append((body["messages"], body["answers"]))
                if "too long" in body["answers"]:
                    self._send(400, {"error": {"message": "This model's context is 1 token."}})
                    return
                found = [{"logprob": -len(answer), "tokens": len(answer)} for answer in body["answers"]]
                self._send(
                    200 if told.weighs else 404, {"answers": found} if told.weighs else {"detail": "Not Found"}
                )
                return
            question = body["messages"][-1]["content"]
            told.asked.append(question)
            told.bodies.append(body)
            told.keys.add(self.headers["Authorization"].removeprefix("Bearer "))
            for word, status in (("refuse", 400), ("forbid", 401)):
                if word in question and not told.kinder:
                    key = self.headers["Authorization"] if "repeat" in question else ""
                    self._send(status, {"error": {"message": f"no {key}".strip()}})
                    return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                self._answer(question)
            except OSError:
                told.ended.set()

        def _answer(self, question: str) -> None:
            if "silent" in question:
                told.begun.set()
                told.let_go.wait(30)
                return
            while "slow" in question and not told.let_go.wait(0.02):
                self._piece({"content": "more "})
                told.begun.set()
            self._piece({"content": f"re: {question}"})
            if "break" in question and not told.kinder:
                return
            self._piece({}, "stop")
            self.wfile.write(b"data: [DONE]\n\n")

        def _piece(self, delta: dict[str, str], finish: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8} if finish else None
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "first"}
            event |= {"choices": [choice], "usage": usage}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

        def _send(self, status: int, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.address = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield told
    finally:
        told.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
