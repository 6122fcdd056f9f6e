"""What `paddle.load` may read: data as the engine keeps it, and nothing that runs."""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studio.engine.pickles import RefusedPickle, load_data


def tensor(value: np.ndarray[Any, Any]) -> bytes:
    """An array as Paddle writes a tensor of its C++ side."""
    return b"\x80\x02c__builtin__\neval\nX\x04\x00\x00\x00data}X\x04\x00\x00\x00data" + _whole(value) + b"s\x86R."


def _whole(value: object) -> bytes:
    # Without the protocol before it and the end behind it.
    return pickle.dumps(value, protocol=2)[2:-1]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_comes_back_as_it_was(protocol: int) -> None:
    kept = OrderedDict(step=3, rates=[1e-3, 2e-3], seen={"a", "b"}, part=slice(1, 2), name=("w", np.float32(2.5)))
    found = load_data(io.BytesIO(pickle.dumps(kept, protocol=protocol)), encoding="latin1")
    assert found == kept
    weights = np.arange(12, dtype="float32").reshape(3, 4)
    assert np.array_equal(
        load_data(io.BytesIO(pickle.dumps(weights, protocol=protocol)), encoding="latin1"), weights
    )


def test_a_tensor_in_paddles_own_form_comes_back() -> None:
    weights = np.arange(6, dtype="float32")
    assert np.array_equal(load_data(io.BytesIO(tensor(weights)), encoding="latin1"), weights)


Note = Callable[[str, int], None]
NAMED = {
    "os.system": b"cos\nsystem\n(X\x04\x00\x00\x00echotR.",
    "posix.system": b"cposix\nsystem\n(X\x04\x00\x00\x00echotR.",
    "subprocess.Popen": b"csubprocess\nPopen\n(X\x04\x00\x00\x00echotR.",
    "builtins.exec": b"cbuiltins\nexec\n(X\x04\x00\x00\x00passtR.",
    "builtins.getattr": b"cbuiltins\ngetattr\n.",
    "builtins.__import__": b"cbuiltins\n__import__\n.",
    "builtins.bytearray": b"cbuiltins\nbytearray\n.",
    # `eval` of anything but the word that Paddle writes.
    "builtins.eval": b"cbuiltins\neval\n(X\x05\x00\x00\x001 + 1}tR.",
    # A way on from what may be named, which newer protocols know.
    "numpy.ndarray.dumps": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
    "numpy.load": b"cnumpy\nload\n.",
    "paddle.load": b"cpaddle\nload\n.",
    "torch._utils._rebuild_tensor_v2": b"ctorch._utils\n_rebuild_tensor_v2\n.",
}


def test_what_names_more_than_data_is_refused_before_it_runs(tried: Note) -> None:
    for named, given in NAMED.items():
        with pytest.raises(RefusedPickle) as caught:
            load_data(io.BytesIO(given), encoding="latin1")
        assert caught.value.named == named
    tried("processes.pickles", len(NAMED))
