"""Files that are read whole, because they are small; what is not small is refused before it is in memory."""

from pathlib import Path
from typing import Any

from studio.core.plain_json import read_json_text

# Settings, registries, configs and cards; the index of a model with a hundred thousand tensors has a half of it.
MOST_BYTES = 16_000_000


def read_small_text(path: Path, most: int = MOST_BYTES) -> str:
    """A text in UTF-8. Raises OSError, and ValueError for one that is larger, or is no text."""
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path.name} is larger than {most:,} bytes")
    return data.decode("utf-8")


def read_small_json(path: Path) -> Any:
    """The value of a JSON file. Raises OSError, and ValueError for one that is too much or is broken."""
    return read_json_text(read_small_text(path))
