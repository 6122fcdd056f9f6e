"""Preparing data: a pipeline of steps over rows, as a small YAML that reruns to the same bytes.

    sources: [{dataset: medical_zh, weight: 2}, {dataset: medical_en}]
    seed: 42
    rows: 1000                     # a random sample of what the sources give; all of it without
    steps:
      - length: {part: response, min: 4, max: 512}              # in tokens
      - banned: {phrases: [广告]}
      - fill_context: {text: 无}
      - synonyms: {words: {高血压: [原发性高血压]}, share: 0.3, add: true}
      - rewrite: {forms: ["请问，{question}"], share: 0.3, add: true}
      - template: {with_context: "…{context}…{question}", without_context: "{question}"}
      - doctor: {drop: [duplicate, leak]}
    split: {parts: {train: 0.8, validation: 0.1, test: 0.1}, by: language}

Every step is a function from a row to the rows that take its place, with a random generator of its own, so
that neither the order of the rows nor other steps change what happens to a row.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from studio.core.doctor import FINDINGS, LENGTH_FINDINGS
from studio.core.rows import Row, Turn
from studio.core.statistics import KINDS, detect_language
from studio.errors import Problem

PARTS = KINDS
STRATA = ("none", "language", "turns", "source")
TOP_KEYS = frozenset({"sources", "seed", "rows", "steps", "split", "format"})
# How long a row may be is the matter of a `length` step.
DROPPABLE = frozenset(FINDINGS) - LENGTH_FINDINGS
SOURCE_KEYS = frozenset({"dataset", "weight"})
DEFAULT_SEED = 42
SEPARATOR = "\n"
# What a template may name.
TEMPLATE_FIELD = re.compile(r"\{(question|context)\}")
UNKNOWN_FIELD = re.compile(r"\{(?!question\}|context\})[^{}]*\}")
Settings = Mapping[str, Any]
StepFunction = Callable[[Row, random.Random, Settings], list[Row]]


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset and how many times its rows are taken: 0.5 is a random half, 2 every row twice."""

    dataset: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """A kind of step with its settings."""

    kind: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is done to which data, in which order; `parts` are shares of the result, by name."""

    sources: tuple[Source, ...]
    steps: tuple[Step, ...] = ()
    seed: int = DEFAULT_SEED
    rows: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    by: str = "none"

    @property
    def needs_tokens(self) -> bool:
        return any(step.kind == "length" for step in self.steps)


def read_pipeline(config: Mapping[str, Any]) -> Pipeline:
    """A pipeline from its YAML, checked before by `check_pipeline`."""
    split: dict[str, Any] = config.get("split") or {}
    steps: list[dict[str, Settings]] = config.get("steps") or []
    return Pipeline(
        tuple(Source(str(item["dataset"]), float(item.get("weight", 1))) for item in config["sources"]),
        tuple(Step(kind, settings) for step in steps for kind, settings in step.items()),
        int(config.get("seed", DEFAULT_SEED)),
        config.get("rows"),
        dict(split.get("parts", {})),
        split.get("by", "none"),
    )


def apply_step(step: Step, row: Row, seed: str) -> list[Row]:
    """The rows that take a row's place; none when it is left out. The same for the same seed."""
    return STEPS[step.kind].apply(row, random.Random(f"{seed}/{step.kind}"), step.settings)


def fits_length(step: Step, lengths: tuple[int, int, int]) -> bool:
    """Whether a row of so many tokens (prompt, response, total) stays in a `length` step."""
    length = lengths[PARTS.index(step.settings.get("part", "total"))]
    return step.settings.get("min", 0) <= length <= step.settings.get("max", length)


def split_rows(strata: Sequence[Hashable], parts: Mapping[str, float], seed: int) -> list[str]:
    """For each row the part it goes to. Every stratum is divided alike, to the nearest row; what rounding
    leaves over goes where most is missing, so that the whole has the shares that were asked for.
    """
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for position, stratum in enumerate(strata):
        members[stratum].append(position)
    names = list(parts)
    total = sum(parts.values())
    given = dict.fromkeys(names, 0)
    wanted = dict.fromkeys(names, 0.0)
    placed = [""] * len(strata)
    for stratum in sorted(members, key=str):
        positions = members[stratum]
        random.Random(f"{seed}/{stratum}").shuffle(positions)
        for name in names:
            wanted[name] += len(positions) * parts[name] / total
        for position in positions:
            name = max(names, key=lambda name: (wanted[name] - given[name], parts[name]))
            placed[position] = name
            given[name] += 1
    return placed


def take_source(count: int, weight: float, rng: random.Random) -> list[int]:
    """Which rows of a source of so many, in order: each as often as the weight says, a random part once more."""
    whole = int(weight)
    taken = [row for row in range(count) for _ in range(whole)]
    part = round(count * (weight - whole))
    return sorted(taken + rng.sample(range(count), part))


def stratum_of(row: Row, source: str, by: str) -> Hashable:
    """What the split keeps in proportion."""
    match by:
        case "language":
            return detect_language(row)
        case "turns":
            return len(row.turns)
        case "source":
            return source
        case _:
            return ""


def question_of(row: Row) -> str:
    """The last question, without its context."""
    asked = next((turn.content for turn in reversed(row.turns) if turn.role == "user"), "")
    return asked.removesuffix(f"{SEPARATOR}{row.context}") if row.context else asked


def with_question(row: Row, question: str, context: str) -> Row:
    """The row with another last question and context, joined as `studio.core.parsing` joins them."""
    said = f"{question}{SEPARATOR}{context}" if context else question
    return replace(_with_last_question(row, said), context=context)


def _with_last_question(row: Row, said: str) -> Row:
    last = max((i for i, turn in enumerate(row.turns) if turn.role == "user"), default=None)
    if last is None:
        return row
    turns = (*row.turns[:last], Turn("user", said), *row.turns[last + 1 :])
    return replace(row, turns=turns)


def _texts(row: Row) -> Iterator[str]:
    if row.text is not None:
        yield row.text
    for turn in (*row.turns, *row.chosen, *row.rejected):
        yield turn.content


def _keep(row: Row, rng: random.Random, settings: Settings) -> list[Row]:
    """Steps that look at more than one row are done by whoever runs the pipeline."""
    return [row]


def _banned(row: Row, rng: random.Random, settings: Settings) -> list[Row]:
    phrases = [phrase.lower() for phrase in settings["phrases"]]
    said = [text.lower() for text in _texts(row)]
    return [] if any(phrase in text for phrase in phrases for text in said) else [row]


def _fill_context(row: Row, rng: random.Random, settings: Settings) -> list[Row]:
    if row.context.strip() or not question_of(row):
        return [row]
    return [with_question(row, question_of(row), _fill(settings["text"], question_of(row), ""))]


def _chance(rng: random.Random, settings: Settings) -> bool:
    return rng.random() < settings.get("share", 1.0)


def _beside(row: Row, changed: Row, settings: Settings) -> list[Row]:
    """The changed row instead of the row, or beside it where `add` says so."""
    if changed == row:
        return [row]
    return [row, changed] if settings.get("add", True) else [changed]


def _synonyms(row: Row, rng: random.Random, settings: Settings) -> list[Row]:
    """Words of the question are replaced; the answer stays, so that nothing wrong is taught."""
    question = question_of(row)
    words: Mapping[str, Sequence[str]] = settings["words"]
    # Longer words first, so that a word within another does not break it.
    found = [word for word in sorted(words, key=lambda word: (-len(word), word)) if word in question]
    if not found or not _chance(rng, settings):
        return [row]
    chosen = {word: rng.choice(list(words[word])) for word in found}
    pattern = re.compile("|".join(map(re.escape, found)))
    changed = with_question(row, pattern.sub(lambda match: chosen[match[0]], question), row.context)
    return _beside(row, changed, settings)


def _rewrite(row: Row, rng: random.Random, settings: Settings) -> list[Row]:
    question = question_of(row)
    if not question or not _chance(rng, settings):
        return [row]
    form = rng.choice(list(settings["forms"]))
    return _beside(row, with_question(row, _fill(form, question, row.context), row.context), settings)


def _template(row: Row, rng: random.Random, settings: Settings) -> list[Row]:
    question = question_of(row)
    if not question:
        return [row]
    form = settings["with_context"] if row.context.strip() else settings["without_context"]
    # The context has found its place within the question.
    return [replace(_with_last_question(row, _fill(form, question, row.context)), context="")]


def _fill(form: str, question: str, context: str) -> str:
    return TEMPLATE_FIELD.sub(lambda match: question if match[1] == "question" else context, form)


@dataclass(frozen=True, slots=True)
class StepKind:
    """A kind of step: what it does, and the kind of each of its settings (those with a `?` may be missing)."""

    apply: StepFunction
    settings: Mapping[str, str]


STEPS: Mapping[str, StepKind] = {
    "length": StepKind(_keep, {"part?": "part", "min?": "count", "max?": "count"}),
    "banned": StepKind(_banned, {"phrases": "texts"}),
    "fill_context": StepKind(_fill_context, {"text": "form"}),
    "synonyms": StepKind(_synonyms, {"words": "words", "share?": "share", "add?": "switch"}),
    "rewrite": StepKind(_rewrite, {"forms": "forms", "share?": "share", "add?": "switch"}),
    "template": StepKind(_template, {"with_context": "form", "without_context": "form"}),
    "doctor": StepKind(_keep, {"drop": "findings", "against?": "text"}),
}


def check_pipeline(config: object) -> list[Problem]:
    """All that is wrong with a pipeline that a person wrote; fields are named as in `steps[2].banned.phrases`."""
    if not isinstance(config, dict):
        return [Problem("pipeline", "pipeline_no_mapping", {"given": type(config).__name__})]
    given = cast("dict[str, Any]", config)
    problems = [_unknown(key, key, TOP_KEYS) for key in given if key not in TOP_KEYS]
    problems += _source_problems(given.get("sources"))
    problems += _step_problems(given.get("steps") or [])
    problems += _split_problems(given.get("split"))
    for key, least in (("seed", 0), ("rows", 1)):
        value = given.get(key, least)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            problems.append(_not_count(key, value, least))
    return problems


def _not_count(where: str, given: object, least: int) -> Problem:
    return Problem(where, "pipeline_not_count", {"given": given, "least": least})


def _unknown(where: str, given: object, known: Any) -> Problem:
    return Problem(where, "pipeline_unknown", {"given": given, "known": ", ".join(sorted(known))})


def _source_problems(sources: object) -> list[Problem]:
    if not isinstance(sources, list) or not sources:
        return [Problem("sources", "pipeline_no_sources")]
    problems: list[Problem] = []
    for position, source in enumerate(cast("list[Any]", sources)):
        where = f"sources[{position}]"
        if not isinstance(source, dict) or not isinstance(cast("dict[str, Any]", source).get("dataset"), str):
            problems.append(Problem(where, "pipeline_no_dataset"))
            continue
        entry = cast("dict[str, Any]", source)
        problems += [_unknown(f"{where}.{key}", key, SOURCE_KEYS) for key in entry if key not in SOURCE_KEYS]
        weight = entry.get("weight", 1)
        if not _is_number(weight) or not 0 < weight <= 100:
            problems.append(Problem(f"{where}.weight", "pipeline_not_weight", {"given": weight}))
    return problems


def _step_problems(steps: object) -> list[Problem]:
    if not isinstance(steps, list):
        return [Problem("steps", "pipeline_no_list", {"given": type(steps).__name__})]
    problems: list[Problem] = []
    for position, step in enumerate(cast("list[Any]", steps)):
        where = f"steps[{position}]"
        if not isinstance(step, dict) or len(cast("dict[str, Any]", step)) != 1:
            problems.append(Problem(where, "pipeline_not_a_step", {"known": ", ".join(STEPS)}))
            continue
        ((kind, settings),) = cast("dict[str, Any]", step).items()
        if kind not in STEPS:
            problems.append(_unknown(where, kind, STEPS))
        elif not isinstance(settings, dict):
            problems.append(Problem(f"{where}.{kind}", "pipeline_no_mapping", {"given": type(settings).__name__}))
        else:
            problems += _setting_problems(f"{where}.{kind}", STEPS[kind].settings, cast("dict[str, Any]", settings))
    return problems


def _setting_problems(where: str, wanted: Mapping[str, str], given: Mapping[str, Any]) -> Iterator[Problem]:
    known = {name.removesuffix("?"): kind for name, kind in wanted.items()}
    for key in given:
        if key not in known:
            yield _unknown(f"{where}.{key}", key, known)
    for name in wanted:
        if not name.endswith("?") and name not in given:
            yield Problem(f"{where}.{name}", "pipeline_missing")
    for key, kind in known.items():
        if key in given and not _CHECKS[kind](given[key]):
            yield Problem(f"{where}.{key}", f"pipeline_not_{kind}", {"given": given[key], "least": 0})
    low, high = given.get("min"), given.get("max")
    if _is_count(low) and _is_count(high) and cast("int", low) > cast("int", high):
        yield Problem(f"{where}.min", "pipeline_min_above_max", {"min": low, "max": high})


def _split_problems(split: object) -> list[Problem]:
    if split is None:
        return []
    if not isinstance(split, dict):
        return [Problem("split", "pipeline_no_mapping", {"given": type(split).__name__})]
    given = cast("dict[str, Any]", split)
    problems = [_unknown(f"split.{key}", key, ("parts", "by")) for key in given if key not in ("parts", "by")]
    parts: object = given.get("parts")
    shares: list[Any] = list(cast("dict[str, Any]", parts).values()) if isinstance(parts, dict) else []
    if not all(map(_is_share, shares)) or not 0.999 < sum(shares) < 1.001:
        problems.append(Problem("split.parts", "pipeline_not_parts", {"given": given.get("parts")}))
    if given.get("by", "none") not in STRATA:
        problems.append(_unknown("split.by", given.get("by"), STRATA))
    return problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 < value <= 1


def _is_texts(value: Any) -> bool:
    texts = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(texts) and all(isinstance(text, str) and text for text in texts)


def _is_form(value: Any) -> bool:
    return isinstance(value, str) and not UNKNOWN_FIELD.search(value)


def _is_words(value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    items = cast("dict[Any, Any]", value).items()
    return all(isinstance(word, str) and word and _is_texts(others) for word, others in items)


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "part": lambda value: value in PARTS,
    "count": _is_count,
    "share": _is_share,
    "switch": lambda value: isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "texts": _is_texts,
    "form": _is_form,
    "forms": lambda value: _is_texts(value) and all(_is_form(form) and "{question}" in form for form in value),
    "words": _is_words,
    "findings": lambda value: _is_texts(value) and set(value) <= DROPPABLE,
}
