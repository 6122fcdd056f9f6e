"""Load a model with its adapters and generate, inside a PaddlePaddle process."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import StudioError

WEIGHTS_FORMAT = "flex_checkpoint"
LORA_CONFIG = "lora_config.json"
CANCEL_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to pick tokens; a temperature of 0 is greedy."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(slots=True)
class Usage:
    """Token counts of one answer, and why it ended: `stop` or `length`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = "stop"


class LoadedModel:
    """A model and its tokenizer, ready to answer; one generation at a time."""

    def __init__(self, model: Any, tokenizer: Any, context: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.context = context
        # The engine's random state is global, and a CPU gains nothing from two at once.
        self._busy = threading.Lock()

    def encode_chat(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """The prompt as the model sees it."""
        encoded = self.tokenizer.apply_chat_template(list(messages), tokenize=True, add_generation_prompt=True)
        ids = encoded["input_ids"] if hasattr(encoded, "keys") else encoded
        return [int(token) for token in (ids[0] if ids and isinstance(ids[0], list) else ids)]

    def logits(self, token_ids: Sequence[int]) -> Any:
        """Logits of one sequence as a NumPy array, shape (tokens, vocabulary)."""
        import paddle

        with paddle.no_grad():
            ids = paddle.to_tensor([list(token_ids)], dtype="int64")
            out = self.model(input_ids=ids)
        first = out[0] if isinstance(out, tuple | list) else getattr(out, "logits", out)
        return first.astype("float32").numpy()[0]

    def stream(
        self, prompt: Sequence[int], sampling: Sampling, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[str, Usage]]:
        """Pieces of the answer with the counts so far. Closing the iterator or `cancelled` ends it.

        Raises StudioError for a prompt that leaves no room in the context.
        """
        usage = Usage(prompt_tokens=len(prompt))
        if len(prompt) >= self.context:
            raise StudioError("prompt_too_long", "messages", tokens=len(prompt), limit=self.context)
        limit = min(sampling.max_tokens, self.context - len(prompt))
        with self._busy:
            yield from self._stream(prompt, sampling, limit, usage, cancelled)

    def _stream(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        limit: int,
        usage: Usage,
        cancelled: Callable[[], bool],
    ) -> Iterator[tuple[str, Usage]]:
        channel = _Channel(cancelled)
        worker = threading.Thread(target=self._generate, args=(prompt, sampling, limit, channel), daemon=True)
        worker.start()
        ids: list[int] = []
        sent = ""
        ended = {int(token) for token in self._end_tokens()}
        try:
            for token in channel:
                if token in ended:
                    break
                ids.append(token)
                usage.completion_tokens = len(ids)
                text = self.tokenizer.decode(ids, skip_special_tokens=True)
                found = _first_stop(text, sampling.stop)
                if found is not None:
                    if found > len(sent):
                        yield text[len(sent) : found], usage
                    return
                # A character of several tokens is not whole yet; a stop text may have begun.
                safe = text[: len(text) - _held_back(text, sampling.stop)]
                if len(safe) > len(sent) and safe.startswith(sent):
                    piece, sent = safe[len(sent) :], safe
                    yield piece, usage
            else:
                usage.finish_reason = "length" if len(ids) >= limit else "stop"
            text = self.tokenizer.decode(ids, skip_special_tokens=True)
            if len(text) > len(sent):
                yield text[len(sent) :], usage
        finally:
            channel.cancel()
            worker.join()
        if channel.error is not None:
            raise channel.error

    def _end_tokens(self) -> list[int]:
        end = self.tokenizer.eos_token_id
        return end if isinstance(end, list) else [end] if end is not None else []

    def _generate(self, prompt: Sequence[int], sampling: Sampling, limit: int, channel: "_Channel") -> None:
        import paddle

        if sampling.seed is not None:
            paddle.seed(sampling.seed)
        arguments: dict[str, Any] = {
            "max_new_tokens": limit,
            "eos_token_id": self._end_tokens()[0] if self._end_tokens() else None,
            "pad_token_id": self.tokenizer.pad_token_id,
            "repetition_penalty": sampling.repetition_penalty,
            "use_cache": True,
            "streamer": channel,
        }
        # `do_sample` is ignored by the engine, and a temperature of 0 would still sample.
        if sampling.temperature > 0:
            arguments |= {
                "decode_strategy": "sampling",
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
            }
        else:
            arguments["decode_strategy"] = "greedy_search"
        try:
            with paddle.no_grad():
                self.model.generate(input_ids=paddle.to_tensor([list(prompt)], dtype="int64"), **arguments)
        except _CancelledError:
            pass
        except Exception as error:
            channel.error = error
        finally:
            channel.end()


class _CancelledError(Exception):
    """Raised inside the engine's own loop, which ends it after the current token."""


class _Channel:
    """Carries tokens from the engine's streamer interface to an iterator."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self.error: Exception | None = None
        self._cancelled = cancelled
        self._stopped = False
        self._tokens: list[int] = []
        self._ended = False
        self._skipped_prompt = False
        self._changed = threading.Condition()

    def put(self, value: Any) -> None:
        """Called by the engine: first with the prompt, then with each token."""
        if self._stopped or self._cancelled():
            raise _CancelledError
        if not self._skipped_prompt:
            self._skipped_prompt = True
            return
        with self._changed:
            self._tokens += [int(token) for token in value.numpy().reshape([-1]).tolist()]
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def cancel(self) -> None:
        self._stopped = True

    def __iter__(self) -> Iterator[int]:
        position = 0
        while True:
            with self._changed:
                while position >= len(self._tokens) and not self._ended:
                    self._changed.wait(CANCEL_POLL_S)
                if position >= len(self._tokens):
                    return
                token = self._tokens[position]
            position += 1
            yield token


def _first_stop(text: str, stops: Sequence[str]) -> int | None:
    found = [position for stop in stops if (position := text.find(stop)) >= 0]
    return min(found) if found else None


def _held_back(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end must wait: half a character, or what may become a stop text."""
    held = 1 if text.endswith("�") else 0
    for stop in stops:
        for size in range(min(len(stop) - 1, len(text)), 0, -1):
            if text.endswith(stop[:size]):
                held = max(held, size)
                break
    return held


def load_model(folder: Path, adapters: Sequence[Path] = ()) -> LoadedModel:
    """Load a model folder and put LoRA adapters on it. Raises StudioError with what is wrong.

    The engine holds one set of LoRA layers; of several adapters, all but the last are merged into the
    weights in memory, which is the same sum.
    """
    from studio.engine.fixes import apply_fixes

    apply_fixes()
    import paddle
    from paddleformers.transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    if not paddle.is_compiled_with_cuda():
        paddle.set_device("cpu")
    if not (folder / "config.json").is_file():
        raise StudioError("not_a_model", "model", given=str(folder), missing="config.json")
    on_cpu = not paddle.is_compiled_with_cuda()
    try:
        config: Any = AutoConfig.from_pretrained(str(folder))
        if on_cpu:
            config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            config=config,
            load_checkpoint_format=WEIGHTS_FORMAT,
            dtype="float32" if on_cpu else "bfloat16",
        )
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except Exception as error:
        raise StudioError("broken_weights", "model", path=str(folder), reason=_short(error)) from error
    for position, adapter in enumerate(adapters):
        model = _add_adapter(model, folder, adapter, keep=position == len(adapters) - 1)
    model.eval()
    model.config.use_cache = True
    return LoadedModel(model, tokenizer, int(getattr(config, "max_position_embeddings", 2048)))


def _add_adapter(model: Any, base: Path, adapter: Path, *, keep: bool) -> Any:
    from paddleformers.peft import LoRAModel

    path = adapter / LORA_CONFIG
    if not path.is_file():
        raise StudioError("not_an_adapter", "adapters", given=str(adapter))
    told = json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path")
    if told and Path(told).resolve() != base.resolve() and not _same_shape(Path(told), base):
        raise StudioError("adapter_of_other_base", "adapters", adapter=adapter.name, expected=told, given=str(base))
    try:
        wrapped = LoRAModel.from_pretrained(model, lora_path=str(adapter), load_checkpoint_format=WEIGHTS_FORMAT)
    except Exception as error:
        raise StudioError("broken_weights", "adapters", path=str(adapter), reason=_short(error)) from error
    if keep:
        return wrapped
    wrapped.merge()
    return wrapped.restore_original_model() or wrapped.model


def _same_shape(first: Path, second: Path) -> bool:
    """Whether two bases have the same layers: a copy or a moved folder is no other base."""
    shapes: list[Any] = []
    for folder in (first, second):
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # The base that an adapter names may be gone; then only loading tells.
            return True
        names = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        shapes.append([config.get(name) for name in names])
    return shapes[0] == shapes[1]


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:500]
