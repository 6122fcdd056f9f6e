"""What was tried is noted beside each test's result, for the table in the documentation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from studio.stores.home import Home
from studio.ui.server import build_app
from tests.attacks.told import TRIED


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Note how many cases of an attack were tried; which it was is told in `told.py`."""

    def note(key: str, cases: int) -> None:
        assert key in TRIED, key
        record_property("tried", f"{key}={cases}")

    return note


@pytest.fixture
def jailed(home: Home) -> Home:
    """The home as the page sees it: only what lies in it may be named."""
    return replace(home, roots=(home.root.resolve(),))


@pytest.fixture
def app(home: Home) -> FastAPI:
    return build_app(home)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1")


def press(app: FastAPI, element: str, *given: Any, event: str = "click") -> Any:
    """What the page's own function says, for the part of the page with this id."""
    page = next(route.app for route in app.routes if getattr(route, "path", None) == "")  # type: ignore[attr-defined]
    blocks = page.blocks
    wanted = next(key for key, block in blocks.blocks.items() if block.elem_id == element)
    found = next(fn for fn in blocks.fns.values() if (wanted, event) in fn.targets)
    assert found.fn is not None
    return found.fn(*given)


def outside_files(root: Path) -> dict[str, bytes]:
    """Every file of a folder that nobody may touch."""
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
