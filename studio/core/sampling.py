"""Sampling as it is typed into a form."""

from collections.abc import Mapping

from studio.core.endpoint import Sampling
from studio.errors import StudioError

# Smallest and largest of each; whole numbers are those whose bounds are.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.01, 1.0),
    "top_k": (0, 1_000_000),
    "repetition_penalty": (0.1, 10.0),
    "max_tokens": (1, 1_000_000),
    "seed": (0, 2**31 - 1),
}
OPTIONAL = ("seed",)


def read_sampling(typed: Mapping[str, object], stops: str = "") -> Sampling:
    """Typed values, an empty one being the default. Raises StudioError for what is no number in its range."""
    values: dict[str, float | int] = {}
    for name, (least, most) in BOUNDS.items():
        given = str(typed.get(name, "")).strip()
        if not given or given == "None":
            continue
        try:
            value = int(given) if isinstance(least, int) else float(given)
        except ValueError:
            raise StudioError("bad_number", name, option=name, given=given) from None
        if not least <= value <= most:
            raise StudioError("bad_number", name, option=name, given=given)
        values[name] = value
    lines = tuple(line for line in stops.splitlines() if line)
    return Sampling(**values, stop=lines)  # pyright: ignore[reportArgumentType]
