"""The client of OpenAI's protocol against a server that answers, refuses, falls silent, breaks off or talks rubbish."""

import json
import math
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import pytest

from studio.core.endpoint import AnswerFacts, AnswerPiece, Endpoint, Likelihood, Sampling
from studio.errors import StudioError
from studio.jobs.endpoint import Line, ask, read_likelihoods, see_prompt, stream_answer
from studio.jobs.launch import free_port

KEY = "sk-very-secret"
WAIT_S = 5
SILENCE_S = 0.2
MESSAGES = [{"role": "user", "content": "Hello?"}]
TOOLS = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}]
PROMPT = {"count": 3, "max_model_len": 64, "tokens": [1, 2, 3], "prompt": "<u>Hello?", "chat_template": "{{ x }}"}
EVENTS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED_HEAD = EVENTS_HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
DONE = b"data: [DONE]\n\n"

Conduct = Callable[[socket.socket], None]


@dataclass
class Server:
    """What was asked: the first line, the headers and the JSON of each request, in order."""

    address: str
    lines: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def endpoint(self, model: str = "m", key: str = "") -> Endpoint:
        return Endpoint(self.address, model, key)


@contextmanager
def serve(*conducts: Conduct) -> Iterator[Server]:
    """A server that conducts itself like this at one request after the other, and at the last for ever."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(f"http://127.0.0.1:{listening.getsockname()[1]}/v1")

    def run() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(WAIT_S)
                try:
                    read_request(connection, server)
                    conducts[min(len(server.lines), len(conducts)) - 1](connection)
                except OSError:
                    pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(2 * WAIT_S)
        assert not thread.is_alive()


def read_request(connection: socket.socket, server: Server) -> None:
    with connection.makefile("rb") as reader:
        line = reader.readline().decode().strip()
        head: dict[str, str] = {}
        while name_and_value := reader.readline().decode().strip():
            name, _, value = name_and_value.partition(":")
            head[name.lower()] = value.strip()
        body = reader.read(int(head.get("content-length", 0)))
    server.heads.append(head)
    server.bodies.append(json.loads(body) if body else {})
    server.lines.append(line)


def sends(*parts: bytes) -> Conduct:
    return lambda connection: connection.sendall(b"".join(parts))


def answers(status: str, body: bytes, content_type: str = "application/json") -> Conduct:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return sends(head.encode(), b"Connection: close\r\n\r\n", body)


def answers_json(value: object, status: str = "200 OK") -> Conduct:
    return answers(status, json.dumps(value).encode())


def lists(*models: str) -> Conduct:
    return answers_json({"object": "list", "data": [{"id": model, "object": "model"} for model in models]})


def event(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def said(finish: str | None = None, **delta: object) -> bytes:
    return event({"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def counted(**usage: object) -> bytes:
    return event({"id": "1", "choices": [], "usage": usage})


def answer_of(conduct: Conduct, sampling: Sampling | None = None) -> tuple[str, str, AnswerFacts]:
    with serve(conduct) as server:
        answer = ask(server.endpoint(), MESSAGES, sampling or Sampling())
    return answer.content, answer.reasoning, answer.facts


def failure(
    conduct: Conduct, endpoint: Callable[[Server], Endpoint] = Server.endpoint
) -> tuple[list[str], StudioError]:
    """What came before the failure, and the failure."""
    came: list[str] = []
    with serve(conduct) as server:
        pieces = stream_answer(endpoint(server), MESSAGES, Sampling(), silence_s=SILENCE_S)
        with pytest.raises(StudioError) as caught:
            came.extend(piece.content for piece in pieces if isinstance(piece, AnswerPiece))
    return came, caught.value


def refusal(conduct: Conduct, endpoint: Callable[[Server], Endpoint] = Server.endpoint) -> StudioError:
    """How `see_prompt` fails."""
    with serve(conduct) as server, pytest.raises(StudioError) as caught:
        see_prompt(endpoint(server), MESSAGES)
    return caught.value


def with_key(server: Server, key: str = KEY) -> Endpoint:
    return server.endpoint(key=key)


WELL = sends(EVENTS_HEAD, said(content="Hi."), said("stop"), DONE)


# An answer.


def test_an_answer_comes_piece_by_piece() -> None:
    go_on = threading.Event()

    def conduct(connection: socket.socket) -> None:
        connection.sendall(EVENTS_HEAD + said(content="one"))
        go_on.wait(WAIT_S)
        connection.sendall(said(content=" two") + said("stop") + DONE)

    with serve(conduct) as server:
        pieces = stream_answer(server.endpoint(), MESSAGES, Sampling())
        assert next(pieces) == AnswerPiece("one")
        go_on.set()
        assert next(pieces) == AnswerPiece(" two")
        assert isinstance(next(pieces), AnswerFacts)
        assert list(pieces) == []


def test_the_facts_at_the_end_are_the_servers() -> None:
    usage = counted(prompt_tokens=3, completion_tokens=5, total_tokens=8)
    _, _, facts = answer_of(sends(EVENTS_HEAD, said(content="Hi."), said("length"), usage, DONE))
    assert (facts.model, facts.prompt_tokens, facts.completion_tokens) == ("m", 3, 5)
    assert facts.finish_reason == "length"
    assert 0 < facts.first_token_s <= facts.total_s


def test_tokens_are_unknown_when_the_server_does_not_tell_them() -> None:
    _, _, facts = answer_of(WELL)
    assert (facts.prompt_tokens, facts.completion_tokens, facts.tokens_per_s) == (None, None, None)


@pytest.mark.parametrize("usage", ["many", [3, 5], 8, {}, {"prompt_tokens": "3", "completion_tokens": {}}])
def test_tokens_are_unknown_when_the_server_tells_them_in_another_shape(usage: object) -> None:
    told = event({"choices": [], "usage": usage})
    _, _, facts = answer_of(sends(EVENTS_HEAD, said(content="Hi."), said("stop"), told, DONE))
    assert (facts.prompt_tokens, facts.completion_tokens) == (None, None)


def test_reasoning_is_told_apart_from_the_answer() -> None:
    pieces = [said(reasoning_content="Hm, "), said(reasoning_content="well."), said(content="Hi."), said("stop")]
    content, reasoning, _ = answer_of(sends(EVENTS_HEAD, *pieces, DONE))
    assert (content, reasoning) == ("Hi.", "Hm, well.")


def test_an_answer_of_no_words_is_one() -> None:
    content, _, facts = answer_of(sends(EVENTS_HEAD, said("stop"), DONE))
    assert (content, facts.first_token_s) == ("", facts.total_s)


def test_an_answer_may_end_without_the_word_done() -> None:
    assert answer_of(sends(EVENTS_HEAD, said(content="Hi."), said("stop")))[0] == "Hi."


def test_events_without_choices_are_passed_over() -> None:
    others = b": still here\n\n" + event({"id": "1"}) + event({"id": "1", "choices": None})
    assert answer_of(sends(EVENTS_HEAD, others, said(content="Hi."), said("stop")))[0] == "Hi."


def test_a_letter_may_be_cut_in_two() -> None:
    whole = EVENTS_HEAD + 'data: {"choices":[{"delta":{"content":"烧"}}]}\n\n'.encode() + said("stop")
    middle = whole.index("烧".encode()) + 1

    def conduct(connection: socket.socket) -> None:
        connection.sendall(whole[:middle])
        time.sleep(0.05)
        connection.sendall(whole[middle:])

    assert answer_of(conduct)[0] == "烧"


# What is sent.


def asked_with(sampling: Sampling, tools: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The JSON that the server received."""
    with serve(WELL) as server:
        list(stream_answer(server.endpoint(), MESSAGES, sampling, tools or ()))
    return server.bodies[0]


def test_only_the_protocols_own_is_sent_by_default() -> None:
    assert asked_with(Sampling()) == {
        "model": "m",
        "messages": MESSAGES,
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": 256,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        (Sampling(top_k=40), {"top_k": 40}),
        (Sampling(repetition_penalty=1.1), {"repetition_penalty": 1.1}),
        (Sampling(seed=0), {"seed": 0}),
        (Sampling(stop=("\n", "。")), {"stop": ["\n", "。"]}),
        (Sampling(top_k=1, repetition_penalty=0.9), {"top_k": 1, "repetition_penalty": 0.9}),
        (Sampling(temperature=0.7, top_p=0.5, max_tokens=1), {"temperature": 0.7, "top_p": 0.5, "max_tokens": 1}),
    ],
)
def test_what_differs_from_the_defaults_is_sent(sampling: Sampling, sent: dict[str, Any]) -> None:
    assert asked_with(sampling) == {**asked_with(Sampling()), **sent}


def test_tools_are_sent_where_there_are_any() -> None:
    assert asked_with(Sampling(), TOOLS) == {**asked_with(Sampling()), "tools": TOOLS}


def test_the_key_goes_as_a_bearer_token() -> None:
    with serve(WELL) as server:
        ask(with_key(server), MESSAGES, Sampling())
    assert server.heads[0]["authorization"] == f"Bearer {KEY}"


def test_an_empty_name_is_the_first_model_that_is_listed() -> None:
    with serve(lists("first", "second"), WELL) as server:
        answer = ask(server.endpoint(model=""), MESSAGES, Sampling())
    assert server.lines == ["GET /v1/models HTTP/1.1", "POST /v1/chat/completions HTTP/1.1"]
    assert (server.bodies[1]["model"], answer.facts.model) == ("first", "first")


@pytest.mark.parametrize(
    "listing",
    [
        {"object": "list", "data": []},
        {"object": "list", "data": None},
        {"data": {"a": 1}},
        {"data": [{}]},
        {"data": [{"id": None}]},
        {"data": [None]},
        {"data": 5},
        {},
        [],
        ["first"],
        None,
        "first",
    ],
)
def test_an_empty_name_is_rubbish_where_no_model_is_listed(listing: object) -> None:
    _, error = failure(answers_json(listing), lambda server: server.endpoint(model=""))
    assert error.code == "endpoint_rubbish"


def test_a_page_is_no_list_of_models() -> None:
    page = answers("200 OK", b"<html>Welcome</html>", "text/html")
    assert failure(page, lambda server: server.endpoint(model=""))[1].code == "endpoint_rubbish"


# Cancelled.


def test_closing_the_iterator_closes_the_connection() -> None:
    gone = threading.Event()

    def conduct(connection: socket.socket) -> None:
        connection.sendall(EVENTS_HEAD + said(content="one"))
        if connection.recv(1) == b"":
            gone.set()

    with serve(conduct) as server:
        pieces = stream_answer(server.endpoint(), MESSAGES, Sampling())
        assert next(pieces) == AnswerPiece("one")
        assert not gone.is_set()
        pieces.close()
        assert gone.wait(1)


def test_an_answer_may_be_left_half_way() -> None:
    many = [said(content=str(number)) for number in range(1000)]
    with serve(sends(EVENTS_HEAD, *many)) as server:
        pieces = stream_answer(server.endpoint(), MESSAGES, Sampling())
        assert [piece.content for piece in islice(pieces, 2) if isinstance(piece, AnswerPiece)] == ["0", "1"]
        pieces.close()


# Refused.


def test_the_servers_own_words_are_the_reason_of_a_refusal() -> None:
    told = {"error": {"message": "This model's context is 64 tokens.", "type": "invalid_request_error"}}
    came, error = failure(answers_json(told, "400 Bad Request"))
    assert (came, error.code) == ([], "endpoint_refused")
    assert "This model's context is 64 tokens." in str(error.values["reason"])


def test_a_page_with_status_500_is_a_refusal_that_names_the_status() -> None:
    page = answers("500 Internal Server Error", b"<html><h1>Oops</h1></html>", "text/html")
    _, error = failure(page)
    assert error.code == "endpoint_refused"
    assert "500" in str(error.values["reason"])


@pytest.mark.parametrize(
    "told", [{"error": "no"}, {"error": None}, {"error": {"message": 5}}, ["no"], "no", None, {}]
)
def test_a_refusal_of_another_shape_is_still_one(told: object) -> None:
    assert failure(answers_json(told, "401 Unauthorized"))[1].code == "endpoint_refused"


def test_an_error_in_the_midst_is_a_refusal_in_the_servers_words() -> None:
    told = event({"error": {"message": "Out of memory.", "type": "server_error"}})
    came, error = failure(sends(EVENTS_HEAD, said(content="one"), told, DONE))
    assert (came, error.code, error.values["reason"]) == (["one"], "endpoint_refused", "Out of memory.")


@pytest.mark.parametrize("told", ["no", ["no"], 5, {"message": 5}, {"code": {}, "message": ""}])
def test_an_error_of_another_shape_in_the_midst_is_a_refusal(told: object) -> None:
    came, error = failure(sends(EVENTS_HEAD, said(content="one"), event({"error": told})))
    assert (came, error.code) == (["one"], "endpoint_refused")


def test_a_refusal_of_a_megabyte_is_cut() -> None:
    told = {"error": {"message": "no " * 400_000}}
    assert len(str(failure(answers_json(told, "400 Bad Request"))[1])) < 2000
    assert len(str(failure(sends(EVENTS_HEAD, event(told)))[1])) < 2000


# Not there, or silent.


def test_where_nothing_listens_is_unreachable() -> None:
    endpoint = Endpoint(f"http://127.0.0.1:{free_port()}/v1", "m")
    with pytest.raises(StudioError) as caught:
        ask(endpoint, MESSAGES, Sampling())
    assert (caught.value.code, caught.value.values["address"]) == ("endpoint_unreachable", endpoint.address)


def test_who_hangs_up_without_a_word_is_unreachable() -> None:
    assert failure(sends())[1].code == "endpoint_unreachable"


def test_who_speaks_no_http_is_unreachable() -> None:
    assert failure(sends(b"SSH-2.0-OpenSSH_9.6\r\n"))[1].code == "endpoint_unreachable"


def test_who_takes_no_connection_is_unreachable_not_silent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "m")
            with pytest.raises(StudioError) as caught:
                list(stream_answer(endpoint, MESSAGES, Sampling(), silence_s=SILENCE_S))
        finally:
            for one in waiting:
                one.close()
    assert caught.value.code == "endpoint_unreachable"


@pytest.mark.parametrize("address", ["", "localhost", "http://", "http://[::1", "http://a\x00b/v1"])
def test_what_is_no_address_is_unreachable(address: str) -> None:
    with pytest.raises(StudioError) as caught:
        ask(Endpoint(address, "m"), MESSAGES, Sampling())
    assert caught.value.code == "endpoint_unreachable"


def silent_after(*parts: bytes) -> Conduct:
    def conduct(connection: socket.socket) -> None:
        connection.sendall(b"".join(parts))
        # Until the client goes away.
        connection.recv(1)

    return conduct


def test_silence_instead_of_headers_is_told_with_its_seconds() -> None:
    came, error = failure(silent_after())
    assert (came, error.code, error.values["seconds"]) == ([], "endpoint_silent", SILENCE_S)


@pytest.mark.parametrize("parts", [(), (EVENTS_HEAD,), (EVENTS_HEAD, said(content="one"))])
def test_a_line_is_cut_whatever_has_come_before_the_silence(parts: tuple[bytes, ...]) -> None:
    line, begun = Line(), time.monotonic()
    with serve(silent_after(*parts)) as server:
        threading.Timer(0.1, line.cut).start()
        came = list(stream_answer(server.endpoint(), MESSAGES, Sampling(), silence_s=WAIT_S, line=line))
    assert came == [AnswerPiece("one")] * (len(parts) == 2)
    assert time.monotonic() - begun < WAIT_S / 2


def test_silence_after_the_headers_is_told() -> None:
    came, error = failure(silent_after(EVENTS_HEAD))
    assert (came, error.code, error.values["seconds"]) == ([], "endpoint_silent", SILENCE_S)


def test_what_came_before_a_silence_is_kept() -> None:
    came, error = failure(silent_after(EVENTS_HEAD, said(content="one"), said(content=" two")))
    assert (came, error.code) == (["one", " two"], "endpoint_silent")


def test_silence_in_the_midst_of_a_refusal_is_told() -> None:
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    assert failure(silent_after(head))[1].code == "endpoint_silent"


# Broken off.


@pytest.mark.parametrize("end", [b"", DONE, b'data: {"choices": [{"del', b"data: {}", b"\n\n\n"])
def test_an_end_without_a_finish_reason_broke_off(end: bytes) -> None:
    came, error = failure(sends(EVENTS_HEAD, said(content="one"), end))
    assert (came, error.code) == (["one"], "endpoint_broke_off")


def test_a_stream_of_no_events_broke_off() -> None:
    assert failure(sends(EVENTS_HEAD))[1].code == "endpoint_broke_off"


def test_an_end_in_mid_chunk_broke_off() -> None:
    piece = said(content="one")
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    came, error = failure(sends(CHUNKED_HEAD, chunk, b"ff\r\ndata: {"))
    assert (came, error.code) == (["one"], "endpoint_broke_off")


def test_a_reset_in_mid_chunk_broke_off() -> None:
    reset = threading.Event()

    def conduct(connection: socket.socket) -> None:
        piece = said(content="one")
        connection.sendall(CHUNKED_HEAD + f"{len(piece):x}\r\n".encode() + piece + b"\r\nff\r\ndata: {")
        reset.wait(WAIT_S)
        # To linger for no time is to reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serve(conduct) as server:
        pieces = stream_answer(server.endpoint(), MESSAGES, Sampling())
        assert next(pieces) == AnswerPiece("one")
        reset.set()
        with pytest.raises(StudioError) as caught:
            next(pieces)
    assert caught.value.code == "endpoint_broke_off"


def test_a_chunk_of_no_length_broke_off() -> None:
    assert failure(sends(CHUNKED_HEAD, b"hello\r\n"))[1].code == "endpoint_broke_off"


def test_an_end_in_the_midst_of_a_refusal_broke_off() -> None:
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    assert failure(sends(head))[1].code == "endpoint_broke_off"


def test_what_cannot_be_unpacked_broke_off() -> None:
    head = EVENTS_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    assert failure(sends(head, said(content="one")))[1].code == "endpoint_broke_off"


# Rubbish.


def test_a_page_is_rubbish() -> None:
    came, error = failure(answers("200 OK", b"<html><h1>Welcome</h1></html>", "text/html"))
    assert (came, error.code) == ([], "endpoint_rubbish")
    assert "text/html" in str(error.values["reason"])


def test_an_answer_that_is_not_streamed_is_rubbish() -> None:
    message = {"role": "assistant", "content": "Hi."}
    whole = {"object": "chat.completion", "choices": [{"message": message, "finish_reason": "stop"}]}
    assert failure(answers_json(whole))[1].code == "endpoint_rubbish"


@pytest.mark.parametrize("value", [[], [1], {}, {"choices": None}, "Hi.", None, 5])
def test_json_of_another_shape_is_rubbish(value: object) -> None:
    assert failure(answers_json(value))[1].code == "endpoint_rubbish"


@pytest.mark.parametrize(
    "value",
    [
        [],
        [1],
        "Hi.",
        5,
        None,
        {"choices": 5},
        {"choices": {"a": 1}},
        {"choices": "Hi."},
        {"choices": [None]},
        {"choices": [[]]},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": "Hi."}]},
        {"choices": [{"delta": ["Hi."]}]},
    ],
)
def test_an_event_of_another_shape_is_rubbish(value: object) -> None:
    came, error = failure(sends(EVENTS_HEAD, said(content="one"), event(value), said("stop"), DONE))
    assert (came, error.code) == (["one"], "endpoint_rubbish")


@pytest.mark.parametrize("data", [b"Hi.", b"{", b"", b'{"choices":[}', b"[" * 100_000, b"1" * 5000])
def test_an_event_that_is_no_json_is_rubbish(data: bytes) -> None:
    came, error = failure(sends(EVENTS_HEAD, said(content="one"), b"event: x\ndata: ", data, b"\n\n", said("stop")))
    assert (came, error.code) == (["one"], "endpoint_rubbish")


def test_bytes_that_are_no_utf8_are_rubbish() -> None:
    came, error = failure(sends(EVENTS_HEAD, said(content="one"), b'data: {"id": "\xff\xfe"}\n\n', said("stop")))
    assert (came, error.code) == (["one"], "endpoint_rubbish")


def test_a_finish_reason_of_another_shape_is_told_as_text() -> None:
    end = event({"choices": [{"delta": {}, "finish_reason": {"why": 5}}]})
    assert answer_of(sends(EVENTS_HEAD, said(content="one"), end))[2].finish_reason == "{'why': 5}"


FRAGMENTS = (
    b"data: ", b"data:", b"event: error\n", b"event: thread.x\n", b"id: 1\n", b"retry: x\n", b": ", b"\n", b"\n\n",
    b"\r\n", b"\r", b"\xff", b"\xef\xbb\xbf", b"\x00", b"{", b"}", b"[", b"]", b",", b'"', b"null", b"1e999", b"NaN",
    b'{"choices":', b'[{"delta":', b'{"content":', b'"finish_reason":', b'"usage":', b'{"error":', b'"message":',
    b'"\\ud800"', b"[DONE]", said(content="a"), said("stop"), said(5), DONE, counted(prompt_tokens=1),  # type: ignore[arg-type]
    event({"choices": [], "usage": 5}), event({"error": {"message": "no"}}), event([]), event({"choices": [{"delta": {}}]}),
)  # fmt: skip


def test_whatever_bytes_come_the_answer_ends_well_or_in_an_error_of_ours() -> None:
    chance = random.Random(20)
    bodies = [chance.randbytes(chance.randrange(200)) for _ in range(50)]
    bodies += [b"".join(chance.choices(FRAGMENTS, k=chance.randrange(1, 12))) for _ in range(150)]
    ends: list[str] = []
    with serve(*(sends(EVENTS_HEAD, body) for body in bodies)) as server:
        for body in bodies:
            try:
                ends.append(ask(server.endpoint(), MESSAGES, Sampling()).facts.finish_reason)
            except StudioError as error:
                ends.append(error.code)
            except Exception as error:
                raise AssertionError(body) from error
    # Chance met all of these.
    assert {"stop", "endpoint_broke_off", "endpoint_rubbish", "endpoint_refused"} <= set(ends)


# The key.


def test_a_key_is_not_in_the_words_of_an_endpoint() -> None:
    assert KEY not in f"{Endpoint('http://a/v1', 'm', KEY)} {Endpoint('http://a/v1', 'm', KEY)!r}"


ECHO = {"error": {"message": f"Incorrect API key provided: {KEY}."}}


@pytest.mark.parametrize(
    "conduct",
    [
        answers_json(ECHO, "401 Unauthorized"),
        sends(EVENTS_HEAD, event(ECHO)),
        answers("200 OK", b"Bearer sk-very-secret", f"text/{KEY}"),
        sends(),
        sends(EVENTS_HEAD, KEY.encode()),
        silent_after(),
    ],
)
def test_a_key_is_not_in_the_words_of_an_error(conduct: Conduct) -> None:
    _, error = failure(conduct, with_key)
    assert KEY not in f"{error} {error!r} {error.values}"


def test_a_reason_without_the_key_still_says_why() -> None:
    _, error = failure(answers_json(ECHO, "401 Unauthorized"), with_key)
    assert "Incorrect API key provided: …." in str(error.values["reason"])


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\n{KEY}", f"{KEY}\x00", f"{KEY}é", f"{KEY}\ud800"])
def test_a_key_that_cannot_be_sent_is_an_error_that_does_not_tell_it(key: str) -> None:
    _, error = failure(WELL, partial(with_key, key=key))
    assert KEY not in f"{error} {error!r} {error.values}"


# The prompt.


def test_the_prompt_is_told_by_a_server_of_ours() -> None:
    with serve(answers_json(PROMPT)) as server:
        assert see_prompt(server.endpoint(key=KEY), MESSAGES) == PROMPT
    assert server.lines == ["POST /tokenize HTTP/1.1"]
    assert server.bodies == [{"model": "m", "messages": MESSAGES}]
    assert server.heads[0]["authorization"] == f"Bearer {KEY}"


def test_the_prompt_is_asked_for_with_the_tools() -> None:
    with serve(answers_json(PROMPT)) as server:
        see_prompt(server.endpoint(), MESSAGES, TOOLS)
    assert server.bodies == [{"model": "m", "messages": MESSAGES, "tools": TOOLS}]
    assert "authorization" not in server.heads[0]


@pytest.mark.parametrize(
    "conduct",
    [
        answers_json({"detail": "Not Found"}, "404 Not Found"),
        answers("404 Not Found", b"<html>Not Found</html>", "text/html"),
        answers("200 OK", b"<html>Welcome</html>", "text/html"),
        answers("200 OK", b"\xff\xfe"),
        answers("200 OK", b"[" * 100_000),
    ],
)
def test_a_server_that_does_not_tell_the_prompt_is_an_error(conduct: Conduct) -> None:
    assert refusal(conduct).code == "endpoint_no_prompt"


@pytest.mark.parametrize("conduct", [sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), sends()])
def test_a_server_that_hangs_up_is_not_taken_for_one_that_has_no_prompt(conduct: Conduct) -> None:
    assert refusal(conduct).code == "endpoint_unreachable"


@pytest.mark.parametrize(
    "told",
    [
        [],
        ["prompt"],
        "prompt",
        5,
        None,
        {},
        {"prompt": None},
        {"prompt": 5},
        {"prompt": "x"},
        {"count": 3, "tokens": [1, 2, 3]},
    ],
)
def test_a_prompt_of_another_shape_is_none(told: object) -> None:
    assert refusal(answers_json(told)).code == "endpoint_no_prompt"


def test_a_refused_prompt_is_told_in_the_servers_words() -> None:
    error = refusal(answers_json({"error": {"message": "No such role."}}, "400 Bad Request"))
    assert (error.code, error.values) == ("endpoint_refused", {"reason": "No such role."})


@pytest.mark.parametrize("told", ["no", ["no"], None, 5, {}, {"message": None}])
def test_a_prompt_refused_in_another_shape_is_an_error(told: object) -> None:
    error = refusal(answers_json({"error": told}, "400 Bad Request"))
    assert error.code in ("endpoint_refused", "endpoint_no_prompt")


def test_a_key_is_not_in_the_words_of_a_refused_prompt() -> None:
    error = refusal(answers_json(ECHO, "400 Bad Request"), with_key)
    assert KEY not in f"{error} {error!r} {error.values}"


@pytest.mark.parametrize("address", ["http://[::1", "http://a\x00b/v1"])
def test_what_is_no_address_tells_no_prompt(address: str) -> None:
    with pytest.raises(StudioError) as caught:
        see_prompt(Endpoint(address, "m"), MESSAGES)
    assert caught.value.code == "endpoint_no_prompt"


LIKELY = {"model": "m", "answers": [{"logprob": -1.5, "tokens": 3}, {"logprob": None, "tokens": 2}]}


def test_likelihoods_are_told_by_a_server_of_ours() -> None:
    with serve(answers_json(LIKELY)) as server:
        first, second = read_likelihoods(server.endpoint(), MESSAGES, ["yes", "no"])
    assert server.lines == ["POST /likelihood HTTP/1.1"]
    asked = {"model": "m", "messages": MESSAGES, "answers": ["yes", "no"], "with_end": True}
    assert server.bodies == [asked]
    assert (first, second.tokens, math.isnan(second.logprob)) == (Likelihood(-1.5, 3), 2, True)


@pytest.mark.parametrize(
    ("conduct", "code"),
    [
        (answers_json({"detail": "Not Found"}, "404 Not Found"), "endpoint_no_likelihood"),
        (answers_json({"answers": [{"logprob": -1.5, "tokens": 3}]}), "endpoint_no_likelihood"),
        (answers_json({"answers": [1, 2]}), "endpoint_no_likelihood"),
        (answers_json({"error": {"message": "Too long."}}, "400 Bad Request"), "endpoint_refused"),
        (silent_after(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), "endpoint_silent"),
        (sends(), "endpoint_unreachable"),
    ],
)
def test_likelihoods_that_are_not_told_are_an_error(conduct: Conduct, code: str) -> None:
    with serve(conduct) as server, pytest.raises(StudioError) as caught:
        read_likelihoods(server.endpoint(), MESSAGES, ["yes", "no"], silence_s=SILENCE_S)
    assert caught.value.code == code
