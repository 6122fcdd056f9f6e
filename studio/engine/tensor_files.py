"""Tensors of a model folder, read and written a part at a time, so that no model is ever held whole.

Format: safetensors, by its own documentation: eight bytes of length, so much JSON, then the data.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.merging import plan_shards, shard_names

INDEX = "model.safetensors.index.json"
ADAPTER_INDEX = "peft_model.safetensors.index.json"
# What is read, compared or converted at once.
PART_ELEMENTS = 8_000_000
NUMPY_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "U16": "<u2",
    "BOOL": "?",
    "F8_E4M3": "<u1",
    "F8_E5M2": "<u1",
}
FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor lies: its file, its type as the format names it, its shape, and its bytes."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin

    def raw(self) -> Any:
        """The tensor as it is stored, in one dimension, mapped and not read."""
        kind = np.dtype(NUMPY_TYPES[self.dtype])
        count = self.size // kind.itemsize
        if not count:
            return np.zeros(0, kind)
        return np.memmap(self.file, kind, "r", offset=self.begin, shape=(count,))

    def read(self) -> Any:
        """The whole tensor in float32."""
        return widen(np.asarray(self.raw()), self.dtype).reshape(self.shape)


def find_tensors(folder: Path, pattern: str = "*.safetensors") -> dict[str, TensorPlace]:
    """Every tensor of a folder's files by its name. Raises ValueError for a file that ends too early."""
    places: dict[str, TensorPlace] = {}
    for path in sorted(folder.glob(pattern)):
        places |= _read_header(path)
    return places


def index_faults(folder: Path, places: Mapping[str, TensorPlace]) -> list[str]:
    """Tensors that the folder's index names elsewhere than they are, or not at all; a single file needs none."""
    path = folder / INDEX
    if not path.is_file():
        return [] if {place.file.name for place in places.values()} <= {"model.safetensors"} else [INDEX]
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        found = {name: place.file.name for name, place in places.items()}
        return sorted(name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name))
    except (ValueError, KeyError, AttributeError, TypeError):
        return [INDEX]


def widen(values: Any, dtype: str) -> Any:
    """Stored numbers as float32; those of bfloat16 are stored as the upper half of their bits."""
    if dtype == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


def narrow(values: Any, dtype: str) -> Any:
    """Float32 numbers as a type stores them, rounded to the nearest, to even where two are as near."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(values).view(np.uint32)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        # Adding to a NaN's bits could make an infinity of it.
        return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)
    with np.errstate(over="ignore"):
        return values.astype(NUMPY_TYPES[dtype])


def converted(place: TensorPlace, dtype: str) -> Iterator[Any]:
    """A tensor's numbers as another type stores them, part by part; what is no floating number stays."""
    raw = place.raw()
    for begin in range(0, len(raw), PART_ELEMENTS):
        part = raw[begin : begin + PART_ELEMENTS]
        same = dtype == place.dtype or place.dtype not in FLOATS or dtype not in FLOATS
        yield np.asarray(part) if same else narrow(widen(part, place.dtype), dtype)


def write_model(places: Mapping[str, TensorPlace], folder: Path, dtype: str | None, limit: int) -> None:
    """Write tensors into a folder, of another type if one is given, in files of at most `limit` bytes."""
    kinds = {name: dtype if dtype and place.dtype in FLOATS else place.dtype for name, place in places.items()}
    sizes = {
        name: place.size
        // np.dtype(NUMPY_TYPES[place.dtype]).itemsize
        * np.dtype(NUMPY_TYPES[kinds[name]]).itemsize
        for name, place in places.items()
    }
    shards = plan_shards(sizes, limit)
    files = shard_names(len(shards))
    for file, names in zip(files, shards, strict=True):
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        begin = 0
        for name in names:
            end = begin + sizes[name]
            header[name] = {"dtype": kinds[name], "shape": places[name].shape, "data_offsets": [begin, end]}
            begin = end
        with (folder / file).open("wb") as output:
            _write_header(output, header)
            for name in names:
                for part in converted(places[name], kinds[name]):
                    output.write(part.tobytes())
    if len(files) > 1:
        listed = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        told = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": listed}
        (folder / INDEX).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def write_adapter(tensors: Mapping[str, Any], folder: Path) -> None:
    """Write float32 tensors as the engine keeps an adapter: one file and its index."""
    file = "peft_model-00001-of-00001.safetensors"
    header: dict[str, Any] = {}
    begin = 0
    for name, tensor in tensors.items():
        end = begin + tensor.size * 4
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, end]}
        begin = end
    with (folder / file).open("wb") as output:
        _write_header(output, header)
        for tensor in tensors.values():
            output.write(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
    told = {"metadata": {"total_size": begin}, "weight_map": dict.fromkeys(tensors, file)}
    (folder / ADAPTER_INDEX).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _write_header(output: Any, header: Mapping[str, Any]) -> None:
    text = json.dumps(header, separators=(",", ":")).encode()
    # The data begin at a multiple of eight bytes.
    text += b" " * (-len(text) % 8)
    output.write(len(text).to_bytes(8, "little") + text)


def _read_header(path: Path) -> dict[str, TensorPlace]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8:
            raise ValueError(path.name)
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    places = {}
    for name, told in header.items():
        begin, end = told["data_offsets"]
        if 8 + length + end > size or told["dtype"] not in NUMPY_TYPES:
            raise ValueError(path.name)
        places[name] = TensorPlace(path, told["dtype"], tuple(told["shape"]), 8 + length + begin, 8 + length + end)
    return places
