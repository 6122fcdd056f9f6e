"""A model card: what a merged model was made of and how, as hubs show it (Markdown under YAML front matter)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from studio.core.merging import AS_BASE
from studio.core.options import OPTIONS
from studio.core.plain_yaml import BadYaml, read_yaml
from studio.texts import say

# By huggingface_hub's own check of a repository's name.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,94}[A-Za-z0-9_])?"
HUB_NAME = re.compile(rf"{_PART}(?:/{_PART})?")


@dataclass(frozen=True, slots=True)
class DataFacts:
    """A dataset as the run read it; the hash is that of its file."""

    name: str
    rows: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What a model reached on held-out rows, with the bounds of its 95 % interval, and what the base reached."""

    metric: str
    dataset: str
    value: float
    low: float | None = None
    high: float | None = None
    base: float | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run of those that were merged; `losses` are by name, first and last; `checkpoint` is None for the end.

    An adapter of which nothing is known but its name has no `stage`.
    """

    name: str
    stage: str = ""
    checkpoint: int | None = None
    data: Sequence[DataFacts] = ()
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    losses: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    steps: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a model card tells; `license_id` and `license_name` are the base's own words, empty when it has none."""

    name: str
    base: str
    license_id: str
    license_name: str
    precision: str
    runs: Sequence[RunFacts]
    scores: Sequence[Score] = field(default_factory=tuple[Score, ...])


def write_card(facts: CardFacts, language: str) -> str:
    """The card as Markdown, in English or Chinese."""
    made = say(
        "card.made", language, runs=", ".join(_plain(run.name) for run in facts.runs), base=_plain(facts.base)
    )
    parts = [_front_matter(facts, language), f"# {_plain(facts.name)}", made]
    parts.append(_facts_table(facts, language))
    for run in facts.runs:
        parts += _run_parts(run, language)
    parts += _score_parts(facts.scores, language)
    parts += [f"## {say('card.proof', language)}", say("card.proof.text", language)]
    parts += [f"## {say('card.license', language)}", _plain(_license_text(facts, language))]
    return "\n\n".join(part for part in parts if part) + "\n"


def license_of(readme: str, license_file: str) -> tuple[str, str]:
    """A base's licence: its id in the front matter of its README, and the first line of its LICENSE file."""
    found = ""
    if readme.startswith("---"):
        try:
            told: object = read_yaml(readme[3:].partition("\n---")[0])
        except BadYaml:
            told = None
        if isinstance(told, dict):
            found = str(told.get("license") or "")  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    lines = [line.strip() for line in license_file.splitlines() if line.strip()]
    return found, lines[0][:100] if lines else ""


def _front_matter(facts: CardFacts, language: str) -> str:
    base = {"base_model": facts.base, "base_model_relation": "merge"} if _is_hub_name(facts.base) else {}
    told: dict[str, object] = {
        **base,
        "library_name": "PaddlePaddle",
        "pipeline_tag": "text-generation",
        "tags": ["merge", "lora", *dict.fromkeys(run.stage.lower() for run in facts.runs if run.stage)],
    }
    if facts.license_id:
        told["license"] = facts.license_id
    elif facts.license_name:
        told |= {"license": "other", "license_name": facts.license_name}
    names = dict.fromkeys(data.name for run in facts.runs for data in run.data if _is_hub_name(data.name))
    if names:
        told["datasets"] = list(names)
    text = yaml.safe_dump(told, allow_unicode=True, sort_keys=False).strip()
    return f"---\n{text}\n---"


def _is_hub_name(name: str) -> bool:
    """Whether a name may stand where hubs look for a repository's; one that may not has a push refused."""
    return HUB_NAME.fullmatch(name) is not None and ".." not in name and "--" not in name


def _facts_table(facts: CardFacts, language: str) -> str:
    precision = say("card.as_base", language) if facts.precision == AS_BASE else facts.precision
    rows = [
        (say("card.base", language), facts.base),
        (say("card.precision", language), precision),
        (say("card.license", language), _license_text(facts, language)),
    ]
    return _table((say("card.what", language), say("card.value", language)), rows)


def _run_parts(run: RunFacts, language: str) -> list[str]:
    at = "" if run.checkpoint is None else " " + say("card.at", language, step=run.checkpoint)
    parts = [f"## {say('card.run', language, run=_plain(run.name))}{at}"]
    if not run.stage:
        return [*parts, say("card.run.unknown", language)]
    steps = "–" if run.steps is None else str(run.steps)
    parts.append(say("card.training", language, stage=run.stage, steps=steps))
    if run.data:
        rows = [(data.name, "–" if data.rows is None else str(data.rows), data.sha256 or "–") for data in run.data]
        parts.append(_table((say("card.data", language), say("card.rows", language), "SHA-256"), rows))
    defaults = {spec.name: spec.default for spec in OPTIONS}
    changed = {name: value for name, value in run.options.items() if defaults.get(name) != value}
    if changed:
        parts.append(f"### {say('card.options', language)}")
        parts.append(
            _table(
                (say("card.option", language), say("card.value", language), say("card.default", language)),
                [(name, _value(value), _value(defaults.get(name))) for name, value in changed.items()],
            )
        )
    if run.losses:
        parts.append(f"### {say('card.losses', language)}")
        rows = [(name, f"{first:.4f}", f"{last:.4f}") for name, (first, last) in run.losses.items()]
        parts.append(_table(("", say("card.first", language), say("card.last", language)), rows))
    if run.versions:
        parts.append(f"### {say('card.versions', language)}")
        parts.append(
            _table((say("card.what", language), say("card.version", language)), list(run.versions.items()))
        )
    return parts


def _score_parts(scores: Sequence[Score], language: str) -> list[str]:
    title = f"## {say('card.evaluation', language)}"
    if not scores:
        return [title, say("card.no_evaluation", language)]
    rows = [
        (score.metric, score.dataset, _number(score.value), _interval(score), _number(score.base))
        for score in scores
    ]
    names = ("metric", "data", "value", "interval", "base")
    return [title, _table(tuple(say(f"card.{name}", language) for name in names), rows)]


def _interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return "–"
    return f"{score.low:.3f} – {score.high:.3f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _license_text(facts: CardFacts, language: str) -> str:
    return facts.license_id or facts.license_name or say("card.license.none", language)


def _value(value: object) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """Text that ends neither its line nor its cell, and is no markup."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
