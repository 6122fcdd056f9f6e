"""Homes to test in: one with a model folder that only looks like one, and a fake engine that replays."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.stores.home import Home

FAKE = Path(__file__).parent / "fake"
MODEL_FILES = ("config.json", "tokenizer_config.json", "model.safetensors")
# A safetensors file of no tensors: the length of its header, and the header.
EMPTY_WEIGHTS = (2).to_bytes(8, "little") + b"{}"
ROWS = [
    {
        "messages": [
            {"role": "user", "content": "发烧怎么办？"},
            {"role": "assistant", "content": "多喝水，多休息。"},
        ]
    },
    {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]},
]


def write_jsonl(path: Path, rows: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def make_home(root: Path) -> Home:
    """A home with the model folder `tiny` and the datasets `pairs` (messages) and `plain` (text)."""
    home = Home(root)
    model = home.models / "tiny"
    model.mkdir(parents=True)
    for name in MODEL_FILES:
        (model / name).write_bytes(EMPTY_WEIGHTS if name.endswith("safetensors") else b"{}")
    home.saves.mkdir()
    write_jsonl(home.data / "pairs.jsonl", [*ROWS])
    write_jsonl(home.data / "plain.jsonl", [{"text": "一段文字。"}])
    entries = {
        "pairs": {"file_name": "pairs.jsonl", "formatting": "messages", "columns": {"messages": "messages"}},
        "plain": {"file_name": "plain.jsonl", "formatting": "text", "columns": {"text": "text"}},
    }
    home.registry.write_text(json.dumps(entries))
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Runs that are started now get the fake engine; call it with the way it shall misbehave."""
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_ENGINE", "")
    return lambda mode: monkeypatch.setenv("FAKE_ENGINE", mode)
