"""Sizes and times as people say them, in the reader's language."""

from studio.texts import say

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def say_size(size_bytes: float) -> str:
    """`34.0 kB`, in powers of 1,000 as disks are sold; the units are the same in both languages."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def say_duration(seconds: float | None, language: str) -> str:
    """`3 min 5 s`, `1 h 2 min`, `2 d 3 h`: the two largest units that tell something; a dash where nobody knows."""
    if seconds is None:
        return "–"
    if seconds < 10 and seconds != int(seconds):
        return say("unit.s", language, count=f"{seconds:.1f}")
    whole = int(seconds)
    units = ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min"), (1, "s"))
    first = next((place for place, (size, _) in enumerate(units) if whole >= size), len(units) - 1)
    told: list[str] = []
    for size, name in units[first : first + 2]:
        count, whole = divmod(whole, size)
        if count or not told:
            told.append(say(f"unit.{name}", language, count=count))
    return " ".join(told)


def say_seconds(seconds: float, language: str) -> str:
    """The exact value, to stand beside the rounded one."""
    return say("unit.s", language, count=f"{seconds:,.1f}")
