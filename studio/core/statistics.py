"""Statistics of training data: how long the rows are in tokens, and what they are made of."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from studio.core.doctor import row_key
from studio.core.rows import Row

KINDS = ("prompt", "response", "total")
# Of the rows, this share fits into the suggested length.
FITTING_SHARE = 0.99
# Lengths are suggested in such steps, as hardware likes them.
LENGTH_STEP = 64
# Of the letters, at least this share is Han in a Chinese text: one character says as much as a Latin word.
HAN_SHARE = 0.3
LANGUAGE_LETTERS = 400


@dataclass(slots=True)
class DataStatistics:
    """Counts over rows; lengths are kept exactly, as how many rows have which."""

    rows: int = 0
    faulty: int = 0
    lengths: dict[str, Counter[int]] = field(default_factory=lambda: {kind: Counter[int]() for kind in KINDS})
    turns: Counter[int] = field(default_factory=Counter[int])
    languages: Counter[str] = field(default_factory=Counter[str])
    empty: Counter[str] = field(default_factory=Counter[str])
    duplicates: int = 0
    _seen: set[bytes] = field(default_factory=set[bytes], repr=False, compare=False)

    def add(self, raw: object, row: Row) -> None:
        """Count a row, without its lengths."""
        self.rows += 1
        self.turns[len(row.turns)] += 1
        self.languages[detect_language(row)] += 1
        key = row_key(row)
        self.duplicates += key in self._seen
        self._seen.add(key)
        if isinstance(raw, Mapping):
            for name, value in cast("Mapping[str, object]", raw).items():
                if value is None or value in ("", [], {}):
                    self.empty[name] += 1

    def add_lengths(self, prompt: int, response: int, total: int) -> None:
        for kind, length in zip(KINDS, (prompt, response, total), strict=True):
            self.lengths[kind][length] += 1

    def truncated(self, max_seq_len: int) -> int:
        """How many rows are longer than that."""
        return sum(count for length, count in self.lengths["total"].items() if length > max_seq_len)

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "faulty": self.faulty,
            "lengths": {kind: dict(sorted(counts.items())) for kind, counts in self.lengths.items()},
            "turns": dict(sorted(self.turns.items())),
            "languages": dict(self.languages.most_common()),
            "empty": dict(self.empty.most_common()),
            "duplicates": self.duplicates,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "DataStatistics":
        return cls(
            stored["rows"],
            stored["faulty"],
            {kind: _by_number(stored["lengths"][kind]) for kind in KINDS},
            _by_number(stored["turns"]),
            Counter(stored["languages"]),
            Counter(stored["empty"]),
            stored["duplicates"],
        )


def quantile(counts: Mapping[int, int], share: float) -> int:
    """The smallest value that at least this share of the counted do not exceed; 0 of nothing."""
    total = sum(counts.values())
    reached = 0
    for value in sorted(counts):
        reached += counts[value]
        if reached >= share * total:
            return value
    return 0


def suggested_length(counts: Mapping[int, int]) -> int:
    """A `max_seq_len` into which FITTING_SHARE of the rows fit, rounded up to LENGTH_STEP."""
    return max(LENGTH_STEP, -(-quantile(counts, FITTING_SHARE) // LENGTH_STEP) * LENGTH_STEP)


def histogram(counts: Mapping[int, int], bins: int) -> list[tuple[int, int, int]]:
    """At most that many equal bins over all lengths: first length, last length, how many."""
    if not counts:
        return []
    low, high = min(counts), max(counts)
    width = -(-(high - low + 1) // bins)
    found = Counter({(length - low) // width: 0 for length in counts})
    for length, count in counts.items():
        found[(length - low) // width] += count
    last = (high - low) // width
    return [(low + i * width, low + (i + 1) * width - 1, found[i]) for i in range(last + 1)]


def detect_language(row: Row) -> str:
    """`zh`, `en` or `other`, by the script of its first LANGUAGE_LETTERS letters."""
    han = latin = others = 0
    for letter in _letters(row):
        if "\u4e00" <= letter <= "\u9fff" or "\u3400" <= letter <= "\u4dbf":
            han += 1
        elif letter.isascii():
            latin += 1
        elif _is_japanese_or_korean(letter) or not unicodedata.name(letter, "").startswith("LATIN"):
            others += 1
        else:
            # Letters with accents: Latin, and most likely not English.
            latin += 1
            others += 1
        if han + latin + others >= LANGUAGE_LETTERS:
            break
    total = han + latin + others
    if not total:
        return "other"
    if others > 0.1 * total:
        return "other"
    return "zh" if han >= HAN_SHARE * total else "en"


def _letters(row: Row) -> Iterator[str]:
    texts = [row.text] if row.text is not None else [turn.content for turn in (*row.turns, *row.chosen)]
    return (letter for text in texts for letter in text if letter.isalpha())


def _is_japanese_or_korean(letter: str) -> bool:
    return "\u3040" <= letter <= "\u30ff" or "\uac00" <= letter <= "\ud7af"


def _by_number(stored: Mapping[str, int]) -> Counter[int]:
    return Counter({int(key): count for key, count in stored.items()})
