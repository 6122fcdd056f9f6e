"""Questions for models: out of the rows of a dataset or out of pasted text, and how each of them is put."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from studio.core.rows import Row, Turn
from studio.errors import Problem, RequestRefused

PLACEHOLDER = re.compile(r"\{(question|context)\}")
# What a column of pasted CSV may be called.
COLUMNS: Mapping[str, frozenset[str]] = {
    "question": frozenset({"question", "prompt", "instruction", "问题"}),
    "context": frozenset({"context", "input", "上下文"}),
    "answer": frozenset({"answer", "output", "reference", "答案", "参考答案"}),
}


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask. `number` is its place in its source, counted from 1, and stays the same on resume.

    `reference` is the answer that the source has for it, empty where it has none, and `rejected` the worse one
    of a pair; `history` is what was said before, a system turn included.
    """

    number: int
    text: str
    context: str = ""
    reference: str = ""
    history: tuple[Turn, ...] = ()
    rejected: str = ""

    def to_json(self) -> dict[str, Any]:
        said = [{"role": turn.role, "content": turn.content} for turn in self.history]
        told = {"number": self.number, "question": self.text, "context": self.context}
        return {**told, "reference": self.reference, "history": said, "rejected": self.rejected}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Question":
        said = cast("Sequence[Mapping[str, str]]", stored["history"])
        history = tuple(Turn(turn["role"], turn["content"]) for turn in said)
        # Those of a batch that was made before there were pairs.
        rejected = stored.get("rejected", "")
        return cls(stored["number"], stored["question"], stored["context"], stored["reference"], history, rejected)


@dataclass(frozen=True, slots=True)
class Wording:
    """How questions are put: one template for those without a context, one for those with.

    `{question}` and `{context}` are filled in, any other brace stays as it is. A `context_template` without
    `{context}` asks without it. What is given as `system` takes the place of a row's own.
    """

    template: str = "{question}"
    # As the rows of alpaca files are joined for training.
    context_template: str = "{question}\n{context}"
    system: str = ""


def messages_of(question: Question, wording: Wording) -> list[dict[str, str]]:
    """The conversation that is sent, in the words of OpenAI's protocol."""
    template = wording.context_template if question.context else wording.template
    values = {"question": question.text, "context": question.context}
    # In one pass: a question that holds “{context}” is left as it is.
    asked = PLACEHOLDER.sub(lambda found: values[found[1]], template)
    history = question.history
    if wording.system.strip():
        history = (Turn("system", wording.system), *(turn for turn in history if turn.role != "system"))
    return [{"role": turn.role, "content": turn.content} for turn in (*history, Turn("user", asked))]


def question_of(number: int, row: Row, *, texts: bool = False) -> Question | None:
    """The last question of a row, with what was said before and the answer that the row has for it.

    None for a row that asks nothing in words alone: plain text, images, calls of tools. With `texts` plain text is
    the reference of a question without words, for its likelihood.
    """
    if texts and row.text:
        return Question(number, "", reference=row.text)
    if row.images or row.videos or row.audios:
        return None
    turns = row.turns
    reference, rejected = ("\n".join(turn.content for turn in side) for side in (row.chosen, row.rejected))
    if turns and turns[-1].role == "assistant":
        turns, reference = turns[:-1], turns[-1].content
    if row.desirable is False:
        # What nobody wants to hear is nothing to come near to.
        reference = ""
    if not turns or turns[-1].role != "user" or any(turn.role in ("tool", "function") for turn in turns):
        return None
    # A format that keeps the context apart has joined it to the question by a new line.
    text = turns[-1].content.removesuffix(f"\n{row.context}") if row.context else turns[-1].content
    return Question(number, text, row.context, reference, turns[:-1], rejected)


def pasted_questions(text: str) -> list[Question]:
    """Questions out of pasted text: CSV with a header, or a question a line.

    A line may go on with a tab and a context, and with another tab and an answer. A header names `question`, and
    `context` or `answer`, in any order and among other columns. Raises RequestRefused for CSV that cannot be read.
    """
    lines = text.lstrip("\ufeff").splitlines()
    first = next((line for line in lines if line.strip()), "")
    for delimiter in (",", "\t"):
        columns = _header(first.split(delimiter))
        if columns:
            return _read_csv(text.lstrip("\ufeff \r\n\t"), delimiter, columns)
    found = [[part.strip() for part in line.split("\t")] + ["", ""] for line in lines if line.strip()]
    for number, parts in enumerate(found, start=1):
        if not parts[0]:
            raise RequestRefused([Problem("pasted", "pasted_no_question", {"row": number})])
    return [Question(number, parts[0], parts[1], parts[2]) for number, parts in enumerate(found, start=1)]


def _header(cells: list[str]) -> dict[str, int]:
    """Where each known column stands; nothing when this is no header."""
    given = [cell.strip().strip('"').lower() for cell in cells]
    columns = {
        name: next(place for place, cell in enumerate(given) if cell in called)
        for name, called in COLUMNS.items()
        if called.intersection(given)
    }
    return columns if "question" in columns and (len(columns) > 1 or len(given) == 1) else {}


def _read_csv(text: str, delimiter: str, columns: Mapping[str, int]) -> list[Question]:
    questions: list[Question] = []
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if not any(cell.strip() for cell in cells):
                continue
            cell = {name: cells[place].strip() for name, place in columns.items() if place < len(cells)}
            number = len(questions)
            if not cell.get("question"):
                raise RequestRefused([Problem("pasted", "pasted_no_question", {"row": number})])
            questions.append(Question(number, cell["question"], cell.get("context", ""), cell.get("answer", "")))
    except csv.Error as error:
        raise RequestRefused([Problem("pasted", "pasted_bad_csv", {"reason": str(error)})]) from error
    # The first is the header.
    return questions[1:]
