"""Metrics and logs are read while they grow."""

import json
from pathlib import Path
from typing import Any

from studio.stores.tails import MetricsTail, read_log_tail


def append(path: Path, *records: Any) -> None:
    with path.open("a", encoding="utf-8") as file:
        for record in records:
            file.write(record if isinstance(record, str) else json.dumps(record) + "\n")


def log(step: int, loss: float) -> dict[str, Any]:
    return {"kind": "log", "time": float(step), "step": step, "loss": loss}


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = MetricsTail(path)
    tail.update()
    assert tail.series == {}
    append(path, {"kind": "begin", "time": 1.0, "step": 0, "total_steps": 9}, log(1, 3.0))
    tail.update()
    first = tail.offset
    append(path, log(2, 2.0))
    tail.update()
    assert tail.series["loss"] == ([1.0, 2.0], [3.0, 2.0])
    assert tail.offset > first
    assert (tail.begin["total_steps"], tail.last_step) == (9, 2)


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = MetricsTail(path)
    append(path, log(1, 3.0), '{"kind": "log", "step": 2, "lo')
    tail.update()
    assert tail.series["loss"] == ([1.0], [3.0])
    append(path, 'ss": 2.5}\n')
    tail.update()
    assert tail.series["loss"] == ([1.0, 2.0], [3.0, 2.5])


def test_a_corrupted_line_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, log(1, 3.0), "\x00\x00garbage\n", log(2, 2.0))
    tail = MetricsTail(path)
    tail.update()
    assert tail.series["loss"] == ([1.0, 2.0], [3.0, 2.0])


def test_steps_that_a_resumed_run_logs_again_are_not_doubled(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, log(1, 3.0), log(2, 2.0), {"kind": "begin", "step": 1}, log(2, 1.9), log(3, 1.5))
    tail = MetricsTail(path)
    tail.update()
    assert tail.series["loss"] == ([1.0, 2.0, 3.0], [3.0, 1.9, 1.5])


def test_a_replaced_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, log(1, 3.0), log(2, 2.0))
    tail = MetricsTail(path)
    tail.update()
    other = tmp_path / "other"
    append(other, log(5, 1.0))
    other.replace(path)
    tail.update()
    assert tail.series["loss"] == ([5.0], [1.0])


def test_a_log_is_shown_without_colours_and_with_bars_at_their_last_state(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes("\x1b[32mgreen\x1b[0m\n10%\r50%\r100%\n汉字\n".encode())
    assert read_log_tail(path, 1000) == "green\n100%\n汉字\n"


def test_the_tail_of_a_long_log_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {i}\n" for i in range(1000)))
    assert read_log_tail(path, 20) == "line 998\nline 999\n"


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert read_log_tail(tmp_path / "log.txt", 1000) == ""
