"""Metrics are read while they grow."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from studio.stores.tails import MetricsTail


def append(path: Path, *records: Any) -> None:
    with path.open("a", encoding="utf-8") as file:
        for record in records:
            file.write(record if isinstance(record, str) else json.dumps(record) + "\n")


def points(tail: MetricsTail) -> tuple[list[int], list[float]]:
    return tail.curves.steps_of("loss"), list(tail.curves.columns["loss"].values)


def log(step: int, loss: float) -> dict[str, Any]:
    return {"kind": "log", "time": float(step), "step": step, "loss": loss}


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = MetricsTail(path)
    tail.update()
    assert not tail.curves.steps
    append(path, {"kind": "begin", "time": 1.0, "step": 0, "total_steps": 9}, log(1, 3.0))
    tail.update()
    first = tail.offset
    append(path, log(2, 2.0))
    tail.update()
    assert points(tail) == ([1.0, 2.0], [3.0, 2.0])
    assert tail.offset > first
    assert (tail.begin["total_steps"], tail.last_step) == (9, 2)


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = MetricsTail(path)
    append(path, log(1, 3.0), '{"kind": "log", "step": 2, "lo')
    tail.update()
    assert points(tail) == ([1.0], [3.0])
    append(path, 'ss": 2.5}\n')
    tail.update()
    assert points(tail) == ([1.0, 2.0], [3.0, 2.5])


def test_a_corrupted_line_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, log(1, 3.0), "\x00\x00garbage\n", log(2, 2.0))
    tail = MetricsTail(path)
    tail.update()
    assert points(tail) == ([1.0, 2.0], [3.0, 2.0])


def test_a_long_file_with_torn_and_odd_lines_is_read_like_a_short_one(tmp_path: Path) -> None:
    """What comes at once is parsed in columns, but for blocks in which a line is odd."""
    path = tmp_path / "metrics.jsonl"
    append(path, {"kind": "begin", "time": 0.0, "step": 0, "total_steps": 60_000})
    lines: list[Any] = [log(step, step / 7) for step in range(1, 60_001)]
    lines.insert(20_000, {"kind": "phase", "time": 20_000.5, "step": 20_000, "phase": "saving"})
    lines.insert(20_001, {"kind": "save", "time": 20_000.6, "step": 20_000})
    lines[30_000] = '{"kind": "log", "step": 299\n'
    lines[40_000] = '{"kind": "log", "time": 1.0, "step": 39999, "loss": NaN}\n'
    lines.insert(50_000, {"kind": "begin", "time": 9.0, "step": 45_000})
    append(path, *lines)
    at_once, bit_by_bit = MetricsTail(path), MetricsTail(tmp_path / "slow.jsonl")
    at_once.update()
    with path.open("rb") as whole, bit_by_bit.path.open("ab", buffering=0) as part:
        while piece := whole.read(50_000):
            part.write(piece)
            bit_by_bit.update()
    for tail in (at_once, bit_by_bit):
        assert len(tail.curves.steps) == 45_000 - 1 + 10_002
        assert (tail.last_step, tail.begin["step"], tail.curves.saved) == (60_000, 45_000, [20_000])
        assert (tail.phase, tail.phase_since) == ("saving", None)
    assert repr(points(at_once)) == repr(points(bit_by_bit))


def test_steps_that_a_resumed_run_logs_again_are_not_doubled(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, log(1, 3.0), log(2, 2.0), {"kind": "begin", "time": 9.0, "step": 1}, log(2, 1.9), log(3, 1.5))
    tail = MetricsTail(path)
    tail.update()
    assert points(tail) == ([1.0, 2.0, 3.0], [3.0, 1.9, 1.5])


@pytest.mark.parametrize("more", [0, 3])
def test_a_run_of_the_same_name_shows_nothing_of_one_that_was_deleted(tmp_path: Path, more: int) -> None:
    path = tmp_path / "metrics.jsonl"
    begun = {"kind": "begin", "time": 1000.0, "step": 0}
    append(path, begun, log(1, 3.0), log(2, 2.0))
    tail = MetricsTail(path)
    tail.update()
    seen, size = tail.version, path.stat().st_size
    # Written in its place, which leaves the inode as it was: so do file systems with the next file.
    path.write_bytes(b"")
    append(path, {**begun, "time": 2000.0}, log(1, 1.0), *(log(2 + n, 0.5) for n in range(1 + more)))
    os.utime(path, ns=(1, 1))
    assert (path.stat().st_size == size) is (more == 0)
    tail.update()
    assert points(tail) == ([float(n) for n in range(1, 3 + more)], [1.0, *[0.5] * (1 + more)])
    assert tail.version != seen


def test_a_replaced_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, log(1, 3.0), log(2, 2.0))
    tail = MetricsTail(path)
    tail.update()
    other = tmp_path / "other"
    append(other, log(5, 1.0))
    other.replace(path)
    tail.update()
    assert points(tail) == ([5.0], [1.0])
