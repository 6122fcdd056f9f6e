"""Every error the studio raises on purpose.

StudioError
├── RequestRefused   what was asked cannot be done as asked; carries all problems at once
├── NotFound         a run, dataset, model or file that is not there
├── StoreFailed      the file system said no
└── JobFailed        a process could not be started, or ended with a failure

An error carries a code and values, never a sentence: `studio.texts` words it in the reader's language.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to fix, and the field to fix it in."""

    field: str
    code: str
    values: Mapping[str, object] = dataclasses.field(default_factory=dict[str, object])


class StudioError(Exception):
    """An expected failure; only these reach the browser in words."""

    def __init__(self, code: str, field: str = "", **values: object) -> None:
        super().__init__(f"{code}: {values}" if values else code)
        self.code = code
        self.field = field
        self.values = values


class RequestRefused(StudioError):
    """What was asked cannot be done as asked; `problems` names everything to fix."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("request_refused", count=len(self.problems))


class NotFound(StudioError):
    """A run, dataset, model or file that is not there."""


class StoreFailed(StudioError):
    """The file system refused a read or a write."""


class JobFailed(StudioError):
    """A process could not be started, or ended with a failure."""
