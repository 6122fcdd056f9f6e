"""What is doubtful about sound rows: seen twice, seen in the evaluation, hardly an answer, somebody's data."""

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from hashlib import blake2b

from studio.core.rows import Row

# In the order in which they are told.
FINDINGS = ("duplicate", "leak", "short_answer", "email", "mobile", "identity")
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
    said = [(role, text) for role, text in _said(row) if role in ("user", "text")]
    return _digest(text.strip() for _, text in said)


class DataDoctor:
    """Looks at rows one after the other; memory is 16 bytes a row.

    `held_out` are question keys of the evaluation set: a row that asks one of them has leaked.
    """

    def __init__(self, held_out: Set[bytes] = frozenset()) -> None:
        self._held_out = held_out
        self._seen: set[bytes] = set()
        self._findings = {code: Finding(code) for code in FINDINGS}

    def look(self, line: int, row: Row) -> list[str]:
        """What is doubtful about this row; remembered for `findings`."""
        codes = list(self._doubts(row))
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


def _digest(parts: Iterable[str]) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        # The length keeps "ab", "c" apart from "a", "bc".
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()
