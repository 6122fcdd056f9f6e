"""Keep conversations, and make training data of them: rows, preference pairs, votes."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from studio.actions.datasets import check_new_name
from studio.actions.rows import existing_file
from studio.actions.versions import NewVersion, make_version
from studio.core.conversation import Conversation
from studio.core.parsing import RowFault, parse_row
from studio.core.rows import Row
from studio.core.votes import Vote
from studio.core.writing import TARGETS, CannotWrite, target_format
from studio.errors import NotFound, StudioError
from studio.stores.atomic import append_line, write_json
from studio.stores.datafiles import data_suffix
from studio.stores.home import Home
from studio.stores.jail import is_allowed
from studio.stores.registry import entry_file, find_entry, read_registry
from studio.stores.small_files import read_small_json

NAME = re.compile(r"\w[\w .\-]{0,99}")
SUFFIX = ".json"
VOTES = "votes.jsonl"


def save_conversation(home: Home, name: str, conversation: Conversation) -> None:
    """Keep a conversation under a name; one of that name is replaced. Raises StudioError."""
    if not NAME.fullmatch(name) or ".." in name:
        raise StudioError("bad_conversation_name", "name", given=name)
    write_json(home.chats / f"{name}{SUFFIX}", conversation.to_json())


def list_conversations(home: Home) -> list[str]:
    """Names of the conversations that were kept, the newest first."""
    found = [path for path in home.chats.glob(f"*{SUFFIX}") if not path.name.startswith(".")]
    return [path.name.removesuffix(SUFFIX) for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def open_conversation(home: Home, name: str) -> Conversation:
    """A conversation that was kept. Raises StudioError."""
    if name not in list_conversations(home):
        raise NotFound("unknown_conversation", "name", given=name)
    try:
        told: Any = read_small_json(home.chats / f"{name}{SUFFIX}")
    except ValueError as error:
        raise StudioError("not_a_conversation", reason=str(error)) from error
    return Conversation.from_json(told)


def remove_conversation(home: Home, name: str) -> None:
    """Throw a conversation away. Raises StudioError."""
    if name not in list_conversations(home):
        raise NotFound("unknown_conversation", "name", given=name)
    (home.chats / f"{name}{SUFFIX}").unlink()


def add_row(home: Home, name: str, row: Row) -> int:
    """Put a row at the end of a registered dataset, or begin one of that name; returns how many rows it has now.

    A dataset gets it in its own format, when reading it again gives the same row. Raises StudioError.
    """
    if name not in read_registry(home):
        check_new_name(home, name)
        target = target_format("messages", row)
        make_version(home, name, target.entry, {"from": "chat"}, lambda: iter([target.write(row)]), Counter())
        return 1
    entry = find_entry(home, name)
    path = existing_file(home, name, entry)
    if path.is_dir() or data_suffix(path) != ".jsonl":
        raise StudioError("cannot_append", "dataset", given=name, file=path.name)
    written = _write_as(row, entry)
    if written is None:
        raise StudioError("row_of_other_kind", "dataset", given=name)
    append_line(path, json.dumps(written, ensure_ascii=False))
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def list_row_targets(home: Home) -> list[str]:
    """Registered datasets that a row could be added to."""
    found: list[str] = []
    for name, entry in read_registry(home).items():
        file = entry_file(home, entry)
        if file and file.name.lower().endswith(".jsonl") and is_allowed(home, file) and file.is_file():
            found.append(name)
    return found


def keep_vote(home: Home, vote: Vote) -> None:
    """Write a vote down. Raises StoreFailed."""
    append_line(home.chats / VOTES, json.dumps(vote.to_json(), ensure_ascii=False))


def list_votes(home: Home) -> list[Vote]:
    """All votes, in their order; a line that was torn by a crash is none."""
    path = home.chats / VOTES
    votes: list[Vote] = []
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else []:
        try:
            votes.append(Vote.from_json(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            continue
    return votes


def make_vote_dataset(home: Home, name: str) -> NewVersion:
    """A dataset of preference pairs from all votes. Raises StudioError when they make none."""
    rows = [row for vote in list_votes(home) for row in vote.pairs()]
    if not rows:
        raise StudioError("no_votes", "name")
    target = target_format("messages", rows[0])
    return make_version(home, name, target.entry, {"from": "votes"}, lambda: map(target.write, rows), Counter())


def _write_as(row: Row, entry: dict[str, Any]) -> dict[str, Any] | None:
    """The row in whichever of our formats this entry reads back as the same row; None when there is none."""
    for kind in _kinds(entry):
        try:
            written = target_format(kind, row).write(row)
            if parse_row(written, entry) == row:
                return written
        except (CannotWrite, RowFault):
            continue
    return None


def _kinds(entry: dict[str, Any]) -> Sequence[str]:
    """Formats to try, that which the entry names before the others."""
    named = str(entry.get("formatting", ""))
    return sorted(TARGETS, key=lambda kind: not named.startswith(kind))
