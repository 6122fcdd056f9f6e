"""Looking into a large dataset beside reading it whole: `python -m benchmarks.datasets [--gigabytes 10]`.

Makes a JSONL of that size, deleted at the end, and measures in one run: indexing, opening any page, memory,
checking rows, statistics with the demo model's tokenizer, and the naive way (`json.loads` of every line into a
list) on the first hundredth of the same file, as the whole would not fit into memory.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
ROWS_A_BLOCK = 20_000
PAGES = 200
PAGE_ROWS = 10
TOKEN_ROWS = 100_000
SYLLABLES = "发烧头痛咳嗽药片医生护士血压心脏睡眠饮水休息检查门诊复查每天三次饭后服用注意保暖"
# Run in a process of their own, so that their memory is theirs alone: what it grows by at most (Linux).
MEMORY = """
import re
from pathlib import Path
import studio.actions.rows
def megabytes(name): return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e3
Path("/proc/self/clear_refs").write_text("5")
before = megabytes("VmRSS")
def grown(): return megabytes("VmHWM") - before
"""
INDEXED = (
    MEMORY
    + """
import json, random, sys, time
from pathlib import Path
from studio.stores.rowindex import DataPages
path, pages, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
data = DataPages(Path(sys.argv[4]))
begun = time.perf_counter(); rows = data.count(path); indexing = time.perf_counter() - begun
rng = random.Random(0)
took = []
for _ in range(pages):
    start = rng.randrange(rows - size)
    begun = time.perf_counter(); page = data.read(path, start, size); took.append(time.perf_counter() - begun)
    assert len(page) == size
again = DataPages(Path(sys.argv[4]))
begun = time.perf_counter(); again.read(path, rows // 2, size); fresh = time.perf_counter() - begun
took.sort()
print(json.dumps({"rows": rows, "index_s": indexing, "index_gb_s": path.stat().st_size / 1e9 / indexing,
    "page_median_ms": took[len(took) // 2] * 1e3, "page_slowest_ms": took[-1] * 1e3,
    "page_after_restart_ms": fresh * 1e3, "memory_mb": grown()}))
"""
)
NAIVE = (
    MEMORY
    + """
import json, sys, time
begun = time.perf_counter()
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8") if line.strip()]
print(json.dumps({"rows": len(rows), "open_s": time.perf_counter() - begun, "memory_mb": grown()}))
"""
)
CHECKED = (
    MEMORY
    + """
import json, sys, time
from pathlib import Path
from studio.actions.rows import check_file
begun = time.perf_counter()
found = check_file(Path(sys.argv[1]), {"formatting": "messages"})
took = time.perf_counter() - begun
print(json.dumps({"rows_s": found.rows / took, "faulty": len(found.numbers), "memory_mb": grown()}))
"""
)
MEASURED = """
import json, sys, time
from pathlib import Path
from studio.actions.home import DEMO_MODEL, make_demo_model, open_home
from studio.actions.datasets import add_dataset
from studio.actions.tokens import measure
home = open_home(Path(sys.argv[2])); make_demo_model(home)
add_dataset(home, Path(sys.argv[1]), "many")
begun = time.perf_counter()
found = measure(home, "many", DEMO_MODEL)
print(json.dumps({"rows": found.rows, "statistics_s": time.perf_counter() - begun}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=flags.folder) as folder:
        big, part, many = (Path(folder, name) for name in ("big.jsonl", "part.jsonl", "many.jsonl"))
        size = write_rows(big, flags.gigabytes * 1e9)
        write_rows(part, size / 100)
        write_rows(many, rows=TOKEN_ROWS)
        indexed = run(INDEXED, big, PAGES, PAGE_ROWS, Path(folder, "cache"))
        naive = run(NAIVE, part)
        checked = run(CHECKED, part)
        measured = run(MEASURED, many, Path(folder, "home"))
    told = {"gigabytes": size / 1e9, "indexed": indexed, "naive_of_a_hundredth": naive, "checked": checked}
    ratios = {
        "open_naive_of_a_hundredth_to_page": naive["open_s"] * 1e3 / indexed["page_slowest_ms"],
        "memory_naive_of_a_hundredth_to_indexed": naive["memory_mb"] / indexed["memory_mb"],
    }
    print(json.dumps(rounded({**told, "statistics": measured, "ratios": ratios}), indent=2))


def write_rows(path: Path, size: float = float("inf"), rows: float = float("inf")) -> int:
    """Rows of different lengths and some blank lines; returns the size in bytes."""
    rng = random.Random(0)
    written = 0
    with path.open("wb") as file:
        while file.tell() < size and written < rows:
            count = int(min(ROWS_A_BLOCK, rows - written))
            lines = [_row(rng, written + i) for i in range(count)]
            lines[-1] = "\n" if rows == float("inf") else lines[-1]
            block = "".join(lines).encode()
            # One block many times over is as good to index, and sooner written.
            for _ in range(20 if rows == float("inf") and size - file.tell() > 20 * len(block) else 1):
                file.write(block)
                written += count
        return file.tell()


def _row(rng: random.Random, number: int) -> str:
    question = f"{number}：" + "".join(rng.choices(SYLLABLES, k=rng.randint(8, 40)))
    answer = "".join(rng.choices(SYLLABLES, k=rng.randint(20, 120)))
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}, ensure_ascii=False) + "\n"


def run(code: str, *argv: object) -> dict[str, float]:
    command = [sys.executable, "-c", code, *map(str, argv)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    begun = time.perf_counter()
    main()
    print(f"{time.perf_counter() - begun:.0f} s in all", file=sys.stderr)
