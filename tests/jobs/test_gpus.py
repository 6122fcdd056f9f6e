"""What NVIDIA's tool prints is read; without it there are no GPUs."""

from pathlib import Path

import pytest

from studio.actions.notes import find_notes
from studio.core.model_check import ModelFacts
from studio.core.request import TrainRequest
from studio.jobs import gpus
from studio.stores.home import Home

SIZES = {
    "hidden_size": 8,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 50,
}


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool that tells of two GPUs, the second of them full."""
    path = tmp_path / "bin" / "nvidia-smi"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho '0, 81000'\necho '1, 100'\necho '2, [N/A]'\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    gpus._ask.cache_clear()  # pyright: ignore[reportPrivateUsage]
    return path


def test_each_gpu_that_a_run_may_use_gets_a_verdict(home: Home, tool: Path) -> None:
    model = ModelFacts(SIZES, (), (), {"embed_tokens.weight": (50, 8)})
    request = TrainRequest("m", datasets=("pairs",), options={"device": "gpu"})

    def verdicts(**options: object) -> list[tuple[str, object]]:
        found = find_notes(
            home, TrainRequest("m", datasets=("pairs",), options={"device": "gpu", **options}), model
        )
        return [(note.code, note.values["device"]) for note in found if "device" in note.values]

    assert verdicts() == [("memory_fits", "GPU 0"), ("memory_too_small", "GPU 1")]
    assert verdicts(device_ids="1") == [("memory_too_small", "GPU 1")]
    tool.unlink()
    gpus._ask.cache_clear()  # pyright: ignore[reportPrivateUsage]
    assert gpus.free_gpu_bytes() == {}
    assert not [note for note in find_notes(home, request, model) if note.code.startswith("memory_fits")]
