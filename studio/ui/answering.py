"""Who is being answered right now, so that nobody is answered twice and anybody can stop it."""

import threading
from dataclasses import dataclass

from studio.jobs.endpoint import Line


@dataclass(slots=True)
class Answering:
    """The connections of one window's answers; what comes after it was `discarded` is not wanted any more."""

    lines: tuple[Line, ...]
    discarded: bool = False


class AnsweringNow:
    """The windows that are being answered. Each has one answer, or one row of answers, at a time."""

    def __init__(self) -> None:
        self._windows: dict[str, Answering] = {}
        self._lock = threading.Lock()

    def begin(self, window: str, count: int = 1) -> Answering | None:
        """Connections to answer over; None where this window is being answered already."""
        with self._lock:
            if window in self._windows:
                return None
            begun = Answering(tuple(Line() for _ in range(count)))
            self._windows[window] = begun
            return begun

    def end(self, window: str, begun: Answering) -> None:
        with self._lock:
            if self._windows.get(window) is begun:
                del self._windows[window]

    def is_busy(self, window: str) -> bool:
        return window in self._windows

    def stop(self, window: str, *, discard: bool = False) -> None:
        """Cut what is being answered; what came stays, unless it is to be discarded."""
        with self._lock:
            found = self._windows.pop(window, None) if discard else self._windows.get(window)
        if found:
            found.discarded = discard
            for line in found.lines:
                line.cut()
