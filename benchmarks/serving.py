"""`python -m benchmarks.serving [--tokens N] [--rounds N] [--model DIR]`: what the model server costs an answer.

The same prompt is answered greedily by the bare `model.generate` of PaddleFormers, in a process that does nothing
else, and by the server through the official client with streaming, in turns. Printed are tokens a second, seconds
to the first token (of the bare engine: of an answer of one token), and resident memory, each beside the other.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import openai
import psutil

from studio.actions.chat import ChatModels
from studio.actions.home import DEMO_MODEL, make_demo_model, open_home
from studio.jobs.chat import ENGINE_ENV
from studio.jobs.launch import CHECKOUT, scrubbed_environment

PROMPT = [{"role": "user", "content": "高血压患者平时饮食要注意什么？"}]
# Reads {"tokens": N} a line, answers with the seconds that the bare engine took.
BARE = """
import json, sys, time
from pathlib import Path
import paddle
from studio.engine.loading import load_model
loaded = load_model(Path(sys.argv[1]))
ids = paddle.to_tensor([loaded.encode_chat(json.loads(sys.argv[2]))], dtype="int64")
pad = loaded.tokenizer.pad_token_id
for line in sys.stdin:
    count = json.loads(line)["tokens"]
    begun = time.perf_counter()
    with paddle.no_grad():
        made, _ = loaded.model.generate(
            input_ids=ids, max_new_tokens=count, decode_strategy="greedy_search", eos_token_id=None,
            pad_token_id=pad, use_cache=True,
        )
    text = loaded.decode(made[0].tolist())
    print(json.dumps({"seconds": time.perf_counter() - begun, "tokens": int(made.shape[1])}), flush=True)
"""


class BareEngine:
    """PaddleFormers' own generation with nothing around it."""

    def __init__(self, model: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BARE, model, json.dumps(PROMPT)],
            cwd=CHECKOUT,
            env={**scrubbed_environment(), **ENGINE_ENV},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def answer(self, tokens: int) -> float:
        """Seconds for so many tokens, made and decoded."""
        stdin, stdout = cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)
        stdin.write(json.dumps({"tokens": tokens}) + "\n")
        stdin.flush()
        while not (line := stdout.readline()).startswith('{"seconds"'):
            continue
        told = json.loads(line)
        assert told["tokens"] == tokens
        return float(told["seconds"])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def ask_server(client: openai.OpenAI, model: str, tokens: int) -> tuple[float, float]:
    """Seconds to the first token and to the last, as a client sees them."""
    begun = time.perf_counter()
    first = None
    asked: Any = {"model": model, "messages": PROMPT, "max_tokens": tokens, "temperature": 0}
    stream = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    made = 0
    for event in stream:
        if first is None and event.choices and event.choices[0].delta.content:
            first = time.perf_counter() - begun
        if event.usage:
            made = event.usage.completion_tokens
    assert made == tokens
    assert first is not None
    return first, time.perf_counter() - begun


def resident_mb(pid: int) -> float:
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return max(process.memory_info().rss for process in tree) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", help="a model folder; the demo model where none is given")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        make_demo_model(home)
        model = flags.model or str(home.models / DEMO_MODEL)
        models, bare = ChatModels(), BareEngine(model)
        try:
            loaded = models.load(home, model)
            with openai.OpenAI(base_url=loaded.endpoint.address, api_key="none", max_retries=0) as client:
                told = compare(bare, lambda tokens: ask_server(client, loaded.endpoint.model, tokens), flags)
            server = next(child for child in psutil.Process().children() if child.pid != bare.process.pid)
            told["bare_mb"], told["server_mb"] = resident_mb(bare.process.pid), resident_mb(server.pid)
        finally:
            bare.stop()
            models.close()
    print(json.dumps({name: round(value, 4) for name, value in told.items()}, indent=2))
    return 0


def compare(
    bare: BareEngine, ask: Callable[[int], tuple[float, float]], flags: argparse.Namespace
) -> dict[str, float]:
    """Medians of both, asked in turns after one round that does not count."""
    rows: list[tuple[float, float, float, float]] = []
    for _ in range(flags.rounds + 1):
        bare_first = bare.answer(1)
        bare_whole = bare.answer(flags.tokens)
        rows.append((bare_first, bare_whole, *ask(flags.tokens)))
    bare_first, bare_whole, first, whole = (statistics.median(column) for column in zip(*rows[1:], strict=True))
    return {
        "bare_tokens_per_s": flags.tokens / bare_whole,
        "server_tokens_per_s": flags.tokens / whole,
        "ratio": bare_whole / whole,
        "bare_first_token_s": bare_first,
        "server_first_token_s": first,
        "first_token_more_s": first - bare_first,
    }


if __name__ == "__main__":
    sys.exit(main())
