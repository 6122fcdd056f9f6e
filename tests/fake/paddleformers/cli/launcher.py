"""A stand-in for `python -m paddleformers.cli.launcher VERB CONFIG`, for the fast tests.

It replays what the real engine wrote (`tests/fake/recorded`), honours the stop file as the hook does, and
misbehaves as FAKE_ENGINE says: `slow` waits after each step, `flood` prints without end, `day` logs what a run of 24 hours logs, `crash` ends with a traceback, `fail NAME` ends as
the real engine did in `recorded/failures/NAME.txt`, `tell` prints its environment, as the distributed launcher does, `hang` never begins, `fork` leaves a child in a session of its own and then goes on slowly, `silent` writes nothing and
ends with status 0.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

RECORDED = Path(__file__).resolve().parents[2] / "recorded"
DAY_S = 86_400
SLEEP = "import time; time.sleep(300)"


def train(config: dict[str, object]) -> int:
    mode = os.environ.get("FAKE_ENGINE", "")
    output = Path(str(config["output_dir"]))
    sys.stderr.write((RECORDED / "log.txt").read_text(encoding="utf-8"))
    assert Path(str(config["train_dataset_path"])).is_file()
    if mode == "tell":
        print(dict(os.environ))
    if mode == "hang":
        time.sleep(300)
    if mode.startswith("fail "):
        first, _, log = (RECORDED / "failures" / f"{mode[5:]}.txt").read_text(encoding="utf-8").partition("\n")
        sys.stderr.write(log)
        status = int(first.removeprefix("exit "))
        if status < 0:
            os.kill(os.getpid(), -status)
        return status
    if mode == "crash":
        raise RuntimeError("the kernel is not registered")
    if mode == "flood":
        flood()
    if mode == "day":
        replay_day(output)
    if mode == "silent":
        return 0
    if mode == "fork":
        subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    if mode != "day":
        replay(output, slow=mode in ("slow", "fork"))
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        (output / name).write_bytes((2).to_bytes(8, "little") + b"{}" if name.endswith("safetensors") else b"{}")
    if config["fine_tuning"] == "LoRA":
        (output / "lora_config.json").write_text("{}")
    return 0


def flood() -> None:
    """Print without end."""
    line = "nothing new " * 80 + "\n"
    sys.stdout.write("the first line\n")
    while True:
        sys.stdout.write(line * 1000)


def replay_day(output: Path) -> None:
    """What a run of 24 hours logs at a step a second, ten minutes of it at a time; its clock ends now."""
    begun = time.time() - DAY_S
    with (output / "studio" / "metrics.jsonl").open("a", encoding="utf-8") as metrics:

        def write(kind: str, second: int, **values: object) -> None:
            metrics.write(json.dumps({"kind": kind, "time": begun + second, "step": second, **values}) + "\n")

        write("begin", 0, total_steps=DAY_S)
        write("phase", 0, phase="training")
        for second in range(1, DAY_S + 1):
            write("log", second, loss=8 / (1 + second / 1000), learning_rate=1e-4, tokens_per_s=3000.0)
            if second % 600 == 0:
                write("eval", second, eval_loss=9 / (1 + second / 1000))
                metrics.flush()
                time.sleep(0.05)
        write("end", DAY_S)


def replay(output: Path, *, slow: bool) -> None:
    """Write the recorded metrics, a line at a time, until the end or the stop file."""
    with (output / "studio" / "metrics.jsonl").open("a", encoding="utf-8") as metrics:
        for line in (RECORDED / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            metrics.write(json.dumps({**json.loads(line), "time": time.time()}) + "\n")
            metrics.flush()
            if slow:
                time.sleep(0.2)
            if (output / "studio" / "stop").exists():
                return


if __name__ == "__main__":
    verb, path = sys.argv[1:]
    assert verb == "train", verb
    sys.exit(train(yaml.safe_load(Path(path).read_text(encoding="utf-8"))))
