"""Which parameters of a model learn when only a part of it does."""

import re
from collections.abc import Iterable, Sequence

LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.(.+)")


def choose_trainable(
    names: Iterable[str], layers: int, modules: Sequence[str] = (), extra: Sequence[str] = ()
) -> set[str]:
    """Of a model's parameter names those that learn: the last `layers` layers (the first, if negative).

    In them only `modules` where some are named; besides them what lies in `extra` outside of the layers, such as
    `embed_tokens`. Raises ValueError for a module that the model does not have, and when nothing is left to learn.
    """
    names = list(names)
    inside = {name: match for name in names if (match := LAYER.search(name))}
    count = 1 + max((int(match[1]) for match in inside.values()), default=-1)
    chosen_layers = range(count - min(layers, count), count) if layers > 0 else range(min(-layers, count))
    refuse_unknown(modules, [match[2] for match in inside.values()])
    refuse_unknown(extra, [name for name in names if name not in inside])
    trainable = {
        name
        for name, match in inside.items()
        if int(match[1]) in chosen_layers and (not modules or any(is_in(match[2], module) for module in modules))
    }
    trainable |= {name for name in names if name not in inside and any(is_in(name, module) for module in extra)}
    if not trainable:
        raise ValueError("freeze: with these settings no parameter of the model is left to learn")
    return trainable


def is_in(name: str, module: str) -> bool:
    """Whether a parameter or layer lies in a module of that name, at any depth: `self_attn`, `mlp.down_proj`."""
    return f".{module}." in f".{name}."


def refuse_unknown(modules: Sequence[str], names: Sequence[str]) -> None:
    """Raises ValueError for the first module that none of the names lies in, and says what there is."""
    for module in modules:
        if not any(is_in(name, module) for name in names):
            # Numbers of layers and the words for what a layer holds name no module.
            parts = {part for name in names for part in name.split(".") if not part.isdigit()}
            known = ", ".join(sorted(parts - {"weight", "bias"}))
            raise ValueError(f"{module} is no module of this model; there are {known}")
