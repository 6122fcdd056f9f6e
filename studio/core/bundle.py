"""What it takes to run a run again somewhere else, and what is different there."""

from collections.abc import Mapping
from typing import Any

from studio.errors import Problem

FORMAT = 1
# What a bundle says of itself; each is told when it is otherwise where the run is to be run again.
PARTS = ("versions", "model", "datasets")

# Names and values, of each part.
Facts = Mapping[str, Mapping[str, str]]


def find_mismatches(
    recorded: Mapping[str, Mapping[str, str]], here: Mapping[str, Mapping[str, str]]
) -> list[Problem]:
    """Everything that is recorded otherwise than it is here, one warning each; what is missing here is one too."""
    found: list[Problem] = []
    for part in PARTS:
        there, now = recorded.get(part, {}), here.get(part, {})
        if not there:
            # A run of before these were recorded; nobody can say that they are the same.
            found.append(Problem(part, f"bundle_{part}_unrecorded"))
        for name, value in there.items():
            if name not in now:
                found.append(Problem(part, f"bundle_{part}_missing", {"name": name, "there": value}))
            elif now[name] != value:
                found.append(
                    Problem(part, f"bundle_{part}_other", {"name": name, "there": value, "here": now[name]})
                )
    return found


def bundle_facts(record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What `request.json` says of versions, model and data, as names and values to compare."""
    request: Mapping[str, Any] = record.get("request", {})
    model = str(request.get("model", "")).rpartition("/")[2]
    return {
        "versions": {str(name): str(value) for name, value in record.get("versions", {}).items()},
        "model": {model: str(record["model"])} if record.get("model") else {},
        "datasets": {str(source["name"]): str(source["sha256"])[:12] for source in record.get("datasets", [])},
    }
