"""What the model server counts, for Prometheus."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from studio.engine.generation import Ending, Piece
from studio.engine.slot import Slot, Work

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class ServerMetrics:
    """Counts of one server; times in seconds, rates in tokens a second."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, slot: Slot) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        registry = self._registry
        self.requests = Counter("studio_requests", "Requests, by how they ended", ["outcome"], registry=registry)
        self.prompt_tokens = Counter("studio_prompt_tokens", "Tokens of prompts", registry=registry)
        self.made_tokens = Counter("studio_generated_tokens", "Tokens of answers", registry=registry)
        waiting = Gauge("studio_requests_waiting", "Requests that wait for their turn", registry=registry)
        waiting.set_function(lambda: slot.waiting)
        running = Gauge("studio_requests_running", "Requests that are being answered", registry=registry)
        running.set_function(lambda: slot.running)
        self.queue_s = Histogram("studio_queue_seconds", "Time in the queue", buckets=SECONDS, registry=registry)
        self.first_s = Histogram(
            "studio_time_to_first_token_seconds",
            "From the request to its first token, the queue included",
            buckets=SECONDS,
            registry=registry,
        )
        self.rate = Histogram(
            "studio_tokens_per_second", "Tokens a second of one answer", buckets=RATES, registry=registry
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def request(self, prompt_tokens: int) -> "CountedRequest":
        """Count a request that is about to wait for its turn."""
        self.prompt_tokens.inc(prompt_tokens)
        return CountedRequest(self)


class CountedRequest:
    """One request on its way."""

    def __init__(self, metrics: ServerMetrics) -> None:
        self._metrics = metrics
        self._asked = time.monotonic()

    def waited(self, seconds: float) -> None:
        self._metrics.queue_s.observe(seconds)

    def given_up(self) -> None:
        self._metrics.requests.labels("cancelled").inc()

    def watch(self, work: Work) -> Work:
        """The same work, counted."""

        def counted(put: Callable[[Piece], None], cancelled: Callable[[], bool]) -> Ending:
            begun = time.monotonic()
            first_at: float | None = None

            def put_first(piece: Piece) -> None:
                nonlocal first_at
                if first_at is None:
                    first_at = time.monotonic()
                    self._metrics.first_s.observe(first_at - self._asked)
                put(piece)

            outcome = "failed"
            try:
                ending = work(put_first, cancelled)
                outcome = "cancelled" if cancelled() else ending.finish_reason
            finally:
                self._metrics.requests.labels(outcome).inc()
            self._metrics.made_tokens.inc(ending.tokens)
            if ending.tokens:
                self._metrics.rate.observe(ending.tokens / (time.monotonic() - begun))
            return ending

        return counted
