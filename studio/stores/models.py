"""What can be loaded: base models, full runs, merged models, and LoRA adapters."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.core.problems import WEIGHT_FILES
from studio.stores.home import Home
from studio.stores.runs import find_checkpoints, find_run_folders, read_request, run_id

ADAPTER_CONFIG = "lora_config.json"


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


def is_model(folder: Path) -> bool:
    names = model_files(folder) or frozenset()
    return "config.json" in names and bool(names.intersection(WEIGHT_FILES)) and ADAPTER_CONFIG not in names


def find_models(home: Home) -> list[ModelChoice]:
    """Base and merged models of `models/`, then full runs and their checkpoints, each by name."""
    bases = sorted(path for path in home.models.glob("*") if not path.name.startswith(".") and is_model(path))
    found = [ModelChoice(path.name, str(path), "base") for path in bases]
    for label, path, kind in _run_weights(home):
        if is_model(path):
            found.append(ModelChoice(label, str(path), kind))
    return found


def find_adapters(home: Home) -> list[AdapterChoice]:
    """LoRA runs and their checkpoints."""
    return [
        AdapterChoice(label, str(path), read_request(_run_of(path)).model)
        for label, path, _ in _run_weights(home)
        if (path / ADAPTER_CONFIG).is_file()
    ]


def _run_of(folder: Path) -> Path:
    return folder.parent if folder.name.startswith("hf_checkpoint-") else folder


def _run_weights(home: Home) -> Iterator[tuple[str, Path, str]]:
    for folder in sorted(find_run_folders(home)):
        label = run_id(home, folder)
        yield label, folder, "full"
        for step in reversed(find_checkpoints(folder)):
            yield f"{label} @ {step}", folder / f"hf_checkpoint-{step}", "checkpoint"
