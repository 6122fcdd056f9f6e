"""`python -m benchmarks.export`: what the studio's merge costs beside the bare engine's export.

The same adapter is merged by both, in turns, in one go:

* the bare engine's own command with the same config and a hook that mends it, without which it writes wrong
  weights;
* the studio's export, with the warm engine and without; the steps that merge are counted apart from the proof.

`--layers` and `--width` make a larger base of the demo model's family.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.overhead import FIXES_ONLY
from studio.actions.export import start_export, wait_export
from studio.actions.home import DEMO_MODEL, make_demo_model, open_home
from studio.actions.runs import wait_run
from studio.actions.train import request_from_keys, start_run
from studio.core.devices import Devices
from studio.core.paddleformers.config import export_config, launch_command
from studio.jobs.launch import CHECKOUT
from studio.jobs.warm import WarmEngine, ask
from studio.stores.home import Home

MERGES = ("adding", "merging", "completing", "publishing")
GROW = """
import sys
from studio.engine.fixes import apply_fixes
apply_fixes()
import paddle
paddle.set_device("cpu")
from paddleformers.transformers import AutoConfig, AutoModelForCausalLM
folder, layers, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
config = AutoConfig.from_pretrained(folder)
config.num_hidden_layers, config.hidden_size, config.intermediate_size = layers, width, 3 * width
config.num_attention_heads, config.num_key_value_heads = width // 32, width // 64
AutoModelForCausalLM.from_config(config, dtype="float32").save_pretrained(folder)
"""


def prepare(home: Home, layers: int, width: int) -> str:
    """A base, and a LoRA run on it."""
    make_demo_model(home)
    if layers:
        model = str(home.models / DEMO_MODEL)
        subprocess.run([sys.executable, "-c", GROW, model, str(layers), str(width)], cwd=CHECKOUT, check=True)
    keys = {"fine_tuning": "LoRA", "max_steps": 2, "max_seq_len": 48, "eval_dataset": "none", "name": "run"}
    view = wait_run(home, start_run(home, request_from_keys(home, keys)).run)
    assert view.state == "finished", view.cause
    return view.path


def bare_export(home: Home, adapter: Path, folder: Path) -> float:
    """Seconds of the engine's own command on a copy of the adapter."""
    copy = folder / "adapter"
    copy.mkdir(parents=True)
    for path in adapter.glob("*.*"):
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    hook = folder / "fixes_only.py"
    hook.write_text(FIXES_ONLY)
    config = folder / "export.yaml"
    config.write_text(yaml.safe_dump(export_config(str(home.models / DEMO_MODEL), str(copy), "cpu", str(hook))))
    command = launch_command("export", sys.executable, str(config), Devices(), str(folder), str(folder), "")
    begun = time.monotonic()
    subprocess.run(
        command.argv, cwd=command.folder, env={**os.environ, **command.env}, check=True, capture_output=True
    )
    took = time.monotonic() - begun
    assert (copy / "export" / "config.json").is_file()
    return took


def studio_export(home: Home, to: str) -> tuple[float, float]:
    """Seconds of the steps that merge, and of the proof."""
    view = wait_export(home, start_export(home, "run", to=to))
    assert view.state == "finished", (view.cause, view.log[-2000:])
    return sum(view.seconds.get(name, 0.0) for name in MERGES), view.seconds["proving"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--width", type=int, default=512)
    flags = parser.parse_args()
    found: dict[str, list[float]] = {"bare": [], "plain": [], "warm": [], "proof": []}
    with tempfile.TemporaryDirectory() as place:
        home = open_home(Path(place))
        adapter = Path(prepare(home, flags.layers, flags.width))
        engine = WarmEngine()
        for number in range(flags.rounds):
            found["bare"].append(bare_export(home, adapter, home.root / f"bare-{number}"))
            merge, proof = studio_export(home, f"plain-{number}")
            found["plain"].append(merge)
            found["proof"].append(proof)
            engine.start(home.warm)
            while ask(home.warm, {"do": "hello"}) is None:
                time.sleep(0.1)
            found["warm"].append(studio_export(home, f"warm-{number}")[0])
            engine.close()
        size = sum(path.stat().st_size for path in (home.models / DEMO_MODEL).glob("*.safetensors"))
    medians = {name: round(statistics.median(values), 2) for name, values in found.items()}
    # Each round against its own bare export, so that a machine that slows down does not count.
    ratios = {
        name: round(statistics.median(a / b for a, b in zip(found[name], found["bare"], strict=True)), 3)
        for name in ("plain", "warm")
    }
    print(json.dumps({"megabytes": round(size / 1e6), "seconds": medians, "ratio_to_bare": ratios}, indent=2))


if __name__ == "__main__":
    main()
