"""A log is read in parts, at either end and around what is looked for, whatever its size."""

import re
from pathlib import Path

import pytest

from studio.stores import logs
from studio.stores.logs import find_in_log, find_logs, pattern_finder, read_log_tail, read_part, text_finder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {i:04}\n" for i in range(1000)))
    return path


def test_parts_follow_each_other_without_a_gap_or_an_overlap(log: Path) -> None:
    end, text = 0, ""
    while end < log.stat().st_size:
        part = read_part(log, 333, start=end)
        assert part.start == end
        assert part.text.endswith("\n")
        text, end = text + part.text, part.end
    assert text == log.read_text()


def test_the_end_and_what_is_before_it_are_whole_lines(log: Path) -> None:
    last = read_part(log, 333)
    earlier = read_part(log, 333, before=last.start)
    assert last.text.splitlines()[-1] == "line 0999"
    assert earlier.end == last.start
    assert (earlier.text + last.text).splitlines() == log.read_text().splitlines()[
        -len((earlier.text + last.text).splitlines()) :
    ]


def test_the_line_being_written_is_told_apart_and_comes_again(log: Path) -> None:
    with log.open("a") as file:
        file.write(" 10%|#   |\r 50%|##  |")
    part = read_part(log, 100)
    assert part.rest == " 10%|#   |\r 50%|##  |"
    with log.open("a") as file:
        file.write("\r100%|####|\nnext")
    grown = read_part(log, 100, start=part.end)
    assert logs.collapse(grown.text) == "100%|####|\n"
    assert grown.rest == "next"


def test_a_line_longer_than_a_part_does_not_stop_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("x" * 1000 + "\nend\n")
    end, parts = 0, 0
    while end < path.stat().st_size:
        end, parts = read_part(path, 100, start=end).end, parts + 1
    assert parts <= 12


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    assert read_part(path, 100).total == 0
    assert find_in_log(path, text_finder("x")) is None
    assert read_log_tail(path, 100) == ""


def test_matches_are_found_in_turn_forwards_and_backwards(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BLOCK_BYTES", 100)
    monkeypatch.setattr(logs, "OVERLAP_BYTES", 20)
    pattern = pattern_finder(re.compile(rb"line 0\d00"), (b"line 0",))
    expected = [10 * line for line in range(0, 1000, 100)]
    forwards: list[int] = []
    while (at := find_in_log(log, pattern, after=forwards[-1] if forwards else None)) is not None:
        forwards.append(at)
    backwards: list[int] = []
    while (at := find_in_log(log, pattern, before=backwards[-1] if backwards else log.stat().st_size)) is not None:
        backwards.append(at)
    assert forwards == expected
    assert backwards == expected[::-1]


def test_a_text_is_found_whatever_its_capitals(log: Path) -> None:
    with log.open("a") as file:
        file.write("Außen 损失 LOSS\n")
    last = log.stat().st_size - len("Außen 损失 LOSS\n".encode())
    assert find_in_log(log, text_finder("损失 loss")) == last
    assert find_in_log(log, text_finder("LINE 0500"), before=last) == 5000
    assert find_in_log(log, text_finder("line 0500"), after=5000) is None


def test_single_processes_have_logs_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "ranks").mkdir()
    for number in (10, 9, 0):
        (tmp_path / "ranks" / f"workerlog.{number}").touch()
    assert list(find_logs(tmp_path)) == ["log.txt", "workerlog.0", "workerlog.9", "workerlog.10"]


def test_the_tail_is_plain_text_with_progress_bars_at_their_end(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes("\x1b[32mgreen\x1b[0m\r\n 1%\r 99%\r100%\n损失\n".encode())
    assert read_log_tail(path, 1000) == "green\n100%\n损失\n"


def test_the_tail_of_a_long_log_begins_with_a_whole_line(log: Path) -> None:
    assert read_log_tail(log, 25) == "line 0998\nline 0999\n"
