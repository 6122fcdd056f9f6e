"""A model as the judge of answers: what it is asked, and the score that it gives."""

import re

from studio.core.answers import without_thoughts
from studio.core.segmentation import same_forms

LOWEST, HIGHEST = 0.0, 10.0

_PLACEHOLDER = re.compile(r"\{(question|reference|answer)\}")
_NUMBER = r"(?<![\d.])(-?\d+(?:\.\d+)?)(?![\d.]*\d)"
_OUT_OF = r"(?:\s*(?:/|out\s+of)\s*(\d+))?"
_WORD = r"(?:score|rating|verdict|grade|总评分|总分|评分|得分|打分|分数)"
_STATED = (
    re.compile(rf"[\"'][\w ]*{_WORD}[\"']\s*:\s*[\"']?{_NUMBER}{_OUT_OF}", re.IGNORECASE),
    re.compile(rf"\[\[\s*{_NUMBER}{_OUT_OF}\s*\]\]"),
    re.compile(rf"{_WORD}\s*(?:\([^)]*\))?[\s*_`]*(?:[:=]|is|of|为|是)?[\s*_`]*{_NUMBER}{_OUT_OF}", re.IGNORECASE),
)
_BARE = re.compile(rf"[\s*_`]*{_NUMBER}{_OUT_OF}\s*(?:分|points?)?[\s*_`.。]*", re.IGNORECASE)


def fill_rubric(template: str, question: str, reference: str, answer: str) -> str:
    """What the judge is asked: `{question}`, `{reference}` and `{answer}` of a template filled in, in one pass.

    So a question that contains `{answer}` stays as it is, and so do other braces of the template.
    """
    values = {"question": question, "reference": reference, "answer": answer}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def read_verdict(text: str) -> float | None:
    """The score out of 10 in what a judge wrote, as it gave it; None where there is none.

    It is stated as `{"score": 7}`, `[[7]]`, `Score: 7` or `评分：7/10`, of which the last counts, as what stands
    before may be quoted from the answer; else it is a last line that is a number. What lies beyond 0 to 10, or is
    of another scale (`4/5`), is no score.
    """
    said = same_forms(without_thoughts(text))
    stated = [match for pattern in _STATED for match in pattern.finditer(said)]
    if stated:
        return _in_range(*max(stated, key=lambda match: match.start(1)).groups())
    bare = _BARE.fullmatch(said.splitlines()[-1]) if said else None
    return _in_range(*bare.groups()) if bare else None


def _in_range(number: str, out_of: str | None) -> float | None:
    score = float(number)
    return score if out_of in (None, "10") and LOWEST <= score <= HIGHEST else None
