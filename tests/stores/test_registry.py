"""The registry survives crashes, full disks and two people at once."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.errors import NotFound, StoreFailed, StudioError
from studio.stores import atomic
from studio.stores.home import Home
from studio.stores.registry import (
    add_entry,
    change_entry,
    find_entry,
    read_registry,
    remove_entry,
    rename_entry,
)


def test_what_the_registry_does_not_know_it_keeps(home: Home) -> None:
    stored = json.loads(home.registry.read_text())
    stored["foreign"] = {"hf_hub_url": "someone/data", "subset": "x", "new_key": [1]}
    home.registry.write_text(json.dumps(stored))
    add_entry(home, "more", {"file_name": "pairs.jsonl"})
    assert read_registry(home)["foreign"] == stored["foreign"]


def test_a_taken_name_is_refused_and_an_unknown_one_named(home: Home) -> None:
    with pytest.raises(StudioError, match="dataset_taken"):
        add_entry(home, "pairs", {})
    with pytest.raises(NotFound) as caught:
        find_entry(home, "pears")
    assert caught.value.values == {"given": "pears", "known": "pairs, plain"}


def test_removing_an_entry_leaves_its_file(home: Home) -> None:
    remove_entry(home, "pairs")
    assert list(read_registry(home)) == ["plain"]
    assert (home.data / "pairs.jsonl").exists()


def test_twenty_writers_lose_nothing(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.stores.home import Home;"
        "from studio.stores.registry import add_entry\n"
        "for i in range(5): add_entry(Home(Path(sys.argv[1])), f'{sys.argv[2]}-{i}', {})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(home.root), f"w{n}"]) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(read_registry(home)) == 22


def test_a_full_disk_is_said_and_the_old_registry_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = home.registry.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(StoreFailed, match="disk_full"):
        add_entry(home, "more", {})
    assert home.registry.read_bytes() == before
    assert (
        sorted(path.name for path in home.root.iterdir() if "json." in path.name and "lock" not in path.name) == []
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', ""])
def test_a_broken_registry_is_said_and_never_overwritten(home: Home, text: str) -> None:
    home.registry.write_text(text)
    for act in (lambda: read_registry(home), lambda: add_entry(home, "more", {})):
        with pytest.raises(StudioError, match="broken_registry"):
            act()
    assert home.registry.read_text() == text


def test_no_registry_is_an_empty_one(tmp_path: Path) -> None:
    assert read_registry(Home(tmp_path)) == {}


def test_two_editors_of_one_entry_lose_nothing(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.stores.home import Home;"
        "from studio.stores.registry import change_entry\n"
        "for i in range(10): change_entry(Home(Path(sys.argv[1])), 'pairs', {f'{sys.argv[2]}{i}': i})"
    )
    editors = [subprocess.Popen([sys.executable, "-c", code, str(home.root), who]) for who in "ab"]
    assert [editor.wait(60) for editor in editors] == [0, 0]
    entry = find_entry(home, "pairs")
    assert {f"{who}{i}" for who in "ab" for i in range(10)} <= entry.keys()
    change_entry(home, "pairs", {"a0": None})
    assert "a0" not in find_entry(home, "pairs")
    rename_entry(home, "pairs", "couples")
    assert list(read_registry(home)) == ["couples", "plain"]
