"""Logs that grow while they are read: any part of one of any size costs what that part weighs."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# What is searched at once; a match may reach from one block into the next by so much.
BLOCK_BYTES = 1 << 22
OVERLAP_BYTES = 4096
# The launcher's file of one process among several.
RANK_LOGS = "workerlog.*"


@dataclass(frozen=True, slots=True)
class LogPart:
    """Whole lines of a log from byte `start` to `end` of `total`, and at the log's end the line being written."""

    start: int
    end: int
    total: int
    text: str
    rest: str = ""


def find_logs(job: Path) -> dict[str, Path]:
    """The logs of a job by their names: that of all its output, and those of single processes."""
    ranks = sorted((job / "ranks").glob(RANK_LOGS), key=lambda path: (len(path.name), path.name))
    return {path.name: path for path in (job / "log.txt", *ranks)}


def read_part(path: Path, size: int, start: int | None = None, before: int | None = None) -> LogPart:
    """About `size` bytes from `start` on, or those before `before`, or the last ones; cut at line ends.

    A part begins after the first line end in it, unless it begins where the log or an earlier part does.
    """
    try:
        with path.open("rb") as file:
            total = file.seek(0, os.SEEK_END)
            if start is not None:
                first, last = min(start, total), min(start + size, total)
            else:
                last = total if before is None else min(before, total)
                first = max(0, last - size)
            file.seek(first)
            data = file.read(last - first)
    except FileNotFoundError:
        return LogPart(0, 0, 0, "")
    if start is None and first:
        cut = data.find(b"\n") + 1
        first, data = first + cut, data[cut:]
    whole = data.rfind(b"\n") + 1
    # A line that is longer than all that was read is cut, or the reader would never come past it.
    if not whole and last < total:
        whole = len(data)
    at_end = last == total
    rest = data[whole:].decode("utf-8", "replace") if at_end else ""
    return LogPart(first, first + whole, total, data[:whole].decode("utf-8", "replace"), rest)


# Where in a block something is, the first time or the last; -1 where it is not.
Finder = Callable[[bytes, bool], int]


def text_finder(text: str) -> Finder:
    """Finds a text, whatever its capitals."""
    wanted = text.encode().lower()
    return lambda block, last: block.lower().rfind(wanted) if last else block.lower().find(wanted)


def pattern_finder(pattern: re.Pattern[bytes], words: Sequence[bytes]) -> Finder:
    """Finds a pattern, of which each match has one of the words: looking for words is a hundred times quicker."""

    def find(block: bytes, last: bool) -> int:
        if not any(word in block for word in words):
            return -1
        found = [match.start() for match in pattern.finditer(block)]
        return (found[-1] if last else found[0]) if found else -1

    return find


def find_in_log(path: Path, find: Finder, after: int | None = None, before: int | None = None) -> int | None:
    """The byte at which a line with a match begins: the first line of all, the next, or the last before a byte.

    `after` is the byte at which the line begins that the next one shall follow.
    """
    try:
        with path.open("rb") as file:
            total = file.seek(0, os.SEEK_END)
            if before is not None:
                blocks = _blocks_back(file, min(before, total))
            else:
                blocks = _blocks(file, 0 if after is None else _line_end(file, after), total)
            for offset, block in blocks:
                found = find(block, before is not None)
                if found >= 0:
                    return _line_start(file, offset + found)
    except FileNotFoundError:
        pass
    return None


def _blocks(file: BinaryIO, first: int, total: int) -> Iterator[tuple[int, bytes]]:
    while first < total:
        file.seek(first)
        yield first, file.read(BLOCK_BYTES + OVERLAP_BYTES)
        first += BLOCK_BYTES


def _blocks_back(file: BinaryIO, last: int) -> Iterator[tuple[int, bytes]]:
    # A match that begins before a block may reach into it, but not beyond where searching began.
    end = last
    while last > 0:
        first = max(0, last - BLOCK_BYTES)
        file.seek(first)
        yield first, file.read(min(end, last + OVERLAP_BYTES) - first)
        last = first


def _line_end(file: BinaryIO, at: int) -> int:
    file.seek(at)
    file.readline()
    return file.tell()


def _line_start(file: BinaryIO, at: int) -> int:
    first = max(0, at - OVERLAP_BYTES)
    file.seek(first)
    return first + file.read(at - first).rfind(b"\n") + 1


def collapse(text: str) -> str:
    """Progress bars at their last state, as a terminal shows them."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def read_log_tail(path: Path, size_bytes: int) -> str:
    """The end of a log as plain text: whole lines, no colour codes, progress bars at their last state."""
    part = read_part(path, size_bytes)
    return collapse(ANSI.sub("", part.text + part.rest))
