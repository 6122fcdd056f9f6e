"""What can be loaded: base models, full runs, merged models, and LoRA adapters."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from studio.core.model_check import WEIGHT_FILES, ModelFacts
from studio.core.runs import RESUMABLE_CHECKPOINT
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.runs import (
    RunPaths,
    find_checkpoints,
    find_resumable,
    find_run_folders,
    read_request,
    run_id,
)
from studio.stores.small_files import read_small_json

# The format's own limit.
HEADER_LIMIT_BYTES = 100_000_000
ADAPTER_CONFIG = "lora_config.json"
# What loading writes into a folder.
ENGINE_NOTES = "flex-ckpt"
WEIGHT_SUFFIXES = (".safetensors", ".pdparams")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A folder that loads as a model; `kind` is base, full or checkpoint."""

    label: str
    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class AdapterChoice:
    """A folder that loads as a LoRA adapter of the model `base`."""

    label: str
    path: str
    base: str


def model_files(folder: Path) -> frozenset[str] | None:
    """The names in a model folder, or None when it is no folder."""
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else None


def model_path(home: Home, given: str) -> Path:
    """A folder as it was given, as a path from here, or that of the model of this name in `models/`.

    Raises StudioError.
    """
    given = given.strip()
    return allowed_path(home, given if os.sep in given or given.startswith("~") else home.models / given, "model")


def is_model(folder: Path) -> bool:
    names = model_files(folder) or frozenset()
    return "config.json" in names and bool(names.intersection(WEIGHT_FILES)) and ADAPTER_CONFIG not in names


def is_adapter(folder: Path) -> bool:
    """Whether a folder loads as a LoRA adapter: weights, or what training goes on from."""
    if (folder / ADAPTER_CONFIG).is_file():
        return True
    return is_training_state(folder) and read_request(folder.parent).method == "lora"


def adapter_base(folder: Path) -> str | None:
    """The model an adapter was trained on: as its run says, or else its config, where that is still there."""
    run = _run_of(folder)
    if RunPaths(run).request.exists():
        return read_request(run).model
    told = (read_adapter(folder) or {}).get("base_model_name_or_path")
    # Not pathlib, which raises for what cannot be a path.
    return told if isinstance(told, str) and os.path.isdir(told) else None


def is_training_state(folder: Path) -> bool:
    """Whether a folder is a whole checkpoint in the form that training goes on from, in a run's folder."""
    if not RESUMABLE_CHECKPOINT.fullmatch(folder.name) or not RunPaths(folder.parent).request.exists():
        return False
    return int(folder.name.rpartition("-")[2]) in find_resumable(folder.parent)


def read_model(folder: Path) -> ModelFacts:
    """What a model folder's files say; of the weights only their headers are read.

    Format: safetensors, by its own documentation: eight bytes of length, so much JSON, then the data.
    """
    names = [path.name for path in folder.glob("*.safetensors")]
    index = _json_object(folder / "model.safetensors.index.json")
    listed: object = (index or {}).get("weight_map")
    wanted = sorted(set(map(str, cast("dict[str, object]", listed).values()))) if isinstance(listed, dict) else []
    shapes: dict[str, tuple[int, ...]] = {}
    damaged: list[str] = []
    for name in wanted or names:
        path = folder / name
        if not path.exists():
            continue
        try:
            shapes |= _read_shapes(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            damaged.append(name)
    missing = [name for name in wanted if not (folder / name).exists()]
    return ModelFacts(_json_object(folder / "config.json"), tuple(missing), tuple(damaged), shapes)


def has_result(run: Path) -> bool:
    """Whether a run's folder holds the whole weights that the engine writes behind the end of the training."""
    if not (is_model(run) or is_adapter(run)):
        return False
    facts = read_model(run)
    if facts.missing or facts.damaged:
        return False
    # A run that was resumed has those of the session before.
    trained = RunPaths(run).metrics.stat().st_mtime
    return all(path.stat().st_mtime >= trained for path in run.glob("*.safetensors"))


def shipped_files(folder: Path) -> list[Path]:
    """What of a model folder is handed on: no hidden files, and not what an engine noted for itself."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.name.startswith(ENGINE_NOTES)
    )


def model_identity(folder: Path) -> str:
    """What tells a model from another of its name: a hash of its small files, and the size of its weights.

    Weights are not read, which would take longer than many a run. Empty where there is no such folder.
    """
    if not folder.is_dir():
        return ""
    digest, size = hashlib.sha256(), 0
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json":
            digest.update(path.name.encode() + path.read_bytes())
        elif path.suffix in WEIGHT_SUFFIXES:
            size += path.stat().st_size
    return f"{digest.hexdigest()[:12]} · {size:,} B"


def read_adapter(folder: Path) -> dict[str, Any] | None:
    """The config of a LoRA adapter's folder; None when it is none."""
    return _json_object(folder / ADAPTER_CONFIG)


def weight_bytes(folder: Path) -> dict[str, int]:
    """Bytes of a folder's weights by their type (`F32`, `BF16` …); of other formats all are of type `?`."""
    found: dict[str, int] = {}
    for path in folder.glob("*.safetensors"):
        try:
            header = _read_header(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found["?"] = found.get("?", 0) + path.stat().st_size
            continue
        for tensor in header.values():
            begin, end = tensor["data_offsets"]
            found[tensor["dtype"]] = found.get(tensor["dtype"], 0) + end - begin
    if not found:
        found["?"] = sum(path.stat().st_size for path in folder.glob("*.pdparams"))
    return found


def _read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor["shape"]) for name, tensor in _read_header(path).items()}


def _read_header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of each tensor. Raises ValueError when the file ends too early."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size, HEADER_LIMIT_BYTES):
            raise ValueError(path.name)
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    if 8 + length + end > size:
        raise ValueError(path.name)
    return header


def _json_object(path: Path) -> dict[str, Any] | None:
    try:
        value: Any = read_small_json(path)
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def find_models(home: Home) -> list[ModelChoice]:
    """Base and merged models of `models/`, then full runs and their checkpoints, each by name."""
    bases = sorted(path for path in home.models.glob("*") if not path.name.startswith(".") and is_model(path))
    found = [ModelChoice(path.name, str(path), "base") for path in bases]
    for label, path, kind in _run_weights(home):
        if is_model(path) or (is_training_state(path) and not is_adapter(path)):
            found.append(ModelChoice(label, str(path), kind))
    return found


def find_adapters(home: Home) -> list[AdapterChoice]:
    """LoRA runs and their checkpoints."""
    found: list[AdapterChoice] = []
    for label, path, _ in _run_weights(home):
        # What cannot say its base is none to choose.
        with suppress(StudioError):
            if is_adapter(path):
                found.append(AdapterChoice(label, str(path), read_request(_run_of(path)).model))
    return found


def _run_of(folder: Path) -> Path:
    return folder.parent if folder.name.startswith(("hf_checkpoint-", "checkpoint-")) else folder


def _run_weights(home: Home) -> Iterator[tuple[str, Path, str]]:
    for folder in sorted(find_run_folders(home)):
        label = run_id(home, folder)
        yield label, folder, "full"
        loadable = find_checkpoints(folder)
        # A run that was cut off may have written the one form and not the other.
        steps = sorted({*loadable, *find_resumable(folder)}, reverse=True)
        for step in steps:
            form = "hf_checkpoint" if step in loadable else "checkpoint"
            yield f"{label} @ {step}", folder / f"{form}-{step}", "checkpoint"
