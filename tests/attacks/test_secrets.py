"""A webhook's address and a server's key: in the file that is made for them, for its owner only, and nowhere else."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace

import pytest

from studio.actions.datasets import list_datasets
from studio.actions.notify import known_webhook, set_webhook
from studio.actions.rows import allowed_data
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.servers import write_key

SECRET = "planted-secret-7f3a91"
Note = Callable[[str, int], None]


def holders(home: Home) -> dict[str, int]:
    """The files of a home that hold the secret, with who may read them."""
    found = [path for path in home.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    return {path.relative_to(home.root).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in found}


def test_a_secret_stands_in_its_own_file_for_its_owner(home: Home, tried: Note) -> None:
    before = os.umask(0)
    try:
        told = set_webhook(home, f"https://hooks.example/{SECRET}")
        write_key(home.serving / "s" / "api_key", SECRET)
    finally:
        os.umask(before)
    assert SECRET not in told + repr(known_webhook(home))
    assert holders(home) == {"webhook.json": 0o600, "serving/s/api_key": 0o600}
    tried("secrets.files", 2)


def test_the_webhooks_file_is_no_data(jailed: Home) -> None:
    set_webhook(jailed, f"https://hooks.example/{SECRET}")
    with pytest.raises(StudioError, match="outside_roots"):
        allowed_data(jailed, jailed.webhook)
    jailed.registry.write_text(json.dumps({"w": {"file_name": "../webhook.json"}}))
    assert SECRET not in repr(list_datasets(replace(jailed)))
