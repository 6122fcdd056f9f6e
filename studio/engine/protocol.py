"""OpenAI's protocol as the model server speaks it: what may be asked, and what is answered.

Source: the API reference of OpenAI (chat completions, completions, errors), and for `top_k`, `repetition_penalty`,
`chat_template_kwargs`, `/tokenize` and the adapters' routes vLLM's, which FastDeploy follows.
"""

import json
import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from studio.core.endpoint import Sampling
from studio.engine.generation import Ending, Piece, TokenLogprob
from studio.errors import StudioError

# Fields that change nothing of an answer here, which clients send all the same.
WITHOUT_EFFECT = frozenset(
    ("user", "metadata", "store", "service_tier", "parallel_tool_calls", "safety_identifier", "prompt_cache_key")
)
STOPS_LIMIT = 16
ANSWERS_LIMIT = 64
SAID = {
    "prompt_too_long": "This model's context is {limit} tokens, and the prompt is {tokens}.",
    "no_chat_template": "This model has no chat template: ask it through /v1/completions.",
    "no_place_for_tools": "This model's chat template has no place for tools.",
    "template_refused": "The chat template refuses these messages: {reason}",
    "not_loaded_here": "The model {given!r} is not loaded here; loaded are {known}.",
    "half_character": "The text holds half a character (a lone surrogate) at {position}.",
    "name_taken": "{given} is the base's own name.",
    "not_trainable": "The engine would train on nothing of this conversation.",
    "engine_failed": "The engine failed: {reason}",
    "queue_full": "{waiting} requests are waiting already; try again later.",
    "not_an_adapter": "{given} is not a LoRA adapter.",
    "adapter_of_other_base": "The adapter {adapter} was trained on {expected}, not on {given}.",
    "adapter_with_weights": "{given} holds weights beside its LoRA factors and cannot be switched.",
    "broken_weights": "The weights in {path} cannot be read: {reason}",
}
# The protocol's own names, where it has one.
CODES = {"prompt_too_long": "context_length_exceeded", "not_loaded_here": "model_not_found"}
STATUS = {"queue_full": 503, "not_loaded_here": 404}
# With a chat template of a client's own the server would run the client's program.
TEMPLATE_WORDS = frozenset(
    ("chat_template", "tokenize", "add_generation_prompt", "conversation", "tools", "documents")
)


def _harmless(options: dict[str, Any]) -> dict[str, Any]:
    refused = [name for name in options if name in TEMPLATE_WORDS or name.startswith("return_")]
    if refused:
        raise ValueError(f"{refused[0]} is not a client's to set")
    return options


TemplateOptions = Annotated[dict[str, bool | int | float | str | None], AfterValidator(_harmless)]


class TextPart(BaseModel):
    """A part of a message; this server reads words."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: Literal["system", "user", "assistant", "tool", "function", "developer"]
    content: str | list[TextPart] | None = None

    def plain(self) -> dict[str, Any]:
        """The message as a chat template takes it."""
        parts = self.content
        text = "".join(part.text for part in parts) if isinstance(parts, list) else parts or ""
        return {**(self.model_extra or {}), "role": self.role, "content": text}


class GenerationRequest(BaseModel):
    """What both kinds of completion take. What cannot be honoured is refused, never ignored."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float | None, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int | None, Field(ge=-1)] = 0
    repetition_penalty: Annotated[float | None, Field(gt=0, le=10)] = 1.0
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    stop: str | Annotated[list[str], Field(max_length=STOPS_LIMIT)] | None = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    n: Literal[1] | None = 1
    stream: bool | None = False
    stream_options: dict[str, Any] | None = None
    frequency_penalty: Literal[0] | None = 0
    presence_penalty: Literal[0] | None = 0
    logit_bias: Annotated[dict[str, float] | None, Field(max_length=0)] = None

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: value for key, value in given.items() if key not in WITHOUT_EFFECT}

    def sampling(self, context: int) -> Sampling:
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            max_tokens=self.wanted_tokens() or context,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=self.top_p or 1.0,
            top_k=max(0, self.top_k or 0),
            repetition_penalty=self.repetition_penalty or 1.0,
            stop=tuple(stop for stop in stops if stop),
            # The engine's generator takes numbers from 0.
            seed=None if self.seed is None else self.seed & (2**63 - 1),
        )

    def wanted_tokens(self) -> int | None:
        return self.max_tokens

    def top_count(self) -> int | None:
        """How many of the likeliest tokens are wanted with each, or None for no log-probabilities."""
        return None

    @property
    def wants_usage(self) -> bool:
        return bool((self.stream_options or {}).get("include_usage"))


class ChatRequest(GenerationRequest):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    chat_template_kwargs: TemplateOptions | None = None
    response_format: dict[Literal["type"], Literal["text"]] | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None

    def wanted_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    def offered_tools(self) -> list[dict[str, Any]]:
        return [] if self.tool_choice == "none" else self.tools or []

    def top_count(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionRequest(GenerationRequest):
    """`POST /v1/completions`."""

    prompt: (
        str | Annotated[list[str], Field(min_length=1, max_length=1)] | Annotated[list[int], Field(min_length=1)]
    )
    best_of: Literal[1] | None = 1
    echo: Literal[False] | None = False
    suffix: Literal[""] | None = None
    logprobs: Annotated[int | None, Field(ge=0, le=5)] = None

    def top_count(self) -> int | None:
        return self.logprobs


class TokenizeRequest(BaseModel):
    """`POST /tokenize`: a text, or messages through the chat template."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    prompt: str | None = None
    messages: list[Message] | None = None
    tools: list[dict[str, Any]] | None = None
    chat_template_kwargs: TemplateOptions | None = None


class LikelihoodRequest(BaseModel):
    """`POST /likelihood`: how likely answers to a conversation are, each as SFT would feed it. Ours alone.

    Without messages the answers are plain text, as pre-training would feed it.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    messages: list[Message]
    answers: Annotated[list[str], Field(min_length=1, max_length=ANSWERS_LIMIT)]
    # A letter that a longer answer begins with is judged without the end that would have to follow it.
    with_end: bool = True


class AdapterRequest(BaseModel):
    """`POST /v1/load_lora_adapter`; several folders are added up."""

    lora_name: Annotated[str, Field(min_length=1, max_length=300)]
    lora_path: str | Annotated[list[str], Field(min_length=1)]


class RemovalRequest(BaseModel):
    """`POST /v1/unload_lora_adapter`."""

    lora_name: str


class Reply:
    """One answer in the protocol's words, whole or as events."""

    def __init__(self, model: str, prompt_tokens: int, *, chat: bool) -> None:
        self._chat = chat
        self._prompt_tokens = prompt_tokens
        prefix = "chatcmpl" if chat else "cmpl"
        self._head = {"id": f"{prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, pieces: Sequence[Piece], ending: Ending) -> dict[str, Any]:
        text = "".join(piece.text for piece in pieces)
        tokens = [token for piece in pieces for token in piece.logprobs]
        said = (
            {"message": {"role": "assistant", "content": text, "refusal": None}} if self._chat else {"text": text}
        )
        choice = {"index": 0, **said, "finish_reason": ending.finish_reason, "logprobs": self._logprobs(tokens)}
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": [choice], "usage": self._usage(ending)}

    def opening(self) -> str:
        """The first event: who speaks."""
        return self._event({"delta": {"role": "assistant", "content": ""}}) if self._chat else ""

    def part(self, pieces: Sequence[Piece]) -> str:
        text = "".join(piece.text for piece in pieces)
        tokens = [token for piece in pieces for token in piece.logprobs]
        said = {"delta": {"content": text}} if self._chat else {"text": text}
        return self._event({**said, "logprobs": self._logprobs(tokens)})

    def closing(self, ending: Ending, *, usage: bool) -> str:
        """The last events: why it ended, the counts where they are wanted, and the mark of the end."""
        said: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
        events = self._event(said, ending.finish_reason)
        if usage:
            events += _data({**self._chunk(), "choices": [], "usage": self._usage(ending)})
        return events + "data: [DONE]\n\n"

    def _chunk(self) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk" if self._chat else "text_completion"}

    def _event(self, said: dict[str, Any], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "logprobs": None, **said, "finish_reason": finish_reason}
        return _data({**self._chunk(), "choices": [choice]})

    def _usage(self, ending: Ending) -> dict[str, int]:
        counts = {"prompt_tokens": self._prompt_tokens, "completion_tokens": ending.tokens}
        return {**counts, "total_tokens": sum(counts.values())}

    def _logprobs(self, tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if not tokens:
            return None
        if self._chat:
            content = [
                {**_likely(token.text, token.logprob), "top_logprobs": [_likely(*other) for other in token.top]}
                for token in tokens
            ]
            return {"content": content, "refusal": None}
        offsets = [sum(len(token.text) for token in tokens[:place]) for place in range(len(tokens))]
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [dict(token.top) for token in tokens],
            "text_offset": offsets,
        }


def error_event(error: StudioError) -> str:
    """An error in the midst of a stream, whose status was sent long ago."""
    return _data({"error": error_body(say_error(error), error.field, error_code(error))})


def error_answer(message: str, param: str | None, code: str | None, status: int = 400) -> JSONResponse:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JSONResponse({"error": error_body(message, param, code, kind)}, status_code=status)


def known_error(error: StudioError) -> JSONResponse:
    """One of ours as the protocol says it."""
    status = STATUS.get(error.code, 400)
    return error_answer(say_error(error), error.field or None, error_code(error), status)


def error_body(
    message: str, param: str | None, code: str | None, kind: str = "invalid_request_error"
) -> dict[str, Any]:
    return {"message": message, "type": kind, "param": param, "code": code}


def error_code(error: StudioError) -> str:
    return CODES.get(error.code, error.code)


def say_error(error: StudioError) -> str:
    """In English: clients of the protocol are programs, and their readers programmers."""
    return SAID[error.code].format(**error.values) if error.code in SAID else str(error)


def _likely(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _data(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
