"""A command as data: previewed and run from the same value."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Command:
    """An argument list with the environment variables it adds and the folder it runs in."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: str = ""

    def shell(self) -> str:
        """The text that does the same thing when it is pasted into a terminal."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
        line = " ".join([*variables, shlex.join(self.argv)])
        return f"cd {shlex.quote(self.folder)} && {line}" if self.folder else line
