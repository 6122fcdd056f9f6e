"""Make new datasets from registered ones: cleaned, split, converted. A source is never touched.

Each new dataset's entry records under `made` how it came to be: source, its SHA-256, what was done with which
seed, rows before and after. The same again gives the same bytes.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from studio.actions.datasets import DatasetSummary, check_new_name, list_datasets
from studio.actions.rows import existing_file, iter_rows
from studio.actions.tokens import CHUNK_ROWS, dataset_stage
from studio.actions.training_data import faulty
from studio.core.doctor import FINDINGS, LENGTH_FINDINGS, DataDoctor, Finding, question_key
from studio.core.rows import Fault, Row
from studio.core.writing import TARGETS, CannotWrite, engine_row, target_format
from studio.errors import StudioError
from studio.jobs.encoder import EncoderProcess
from studio.stores.atomic import open_whole
from studio.stores.hashes import file_hash
from studio.stores.home import Home
from studio.stores.registry import add_entry, find_entry

FAULTY = "faulty"


@dataclass(frozen=True, slots=True)
class Examination:
    """What the data doctor found; of kind `faulty` are the rows that cannot be trained on.

    Near duplicates are looked for among the first NEAR_LIMIT_ROWS different rows; `saw_all_near` says whether that
    was all of them.
    """

    name: str
    rows: int
    findings: list[Finding]
    saw_all_near: bool


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A dataset that was made; `left_out` counts rows by why they are not in it."""

    dataset: DatasetSummary
    left_out: Mapping[str, int]


def examine_dataset(
    home: Home,
    name: str,
    against: str | None = None,
    encoder: EncoderProcess | None = None,
    max_seq_len: int | None = None,
) -> Examination:
    """Look at every row; `against` is an evaluation dataset whose questions must not be trained on.

    Raises StudioError.
    """
    doctor = DataDoctor(_questions(home, against), near=True, limit=max_seq_len)
    faulty = Finding(FAULTY)
    rows = 0
    for line, _, codes in _examined(home, name, doctor, encoder, max_seq_len):
        rows += 1
        if codes == [FAULTY]:
            faulty.add(line)
    return Examination(name, rows, [*([faulty] if faulty.count else []), *doctor.findings()], doctor.saw_all_near)


def clean_dataset(
    home: Home,
    name: str,
    new_name: str,
    drop: Sequence[str],
    against: str | None = None,
    encoder: EncoderProcess | None = None,
    max_seq_len: int | None = None,
) -> NewVersion:
    """A version without faulty rows and without the doubtful ones of some kinds. Raises StudioError."""
    unknown = [code for code in drop if code not in FINDINGS]
    if unknown:
        raise StudioError("unknown_finding", "drop", given=unknown[0], known=", ".join(FINDINGS))
    if LENGTH_FINDINGS & {*drop} and (encoder is None or max_seq_len is None):
        # Without a tokenizer no row has a length, and none would be left out.
        raise StudioError("no_length_limit", "drop")
    near = "near_duplicate" in drop
    doctor = DataDoctor(_questions(home, against), near=near, limit=max_seq_len)
    left_out: Counter[str] = Counter()

    def kept() -> Iterator[object]:
        for _, raw, found in _examined(home, name, doctor, encoder, max_seq_len):
            why = next((code for code in found if code == FAULTY or code in drop), None)
            if why:
                left_out[why] += 1
            else:
                yield raw

    done: dict[str, Any] = {"drop": [FAULTY, *drop]}
    if against:
        done["against"] = against
    if LENGTH_FINDINGS & {*drop}:
        done["max_seq_len"] = max_seq_len
    return make_version(home, new_name, _same_entry(home, name), {**origin(home, name), **done}, kept, left_out)


def split_dataset(
    home: Home, name: str, share: float, seed: int, names: tuple[str, str]
) -> tuple[NewVersion, NewVersion]:
    """Two datasets: one to train on, and a random `share` of the rows (0 to 1) to evaluate on.

    The same seed picks the same rows. Raises StudioError.
    """
    if not 0 < share < 1:
        raise StudioError("bad_share", "share", given=share)
    for new_name in names:
        check_new_name(home, new_name)
    if names[0] == names[1]:
        raise StudioError("dataset_taken", "name", given=names[1])
    total = sum(1 for _ in iter_rows(home, name))
    size = round(total * share)
    if not 0 < size < total:
        raise StudioError("too_few_rows", "share", rows=total, share=f"{share:g}")
    held_out = set(random.Random(seed).sample(range(total), size))

    def part(inside: bool) -> Callable[[], Iterator[object]]:
        def rows() -> Iterator[object]:
            for position, (_, raw, row) in enumerate(iter_rows(home, name)):
                if isinstance(row, Fault):
                    raise faulty(name, row)
                if (position in held_out) is inside:
                    yield raw

        return rows

    entry = _same_entry(home, name)
    done: dict[str, Any] = {"split": {"share": share, "seed": seed}}
    done |= origin(home, name)
    first, second = (
        make_version(home, new_name, entry, {**done, "part": word}, part(inside), Counter())
        for new_name, word, inside in ((names[0], "train", False), (names[1], "eval", True))
    )
    return first, second


def convert_dataset(home: Home, name: str, target: str, new_name: str) -> NewVersion:
    """The same rows in another format; rows it has no place for are left out and counted. Raises StudioError."""
    if target not in TARGETS:
        raise StudioError("unknown_target", "to", given=target, known=", ".join(TARGETS))
    sample = next((row for _, _, row in iter_rows(home, name) if isinstance(row, Row)), None)
    if sample is None:
        raise StudioError("empty_file", "name", given=name)
    made = target_format(target, sample)
    left_out: Counter[str] = Counter()

    def rows() -> Iterator[object]:
        for _, _, row in iter_rows(home, name):
            if isinstance(row, Fault):
                left_out[FAULTY] += 1
                continue
            try:
                yield made.write(row)
            except CannotWrite as error:
                left_out[error.code] += 1

    return make_version(home, new_name, made.entry, {**origin(home, name), "convert": target}, rows, left_out)


def _examined(
    home: Home, name: str, doctor: DataDoctor, encoder: EncoderProcess | None, limit: int | None
) -> Iterator[tuple[int, object, list[str]]]:
    """Every row with its line and what is wrong or doubtful about it; with an encoder, by its length too."""
    stage = dataset_stage(home, name)
    rows = iter_rows(home, name)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        sound = [row for _, _, row in chunk if isinstance(row, Row)]
        fits: Iterator[tuple[int | None, bool]] = repeat((None, False))
        if encoder and limit:
            fits = iter(encoder.fits(stage, limit, [engine_row(row, stage) for row in sound]))
        for line, raw, row in chunk:
            if isinstance(row, Fault):
                yield line, raw, [FAULTY]
                continue
            tokens, skipped = next(fits)
            yield line, raw, doctor.look(line, row, tokens, skipped=skipped)


def _questions(home: Home, name: str | None) -> frozenset[bytes]:
    if not name:
        return frozenset()
    return frozenset(question_key(row) for _, _, row in iter_rows(home, name) if isinstance(row, Row))


def _same_entry(home: Home, name: str) -> dict[str, Any]:
    left = ("file_name", "made")
    return {key: value for key, value in find_entry(home, name).items() if key not in left}


def origin(home: Home, name: str) -> dict[str, Any]:
    """What a record says of the dataset that another is made from. Raises StudioError."""
    return {"from": name, "sha256": file_hash(home, existing_file(home, name, find_entry(home, name)))}


def make_version(
    home: Home,
    name: str,
    entry: Mapping[str, Any],
    done: Mapping[str, Any],
    rows: Callable[[], Iterator[object]],
    left_out: Counter[str],
) -> NewVersion:
    """Write rows as `data/NAME.jsonl` and register them; the record says what was `done`. Raises StudioError."""
    check_new_name(home, name)
    path = home.data / f"{name}.jsonl"
    if path.exists():
        raise StudioError("data_file_taken", "name", given=path.name)
    kept = 0
    with open_whole(path) as file:
        for row in rows():
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            kept += 1
        if not kept:
            raise StudioError("nothing_left", "name", given=name)
    made = {**done, "rows": kept, "left_out": dict(left_out)}
    try:
        add_entry(home, name, {"file_name": path.name, **entry, "made": made})
    except StudioError:
        path.unlink(missing_ok=True)
        raise
    summary = next(dataset for dataset in list_datasets(home) if dataset.name == name)
    return NewVersion(summary, dict(left_out))


def data_file(home: Home, name: str) -> Path:
    """The file of a registered dataset, for a download. Raises StudioError."""
    return existing_file(home, name, find_entry(home, name))
