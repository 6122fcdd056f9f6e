"""YAML from anybody: read as data alone, and refused where reading it would take all memory or all time."""

import re
from typing import Any, cast

import yaml

MOST_CHARACTERS = 1_000_000
# With every alias written out: what it stands for is what is worked through later.
MOST_VALUES = 100_000
DEEPEST = 50
# Python's own limit for numbers from text.
LONGEST_NUMBER = 4300
# That of libyaml is ten times as quick.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NUMBER = re.compile(r"[-+0-9_:a-fA-FxXoO.]+")


class BadYaml(ValueError):
    """A text that is no YAML, or more than is read; the message says in a line which."""


def read_yaml(text: str) -> Any:
    """The value that a text stands for. Raises BadYaml, and nothing else."""
    if len(text) > MOST_CHARACTERS:
        raise BadYaml(f"more than {MOST_CHARACTERS:,} characters")
    try:
        _refuse_bombs(text)
        return yaml.load(text, LOADER)
    except yaml.YAMLError as error:
        raise BadYaml(str(error).splitlines()[0]) from error
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        # A date of a 13th month, a number of a million digits.
        raise BadYaml(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _refuse_bombs(text: str) -> None:
    """Go through a text without building anything. Raises BadYaml, and what the parser raises."""
    sizes: dict[str, int] = {}
    # Of every collection that is open: its anchor, and the values in it so far.
    begun: list[tuple[str | None, int]] = []
    total = 0
    # It ships types that say nothing of its events.
    parse: Any = cast("Any", yaml).parse
    event: Any
    for event in parse(text, LOADER):
        match event:
            case yaml.CollectionStartEvent():
                begun.append((event.anchor, total))
                total += 1
                if len(begun) > DEEPEST:
                    raise BadYaml(f"nested more than {DEEPEST} deep")
            case yaml.CollectionEndEvent():
                anchor, before = begun.pop()
                if anchor:
                    sizes[anchor] = total - before
            case yaml.ScalarEvent():
                total += 1
                if len(event.value) > LONGEST_NUMBER and NUMBER.fullmatch(event.value):
                    raise BadYaml(f"a number of more than {LONGEST_NUMBER} digits")
                if event.anchor:
                    sizes[event.anchor] = 1
            case yaml.AliasEvent():
                if event.anchor not in sizes:
                    # It stands in itself, or for nothing.
                    raise BadYaml(f"*{event.anchor} stands for nothing that was read before it")
                total += sizes[event.anchor]
            case _:
                continue
        if total > MOST_VALUES:
            raise BadYaml(f"more than {MOST_VALUES:,} values")
