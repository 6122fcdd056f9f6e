"""The model's server, talked to by the real client of the protocol."""

import time
from collections.abc import Iterator

import httpx
import openai
import psutil
import pytest

from studio.actions.chat import ChatModels, stream_reply
from studio.actions.runs import RunView
from studio.errors import StudioError
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
    return models.load(engine_home, "ernie-4.5-demo").address


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_streamed_and_whole_answers_are_the_same(client: openai.OpenAI) -> None:
    asked = {"model": "ernie-4.5-demo", "messages": ASKED, "temperature": 0, "max_tokens": 12}
    whole = client.chat.completions.create(**asked)
    events = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert text == whole.choices[0].message.content
    assert (whole.usage.completion_tokens, whole.choices[0].finish_reason) == (12, "length")
    assert events[-1].usage == whole.usage
    assert len([event for event in events if event.choices]) > 6


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
    assert caught.value.code == "prompt_too_long"
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
    ],
)
def test_what_the_engine_cannot_honour_is_refused(address: str, wrong: dict[str, object]) -> None:
    answer = httpx.post(f"{address}/v1/chat/completions", json={"messages": ASKED, **wrong})
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["error"]["message"]


def test_another_models_name_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt", messages=ASKED)


def test_a_client_that_goes_away_ends_the_generation(address: str) -> None:
    body = {"messages": ASKED, "max_tokens": 4000, "stream": True, "temperature": 0}
    with httpx.stream("POST", f"{address}/v1/chat/completions", json=body, timeout=60) as answer:
        next(answer.iter_lines())
    # The next answer waits for the one before; it comes at once because that one was ended.
    begun = time.monotonic()
    httpx.post(f"{address}/v1/chat/completions", json={"messages": ASKED, "max_tokens": 1}, timeout=60)
    assert time.monotonic() - begun < 5


def test_a_closed_reply_ends_the_generation(engine_home: Home, models: ChatModels) -> None:
    loaded = models.load(engine_home, "ernie-4.5-demo")
    reply = stream_reply(loaded, ASKED, max_tokens=4000)
    next(reply)
    reply.close()
    assert "".join(stream_reply(loaded, ASKED, max_tokens=3))


def test_unload_gives_the_memory_back(engine_home: Home) -> None:
    models = ChatModels()
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    loaded = models.load(engine_home, "ernie-4.5-demo")
    started = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert models.load(engine_home, "ernie-4.5-demo") == loaded
    models.unload(loaded.key)
    assert models.loaded() == []
    assert started
    assert not any(process.is_running() for process in started)


def test_a_window_that_loads_another_model_frees_the_one_before_unless_somebody_else_uses_it(
    engine_home: Home, lora_run: RunView
) -> None:
    models = ChatModels()
    try:
        base = models.load(engine_home, "ernie-4.5-demo", user="a")
        models.load(engine_home, "ernie-4.5-demo", user="b")
        tuned = models.load(engine_home, lora_run.run, user="a")
        assert {item.key for item in models.loaded()} == {base.key, tuned.key}
        models.load(engine_home, lora_run.run, user="b")
        assert [item.key for item in models.loaded()] == [tuned.key]
        # A closed window frees nothing: it may be a reload, which finds its model again.
        models.leave("a")
        models.leave("b")
        assert [item.key for item in models.loaded()] == [tuned.key]
    finally:
        models.close()


def test_an_adapter_changes_the_answer_without_merging(
    engine_home: Home, models: ChatModels, lora_run: RunView
) -> None:
    base = models.load(engine_home, "ernie-4.5-demo")
    tuned = models.load(engine_home, "ernie-4.5-demo", [lora_run.path])
    # A LoRA run picked as a model is its base with the adapter.
    assert models.load(engine_home, lora_run.run) == tuned
    answers = {"".join(stream_reply(loaded, ASKED, max_tokens=12)) for loaded in (base, tuned)}
    assert len(answers) == 2


READ_LOGITS = """
import json, sys
from pathlib import Path
import numpy as np
from studio.engine.generation import load_model
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


def test_broken_weights_are_said_and_leave_no_process(
    engine_home: Home, models: ChatModels, fresh_model: object
) -> None:
    (weights,) = list(fresh_model.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    before = len(psutil.Process().children(recursive=True))
    with pytest.raises(StudioError, match="broken_weights"):
        models.load(engine_home, str(fresh_model))
    assert len(psutil.Process().children(recursive=True)) == before


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
