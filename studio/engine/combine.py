"""`python -m studio.engine.combine --base DIR --adapter DIR … --to DIR`: several adapters as one, or a checkpoint.

The engine merges one adapter folder in its own format. Factors of several stand side by side there, with each
adapter's scale taken into its B: B₁A₁·s₁ + B₂A₂·s₂ is one product of rank r₁ + r₂.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.runs import RESUMABLE_CHECKPOINT
from studio.engine.tensor_files import find_tensors, write_adapter
from studio.errors import StudioError

CONFIG = "lora_config.json"
# (in, rank) and (rank, out) by the layer's name.
Factors = Mapping[str, tuple[Any, Any]]


def combine(base: Path, adapters: Sequence[Path], to: Path) -> None:
    """Write the sum of some adapters, final or checkpoints of either form, as an adapter folder.

    Raises StudioError where one cannot be read.
    """
    found = [_read_scaled(base, adapter) for adapter in adapters]
    rank = sum(_rank(factors) for factors in found)
    tensors: dict[str, Any] = {}
    for layer in dict.fromkeys(layer for factors in found for layer in factors):
        parts = [factors[layer] for factors in found if layer in factors]
        first = np.concatenate([a for a, _ in parts], axis=1)
        second = np.concatenate([b for _, b in parts], axis=0)
        # An adapter that does not know this layer adds nothing to it.
        missing = rank - first.shape[1]
        tensors[f"{layer}.lora_A"] = np.pad(first, ((0, 0), (0, missing)))
        tensors[f"{layer}.lora_B"] = np.pad(second, ((0, missing), (0, 0)))
    to.mkdir(parents=True, exist_ok=True)
    write_adapter(tensors, to)
    config = _config(adapters[0])
    # The engine scales by alpha over rank, which is one here.
    config |= {"r": rank, "lora_alpha": rank, "scaling": 1.0, "rslora": False, "dtype": "float32"}
    config["base_model_name_or_path"] = str(base)
    (to / CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")


def _read_scaled(base: Path, adapter: Path) -> Factors:
    if RESUMABLE_CHECKPOINT.fullmatch(adapter.name):
        return _read_state(base, adapter)
    config = _config(adapter)
    rank = float(config["r"])
    scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("rslora") else rank)
    places = find_tensors(adapter, "peft_model*.safetensors")
    layers = [name.removesuffix(".lora_A") for name in places if name.endswith(".lora_A")]
    if not layers or 2 * len(layers) != len(places):
        # Whole weights beside the factors: they cannot be added up.
        raise StudioError("adapter_with_weights", "adapters", given=str(adapter))
    return {
        layer: (places[f"{layer}.lora_A"].read(), places[f"{layer}.lora_B"].read() * np.float32(scale))
        for layer in layers
    }


def _read_state(base: Path, checkpoint: Path) -> Factors:
    """What training goes on from can be read by the engine only, into the model itself."""
    from studio.engine.loading import load_model

    loaded = load_model(base)
    loaded.add_adapter("state", [checkpoint])
    layers = loaded.layers_of("state")
    return {
        place: (_values(layer.lora_A), _values(layer.lora_B) * np.float32(layer.scaling))
        for place, layer in layers.items()
    }


def _values(parameter: Any) -> Any:
    return parameter.astype("float32").numpy()


def _config(adapter: Path) -> dict[str, Any]:
    places = [adapter]
    if RESUMABLE_CHECKPOINT.fullmatch(adapter.name):
        places += [adapter.parent / "studio", adapter.parent]
    path = next((place / CONFIG for place in places if (place / CONFIG).is_file()), None)
    if path is None:
        raise StudioError("not_an_adapter", "adapters", given=str(adapter))
    return json.loads(path.read_text(encoding="utf-8"))


def _rank(factors: Factors) -> int:
    return max(first.shape[1] for first, _ in factors.values())


def read_flags(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, action="append", required=True)
    parser.add_argument("--to", type=Path, required=True)
    return parser.parse_args(argv)


def main() -> int:
    flags = read_flags()
    try:
        combine(flags.base, flags.adapter, flags.to)
    except StudioError as error:
        print(f"StudioError: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
