"""The form that a browser remembers: by the form's own names, what differs from the defaults."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from studio.core.options import OPTIONS

CHOICES = {f"option.{spec.name}": spec.choices for spec in OPTIONS if spec.kind == "choice"}


def read_kept(text: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept and still makes sense: of a field that there is, of its kind, and of what it offers.

    A browser's storage may hold anything, so that broken text is nothing kept.
    """
    try:
        found: Any = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    kept = cast("dict[str, Any]", found)
    return {name: kept[name] for name in defaults if name in kept and _fits(name, kept[name], defaults[name])}


def leave_out(
    kept: dict[str, Any], folders: Iterable[str], datasets: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """What was kept without models and datasets that are gone, and the names of these.

    `folders` are the kept model and adapter that are there, `datasets` those that are registered.
    """
    there, known = set(folders), set(datasets)
    gone: list[str] = []
    left = dict(kept)
    for name, among in (("model", there), ("adapter", there), ("eval_dataset", known)):
        if left.get(name) and left[name] not in among:
            gone.append(str(left.pop(name)))
    if "datasets" in left:
        gone += [name for name in left["datasets"] if name not in known]
        left["datasets"] = [name for name in left["datasets"] if name in known]
        if not left["datasets"] and kept["datasets"]:
            del left["datasets"]
    return left, list(dict.fromkeys(gone))


def _fits(name: str, value: object, default: object) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, list):
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        return all(isinstance(item, str) for item in items)
    if name == "eval_dataset" and value is None:
        return True
    return isinstance(value, str) and (name not in CHOICES or value in CHOICES[name])
