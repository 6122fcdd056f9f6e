"""The model's server, talked to by the real client of the protocol."""

import json
import math
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import psutil
import pytest

from studio.actions.chat import ChatModel, ChatModels, serve_model, stream_reply
from studio.actions.runs import RunView
from studio.core.endpoint import AnswerFacts, AnswerPiece, Endpoint, Sampling
from studio.errors import RequestRefused, StudioError
from studio.jobs.endpoint import see_prompt
from studio.jobs.launch import free_port
from studio.stores.home import Home
from tests.engine.conftest import Train, in_engine

pytestmark = pytest.mark.slow
ASKED = [{"role": "user", "content": "发烧怎么办？"}]


@pytest.fixture(scope="module")
def models() -> Iterator[ChatModels]:
    models = ChatModels()
    yield models
    models.close()


@pytest.fixture(scope="module")
def address(engine_home: Home, models: ChatModels) -> str:
    return models.load(engine_home, "ernie-4.5-demo").endpoint.address


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address, api_key="none", max_retries=0) as client:
        yield client


def say_all(loaded: ChatModel, tokens: int) -> str:
    reply = stream_reply(loaded.endpoint, ASKED, sampling=Sampling(max_tokens=tokens))
    return "".join(piece.content for piece in reply if isinstance(piece, AnswerPiece))


def draw(endpoint: Endpoint) -> str:
    """Sampled with a seed: other weights give another text, also where the likeliest word is the same."""
    sampling = Sampling(max_tokens=40, temperature=2.0, seed=5)
    reply = stream_reply(endpoint, ASKED, sampling=sampling)
    return "".join(piece.content for piece in reply if isinstance(piece, AnswerPiece))


def test_streamed_and_whole_answers_are_the_same(client: openai.OpenAI) -> None:
    asked = {"model": "ernie-4.5-demo", "messages": ASKED, "temperature": 0, "max_tokens": 120}
    whole = client.chat.completions.create(**asked)
    events = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert text == whole.choices[0].message.content
    assert (whole.usage.completion_tokens, whole.choices[0].finish_reason) == (120, "length")
    assert events[-1].usage == whole.usage
    # It came in pieces, and not at its end.
    assert len([event for event in events if event.choices]) > 5


def test_temperature_0_is_greedy_and_a_seed_repeats(client: openai.OpenAI) -> None:
    def ask(**how: object) -> str:
        answer = client.chat.completions.create(model="ernie-4.5-demo", messages=ASKED, max_tokens=12, **how)
        return answer.choices[0].message.content

    assert ask(temperature=0) == ask(temperature=0)
    assert ask(temperature=1.5, seed=1) == ask(temperature=1.5, seed=1)
    assert len({ask(temperature=1.5, seed=seed) for seed in range(4)}) > 1


def test_an_answer_ends_at_a_stop_text(client: openai.OpenAI) -> None:
    def ask(**how: object) -> str:
        answer = client.chat.completions.create(
            model="ernie-4.5-demo", messages=ASKED, max_tokens=12, temperature=0, **how
        )
        return answer.choices[0].message.content

    whole = ask()
    stop = whole[3:5]
    assert ask(stop=stop) == whole[: whole.index(stop)]


def test_the_system_prompt_reaches_the_model(client: openai.OpenAI) -> None:
    def count(messages: list[dict[str, str]]) -> int:
        asked = {"model": "ernie-4.5-demo", "messages": messages, "max_tokens": 1}
        return client.chat.completions.create(**asked).usage.prompt_tokens

    assert count([{"role": "system", "content": "请简短。"}, *ASKED]) > count(ASKED) + 4


def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(client: openai.OpenAI) -> None:
    long = [{"role": "user", "content": "发烧" * 4000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="ernie-4.5-demo", messages=long)
    assert caught.value.code == "context_length_exceeded"
    assert "4096" in caught.value.message


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"temperature": 3},
        {"top_p": 0},
        {"max_tokens": 0},
        {"n": 2},
        {"frequency_penalty": 1},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"tools": [{"type": "function", "function": {"name": "look"}}]},
        {"logit_bias": {"5": 1}},
        {"response_format": {"type": "json_object"}},
        {"beam_width": 4},
        {"chat_template_kwargs": {"chat_template": "{% for i in range(90000) %}x{% endfor %}"}},
    ],
)
def test_what_the_engine_cannot_honour_is_refused(address: str, wrong: dict[str, object]) -> None:
    answer = httpx.post(f"{address}/chat/completions", json={"messages": ASKED, **wrong})
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["error"]["message"]


def test_another_models_name_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt", messages=ASKED)


def running(address: str) -> dict[str, float]:
    """The server's own counts, by name."""
    text = httpx.get(address.removesuffix("/v1") + "/metrics").text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def wait_until(what: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def send_raw(address: str, body: bytes, length: int | None = None) -> socket.socket:
    """A request as bytes on a socket of our own."""
    parts = urlsplit(address)
    found = socket.create_connection((parts.hostname, parts.port), timeout=30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    found.sendall(f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body)
    return found


LONG = {"messages": ASKED, "max_tokens": 4000, "temperature": 1, "seed": 1}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_client_that_goes_away_frees_its_slot_within_a_token(address: str, stream: bool) -> None:
    before = running(address)
    body = json.dumps({**LONG, "stream": stream}).encode()
    with send_raw(address, body) as sent:
        wait_until(lambda: running(address)["studio_requests_running"] == 1)
        if stream:
            assert b"data:" in sent.recv(4096)
    left = time.monotonic()
    wait_until(lambda: running(address)["studio_requests_running"] == 0)
    # A token takes some milliseconds; the whole answer would have taken many seconds.
    assert time.monotonic() - left < 1
    cancelled = 'studio_requests_total{outcome="cancelled"}'
    assert running(address)[cancelled] == before.get(cancelled, 0) + 1


def test_a_request_that_is_cut_off_in_its_midst_holds_nobody_up(address: str, client: openai.OpenAI) -> None:
    half = json.dumps(LONG).encode()[:20]
    with send_raw(address, half, length=500):
        assert running(address)["studio_requests_running"] == 0
        answer = client.chat.completions.create(model="ernie-4.5-demo", messages=ASKED, max_tokens=2)
        assert answer.usage.completion_tokens == 2


def test_a_reader_that_does_not_read_gives_the_slot_to_the_next(address: str, client: openai.OpenAI) -> None:
    with send_raw(address, json.dumps({**LONG, "max_tokens": 600, "stream": True}).encode()):
        wait_until(lambda: running(address)["studio_requests_running"] == 1)
        # It gets none of its answer out of its socket; the answer is made all the same, and the next comes.
        answer = client.chat.completions.create(model="ernie-4.5-demo", messages=ASKED, max_tokens=2)
        assert answer.usage.completion_tokens == 2


def test_requests_are_answered_in_the_order_in_which_they_came(address: str) -> None:
    ended: list[int] = []

    def ask(number: int) -> None:
        httpx.post(f"{address}/chat/completions", json={**LONG, "max_tokens": 40 - number}, timeout=60)
        ended.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    with send_raw(address, json.dumps({**LONG, "stream": True}).encode()):
        wait_until(lambda: running(address)["studio_requests_running"] == 1)
        for number, thread in enumerate(threads):
            thread.start()
            wait_until(lambda wanted=number + 1: running(address)["studio_requests_waiting"] == wanted)
    for thread in threads:
        thread.join()
    assert ended == [0, 1, 2, 3, 4]


def test_one_that_gives_up_while_it_waits_is_never_answered(address: str) -> None:
    before = running(address)["studio_generated_tokens_total"]
    with send_raw(address, json.dumps({**LONG, "stream": True}).encode()):
        wait_until(lambda: running(address)["studio_requests_running"] == 1)
        with send_raw(address, json.dumps({**LONG, "max_tokens": 3999}).encode()):
            wait_until(lambda: running(address)["studio_requests_waiting"] == 1)
    wait_until(lambda: running(address)["studio_requests_running"] == 0)
    wait_until(lambda: running(address)["studio_requests_waiting"] == 0)
    assert running(address)["studio_generated_tokens_total"] - before < 2000


def test_those_who_give_up_make_room_for_others_at_once(address: str) -> None:
    with send_raw(address, json.dumps({**LONG, "stream": True}).encode()):
        wait_until(lambda: running(address)["studio_requests_running"] == 1)
        waiting = [send_raw(address, json.dumps({**LONG, "stream": True}).encode()) for _ in range(20)]
        wait_until(lambda: running(address)["studio_requests_waiting"] == 20)
        for sent in waiting:
            sent.close()
        wait_until(lambda: running(address)["studio_requests_waiting"] == 0)
        assert running(address)["studio_requests_running"] == 1


def test_an_adapter_that_is_removed_still_answers_who_asked_before(
    engine_home: Home, address: str, lora_run: RunView
) -> None:
    def manage(what: str, **asked: object) -> httpx.Response:
        return httpx.post(f"{address}/{what}_lora_adapter", json=asked, timeout=60)

    answers: list[httpx.Response] = []
    body = {**LONG, "model": "gone-soon", "max_tokens": 5}
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{address}/chat/completions", json=body, timeout=60))
    )
    assert manage("load", lora_name="gone-soon", lora_path=lora_run.path).status_code == 200
    with send_raw(address, json.dumps({**LONG, "stream": True}).encode()):
        wait_until(lambda: running(address)["studio_requests_running"] == 1)
        asking.start()
        wait_until(lambda: running(address)["studio_requests_waiting"] == 1)
        assert manage("unload", lora_name="gone-soon").status_code == 200
    asking.join()
    assert answers[0].status_code == 200
    assert httpx.post(f"{address}/chat/completions", json=body).json()["error"]["code"] == "model_not_found"
    assert manage("unload", lora_name="gone-soon").status_code == 404
    # Nothing answers to the base's name but the base.
    assert manage("load", lora_name="ernie-4.5-demo", lora_path=lora_run.path).status_code == 400


def test_half_a_character_is_refused(address: str) -> None:
    body = b'{"messages": [{"role": "user", "content": "\\ud800"}]}'
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{address}/chat/completions", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "half_character")


def test_an_unknown_path_is_told_as_such(address: str) -> None:
    answer = httpx.post(f"{address}/responses", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, None)


def test_a_timeout_of_the_client_ends_the_generation(address: str) -> None:
    hurried = openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=0.5)
    with hurried as hasty, pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(model="ernie-4.5-demo", messages=ASKED, max_tokens=4000, seed=1)
    wait_until(lambda: running(address)["studio_requests_running"] == 0)


def test_log_probabilities_are_those_of_the_model_and_the_greedy_token_is_the_likeliest(
    client: openai.OpenAI,
) -> None:
    asked = {"model": "ernie-4.5-demo", "messages": ASKED, "max_tokens": 6, "logprobs": True, "top_logprobs": 3}
    greedy = client.chat.completions.create(**asked, temperature=0).choices[0]
    tokens = greedy.logprobs.content
    assert "".join(token.token for token in tokens) == greedy.message.content
    for token in tokens:
        assert token.logprob == token.top_logprobs[0].logprob
        assert len(token.top_logprobs) == 3
        assert sum(math.exp(other.logprob) for other in token.top_logprobs) < 1
    # Neither temperature nor penalty changes what the model thinks of the first token.
    warm = client.chat.completions.create(
        **asked, temperature=2, seed=3, extra_body={"repetition_penalty": 1.5}
    ).choices[0]
    assert warm.logprobs.content[0].top_logprobs == tokens[0].top_logprobs


def test_a_base_model_completes_a_text(client: openai.OpenAI) -> None:
    asked = {"model": "ernie-4.5-demo", "prompt": "高血压", "max_tokens": 6, "temperature": 0}
    whole = client.completions.create(**asked, logprobs=2)
    streamed = "".join(event.choices[0].text for event in client.completions.create(**asked, stream=True))
    assert streamed == whole.choices[0].text
    assert whole.usage.completion_tokens == 6
    assert len(whole.choices[0].logprobs.tokens) == 6
    ids = httpx.post(str(client.base_url).removesuffix("v1/") + "tokenize", json={"prompt": "高血压"}).json()
    assert client.completions.create(**{**asked, "prompt": ids["tokens"]}).choices[0].text == streamed


def test_embeddings_are_refused_in_words(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no embeddings"):
        client.embeddings.create(model="ernie-4.5-demo", input="x")


def test_the_prompt_is_shown_as_the_model_sees_it(address: str) -> None:
    told = httpx.post(address.removesuffix("/v1") + "/tokenize", json={"messages": ASKED}).json()
    assert told["prompt"].endswith("<|im_start|>user\n发烧怎么办？<|im_end|><|im_start|>assistant\n")
    assert told["count"] == len(told["tokens"])
    assert told["chat_template"].startswith("{{")


TOOL_TEMPLATE = (
    "{% if tools %}TOOLS {{ tools | map(attribute='function') | map(attribute='name') | join(',') }}\n{% endif %}"
    "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"
    "{% if enable_thinking %}<think>{% endif %}"
)


def test_tools_and_a_tools_answer_reach_a_template_that_knows_them(
    engine_home: Home, models: ChatModels, fresh_model: Path
) -> None:
    (fresh_model / "chat_template.jinja").write_text(TOOL_TEMPLATE)
    loaded = models.load(engine_home, str(fresh_model))
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    messages = [*ASKED, {"role": "assistant", "content": "look_up()"}, {"role": "tool", "content": "38.5"}]
    told = see_prompt(loaded.endpoint, messages, tools)
    assert told["prompt"] == "TOOLS look_up\n[user] 发烧怎么办？\n[assistant] look_up()\n[tool] 38.5\n"
    reply = list(stream_reply(loaded.endpoint, messages, sampling=Sampling(max_tokens=3), tools=tools))
    assert isinstance(reply[-1], AnswerFacts)
    assert reply[-1].prompt_tokens == told["count"]
    # What a family's template takes besides is passed on.
    body = {"messages": ASKED, "chat_template_kwargs": {"enable_thinking": True}}
    answer = httpx.post(loaded.endpoint.address.removesuffix("/v1") + "/tokenize", json=body)
    assert answer.json()["prompt"].endswith("<think>")


def test_another_sites_name_for_this_machine_is_refused(address: str) -> None:
    assert httpx.get(f"{address}/models", headers={"Host": "evil.example"}).status_code == 400


def test_a_closed_reply_ends_the_generation(engine_home: Home, models: ChatModels) -> None:
    loaded = models.load(engine_home, "ernie-4.5-demo")
    reply = stream_reply(loaded.endpoint, ASKED, sampling=Sampling(max_tokens=4000))
    next(reply)
    reply.close()
    assert say_all(loaded, 3)


def resident() -> int:
    """Bytes of this process and of all that it started."""
    tree = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(process.memory_info().rss for process in tree)


def test_unload_gives_the_memory_back(engine_home: Home) -> None:
    models = ChatModels()
    # What the client brings along is loaded once and stays.
    models.unload(models.load(engine_home, "ernie-4.5-demo").key)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    empty = resident()
    loaded = models.load(engine_home, "ernie-4.5-demo")
    assert say_all(loaded, 4)
    started = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert models.load(engine_home, "ernie-4.5-demo") == loaded
    assert resident() > empty + 200e6
    models.unload(loaded.key)
    assert models.loaded() == []
    assert started
    assert not any(process.is_running() for process in started)
    assert resident() < 1.05 * empty


def test_a_model_that_is_served_with_an_adapter_answers_with_it_and_by_its_name(
    engine_home: Home, models: ChatModels, lora_run: RunView
) -> None:
    tuned = draw(models.load(engine_home, lora_run.run).endpoint)
    with serve_model(engine_home, "ernie-4.5-demo", [lora_run.path], free_port()) as server:
        listed = httpx.get(f"{server.address}/models").json()["data"]
        assert [model["id"] for model in listed] == ["adapter"]
        assert draw(server.endpoint()) == tuned


def test_a_window_that_loads_another_model_frees_the_one_before_unless_somebody_else_uses_it(
    engine_home: Home, lora_run: RunView
) -> None:
    models = ChatModels()
    try:
        base = models.load(engine_home, "ernie-4.5-demo", user="a")
        models.load(engine_home, "ernie-4.5-demo", user="b")
        tuned = models.load(engine_home, lora_run.run, user="a")
        models.keep("a", [tuned.key])
        assert {item.key for item in models.loaded()} == {base.key, tuned.key}
        models.load(engine_home, lora_run.run, user="b")
        models.keep("b", [tuned.key])
        assert [item.key for item in models.loaded()] == [tuned.key]
        # A closed window frees nothing: it may be a reload, which finds its model again.
        models.leave("a")
        models.leave("b")
        assert [item.key for item in models.loaded()] == [tuned.key]
    finally:
        models.close()


def test_one_window_does_not_take_the_model_from_another(engine_home: Home, lora_run: RunView) -> None:
    models = ChatModels()
    try:
        base = models.load(engine_home, "ernie-4.5-demo", user="a")
        models.load(engine_home, "ernie-4.5-demo", user="b")
        assert models.unload(base.key, "a") is False
        assert say_all(base, 2)
        # One leaves while another loads an adapter of the same base.
        loading = threading.Thread(target=lambda: models.load(engine_home, lora_run.run, user="c"))
        loading.start()
        models.unload(base.key, "b")
        loading.join()
        (tuned,) = models.loaded()
        assert draw(tuned.endpoint) != ""
        assert models.unload(tuned.key, "c") is True
    finally:
        models.close()


def test_two_models_that_fit_only_one_by_one_are_not_both_loaded(engine_home: Home, fresh_model: Path) -> None:
    # What is there is taken by whoever comes first.
    before = len(psutil.Process().children())
    models = ChatModels(available_bytes=lambda: 10**10 if len(psutil.Process().children()) == before else 0)
    told: list[str] = []

    def load(model: str) -> None:
        try:
            models.load(engine_home, model)
            told.append("loaded")
        except StudioError as error:
            told.append(error.code)

    try:
        threads = [threading.Thread(target=load, args=(model,)) for model in ("ernie-4.5-demo", str(fresh_model))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == ["loaded", "model_too_large"]
    finally:
        models.close()


READ_SUM = """
import json, sys
from pathlib import Path
import paddle
from studio.engine.loading import _sum_layers, load_model
loaded = load_model(Path(sys.argv[1]), [Path(sys.argv[2])])
layers = [layer for _, layer in loaded.model.named_sublayers() if hasattr(layer, "lora_A")]
for layer in layers[:2]:
    layer.weight = paddle.base.framework.EagerParamBase.from_tensor(layer.weight.astype("bfloat16"))
total = _sum_layers([layers[0], layers[0]])
print(json.dumps([str(total.lora_A.dtype), list(total.lora_A.shape), list(layers[0].lora_A.shape)]))
"""


def test_adapters_add_up_in_the_precision_of_their_base(engine_home: Home, lora_run: RunView) -> None:
    dtype, total, alone = in_engine(READ_SUM, str(engine_home.models / "ernie-4.5-demo"), lora_run.path)
    assert dtype == "paddle.bfloat16"
    assert total == [alone[0], 2 * alone[1]]


def test_an_adapter_changes_the_answer_without_merging(
    engine_home: Home, models: ChatModels, lora_run: RunView
) -> None:
    base = models.load(engine_home, "ernie-4.5-demo")
    tuned = models.load(engine_home, "ernie-4.5-demo", [lora_run.path])
    # A LoRA run picked as a model is its base with the adapter.
    assert models.load(engine_home, lora_run.run) == tuned
    # Both at one address: the base is in memory once.
    assert base.endpoint.address == tuned.endpoint.address
    told = [say_all(loaded, 12) for loaded in (base, tuned, base, tuned)]
    assert told[0] != told[1]
    assert told[:2] == told[2:]


READ_LOGITS = """
import json, sys
from pathlib import Path
import numpy as np
from studio.engine.loading import load_model
base, first, second = (Path(path) for path in sys.argv[1:])
def logits(*adapters):
    loaded = load_model(base, adapters)
    return loaded.logits(loaded.encode_chat([{"role": "user", "content": "发烧怎么办？"}]))
both, turned, one = logits(first, second), logits(second, first), logits(first)
print(json.dumps([float(np.abs(both - turned).max()), float(np.abs(both - one).max())]))
"""


def test_two_adapters_add_up_in_any_order(engine_home: Home, lora_run: RunView, train: Train) -> None:
    second = train(fine_tuning="LoRA", learning_rate=0.02, warmup_steps=0, max_steps=4)
    model = str(engine_home.models / "ernie-4.5-demo")
    order, alone = in_engine(READ_LOGITS, model, lora_run.path, second.path)
    assert order < 1e-3 < alone


def change_config(model: Path, **keys: object) -> None:
    path = model / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def cut_weights(model: Path) -> None:
    (weights,) = list(model.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut_weights, "weights_cut"),
        (lambda model: (model / "tokenizer.json").write_text("{"), "broken_weights"),
        (
            lambda model: change_config(model, architectures=["MambaForCausalLM"], model_type="mamba"),
            "MambaForCausalLM",
        ),
        (lambda model: change_config(model, hidden_size=64), "weights_do_not_fit"),
    ],
    ids=["weights cut", "tokenizer broken", "architecture unknown", "weights of another shape"],
)
def test_a_model_that_cannot_be_loaded_is_named_and_leaves_no_process(
    engine_home: Home, models: ChatModels, fresh_model: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(fresh_model)
    before = len(psutil.Process().children(recursive=True))
    with pytest.raises(StudioError) as caught:
        models.load(engine_home, str(fresh_model))
    problems = caught.value.problems if isinstance(caught.value, RequestRefused) else []
    assert said in str([caught.value, *problems])
    assert len(psutil.Process().children(recursive=True)) == before


def test_an_adapter_of_another_base_is_refused_with_both_names_and_what_was_loaded_goes_on(
    engine_home: Home, models: ChatModels, lora_run: RunView, fresh_model: Path, tmp_path: Path
) -> None:
    told = shutil.copytree(lora_run.path, tmp_path / "foreign")
    other = tmp_path / "other-base"
    shutil.copytree(fresh_model, other)
    change_config(other, hidden_size=64)
    config = told / "lora_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": str(other)}))
    base = models.load(engine_home, "ernie-4.5-demo")
    with pytest.raises(StudioError, match="adapter_refused") as caught:
        models.load(engine_home, "ernie-4.5-demo", [str(told)])
    assert "other-base" in str(caught.value)
    assert "ernie-4.5-demo" in str(caught.value)
    assert say_all(base, 2)


def test_a_model_that_does_not_fit_into_memory_is_refused_with_the_numbers(engine_home: Home) -> None:
    models = ChatModels(available_bytes=lambda: 500_000_000)
    before = len(psutil.Process().children(recursive=True))
    with pytest.raises(StudioError, match="model_too_large") as caught:
        models.load(engine_home, "ernie-4.5-demo")
    assert caught.value.values["free"] == "0.5"
    assert caught.value.values["needed"] == "0.6"
    assert len(psutil.Process().children(recursive=True)) == before


def test_a_model_that_nobody_asks_gives_its_memory_back_and_is_loaded_again_when_asked(engine_home: Home) -> None:
    models = ChatModels(idle_s=1.5)
    try:
        loaded = models.load(engine_home, "ernie-4.5-demo")
        deadline = time.monotonic() + 30
        while models.loaded():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        again = models.load(engine_home, "ernie-4.5-demo")
        assert again.key == loaded.key
        assert say_all(again, 2)
    finally:
        models.close()


def test_a_checkpoint_in_the_form_that_training_goes_on_from_answers_as_the_one_that_loads(
    engine_home: Home, models: ChatModels, train: Train
) -> None:
    for keys in ({"fine_tuning": "LoRA", "learning_rate": 0.02}, {"fine_tuning": "full"}):
        run = train(**keys, save_steps=2, max_steps=4, warmup_steps=0)
        # As a run leaves it that was cut off before it had written the other form.
        (Path(run.path) / "lora_config.json").unlink(missing_ok=True)
        loadable = models.load(engine_home, f"{run.path}/hf_checkpoint-2")
        state = models.load(engine_home, f"{run.path}/checkpoint-2")
        final = models.load(engine_home, f"{run.path}/hf_checkpoint-4")
        assert draw(loadable.endpoint) == draw(state.endpoint)
        assert draw(final.endpoint) != draw(state.endpoint)


def test_what_is_no_model_or_adapter_is_refused_before_anything_starts(
    engine_home: Home, models: ChatModels
) -> None:
    for model, adapters, code in (
        ("", (), "no_model"),
        ("gone", (), "model_not_found"),
        (str(engine_home.data), (), "not_a_model"),
        ("ernie-4.5-demo", ("ernie-4.5-demo",), "not_an_adapter"),
    ):
        with pytest.raises(StudioError, match=code):
            models.load(engine_home, model, adapters)
