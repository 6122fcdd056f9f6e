"""Processes that show rows as the model sees them: start one, ask it, end it."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import IO, Any, cast

from studio.errors import JobFailed
from studio.jobs.launch import CHECKOUT, scrubbed_environment


class EncoderProcess:
    """PaddleFormers' tokenizer and datasets for one model folder, in a process of their own.

    It ends with its standard input, so with the studio, however that ends.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._busy = threading.Lock()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "studio.engine.encode", model],
                cwd=CHECKOUT,
                env={**scrubbed_environment(), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                encoding="utf-8",
                start_new_session=True,
            )
        except OSError as error:
            raise JobFailed("cannot_start", command=sys.executable, reason=error.strerror) from error
        try:
            self._read()
        except JobFailed:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def lengths(self, stage: str, rows: Sequence[object]) -> list[tuple[int, int, int]]:
        """Tokens of each row: prompt, response, total. Raises JobFailed."""
        answer = self._ask({"ask": "lengths", "stage": stage, "rows": rows})
        return [(prompt, response, total) for prompt, response, total in answer]

    def fits(self, stage: str, max_seq_len: int, rows: Sequence[object]) -> list[tuple[int, bool]]:
        """Tokens of each row, and whether the engine skips it as its whole answer is cut off. Raises JobFailed."""
        answer = self._ask({"ask": "fits", "stage": stage, "max_seq_len": max_seq_len, "rows": rows})
        return [(total, skipped) for total, skipped in answer]

    def encode(self, stage: str, max_seq_len: int, rows: Sequence[object]) -> list[dict[str, Any]]:
        """Each row as `studio.engine.encode.EncodedRow` holds it. Raises JobFailed."""
        return self._ask({"ask": "rows", "stage": stage, "max_seq_len": max_seq_len, "rows": rows})

    def stop(self) -> None:
        """End the process, also in the middle of an answer."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._log.close()

    def _ask(self, request: dict[str, Any]) -> list[Any]:
        with self._busy:
            try:
                stream = cast("IO[str]", self._process.stdin)
                stream.write(json.dumps(request, ensure_ascii=False) + "\n")
                stream.flush()
            except (BrokenPipeError, ValueError) as error:
                raise JobFailed("encoder_failed", "model", reason=self._last_words()) from error
            return self._read()["rows"]

    def _read(self) -> dict[str, Any]:
        line = cast("IO[str]", self._process.stdout).readline()
        told = cast("dict[str, Any]", json.loads(line)) if line else {"error": self._last_words()}
        if "error" in told:
            raise JobFailed("encoder_failed", "model", reason=told["error"])
        return told

    def _last_words(self) -> str:
        if self._log.closed:
            return "-"
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "-"
