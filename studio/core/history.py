"""Runs side by side: what is kept of one for a list, and what differs between several."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from studio.core.options import default_options


@dataclass(frozen=True, slots=True)
class About:
    """What people have noted about a run."""

    note: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "About":
        tags: Sequence[object] = stored.get("tags", ())
        return cls(str(stored.get("note", "")), tuple(map(str, tags)), bool(stored.get("archived", False)))


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in one line: `loss` is the last of training, `best_loss` the lowest evaluation, at `best_step`."""

    run: str
    name: str
    state: str
    model: str
    stage: str
    method: str
    datasets: tuple[str, ...]
    step: int
    total_steps: int | None
    loss: float | None
    best_loss: float | None
    best_step: int | None
    elapsed_s: float | None
    started_at: float | None
    note: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "RunSummary":
        fields: dict[str, Any] = {**stored, "datasets": tuple(stored["datasets"]), "tags": tuple(stored["tags"])}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that several runs do not have in common: `kind` is option, data or version; one value a run."""

    kind: str
    name: str
    values: tuple[object, ...]

    @property
    def is_numeric(self) -> bool:
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


def find_differences(records: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """What differs between runs, from what was recorded when each was asked for.

    A value is None where a run has no such thing. An option that was not given has its default, so that only what
    had an effect is told.
    """
    flat = [_flatten(record) for record in records]
    keys = dict.fromkeys(key for values in flat for key in values)
    differences: list[Difference] = []
    for kind, name in keys:
        values = tuple(one.get((kind, name)) for one in flat)
        if any(value != values[0] for value in values):
            differences.append(Difference(kind, name, values))
    return differences


def _flatten(record: Mapping[str, Any]) -> dict[tuple[str, str], object]:
    request: Mapping[str, Any] = record.get("request", {})
    flat: dict[tuple[str, str], object] = {
        ("option", name): _plain(request.get(name))
        for name in ("model", "adapter", "stage", "method", "datasets", "eval_dataset", "drop_faulty")
    }
    options = {**default_options(), **request.get("options", {})}
    flat |= {("option", name): _plain(value) for name, value in options.items()}
    flat |= {("option", name): _plain(value) for name, value in request.get("extra", {}).items()}
    for source in record.get("datasets", []):
        told = f"{source.get('rows', '?')} · {str(source.get('sha256', '?'))[:12]}"
        flat["data", str(source.get("name", "?"))] = told
    flat |= {("version", name): value for name, value in record.get("versions", {}).items()}
    return flat


def _plain(value: object) -> object:
    """Numbers as numbers, whichever way they were written; lists as text; nothing as None."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, cast("Sequence[object]", value))) or None
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value or None
    return value
