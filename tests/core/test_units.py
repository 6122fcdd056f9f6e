"""Sizes and times in words."""

import pytest

from studio.core.units import say_duration, say_seconds, say_size


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (None, "–", "–"),
        (0, "0 s", "0 秒"),
        (0.25, "0.2 s", "0.2 秒"),
        (59.9, "59 s", "59 秒"),
        (60, "1 min", "1 分钟"),
        (185, "3 min 5 s", "3 分钟 5 秒"),
        (3600, "1 h", "1 小时"),
        (3725, "1 h 2 min", "1 小时 2 分钟"),
        (183_600, "2 d 3 h", "2 天 3 小时"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float | None, english: str, chinese: str) -> None:
    assert (say_duration(seconds, "en"), say_duration(seconds, "zh")) == (english, chinese)


def test_the_exact_value_stands_beside() -> None:
    assert (say_seconds(3725.04, "en"), say_seconds(1.5, "zh")) == ("3,725.0 s", "1.5 秒")


def test_sizes_are_in_powers_of_a_thousand() -> None:
    told = [say_size(size) for size in (0, 999, 1000, 34_000, 2_500_000_000, 3e15)]
    assert told == ["0 B", "999 B", "1.0 kB", "34.0 kB", "2.5 GB", "3000.0 TB"]
