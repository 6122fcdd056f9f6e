"""What is doubtful about sound rows: seen twice or almost, seen in the evaluation, hardly an answer, too long,
somebody's data.
"""

import importlib
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from studio.core.formats import MEDIA_MARKS
from studio.core.rows import Row

# In the order in which they are told.
FINDINGS = (
    "duplicate",
    "near_duplicate",
    "leak",
    "short_answer",
    "too_long",
    "answer_cut",
    "email",
    "mobile",
    "identity",
)
# What only a tokenizer and a length limit can tell.
LENGTH_FINDINGS = frozenset({"too_long", "answer_cut"})
# Two texts are almost the same when they share that much of their shingles (Jaccard similarity, estimated by
# MinHash: Broder 1997), which takes a kilobyte a row.
NEAR_SIMILARITY = 0.8
NEAR_PERMUTATIONS = 128
NEAR_LIMIT_ROWS = 300_000
SHINGLE_CHARACTERS = 3
NOT_SAID = re.compile(r"[\W_]+")
SHORT_ANSWER_CHARACTERS = 1
SHOWN_LINES = 1000
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63})+", re.ASCII)
# Mainland numbers: 11 digits beginning with 13 to 19.
MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
# GB 11643: 17 digits and a check character.
IDENTITY = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")
IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
IDENTITY_CHECKS = "10X98765432"


@dataclass(slots=True)
class Finding:
    """A kind of doubt: how many rows, and the lines of the first."""

    code: str
    count: int = 0
    lines: list[int] = field(default_factory=list[int])

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.lines) < SHOWN_LINES:
            self.lines.append(line)


def row_key(row: Row) -> bytes:
    """The same for two rows that teach the same: all that is said, apart from spaces at the ends."""
    return _digest(f"{role}\0{text.strip()}" for role, text in _said(row))


def question_key(row: Row) -> bytes:
    """The same for two rows that ask the same, whatever the answer; a text is its own question."""
    said = [(role, text) for role, text in _said(row) if role in ("user", "text", *MEDIA_MARKS)]
    return _digest(text.strip() for _, text in said)


class NearDuplicates:
    """Finds texts that say almost the same as one before; up to NEAR_LIMIT_ROWS of them are remembered."""

    def __init__(self) -> None:
        # It ships no types, and brings SciPy, which a page that starts need not wait for.
        self._sketches: Any = importlib.import_module("datasketch")
        self._index = self._sketches.MinHashLSH(threshold=NEAR_SIMILARITY, num_perm=NEAR_PERMUTATIONS)
        self._kept: list[Any] = []

    @property
    def is_full(self) -> bool:
        """Whether no more texts are remembered, and later ones are not looked at."""
        return len(self._kept) >= NEAR_LIMIT_ROWS

    def is_near(self, row: Row) -> bool:
        """Whether the row is almost one of those before; it is remembered when it is not."""
        shingles = _shingles(row)
        if not shingles or self.is_full:
            return False
        sketch = self._sketches.MinHash(num_perm=NEAR_PERMUTATIONS, scheme="affine32")
        sketch.update_batch(shingles)
        for position in self._index.query(sketch):
            if self._kept[position].jaccard(sketch) >= NEAR_SIMILARITY:
                return True
        self._index.insert(len(self._kept), sketch, check_duplication=False)
        self._kept.append(sketch)
        return False


class DataDoctor:
    """Looks at rows one after the other; memory is 16 bytes a row, and that of `NearDuplicates` where asked for.

    `held_out` are question keys of the evaluation set: a row that asks one of them has leaked. `limit` is the
    `max_seq_len` in tokens beyond which a row is too long; one that the engine skips for it is `answer_cut`.
    """

    def __init__(self, held_out: Set[bytes] = frozenset(), *, near: bool = False, limit: int | None = None) -> None:
        self._held_out = held_out
        self._near = NearDuplicates() if near else None
        self._limit = limit
        self._seen: set[bytes] = set()
        self._findings = {code: Finding(code) for code in FINDINGS}

    @property
    def saw_all_near(self) -> bool:
        """Whether every row was compared with those before, where that was asked for."""
        return not (self._near and self._near.is_full)

    def look(self, line: int, row: Row, tokens: int | None = None, *, skipped: bool = False) -> list[str]:
        """What is doubtful about this row, of so many tokens; remembered for `findings`."""
        codes = list(self._doubts(row))
        if self._limit is not None and tokens is not None and tokens > self._limit:
            codes += ["too_long", *(["answer_cut"] if skipped else [])]
        for code in codes:
            self._findings[code].add(line)
        return codes

    def findings(self) -> list[Finding]:
        """Every kind of doubt that was met."""
        return [finding for finding in self._findings.values() if finding.count]

    def _doubts(self, row: Row) -> Iterator[str]:
        key = row_key(row)
        if key in self._seen:
            yield "duplicate"
        elif self._near and self._near.is_near(row):
            yield "near_duplicate"
        self._seen.add(key)
        if self._held_out and question_key(row) in self._held_out:
            yield "leak"
        if any(len(text.strip()) <= SHORT_ANSWER_CHARACTERS for role, text in _said(row) if role == "assistant"):
            yield "short_answer"
        texts = [text for _, text in _said(row)]
        if any(EMAIL.search(text) for text in texts):
            yield "email"
        if any(MOBILE.search(text) for text in texts):
            yield "mobile"
        if any(is_identity_number(found) for text in texts for found in IDENTITY.findall(text)):
            yield "identity"


def is_identity_number(text: str) -> bool:
    """Whether the check character of a Chinese identity number is right (GB 11643, ISO 7064 MOD 11-2)."""
    total = sum(weight * int(digit) for weight, digit in zip(IDENTITY_WEIGHTS, text, strict=False))
    return IDENTITY_CHECKS[total % 11] == text[-1].upper()


def _said(row: Row) -> Iterator[tuple[str, str]]:
    if row.text is not None:
        yield "text", row.text
    for turn in (*row.turns, *row.chosen, *row.rejected):
        yield turn.role, turn.content
    for role in MEDIA_MARKS:
        for file in getattr(row, role):
            yield role, file


def _shingles(row: Row) -> list[bytes]:
    """All runs of SHINGLE_CHARACTERS letters and digits, whatever the case and what stands between."""
    text = NOT_SAID.sub("", "".join(text for _, text in _said(row))).lower()
    return [
        text[i : i + SHINGLE_CHARACTERS].encode("utf-8", "surrogatepass")
        for i in range(max(1, len(text) - SHINGLE_CHARACTERS + 1))
        if text
    ]


def _digest(parts: Iterable[str]) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        # The length keeps "ab", "c" apart from "a", "bc".
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()
