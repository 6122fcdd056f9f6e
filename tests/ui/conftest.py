"""Our own routes, with their guard and beside Gradio's, without the page: to build that takes a second."""

from collections.abc import Iterator

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from studio.stores.home import Home
from studio.ui import server


@pytest.fixture
def client(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(server, "build_page", lambda _: gr.Blocks())
    with TestClient(server.build_app(home), base_url="http://127.0.0.1") as client:
        yield client
