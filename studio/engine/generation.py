"""Generate with a loaded model, inside a PaddlePaddle process."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.core.endpoint import Sampling
from studio.engine.text_stream import TextStream
from studio.errors import StudioError

# Nobody reads faster than this, and a token of a small model takes less than handing it on.
FLUSH_S = 0.05
# Logits divided by less are infinite.
GREEDY_BELOW = 1e-5
# What stands for a probability of zero: JSON knows no infinity. As vLLM and OpenAI have it.
LEAST_LOGPROB = -9999.0
LOGPROB_ROWS = 256


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that was picked, its natural log-probability before any sampling, and the likeliest ones."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an answer, how many tokens were made by then, and the tokens since the piece before."""

    text: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended: its number of tokens, and why: `stop` or `length`."""

    tokens: int
    finish_reason: str


class LoadedModel:
    """A model and its tokenizer, ready to answer; one generation at a time, in one thread."""

    def __init__(self, model: Any, tokenizer: Any, context: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.context = context

    @property
    def chat_template(self) -> str:
        return str(getattr(self.tokenizer, "chat_template", "") or "")

    def write_prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        options: Mapping[str, Any] | None = None,
    ) -> str:
        """A conversation as the chat template writes it. Raises StudioError."""
        if not self.chat_template:
            raise StudioError("no_chat_template", "messages")
        if tools and "tools" not in self.chat_template:
            raise StudioError("no_place_for_tools", "tools")
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    list(messages),
                    tokenize=False,
                    add_generation_prompt=True,
                    **({"tools": list(tools)} if tools else {}),
                    **(options or {}),
                )
            )
        except Exception as error:
            # Templates refuse what they have no place for, such as two questions in a row.
            raise StudioError("template_refused", "messages", reason=str(error)[:500]) from error

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Token ids of a text; `special` adds what the tokenizer puts around one that stands alone.

        Raises StudioError for a text with half a character in it.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise StudioError("half_character", "messages", position=error.start) from error
        return [int(token) for token in self.tokenizer(text, add_special_tokens=special)["input_ids"]]

    def encode_chat(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """A conversation as the model sees it."""
        # The template writes the special tokens itself.
        return self.encode(self.write_prompt(messages), special=False)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of some tokens, special ones left out."""
        # Without cleaning up, which joins what the tokens have apart and so depends on what comes next.
        text = self.tokenizer.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def logits(self, token_ids: Sequence[int]) -> Any:
        """Logits of one sequence as a NumPy array, shape (tokens, vocabulary)."""
        import paddle

        with paddle.no_grad():
            ids = paddle.to_tensor([list(token_ids)], dtype="int64")
            out = self.model(input_ids=ids)
        first = out[0] if isinstance(out, tuple | list) else getattr(out, "logits", out)
        return first.astype("float32").numpy()[0]

    def logprobs(self, token_ids: Sequence[int], start: int) -> Any:
        """Natural log-probability of each token from place `start` (at least 1) on, as a NumPy array in float64.

        Raises StudioError for a sequence that is longer than the context.
        """
        if len(token_ids) > self.context:
            raise StudioError("prompt_too_long", "messages", tokens=len(token_ids), limit=self.context)
        import paddle

        found: list[Any] = []
        with paddle.no_grad():
            out = self.model(input_ids=paddle.to_tensor([list(token_ids)], dtype="int64"))
            logits = (out[0] if isinstance(out, tuple | list) else getattr(out, "logits", out))[0]
            # A part at a time: in float32 the whole of a long answer over a large vocabulary takes gigabytes.
            for begin in range(start - 1, len(token_ids) - 1, LOGPROB_ROWS):
                end = min(begin + LOGPROB_ROWS, len(token_ids) - 1)
                rows = logits[begin:end].astype("float32")
                wanted = paddle.to_tensor(list(token_ids[begin + 1 : end + 1]), dtype="int64").unsqueeze(-1)
                picked = paddle.take_along_axis(rows, wanted, axis=-1).squeeze(-1)
                found.append((picked - paddle.logsumexp(rows, axis=-1)).numpy().astype("float64"))
        return np.concatenate(found) if found else np.zeros(0)

    def answer(self, prompt: Sequence[int], sampling: Sampling) -> str:
        """The whole answer. Raises StudioError as `generate` does."""
        pieces: list[str] = []
        self.generate(prompt, sampling, lambda piece: pieces.append(piece.text))
        return "".join(pieces)

    def generate(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        put: Callable[[Piece], None],
        cancelled: Callable[[], bool] = lambda: False,
        top_logprobs: int | None = None,
    ) -> Ending:
        """Hand the answer on piece by piece, and say how it ended; `cancelled` ends it at the next token.

        With `top_logprobs` each piece carries its tokens, each with so many of the likeliest. Raises StudioError
        for a prompt that leaves no room in the context.
        """
        if len(prompt) >= self.context:
            raise StudioError("prompt_too_long", "messages", tokens=len(prompt), limit=self.context)
        ends = self._end_tokens()
        text = TextStream(self.decode, sampling.stop)
        likely = _Likely(self.decode, top_logprobs) if top_logprobs is not None else None
        streamer = _Streamer(text, ends, put, cancelled, likely, at_once=bool(sampling.stop))
        self._run(prompt, sampling, min(sampling.max_tokens, self.context - len(prompt)), streamer, likely)
        streamer.flush()
        return Ending(streamer.tokens, "stop" if streamer.stopped else "length")

    def _end_tokens(self) -> frozenset[int]:
        """The tokenizer's, and the model's own: some families end a turn with another than a text."""
        told = getattr(getattr(self.model, "generation_config", None), "eos_token_id", None)
        ends = (self.tokenizer.eos_token_id, told)
        return frozenset(
            int(token) for end in ends if end is not None for token in (end if isinstance(end, list) else [end])
        )

    def _run(
        self, prompt: Sequence[int], sampling: Sampling, limit: int, streamer: "_Streamer", likely: "_Likely | None"
    ) -> None:
        import paddle

        # Without a seed of its own a request goes on with the random state that the one before left.
        if sampling.seed is not None:
            paddle.seed(sampling.seed)
        arguments: dict[str, Any] = {
            "max_new_tokens": limit,
            # The streamer knows them all, and ends the loop.
            "eos_token_id": self.tokenizer.eos_token_id,
            "pad_token_id": self.tokenizer.pad_token_id,
            "repetition_penalty": sampling.repetition_penalty,
            "use_cache": True,
            "streamer": streamer,
        }
        # `do_sample` is ignored by the engine, and a temperature of 0 would still sample.
        if sampling.temperature > GREEDY_BELOW:
            arguments |= {
                "decode_strategy": "sampling",
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
            }
        else:
            arguments["decode_strategy"] = "greedy_search"
        if likely:
            # The engine's lists of processors cannot be given; this it calls before all of them.
            self.model.adjust_logits_during_generation = likely.see
        try:
            with paddle.no_grad():
                self.model.generate(input_ids=paddle.to_tensor([list(prompt)], dtype="int64"), **arguments)
        except _EndedEarly:
            pass
        finally:
            if likely:
                del self.model.adjust_logits_during_generation


class _EndedEarly(Exception):
    """Raised inside of the engine's own loop, which ends it after the current token."""


class _Streamer:
    """What the engine's loop calls with each token: as little as can be, since the engine waits for it.

    Text is made of the tokens of `FLUSH_S` seconds at once, which nobody sees, and of each where a stop text must
    be looked for. A model that takes longer than that for a token hands on each.
    """

    def __init__(
        self,
        text: TextStream,
        ends: frozenset[int],
        put: Callable[[Piece], None],
        cancelled: Callable[[], bool],
        likely: "_Likely | None",
        *,
        at_once: bool,
    ) -> None:
        self.tokens = 0
        self.stopped = False
        self._text = text
        self._ends = ends
        self._put = put
        self._cancelled = cancelled
        self._likely = likely
        self._flush_s = 0.0 if at_once else FLUSH_S
        self._made: list[int] = []
        self._logprobs: list[TokenLogprob] = []
        self._saw_prompt = False
        self._flushed_at = 0.0

    def put(self, value: Any) -> None:
        """Called by the engine: first with the prompt, then with each token."""
        if self._cancelled():
            self.stopped = True
            raise _EndedEarly
        if not self._saw_prompt:
            self._saw_prompt = True
            return
        token = int(value.item())
        if token in self._ends:
            self.stopped = True
            raise _EndedEarly
        self.tokens += 1
        self._made.append(token)
        if self._likely:
            self._logprobs.append(self._likely.of(token))
        now = time.monotonic()
        if now - self._flushed_at >= self._flush_s:
            self._flushed_at = now
            self._hand_on(self._text.feed(self._take()))
            if self._text.stopped:
                self.stopped = True
                raise _EndedEarly

    def end(self) -> None:
        """Called by the engine at its own end."""

    def flush(self) -> None:
        self._hand_on(self._text.feed(self._take()) + self._text.end(), last=True)

    def _take(self) -> list[int]:
        made, self._made = self._made, []
        return made

    def _hand_on(self, text: str, *, last: bool = False) -> None:
        if text or (last and self._logprobs):
            self._put(Piece(text, self.tokens, tuple(self._logprobs)))
            self._logprobs = []


class _Likely:
    """Sees the model's own logits, before penalty and temperature, and says how likely a token was."""

    def __init__(self, decode: Callable[[Sequence[int]], str], count: int) -> None:
        self._decode = decode
        self._count = count
        self._last = np.zeros(0)

    def see(self, logits: Any) -> Any:
        row = logits[0].astype("float32").numpy().astype("float64")
        highest = row.max()
        self._last = row - (highest + math.log(np.exp(row - highest).sum()))
        return logits

    def of(self, token: int) -> TokenLogprob:
        likeliest = self._last.argsort()[::-1][: self._count]
        top = tuple((self._decode([int(other)]), self._at(int(other))) for other in likeliest)
        return TokenLogprob(self._decode([token]), self._at(token), top)

    def _at(self, token: int) -> float:
        value = float(self._last[token])
        return max(value, LEAST_LOGPROB) if value == value else LEAST_LOGPROB
