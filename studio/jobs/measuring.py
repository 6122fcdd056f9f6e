"""Measure a dataset in a process of its own, so that the page stays quick and Cancel is at once."""

import json
import os
import queue
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, cast

from studio.errors import JobFailed, StudioError
from studio.jobs.launch import TetheredProcess

NEWS_S = 0.5


def measure_command(home: Path, name: str, model: str) -> list[str]:
    """The arguments that measure a dataset; its name and the model's may look like flags."""
    where = (sys.executable, "-m", "studio", "--home", str(home))
    return [*where, "datasets", "measure", f"--model={model}", "--json", "--progress", "--", name]


def measure_apart(home: Path, name: str, model: str) -> Generator[tuple[int, int]]:
    """Progress as (rows done, rows in all), until the statistics are kept; closing it ends the process.

    Tells something every NEWS_S seconds, so that whoever follows can also leave. Raises StudioError as `measure`.
    """
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        process = TetheredProcess(measure_command(home, name, model), {}, end)
    news: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(os.fdopen(reading, encoding="utf-8"), news), daemon=True).start()
    done, total = 0, 0
    last = ""
    try:
        while True:
            try:
                line = news.get(timeout=NEWS_S)
            except queue.Empty:
                yield done, total
                continue
            if line is None:
                break
            told = _parse(line)
            last = line if line.strip() else last
            if "done" in told:
                done, total = told["done"], told["total"]
                yield done, total
    finally:
        process.stop()
    if process.process.returncode:
        told = _parse(last)
        if "code" in told:
            raise StudioError(told["code"], told["field"], **told["values"])
        raise JobFailed("measuring_failed", "model", reason=told.get("error") or last.strip()[:300] or "-")


def _read_lines(stream: IO[str], news: "queue.Queue[str | None]") -> None:
    with stream:
        for line in stream:
            news.put(line)
    news.put(None)


def _parse(line: str) -> dict[str, Any]:
    """An object that the process told; what it or a library printed besides is none."""
    try:
        told: Any = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}
