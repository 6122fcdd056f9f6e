"""Pickles as data: what `paddle.load` reads builds numbers, texts and tensors, and runs nothing.

A pickle names the functions that build what it holds, and may name any. The engine reads those beside the weights
of a model (any file that ends in `.metadata`), and a model is often a stranger's. After `only_data` a pickle that
names anything but the builders of plain data ends in a `RefusedPickle`. Format: Python's documentation of `pickle`,
"Restricting Globals".
"""

import os
import pickle
import types
from typing import Any, BinaryIO

from studio.core.model_check import TRUST_VARIABLE

PLAIN = frozenset({"complex", "dict", "frozenset", "list", "set", "slice", "tuple"})
NUMPY = frozenset({"_reconstruct", "scalar", "ndarray", "dtype", "_frombuffer"})
BUILDERS = {
    "builtins": PLAIN,
    "__builtin__": PLAIN,
    "_codecs": frozenset({"encode"}),
    "collections": frozenset({"OrderedDict", "defaultdict"}),
    **dict.fromkeys(("numpy", "numpy.core.multiarray", "numpy._core.multiarray"), NUMPY),
    **dict.fromkeys(("numpy.core.numeric", "numpy._core.numeric"), NUMPY),
    "paddle.base.libpaddle": frozenset({"GeneratorState"}),
    "paddleformers.trainer.trainer_callback": frozenset({"TrainerState"}),
    "paddle.distributed.flex_checkpoint.dcp.metadata": frozenset(
        {"Metadata", "LocalTensorMetadata", "LocalTensorIndex"}
    ),
}


class RefusedPickle(Exception):
    """A pickle that names more than data: `named`. No `UnpicklingError`, for which Paddle tries other formats."""

    def __init__(self, named: str) -> None:
        super().__init__(f"refused_pickle: it names {named}, and a pickle runs what it names")
        self.named = named


class _DataUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("builtins", "eval"), ("__builtin__", "eval")):
            # So Paddle writes a tensor of its C++ side: `eval("data", {"data": array})`.
            return _named_data
        if name not in BUILDERS.get(module, ()):
            raise RefusedPickle(f"{module}.{name}")
        return super().find_class(module, name)


def _named_data(expression: str, names: dict[str, Any]) -> Any:
    if expression != "data":
        raise RefusedPickle("builtins.eval")
    return names["data"]


def load_data(file: BinaryIO, **how: Any) -> Any:
    """`pickle.load` of data only. Raises RefusedPickle."""
    return _DataUnpickler(file, **how).load()


def only_data() -> None:
    """Let `paddle.load` read data only, unless who started this process trusts every pickle."""
    if os.environ.get(TRUST_VARIABLE):
        return
    from paddle.framework import io

    module = types.ModuleType("pickle")
    module.__dict__.update({**pickle.__dict__, "load": load_data})
    io.pickle = module
