"""Conversations that are kept, and rows that they become."""

import json
from pathlib import Path

import pytest

from studio.actions.conversations import (
    add_row,
    keep_vote,
    list_conversations,
    list_row_targets,
    list_votes,
    make_vote_dataset,
    open_conversation,
    remove_conversation,
    save_conversation,
)
from studio.actions.datasets import add_dataset
from studio.actions.rows import iter_rows
from studio.core.conversation import Conversation, Said
from studio.core.rows import Row, Turn
from studio.core.votes import Vote
from studio.errors import StudioError
from studio.stores.home import Home

TALK = Conversation(system="Be short.").ask("q").answer(Said("assistant", "bad")).edit(1, "good")


def rows_of(home: Home, name: str) -> list[object]:
    return [row for _, _, row in iter_rows(home, name)]


def test_conversations_are_kept_opened_and_thrown_away(home: Home) -> None:
    save_conversation(home, "first talk", TALK)
    save_conversation(home, "first talk", TALK.ask("more"))
    assert list_conversations(home) == ["first talk"]
    assert open_conversation(home, "first talk") == TALK.ask("more")
    remove_conversation(home, "first talk")
    assert list_conversations(home) == []
    for act in (open_conversation, remove_conversation):
        with pytest.raises(StudioError, match="unknown_conversation"):
            act(home, "first talk")
    for bad in ("", "../x", "a/b", ".hidden"):
        with pytest.raises(StudioError, match="bad_conversation_name"):
            save_conversation(home, bad, TALK)


def test_a_good_answer_begins_a_dataset_and_joins_it(home: Home) -> None:
    assert add_row(home, "from-chat", TALK.row()) == 1
    assert add_row(home, "from-chat", TALK.row()) == 2
    assert rows_of(home, "from-chat") == [TALK.row(), TALK.row()]
    assert add_row(home, "better-answers", TALK.pair()) == 1
    assert add_row(home, "better-answers", TALK.pair()) == 2
    assert rows_of(home, "better-answers") == [TALK.pair(), TALK.pair()]
    assert {"from-chat", "better-answers"} <= set(list_row_targets(home))


@pytest.mark.parametrize(
    "line", ['{"instruction": "x", "input": "", "output": "y"}', '{"src": ["x"], "tgt": ["y"]}']
)
def test_a_dataset_gets_a_row_in_its_own_format(home: Home, tmp_path: Path, line: str) -> None:
    file = tmp_path / "own.jsonl"
    # Without a newline at its end, as editors leave files.
    file.write_text(line)
    add_dataset(home, file, "own")
    row = Row(turns=(Turn("user", "q"), Turn("assistant", "a")))
    add_row(home, "own", row)
    assert rows_of(home, "own")[-1] == row
    lines = (home.data / "own.jsonl").read_text().splitlines()
    assert json.loads(lines[0]).keys() <= json.loads(lines[1]).keys()


def test_a_row_is_refused_where_it_would_be_read_as_something_else(home: Home, tmp_path: Path) -> None:
    add_row(home, "rows", TALK.row())
    with pytest.raises(StudioError, match="row_of_other_kind"):
        add_row(home, "rows", TALK.pair())
    file = tmp_path / "whole.json"
    file.write_text('[{"instruction": "x", "output": "y"}]')
    add_dataset(home, file, "whole")
    with pytest.raises(StudioError, match="cannot_append"):
        add_row(home, "whole", TALK.row())
    with pytest.raises(StudioError, match="bad_dataset_name"):
        add_row(home, "../x", TALK.row())


def test_votes_are_kept_and_become_preference_pairs(home: Home) -> None:
    with pytest.raises(StudioError, match="no_votes"):
        make_vote_dataset(home, "votes")
    # With a character that some take for the end of a line.
    vote = Vote((Turn("user", "q\u2028r"),), ("base", "tuned"), ("a", "b"), 1)
    keep_vote(home, vote)
    with (home.chats / "votes.jsonl").open("a") as file:
        file.write('{"turns": [')
    keep_vote(home, vote)
    assert list_votes(home) == [vote, vote]
    assert make_vote_dataset(home, "votes").dataset.rows == 2
    assert rows_of(home, "votes")[0] == Row(
        turns=vote.turns, chosen=(Turn("assistant", "b"),), rejected=(Turn("assistant", "a"),)
    )
