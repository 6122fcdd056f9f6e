"""`python -m studio.engine.complete --base DIR --merged DIR`: what the engine's export leaves to be done.

Files of the tokenizer that it does not copy, the precision that was asked for, and the size of files.
It imports no engine.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.core.merging import AS_BASE, DTYPES, OTHER_FILES, PRECISIONS, TEMPLATE_FILES, TOKENIZER_FILES
from studio.engine.tensor_files import FLOATS, INDEX, find_tensors, write_model


def complete(base: Path, merged: Path, precision: str, shard_bytes: int) -> None:
    """Make a merged folder whole; weights are rewritten only where they are not as asked for."""
    for name in (*TOKENIZER_FILES, *TEMPLATE_FILES, *OTHER_FILES):
        if (base / name).is_file() and not (merged / name).exists():
            shutil.copy2(base / name, merged / name)
    dtype = None if precision == AS_BASE else DTYPES[precision]
    places = find_tensors(merged)
    files = {place.file for place in places.values()}
    other = any(dtype and place.dtype in FLOATS and place.dtype != dtype for place in places.values())
    if other or any(path.stat().st_size > shard_bytes and _count(places, path) > 1 for path in files):
        _rewrite(merged, places, files, dtype, shard_bytes)
    if other:
        _tell_precision(merged / "config.json", precision)


def _count(places: Any, path: Path) -> int:
    return sum(place.file == path for place in places.values())


def _rewrite(merged: Path, places: Any, files: set[Path], dtype: str | None, shard_bytes: int) -> None:
    beside = merged / ".rewritten"
    beside.mkdir()
    write_model(places, beside, dtype, shard_bytes)
    for path in files:
        path.unlink()
    (merged / INDEX).unlink(missing_ok=True)
    for path in beside.iterdir():
        path.rename(merged / path.name)
    beside.rmdir()


def _tell_precision(path: Path, precision: str) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    names = [name for name in ("torch_dtype", "dtype") if name in config] or ["torch_dtype"]
    path.write_text(
        json.dumps({**config, **dict.fromkeys(names, precision)}, indent=2, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def read_flags(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--merged", type=Path, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, default=AS_BASE)
    parser.add_argument("--shard-bytes", type=int, required=True)
    return parser.parse_args(argv)


def main() -> int:
    flags = read_flags()
    complete(flags.base, flags.merged, flags.precision, flags.shard_bytes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
