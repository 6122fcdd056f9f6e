"""Whether the files of a model folder belong together, before the engine loads them.

PaddleFormers 1.2.0 does not ask: it takes weights of other shapes without a word, and ends with status 0.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studio.errors import Problem

# What a model folder must hold for the engine to load it.
MODEL_FILES = ("config.json", "tokenizer_config.json")
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
# Of Paddle and of PyTorch; both run what they name when they are read.
PICKLED = (".pdparams", ".bin", ".pt", ".pth", ".pkl")
# Who starts the studio with `--trust-pickles` has the engine read pickles that name more than data.
TRUST_VARIABLE = "STUDIO_TRUST_PICKLES"

LAYER = re.compile(r"\blayers\.(\d+)\.")
EMBEDDING = "embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model folder holds; `config` is None when it is no JSON object.

    `missing` are weight files that the index names, `damaged` those that were not copied to their end; `shapes` are
    those of the tensors, as the files' headers say.
    """

    config: Mapping[str, Any] | None
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]


def folder_problems(folder: str, names: Collection[str]) -> list[Problem]:
    """Why a folder of files with these names is none that loads as a model; nothing of their contents."""
    missing = [name for name in MODEL_FILES if name not in names]
    if not set(WEIGHT_FILES).intersection(names):
        if "config.json" in names and (pickled := sorted(name for name in names if name.endswith(PICKLED))):
            return [Problem("model", "weights_pickled", {"given": folder, "names": ", ".join(pickled)})]
        missing.append(WEIGHT_FILES[0])
    return [Problem("model", "not_a_model", {"given": folder, "missing": ", ".join(missing)})] if missing else []


def model_problems(folder: str, facts: ModelFacts) -> Iterator[Problem]:
    """Everything by which a model folder cannot be what its config says."""
    if facts.config is None:
        yield Problem("model", "config_broken", {"given": f"{folder}/config.json"})
    if facts.missing:
        yield Problem("model", "not_a_model", {"given": folder, "missing": ", ".join(facts.missing)})
    for name in facts.damaged:
        if name.endswith(PICKLED):
            yield Problem("model", "weights_pickled", {"given": folder, "names": name})
        else:
            yield Problem("model", "weights_cut", {"given": f"{folder}/{name}"})
    if facts.config is None or facts.missing or facts.damaged:
        return
    for key, found in _sizes(facts.shapes).items():
        told = facts.config.get(key)
        # Layers that predict further tokens are numbered behind the others.
        more = facts.config.get("num_nextn_predict_layers", 0) if key == "num_hidden_layers" else 0
        if isinstance(told, int) and found not in (told, told + more):
            values = {"given": folder, "key": key, "told": told, "found": found}
            yield Problem("model", "weights_do_not_fit", values)


def sees(facts: ModelFacts) -> bool:
    """Whether a model takes images: its config says how."""
    return isinstance((facts.config or {}).get("vision_config"), dict)


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """What the weights themselves say of the sizes that a config names; nothing where they do not."""
    sizes: dict[str, int] = {}
    embedding = [shape for name, shape in shapes.items() if name.endswith(EMBEDDING) and len(shape) == 2]
    if len(embedding) == 1:
        sizes["vocab_size"], sizes["hidden_size"] = embedding[0]
    # Of a model with two towers nobody knows whose layers these are.
    layers = {int(match[1]) for name in shapes if (match := LAYER.search(name))}
    if layers and len(embedding) == 1 and layers == set(range(len(layers))):
        sizes["num_hidden_layers"] = len(layers)
    return sizes
