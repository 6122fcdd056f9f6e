"""From tokens to text as they come: whole characters only, and nothing of a stop text."""

from collections.abc import Callable, Sequence

# What a decoder writes for bytes that are no character, or not yet one.
HALF_CHARACTER = "\ufffd"


class TextStream:
    """Turns tokens into pieces of text.

    Only the tokens since the last whole character are decoded again, with those before it that its spacing depends
    on: decoding all of them at every token would take the longer the longer the answer is. `decode` takes ids.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stops = [stop for stop in stops if stop]
        self._ids: list[int] = []
        # Tokens from `_context` to `_read` have been made text; they are decoded along with what follows.
        self._context = 0
        self._read = 0
        self._held = ""
        self.stopped = False

    def feed(self, tokens: Sequence[int]) -> str:
        """What can be shown now; sets `stopped` when a stop text was completed."""
        self._ids += tokens
        known = self._decode(self._ids[self._context : self._read])
        text = self._decode(self._ids[self._context :])
        if len(text) <= len(known) or text.endswith(HALF_CHARACTER):
            return ""
        self._context, self._read = self._read, len(self._ids)
        return self._show(text[len(known) :])

    def end(self) -> str:
        """What was held back, as no more tokens come."""
        known = self._decode(self._ids[self._context : self._read])
        rest = self._decode(self._ids[self._context :])[len(known) :]
        self._context = self._read = len(self._ids)
        text = self._show(rest) + self._held if not self.stopped else ""
        self._held = ""
        return text

    def _show(self, text: str) -> str:
        text = self._held + text
        self._held = ""
        found = [position for stop in self._stops if (position := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return text[: min(found)]
        held = max((_begun(text, stop) for stop in self._stops), default=0)
        if held:
            text, self._held = text[:-held], text[-held:]
        return text


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of a text may be the beginning of a stop text."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
