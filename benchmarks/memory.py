"""`python -m benchmarks.memory`: the memory that real runs take, beside what the studio says before.

Models of three sizes (ERNIE 4.5, random weights) are made and trained for two steps each, on the CPU.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.actions.home import DEMO_MODEL, make_demo_model, open_home
from studio.actions.notes import estimate_run
from studio.actions.train import prepare_run, request_from_keys
from studio.core.estimates import MemoryEstimate
from studio.stores.home import Home
from studio.stores.runs import RunPaths, read_json

# Name, width, layers.
SIZES = (("small", 128, 4), ("middle", 512, 8), ("large", 768, 8))
RUNS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("full", {}),
    ("LoRA", {"fine_tuning": "LoRA", "lora_rank": 8}),
    ("full, long rows", {"max_seq_len": 512, "packing": True, "per_device_train_batch_size": 4}),
)
USUAL = {"max_steps": 2, "eval_dataset": "none", "save_steps": 100, "per_device_train_batch_size": 8}
MAKE_MODEL = """
import json, sys
from pathlib import Path
from paddleformers.transformers import Ernie4_5Config, Ernie4_5ForCausalLM
from studio.engine.fixes import apply_fixes
apply_fixes()
folder, width, layers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
config = Ernie4_5Config.from_pretrained(str(folder))
config.hidden_size, config.intermediate_size, config.num_hidden_layers = width, 3 * width, layers
config.num_attention_heads, config.num_key_value_heads, config.head_dim = width // 64, width // 128, 64
Ernie4_5ForCausalLM(config).save_pretrained(str(folder))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: what was said, and what its process took at most, in bytes."""

    size: str
    run: str
    said: MemoryEstimate
    taken: int


def measure_all(runs: Sequence[tuple[str, Mapping[str, Any]]] = RUNS) -> Iterator[Measured]:
    """Every size with every kind of run, each in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        make_demo_model(home)
        for size, width, layers in SIZES:
            make_model(home, size, width, layers)
            for run, keys in runs:
                yield measure(home, size, run, keys)


def make_model(home: Home, name: str, width: int, layers: int) -> None:
    """A model of another size with the demo model's tokenizer."""
    folder = home.models / name
    shutil.copytree(home.models / DEMO_MODEL, folder)
    for weights in folder.glob("*.safetensors*"):
        weights.unlink()
    command = [sys.executable, "-c", MAKE_MODEL, str(folder), str(width), str(layers)]
    subprocess.run(command, check=True, capture_output=True)


def measure(home: Home, size: str, run: str, keys: Mapping[str, Any]) -> Measured:
    """Train a model for two steps and read the highest resident memory of its process."""
    name = f"{size}-{run.replace(', ', '-').replace(' ', '-')}"
    request = request_from_keys(home, {**USUAL, **keys, "model": size, "name": name})
    said = estimate_run(request)
    assert said is not None
    paths = RunPaths(Path(prepare_run(home, request).path))
    command = read_json(paths.request)["command"]
    with (paths.job / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command["argv"], cwd=command["folder"], env={**os.environ, **command["env"]}, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (paths.job / "log.txt").read_text()[-2000:]
    return Measured(size, run, said, usage.ru_maxrss * 1024)


def main() -> None:
    print(f"{'model':8} {'run':16} {'weights':>9} {'said':>9} {'taken':>9} {'said/taken':>10}")
    for found in measure_all():
        said, taken = found.said.total, found.taken
        print(
            f"{found.size:8} {found.run:16} {found.said.parameters / 1e6:7.1f} M {said / 1e9:6.2f} GB"
            f" {taken / 1e9:6.2f} GB {said / taken:10.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
