"""What an answer says where only a few are possible: one of a set of labels, or one of the choices A to H."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from studio.core.segmentation import same_forms

# References are labels when there are at most so many of them, each as short as a label is, and each comes back.
MOST_LABELS = 50
LONGEST_LABEL = 40
ROWS_PER_LABEL = 3

LETTERS = "ABCDEFGH"

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
_THOUGHT_BEGUN_BEFORE = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL)

# An option as `(A)`, `[A]`, `A、`, `A:`, `A)`, `A.` anywhere, `A text` where a line begins, or `A甲` after
# white space or punctuation; after NFKC, which makes full-width forms the usual ones. Initials (`A.B.`) are none.
_OPTION = re.compile(
    r"(?<![A-Za-z0-9])"
    r"(?:[(\[【]\s*([A-H])\s*[)\]】]|([A-H])\s*[、:)]|([A-H])\s*\.(?![A-Za-z]\.)"
    r"|(?m:^)[ \t]*([A-H])[ \t]+(?=\S)|(?:(?m:^)|(?<=[\s?!:;,。]))([A-H])(?=[\u4e00-\u9fff]))"
)
# One letter and not a list of them (`A、C`); a small one before a word is an article.
_ONE_LETTER = (
    r"[(\[【「“\"'*]*\s*(?-i:([A-H])|([a-h])(?!\s+\w))(?![A-Za-z0-9])"
    r"(?!\s*(?:[、,/&+和与及]|and|or)\s*[A-Ha-h](?![A-Za-z]))"
)
_IS = r"(?:is|would\s+be|should\s+be)"
# "The answer is C", "the correct option is C", "答案：B", "故选 B", "\boxed{D}"; but not "option A (is wrong)".
_TOLD = re.compile(
    rf"(?:answer(?:\s+{_IS})?|(?:choice|option)\s+{_IS})\s*[:=*]*\s*(?:(?:option|choice)\s+)?{_ONE_LETTER}"
    rf"|(?:答案(?:应该|应当|应)?[是为选】\]]?|选项(?:应该|应当|应)?[是为:]|[应故]?选择?)\s*[:=*]*\s*(?:选项)?\s*{_ONE_LETTER}"
    rf"|\\boxed\{{(?:\\text\{{)?\s*{_ONE_LETTER}",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    rf"(?:选项|option\s+|choice\s+)?{_ONE_LETTER}\s*(?:[.、:)\]】」”\"'*,。;]|\Z|\n)", re.IGNORECASE
)
_BEFORE_TOLD = re.compile(r"[【\[]?(?:the\s+)?(?:correct\s+)?(?:正确|参考|本题)*的?", re.IGNORECASE)
# A capital letter by itself, which is neither an article ("A man") nor part of a word (维生素C) nor called wrong.
_ALONE = re.compile(
    r"(?:(?<![\w'.])|(?<=[选项是为择]))(?:(A)(?!\s+(?!is\b|or\b|and\b)[a-z])|([B-H]))(?![A-Za-z0-9_'])"
    r"(?!\s*(?:项|选项)?是?[错不])(?!\s+is\s+(?:not|wrong|incorrect|false))"
)
_DENIED = re.compile(
    r"(?:\b(?:not|no|non|neither|nor)|n't|不是|并非|不属于|没有|不|非|无)[\s-]*(?:an?\s+|the\s+)?\Z", re.IGNORECASE
)
# A denial stands so close before what it denies, in characters.
_DENIAL_REACH = 16


@dataclass(frozen=True, slots=True)
class Choices:
    """The letters that a question offers, and the right one."""

    letters: tuple[str, ...]
    right: str


def without_thoughts(answer: str) -> str:
    """What is said apart from what a model thinks aloud; a thought that was cut off says nothing."""
    return _THOUGHT.sub("", _THOUGHT_BEGUN_BEFORE.sub("", answer)).strip()


def find_labels(references: Iterable[str]) -> tuple[str, ...]:
    """The labels that references consist of, the most frequent first; none where they are no small set.

    They are one if there are 2 to 50 different ones (case and width do not count), each a line of at most 40
    characters, and three rows to a label on average.
    """
    spellings: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for reference in references:
        spelling = without_thoughts(reference)
        label = same_forms(spelling)
        if not label or len(label) > LONGEST_LABEL or len(label.splitlines()) > 1:
            return ()
        spellings.setdefault(_bare(label), spelling)
        counts[_bare(label)] += 1
        if len(counts) > MOST_LABELS:
            return ()
    if len(counts) < 2 or len(counts) * ROWS_PER_LABEL > counts.total():
        return ()
    return tuple(spellings[key] for key, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_label(answer: str, labels: Sequence[str]) -> str | None:
    """The label that an answer gives: it is the whole answer, or the only one in it; None where it is not clear.

    Case, width, and punctuation around do not count. A label within a longer one is not meant ("spam" in
    "not spam"), nor is one that is denied ("不是体育"). Labels in Latin letters must be words of their own.
    """
    by_key = {_bare(label): label for label in labels if _bare(label)}
    said = _even(without_thoughts(answer))
    if (whole := _bare(said)) in by_key:
        return by_key[whole]
    if not by_key:
        return None
    longest_first = sorted(by_key, key=len, reverse=True)
    found = {
        by_key[match[0]]
        for match in re.finditer("|".join(map(_as_word, longest_first)), said)
        if not _is_denied(said, match.start())
    }
    return found.pop() if len(found) == 1 else None


def find_choices(question: str, reference: str) -> Choices | None:
    """The choices of a multiple-choice row; None where it is none, or where not exactly one letter is right.

    The question offers letters from A on, in order, on lines of their own or inline; of several lists the last
    counts, as examples come before the question. The reference begins with a letter, or tells it: `B`, `B. text`,
    `B text` with the option's own text, `答案：B`, `The answer is B`.
    """
    asked = unicodedata.normalize("NFKC", question)
    marks = _option_list(asked)
    if not marks:
        return None
    letters = tuple(_letter(mark) for mark in marks)
    told = same_forms(without_thoughts(reference))
    right = _told_right(told) or _named_by_text(told, asked, marks)
    return Choices(letters, right) if right is not None and right in letters else None


def read_choice(answer: str, letters: Sequence[str]) -> str | None:
    """The letter that an answer gives in words, for servers that tell no likelihoods; None where it is not clear.

    What is told as the answer counts first, the last time it is; then what the answer begins with; then the only
    letter that stands by itself.
    """
    said = unicodedata.normalize("NFKC", without_thoughts(answer))
    told = [_letter(match) for match in _TOLD.finditer(said) if not _is_denied(said, match.start())]
    if told:
        return told[-1] if told[-1] in letters else None
    if begun := _BEGINS.match(said.lstrip("*# ")):
        return _letter(begun) if _letter(begun) in letters else None
    found = {_letter(match) for match in _ALONE.finditer(said) if not _is_denied(said, match.start())}
    alone = found & set(letters)
    return alone.pop() if len(alone) == 1 else None


def _option_list(asked: str) -> list[re.Match[str]]:
    """The marks of the last run A, B, C … of at least two."""
    found: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for mark in _OPTION.finditer(asked):
        letter = _letter(mark)
        if len(run) < len(LETTERS) and letter == LETTERS[len(run)]:
            run.append(mark)
        elif letter == "A":
            found = run if len(run) > 1 else found
            run = [mark]
    return run if len(run) > 1 else found


def _told_right(reference: str) -> str | None:
    told = _BEGINS.match(reference)
    if told is None and (before := _BEFORE_TOLD.match(reference)):
        told = _TOLD.match(reference, before.end())
    return _letter(told) if told else None


def _named_by_text(reference: str, asked: str, marks: Sequence[re.Match[str]]) -> str | None:
    """The letter before white space and the very text of its option, as in `B 布洛芬`."""
    ends = [*(mark.start() for mark in marks[1:]), len(asked)]
    for mark, end in zip(marks, ends, strict=True):
        text = asked[mark.end() : end].strip()
        if text and re.fullmatch(rf"{_letter(mark)}\s+{re.escape(text)}", reference):
            return _letter(mark)
    return None


def _is_denied(text: str, start: int) -> bool:
    return _DENIED.search(text[max(0, start - _DENIAL_REACH) : start]) is not None


def _letter(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group).upper()


def _even(text: str) -> str:
    return same_forms(text).casefold()


def _bare(text: str) -> str:
    """A text without case, width, and the punctuation and marks around it."""
    even = _even(text)
    start, end = 0, len(even)
    while start < end and _is_mark(even[start]):
        start += 1
    while end > start and _is_mark(even[end - 1]):
        end -= 1
    # Labels such as "+" and ":)" are nothing but marks.
    return even[start:end] or even


def _is_mark(char: str) -> bool:
    return char.isspace() or unicodedata.category(char)[0] == "P"


def _as_word(label: str) -> str:
    before = r"(?<![a-z0-9_])" if re.match(r"[a-z0-9_]", label) else ""
    after = r"(?![a-z0-9_])" if re.search(r"[a-z0-9_]\Z", label) else ""
    return before + re.escape(label) + after
