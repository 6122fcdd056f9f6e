"""Prepare data by a pipeline: look at ten rows of it, then make new datasets, which a rerun makes again."""

import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from studio.actions.chat import resolve_model
from studio.actions.datasets import check_new_name
from studio.actions.rows import check_file, existing_file, iter_rows
from studio.actions.tokens import CHUNK_ROWS, Encoders, dataset_stage
from studio.actions.versions import NewVersion, make_version, origin
from studio.core.doctor import DataDoctor, question_key
from studio.core.pipeline import (
    Pipeline,
    Step,
    apply_step,
    check_pipeline,
    fits_length,
    read_pipeline,
    split_rows,
    stratum_of,
    take_source,
)
from studio.core.plain_yaml import BadYaml, read_yaml
from studio.core.rows import Row
from studio.core.writing import TARGETS, CannotWrite, engine_row, target_format
from studio.errors import Problem, RequestRefused, StudioError
from studio.jobs.encoder import EncoderProcess
from studio.stores.atomic import write_text
from studio.stores.home import Home
from studio.stores.registry import find_entry, read_registry

PREVIEWED_ROWS = 10


@dataclass(frozen=True, slots=True)
class Draft:
    """A row on its way through a pipeline: where it comes from, and what became of it so far."""

    source: str
    number: int
    copy: int
    before: Row
    rows: tuple[Row, ...]
    left_out: str = ""


def load_pipeline(text: str) -> Pipeline:
    """A pipeline from YAML. Raises RequestRefused with all that is wrong."""
    try:
        config: Any = read_yaml(text)
    except BadYaml as error:
        raise RequestRefused([Problem("pipeline", "bad_yaml", {"reason": str(error)})]) from error
    problems = check_pipeline(config)
    if problems:
        raise RequestRefused(problems)
    return read_pipeline(cast("Mapping[str, Any]", config))


def preview_pipeline(
    home: Home, text: str, model: str, encoders: Encoders, count: int = PREVIEWED_ROWS
) -> list[Draft]:
    """What the first rows become; nothing is written. Raises StudioError."""
    pipeline = load_pipeline(text)
    _refuse_missing(home, pipeline)
    shown: list[Draft] = []
    runner = _Runner(home, pipeline, _encoder(home, pipeline, model, encoders))
    for chunk in runner.chunks(size=count):
        shown += runner.work(chunk)
        if len(shown) >= count:
            break
    return shown[:count]


def run_pipeline(home: Home, text: str, name: str, model: str, encoders: Encoders) -> list[NewVersion]:
    """Make the datasets of a pipeline: `name`, or `name-part` for each part of its split.

    The YAML is kept beside them as `data/NAME.pipeline.yaml`. The same sources, tokenizer and YAML give the
    same bytes. Raises StudioError; nothing is registered then.
    """
    pipeline = load_pipeline(text)
    _refuse_missing(home, pipeline)
    names = {part: f"{name}-{part}" for part in pipeline.parts} or {"": name}
    for new_name in names.values():
        check_new_name(home, new_name)
        if (home.data / f"{new_name}.jsonl").exists():
            raise StudioError("data_file_taken", "name", given=f"{new_name}.jsonl")
    runner = _Runner(home, pipeline, _encoder(home, pipeline, model, encoders))
    done = {
        "pipeline": f"{name}.pipeline.yaml",
        "seed": pipeline.seed,
        "sources": [origin(home, source.dataset) for source in pipeline.sources],
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        entry, strata = runner.write(spool)
        placed = split_rows(strata, pipeline.parts, pipeline.seed) if pipeline.parts else [""] * len(strata)

        def rows_of(part: str) -> Iterator[object]:
            spool.seek(0)
            return (json.loads(line) for line, goes_to in zip(spool, placed, strict=True) if goes_to == part)

        made = [
            make_version(
                home,
                new_name,
                entry,
                {**done, "part": part} if part else done,
                lambda part=part: rows_of(part),
                runner.left_out if position == 0 else Counter(),
            )
            for position, (part, new_name) in enumerate(names.items())
        ]
    write_text(home.data / f"{name}.pipeline.yaml", text)
    return made


def _refuse_missing(home: Home, pipeline: Pipeline) -> None:
    registry = read_registry(home)
    against = [step.settings["against"] for step in pipeline.steps if step.settings.get("against")]
    known = ", ".join(registry) or "-"
    problems = [
        Problem("sources", "unknown_dataset", {"given": name, "known": known})
        for name in (*(source.dataset for source in pipeline.sources), *against)
        if name not in registry
    ]
    if problems:
        raise RequestRefused(problems)


def _encoder(home: Home, pipeline: Pipeline, model: str, encoders: Encoders) -> EncoderProcess | None:
    return encoders.get(resolve_model(home, model, ())[0]) if pipeline.needs_tokens else None


class _Runner:
    """One way through a pipeline."""

    def __init__(self, home: Home, pipeline: Pipeline, encoder: EncoderProcess | None) -> None:
        self.home = home
        self.pipeline = pipeline
        self.encoder = encoder
        self.left_out: Counter[str] = Counter()
        self._doctors = {
            position: DataDoctor(_questions(home, step), near="near_duplicate" in step.settings["drop"])
            for position, step in enumerate(pipeline.steps)
            if step.kind == "doctor"
        }

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[list[Draft]]:
        """The rows that are taken of all sources, some at a time."""
        chunk: list[Draft] = []
        for source, taken in self._taken():
            number = 0
            for _, _, row in iter_rows(self.home, source):
                if not isinstance(row, Row):
                    continue
                for copy in range(taken[number]):
                    chunk.append(Draft(source, number, copy, row, (row,)))
                    if len(chunk) == size:
                        yield chunk
                        chunk = []
                number += 1
        if chunk:
            yield chunk

    def work(self, chunk: list[Draft]) -> list[Draft]:
        """Lead some rows through all steps."""
        for position, step in enumerate(self.pipeline.steps):
            match step.kind:
                case "length":
                    chunk = self._keep_lengths(step, chunk)
                case "doctor":
                    chunk = [self._examine(position, step, draft) for draft in chunk]
                case _:
                    chunk = [self._apply(position, step, draft) for draft in chunk]
        return chunk

    def write(self, spool: Any) -> tuple[Mapping[str, Any], list[Any]]:
        """Write what comes out, a row a line; returns the entry that reads it and the stratum of each row."""
        strata: list[Any] = []
        entry: Mapping[str, Any] = {}
        made = None
        for chunk in self.chunks():
            for draft in self.work(chunk):
                if draft.left_out:
                    self.left_out[draft.left_out] += 1
                for row in draft.rows:
                    if made is None:
                        made = target_format(self._format(draft.source), row)
                        entry = made.entry
                    try:
                        written = made.write(row)
                    except CannotWrite as error:
                        self.left_out[error.code] += 1
                        continue
                    spool.write(json.dumps(written, ensure_ascii=False) + "\n")
                    strata.append(stratum_of(row, draft.source, self.pipeline.by))
        return entry, strata

    def _format(self, source: str) -> str:
        kind = str(find_entry(self.home, source).get("formatting", "alpaca")).partition("_")[0]
        stage = dataset_stage(self.home, source)
        return "text" if stage == "PT" else kind if kind in TARGETS else "messages"

    def _taken(self) -> list[tuple[str, Counter[int]]]:
        """How often each sound row of each source is taken."""
        rng = random.Random(self.pipeline.seed)
        found: list[tuple[int, int]] = []
        for position, source in enumerate(self.pipeline.sources):
            entry = find_entry(self.home, source.dataset)
            check = check_file(existing_file(self.home, source.dataset, entry), entry)
            faulty = len(check.numbers)
            if faulty:
                self.left_out["faulty"] += faulty
            found += [(position, row) for row in take_source(check.rows - faulty, source.weight, rng)]
        if self.pipeline.rows is not None and self.pipeline.rows < len(found):
            found = rng.sample(found, self.pipeline.rows)
        counts = [Counter[int]() for _ in self.pipeline.sources]
        for position, row in found:
            counts[position][row] += 1
        return [(source.dataset, counts[position]) for position, source in enumerate(self.pipeline.sources)]

    def _seed(self, position: int, draft: Draft, row: int) -> str:
        return f"{self.pipeline.seed}/{position}/{draft.source}/{draft.number}/{draft.copy}/{row}"

    def _apply(self, position: int, step: Step, draft: Draft) -> Draft:
        rows = [
            made
            for number, row in enumerate(draft.rows)
            for made in apply_step(step, row, self._seed(position, draft, number))
        ]
        return _with_rows(draft, rows, step.kind)

    def _examine(self, position: int, step: Step, draft: Draft) -> Draft:
        doctor = self._doctors[position]
        why = ""
        kept: list[Row] = []
        for row in draft.rows:
            found = [code for code in doctor.look(draft.number + 1, row) if code in step.settings["drop"]]
            why = why or next(iter(found), "")
            if not found:
                kept.append(row)
        return _with_rows(draft, kept, why)

    def _keep_lengths(self, step: Step, chunk: list[Draft]) -> list[Draft]:
        lengths = self._lengths(chunk)
        kept: list[Draft] = []
        for position, draft in enumerate(chunk):
            fitting = [row for number, row in enumerate(draft.rows) if fits_length(step, lengths[position, number])]
            kept.append(_with_rows(draft, fitting, step.kind))
        return kept

    def _lengths(self, chunk: list[Draft]) -> dict[tuple[int, int], tuple[int, int, int]]:
        """Tokens of each row of each draft, asked for at once."""
        if self.encoder is None:
            raise ValueError("a length step needs an encoder")
        by_stage: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for position, draft in enumerate(chunk):
            stage = dataset_stage(self.home, draft.source)
            by_stage[stage] += [(position, number) for number in range(len(draft.rows))]
        found: dict[tuple[int, int], tuple[int, int, int]] = {}
        for stage, places in by_stage.items():
            rows = [engine_row(chunk[position].rows[number], stage) for position, number in places]
            found.update(zip(places, self.encoder.lengths(stage, rows), strict=True))
        return found


def _with_rows(draft: Draft, rows: Sequence[Row], why: str) -> Draft:
    gone = not rows and draft.rows
    return replace(draft, rows=tuple(rows), left_out=draft.left_out or (why if gone else ""))


def _questions(home: Home, step: Step) -> frozenset[bytes]:
    against = step.settings.get("against")
    if not against:
        return frozenset()
    return frozenset(question_key(row) for _, _, row in iter_rows(home, against) if isinstance(row, Row))
