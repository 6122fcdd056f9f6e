"""Texts cut into words, Chinese by jieba, so that an answer and its reference can be counted against each other."""

import importlib
import re
import unicodedata
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
# Of the letters, at least this share is Han where texts are scored as Chinese.
HAN_SHARE = 0.3
# Letters that rouge-score's own tokenizer would drop although they are no Chinese: Cyrillic, Arabic, Hangul …
BEYOND_LATIN = re.compile("[\u0370-\u1dff\u2c00-\u33ff\ua4d0-\ud7ff\ufb1d-\ufdff\ufe70-\ufefe]")
WORD = re.compile(r"\w+")
# jieba's time grows with the square of a run of characters in no word, as a model that repeats itself writes. So it
# gets pieces that end where its words do, at a punctuation mark, or without one after so many characters.
PIECE = re.compile(r"(?s:.{1,1999}[\s,!?;:、。]|.{1,2000})")


def has_han(text: str) -> bool:
    """Whether there is Chinese in a text."""
    return HAN.search(text) is not None


def is_mainly_chinese(texts: Iterable[str]) -> bool:
    """Whether texts together are to be scored as Chinese."""
    han = letters = 0
    for text in texts:
        han += len(HAN.findall(text))
        letters += sum(map(str.isalpha, text))
    return han > 0 and han >= HAN_SHARE * letters


def same_forms(text: str) -> str:
    """A text without white space around it, full-width forms as the usual ones (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", text).strip()


def is_punctuation(text: str) -> bool:
    """Whether a text is nothing but punctuation and white space."""
    return all(char.isspace() or unicodedata.category(char).startswith("P") for char in text)


def chinese_words(text: str) -> list[str]:
    """The words of a text with Chinese in it as jieba cuts them: lower case, usual forms, without punctuation."""
    cut = _jieba().lcut
    pieces = PIECE.findall(same_forms(text).lower())
    return [word for piece in pieces for word in cut(piece) if not is_punctuation(word)]


def rouge_words(answer: str, reference: str) -> tuple[list[str], list[str]]:
    """The words that ROUGE counts in an answer and its reference.

    Of a pair with Chinese in it jieba's, of one in Latin letters those of rouge-score's own tokenizer (lower case,
    ASCII letters and digits), and of other scripts runs of letters, which that tokenizer would drop.
    """
    both = answer + reference
    if has_han(both):
        return chinese_words(answer), chinese_words(reference)
    if BEYOND_LATIN.search(both):
        return WORD.findall(same_forms(answer).lower()), WORD.findall(same_forms(reference).lower())
    tokenize: Any = importlib.import_module("rouge_score.tokenize").tokenize
    return tokenize(answer, None), tokenize(reference, None)


@cache
def _jieba() -> Any:
    """jieba with its own dictionary, read without the file that it would leave in the machine's temporary folder.

    That file is unpacked by whoever finds it, and jieba tells of it on the terminal. A tokenizer of our own also
    knows no words that others add to the shared one, so that a text is always cut the same way.
    """
    with warnings.catch_warnings():
        # Its sources have escapes that Python 3.11 warns of, and it asks for pkg_resources, which warns too.
        warnings.simplefilter("ignore")
        tokenizer = importlib.import_module("jieba").Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
