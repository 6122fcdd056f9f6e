"""What the files of a merged folder say: names, shapes, numbers, and where they differ from the base's."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.merging import TEMPLATE_FILES, TOKENIZER_FILES, targeted_weights
from studio.engine.tensor_files import FLOATS, PART_ELEMENTS, TensorPlace, converted, index_faults, widen

# How many names a person is told; the report has them all.
TOLD_NAMES = 3
LISTED_NAMES = 200
# Below this a change is rounding.
LEAST_CHANGE = 1e-12
# The cosine between two changes from which on one is the other, scaled.
SAME_DIRECTION = 0.9


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold of a merged model; `code` and `values` word what was found."""

    name: str
    passed: bool
    code: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Differences:
    """Tensors by what was found in them; `scales` is by how much of the adapter's own change each was changed."""

    compared: int = 0
    changed: list[str] = field(default_factory=list[str])
    broken: list[str] = field(default_factory=list[str])
    scales: list[float] = field(default_factory=list[float])


def check_names(
    base: Mapping[str, TensorPlace], merged: Mapping[str, TensorPlace], folder: Path, tied: bool
) -> Check:
    """The merged model has the base's tensors under the base's names, in its shapes, and an index that is right."""
    missing = sorted(name for name in base.keys() - merged.keys() if not (tied and name == "lm_head.weight"))
    added = sorted(merged.keys() - base.keys())
    shaped = sorted(name for name in base.keys() & merged.keys() if base[name].shape != merged[name].shape)
    listed = index_faults(folder, merged)
    for code, names in (("missing", missing), ("added", added), ("reshaped", shaped), ("index", listed)):
        if names:
            return Check("names", False, code, told(names))
    return Check("names", True, "count", {"count": len(merged)})


def compare_weights(
    base: Mapping[str, TensorPlace], merged: Mapping[str, TensorPlace], expected: Mapping[str, Any]
) -> Differences:
    """Compare tensor by tensor, a part at a time, in the merged model's precision.

    `expected` maps some weights to the change that the adapter makes to them, shape as stored.
    """
    found = Differences()
    for name in sorted(base.keys() & merged.keys()):
        before, after = base[name], merged[name]
        if before.shape != after.shape:
            continue
        found.compared += 1
        differs, sound = _compare(before, after)
        if differs:
            found.changed.append(name)
        if not sound:
            found.broken.append(name)
        elif name in expected:
            found.scales += _measure_scale(after.read() - before.read(), expected[name])
    return found


def _measure_scale(change: Any, wanted: Any) -> list[float]:
    """By how much of the adapter's own change a weight was changed; nothing where the change is another."""
    along, power = float(np.vdot(wanted, change)), float(np.vdot(wanted, wanted))
    length = float(np.sqrt(power * float(np.vdot(change, change))))
    if power < LEAST_CHANGE or (length > LEAST_CHANGE and along / length < SAME_DIRECTION):
        return []
    return [along / power]


def _compare(before: TensorPlace, after: TensorPlace) -> tuple[bool, bool]:
    """Whether two tensors differ, and whether the second holds nothing but finite numbers."""
    differs, sound = False, True
    raw = after.raw()
    as_after = after.dtype if before.dtype in FLOATS else before.dtype
    for number, was in enumerate(converted(before, as_after)):
        part = np.asarray(raw[number * PART_ELEMENTS : (number + 1) * PART_ELEMENTS])
        differs = differs or not np.array_equal(was, part)
        if after.dtype in FLOATS:
            sound = sound and bool(np.isfinite(widen(part, after.dtype)).all())
    return differs, sound


def check_finite(found: Differences) -> Check:
    if found.broken:
        return Check("finite", False, "broken", told(found.broken))
    return Check("finite", True, "count", {"count": found.compared})


def check_changed(found: Differences, wanted: Iterable[str], unknown: Iterable[str]) -> Check:
    """The weights that differ from the base's are those that the adapter acts on, no more and no fewer."""
    targets, changed = set(wanted), set(found.changed)
    elsewhere, unchanged, lost = sorted(changed - targets), sorted(targets - changed), sorted(unknown)
    values = {"changed": len(changed), "wanted": len(targets), "count": found.compared}
    for code, names in (("elsewhere", elsewhere), ("unchanged", unchanged), ("unknown", lost)):
        if names:
            return Check("changed", False, code, {**values, **told(names)})
    return Check("changed", True, "exactly", values)


def targets_of(layers: Mapping[str, Any], base: Iterable[str]) -> tuple[list[str], list[str]]:
    """The weights that layers with an effect act on, and the layers that no weight of the base belongs to."""
    names = list(base)
    found = {layer: targeted_weights(layer, names) for layer, acts in layers.items() if acts}
    return [name for parts in found.values() for name in parts], [
        layer for layer, parts in found.items() if not parts
    ]


def check_files(base: Path, merged: Path) -> list[Check]:
    """Chat and training read the same tokenizer and template from the merged folder as from the base."""
    checks = []
    for kind, files in (("tokenizer", TOKENIZER_FILES), ("template", TEMPLATE_FILES)):
        own = [name for name in files if (base / name).is_file()]
        missing = [name for name in own if not (merged / name).is_file()]
        other = [name for name in own if name not in missing and not _same(base / name, merged / name)]
        if missing or other:
            checks.append(Check(kind, False, "file_missing" if missing else "file_other", told(missing or other)))
        else:
            checks.append(Check(kind, True, "files", {"names": ", ".join(own) or "–"}))
    return checks


def _same(first: Path, second: Path) -> bool:
    """The same bytes, or the same JSON: another tool may have written it with other spaces."""
    if first.read_bytes() == second.read_bytes():
        return True
    if first.suffix != ".json":
        return False
    try:
        return json.loads(first.read_text(encoding="utf-8")) == json.loads(second.read_text(encoding="utf-8"))
    except ValueError:
        return False


def told(names: list[str]) -> dict[str, Any]:
    """Names as values of a check: some for a person, more for the report."""
    more = f" … (+{len(names) - TOLD_NAMES})" if len(names) > TOLD_NAMES else ""
    return {"names": ", ".join(names[:TOLD_NAMES]) + more, "all": names[:LISTED_NAMES]}
