"""Read the log of a run or an export: any part of it, and what is looked for in it."""

from pathlib import Path

from studio.actions.export import newest_export
from studio.core.paddleformers.failures import ERROR_WORDS, FIRST_ERROR
from studio.errors import NotFound
from studio.stores.home import Home
from studio.stores.logs import LogPart, find_in_log, find_logs, pattern_finder, read_part, text_finder
from studio.stores.runs import RunPaths, find_run_folder

PART_BYTES = 65_536


def list_logs(home: Home, run: str, export: bool = False) -> list[str]:
    """Names of the logs of a run, or of its newest export: the whole output first, then single processes."""
    job = _job(home, run, export)
    return list(find_logs(job)) if job else []


def log_file(home: Home, run: str, name: str = "", export: bool = False) -> Path:
    """The file of a log; an empty name is that of the whole output. Raises NotFound."""
    job = _job(home, run, export)
    logs = find_logs(job) if job else {}
    path = logs.get(name or next(iter(logs), ""))
    if path is None:
        raise NotFound("unknown_log", "log", given=name, known=", ".join(logs) or "-")
    return path


def read_log_part(
    home: Home, run: str, name: str = "", start: int | None = None, before: int | None = None, export: bool = False
) -> LogPart:
    """Lines from a byte on, before a byte, or the last; see `LogPart`. Raises NotFound.

    Of a run without an export there is no log yet, which is no error.
    """
    if export and not list_logs(home, run, export):
        return LogPart(0, 0, 0, "")
    return read_part(log_file(home, run, name, export), PART_BYTES, start, before)


def find_text(
    home: Home,
    run: str,
    text: str,
    name: str = "",
    after: int | None = None,
    before: int | None = None,
    export: bool = False,
) -> int | None:
    """The byte at which a line with a text begins, whatever its capitals; see `find_in_log`."""
    return find_in_log(log_file(home, run, name, export), text_finder(text), after, before)


def find_first_error(home: Home, run: str, name: str = "", export: bool = False) -> int | None:
    """The byte at which the first line that tells an error begins; None when there is none."""
    return find_in_log(log_file(home, run, name, export), pattern_finder(FIRST_ERROR, ERROR_WORDS))


def _job(home: Home, run: str, export: bool) -> Path | None:
    folder = find_run_folder(home, run)
    return newest_export(folder) if export else RunPaths(folder).job
