"""Talk to any OpenAI-compatible address, through the protocol's own client."""

import contextlib
import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from studio.core.endpoint import Answer, AnswerFacts, AnswerPiece, Endpoint, Likelihood, Sampling
from studio.core.hiding import hide
from studio.errors import StudioError
from studio.jobs.reach import checked_transport

# A large model on a CPU may take long for its first token; a connection takes no time at all.
CONNECT_TIMEOUT_S = 10
SILENCE_TIMEOUT_S = 300
REASON_LIMIT = 1000
# By HTTP: it has the route, and says no, or is too busy.
REFUSED = (400, 500, 503)

Messages = Sequence[Mapping[str, Any]]


class Line:
    """A connection that another thread can cut while somebody waits for what comes over it."""

    def __init__(self) -> None:
        self.is_cut = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def cut(self) -> None:
        """End the answer now; its iterator ends without an error. A server sees it as a client that went away."""
        with self._lock:
            self.is_cut = True
            self._shut()

    def follow(self, request: Any) -> None:
        """Take the connection of a request as soon as it is made: a server may be silent before it answers at all.

        Closing it is not enough, as who reads would go on waiting.
        """
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, told: Mapping[str, Any]) -> None:
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        with self._lock:
            self._socket = told["return_value"].get_extra_info("socket")
            if self.is_cut:
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def stream_answer(
    endpoint: Endpoint,
    messages: Messages,
    sampling: Sampling,
    tools: Sequence[Mapping[str, Any]] = (),
    silence_s: float = SILENCE_TIMEOUT_S,
    line: Line | None = None,
) -> Generator[AnswerPiece | AnswerFacts]:
    """The answer piece by piece, and at its end the facts.

    Closing the iterator closes the connection, which cancels the generation; a `line` can be cut by another thread.
    Raises StudioError for a server that refuses, is not there, stays silent for `silence_s` seconds, answers
    something else, or breaks off.
    """
    line = line or Line()
    try:
        yield from _stream(endpoint, messages, sampling, tools, silence_s, line)
    except StudioError:
        if not line.is_cut:
            raise


def _stream(
    endpoint: Endpoint,
    messages: Messages,
    sampling: Sampling,
    tools: Sequence[Mapping[str, Any]],
    silence_s: float,
    line: Line,
) -> Generator[AnswerPiece | AnswerFacts]:
    # Imported here: the package takes most of a second, and the page is up before anybody chats.
    import httpx2
    import openai

    timeout = httpx2.Timeout(silence_s, connect=min(CONNECT_TIMEOUT_S, silence_s))
    answering = False
    try:
        with openai.OpenAI(
            base_url=endpoint.address,
            api_key=endpoint.key or "none",
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(
                transport=checked_transport(endpoint.reach, _trust()),
                trust_env=False,
                timeout=timeout,
                event_hooks={"request": [line.follow]},
            ),
        ) as client:
            model = endpoint.model or _first_model(client)
            arguments = _arguments(model, messages, sampling, tools)
            begun = time.monotonic()
            first_s: float | None = None
            finish_reason: str = ""
            usage: Any = None
            calls: dict[int, dict[str, str]] = {}
            # The client types what a server should send; this takes apart what one did send.
            with cast("Any", client.chat.completions.create(**arguments)) as stream:
                answering = True
                content_type = str(stream.response.headers.get("content-type", ""))
                event: Any
                for event in stream:
                    usage = event.usage or usage
                    choice: Any
                    for choice in event.choices or ():
                        piece = _piece(choice.delta)
                        if piece.content or piece.reasoning:
                            first_s = time.monotonic() - begun if first_s is None else first_s
                            yield piece
                        _add_calls(calls, choice.delta)
                        finish_reason = str(choice.finish_reason or finish_reason)
    except openai.APIStatusError as error:
        raise StudioError("endpoint_refused", "prompt", reason=_reason(endpoint, error.message)) from error
    except (openai.APIConnectionError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        # The client wraps what its transport raises, but not all of it.
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        if isinstance(cause, StudioError):
            raise cause from error
        if isinstance(cause, httpx2.TimeoutException) and not isinstance(cause, httpx2.ConnectTimeout):
            raise StudioError("endpoint_silent", "model", address=endpoint.address, seconds=silence_s) from error
        if answering or isinstance(error, httpx2.HTTPError):
            raise StudioError("endpoint_broke_off", "model", address=endpoint.address) from error
        reason = _reason(endpoint, str(cause or error))
        raise StudioError("endpoint_unreachable", "model", address=endpoint.address, reason=reason) from error
    except openai.APIError as error:
        raise StudioError("endpoint_refused", "prompt", reason=_reason(endpoint, error.message)) from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        # What is no JSON, or JSON of another shape: the client takes it apart as it comes.
        reason = _reason(endpoint, f"{type(error).__name__}: {error}")[:200]
        raise StudioError("endpoint_rubbish", "model", address=endpoint.address, reason=reason) from error
    if not finish_reason and first_s is None and "event-stream" not in content_type:
        reason = _reason(endpoint, f"Content-Type: {content_type}")[:200]
        raise StudioError("endpoint_rubbish", "model", address=endpoint.address, reason=reason)
    if not finish_reason:
        raise StudioError("endpoint_broke_off", "model", address=endpoint.address)
    if calls:
        # As a model writes them that nobody has taken apart.
        yield AnswerPiece(json.dumps([calls[place] for place in sorted(calls)], ensure_ascii=False, indent=2))
    total_s = time.monotonic() - begun
    yield AnswerFacts(
        model=model,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        finish_reason=finish_reason,
        first_token_s=total_s if first_s is None else first_s,
        total_s=total_s,
    )


def see_prompt(endpoint: Endpoint, messages: Messages, tools: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The prompt as a server writes it: `prompt`, `count`, `max_model_len`, `chat_template`.

    Our own server tells it. Raises StudioError for one that does not.
    """
    asked: dict[str, Any] = {"messages": list(messages)}
    if tools:
        asked["tools"] = list(tools)
    facts = _ask_ours(endpoint, "tokenize", asked, CONNECT_TIMEOUT_S, "endpoint_no_prompt")
    if isinstance(facts.get("prompt"), str) and {"count", "max_model_len"} <= facts.keys():
        return facts
    raise StudioError("endpoint_no_prompt", "model", address=endpoint.address)


def read_likelihoods(
    endpoint: Endpoint,
    messages: Messages,
    answers: Sequence[str],
    *,
    with_end: bool = True,
    silence_s: float = SILENCE_TIMEOUT_S,
) -> list[Likelihood]:
    """How likely answers to a conversation are, as training would feed them; without the end that the model has to
    say, how likely an answer is to begin like this.

    Our own server tells it. Raises StudioError for one that does not (`endpoint_no_likelihood`) or refuses.
    """
    asked = {"messages": list(messages), "answers": list(answers), "with_end": with_end}
    told = _ask_ours(endpoint, "likelihood", asked, silence_s, "endpoint_no_likelihood")
    try:
        found = [
            Likelihood(math.nan if each["logprob"] is None else float(each["logprob"]), int(each["tokens"]))
            for each in told["answers"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise StudioError("endpoint_no_likelihood", "model", address=endpoint.address) from error
    if len(found) != len(answers):
        raise StudioError("endpoint_no_likelihood", "model", address=endpoint.address)
    return found


def _ask_ours(
    endpoint: Endpoint, route: str, asked: Mapping[str, Any], timeout_s: float, missing: str
) -> dict[str, Any]:
    """What a route that our own server has beside the protocol's says; `missing` is raised where there is none."""
    import httpx2

    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    try:
        with httpx2.Client(
            transport=checked_transport(endpoint.reach, _trust()), trust_env=False, timeout=timeout_s
        ) as client:
            address = f"{endpoint.address.removesuffix('/v1')}/{route}"
            answer = client.post(address, json={"model": endpoint.model, **asked}, headers=headers)
        told: Any = answer.json()
    except httpx2.ReadTimeout as error:
        raise StudioError("endpoint_silent", "model", address=endpoint.address, seconds=timeout_s) from error
    except httpx2.TransportError as error:
        reason = _reason(endpoint, str(error))
        raise StudioError("endpoint_unreachable", "model", address=endpoint.address, reason=reason) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as error:
        raise StudioError(missing, "model", address=endpoint.address) from error
    if not isinstance(told, dict):
        raise StudioError(missing, "model", address=endpoint.address)
    facts = cast("dict[str, Any]", told)
    if facts.get("error") and answer.status_code in REFUSED:
        error: Any = facts["error"]
        message: Any = cast("Any", error).get("message") if isinstance(error, dict) else error
        raise StudioError("endpoint_refused", "prompt", reason=_reason(endpoint, str(message)))
    return facts


def ask(endpoint: Endpoint, messages: Messages, sampling: Sampling) -> Answer:
    """The whole answer. Raises StudioError as `stream_answer` does."""
    content, reasoning = "", ""
    for piece in stream_answer(endpoint, messages, sampling):
        if isinstance(piece, AnswerFacts):
            return Answer(content, reasoning, piece)
        content, reasoning = content + piece.content, reasoning + piece.reasoning
    raise StudioError("endpoint_broke_off", "model", address=endpoint.address)


@cache
def _trust() -> ssl.SSLContext:
    # To read the list of authorities takes longer than a short answer, and a batch asks a thousand times.
    import httpx2

    return httpx2.create_ssl_context(trust_env=False)


def _first_model(client: Any) -> str:
    found = client.models.list().data
    if not found or not found[0].id:
        raise ValueError("no model is listed")
    return str(found[0].id)


def _arguments(
    model: str, messages: Messages, sampling: Sampling, tools: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "model": model,
        "messages": list(messages),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if sampling.seed is not None:
        asked["seed"] = sampling.seed
    if sampling.stop:
        asked["stop"] = list(sampling.stop)
    if tools:
        asked["tools"] = list(tools)
    further: dict[str, Any] = {}
    if sampling.top_k:
        further["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1:
        further["repetition_penalty"] = sampling.repetition_penalty
    return {**asked, "extra_body": further} if further else asked


def _piece(delta: Any) -> AnswerPiece:
    # `reasoning_content` is what FastDeploy, vLLM and DeepSeek call it; OpenAI's protocol has no name for it.
    reasoning = getattr(delta, "reasoning_content", None)
    return AnswerPiece(_whole_text(delta.content), _whole_text(reasoning))


def _whole_text(given: Any) -> str:
    """Text that can be written: JSON may hold half a character, which no encoding takes."""
    return str(given or "").encode("utf-8", "replace").decode()


def _add_calls(calls: dict[int, dict[str, str]], delta: Any) -> None:
    """Put the parts of tool calls together, which come a few characters at a time."""
    part: Any
    for part in getattr(delta, "tool_calls", None) or ():
        call = calls.setdefault(int(part.index or 0), {"name": "", "arguments": ""})
        call["name"] += _whole_text(part.function.name)
        call["arguments"] += _whole_text(part.function.arguments)


def _count(usage: Any, name: str) -> int | None:
    told = getattr(usage, name, None)
    return told if isinstance(told, int) else None


def _reason(endpoint: Endpoint, said: str) -> str:
    """What a server or its client said, of bearable length, and without the key that some of them repeat."""
    return hide(said, endpoint.key)[:REASON_LIMIT]
