"""Where a model answers, how it is asked, and what comes back: OpenAI's chat protocol, in a few types."""

from dataclasses import dataclass, field

from studio.core.reach import Reach


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server and one of its models.

    `address` ends before the resources, as in `http://127.0.0.1:8188/v1`. An empty `model` is the first that the
    server lists. The key is a secret: it is sent, and shown or written nowhere. An address beyond
    the `reach`, where there is one, is not called.
    """

    address: str
    model: str = ""
    key: str = field(default="", repr=False)
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are picked; a temperature of 0 is greedy, a `top_k` of 0 no limit.

    `top_k` and `repetition_penalty` are not of OpenAI's protocol; they are sent where they differ from these
    values, in the words that vLLM, FastDeploy and our own server share.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    max_tokens: int = 256
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """Some text of an answer as it comes; `reasoning` is what a thinking model says apart from it."""

    content: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """What is known when an answer has ended: tokens (None where the server does not tell), and seconds.

    `finish_reason` is the protocol's: `stop`, `length`, `tool_calls` …
    """

    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: str
    first_token_s: float
    total_s: float

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second after the first; None where there is nothing to divide."""
        generating_s = self.total_s - self.first_token_s
        if self.completion_tokens is None or self.completion_tokens < 2 or generating_s <= 0:
            return None
        return (self.completion_tokens - 1) / generating_s


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    content: str
    reasoning: str
    facts: AnswerFacts


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a text is to a model: the sum of its tokens' natural log-probabilities, and their number.

    A model whose weights are broken gives a `logprob` of NaN.
    """

    logprob: float
    tokens: int
