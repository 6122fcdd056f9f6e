"""Statistics of lengths, and the language of a row."""

import itertools
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.rows import Row, Turn
from studio.core.statistics import DataStatistics, detect_language, histogram, quantile, suggested_length

COUNTS = st.dictionaries(st.integers(0, 5000), st.integers(1, 50), max_size=40)


@given(COUNTS, st.floats(0.01, 1))
def test_a_quantile_is_where_the_sorted_values_say(counts: dict[int, int], share: float) -> None:
    values = sorted(Counter(counts).elements())
    found = quantile(counts, share)
    if values:
        assert sum(value <= found for value in values) >= share * len(values)
        assert sum(value < found for value in values) < share * len(values)
    else:
        assert found == 0


@given(COUNTS, st.integers(1, 30))
def test_a_histogram_loses_nothing_and_its_bins_touch(counts: dict[int, int], bins: int) -> None:
    found = histogram(counts, bins)
    assert sum(count for _, _, count in found) == sum(counts.values())
    assert len(found) <= bins
    for (_, last, _), (first, _, _) in itertools.pairwise(found):
        assert first == last + 1
    if counts:
        assert found[0][0] == min(counts)
        assert found[-1][0] <= max(counts) <= found[-1][1]


def test_the_suggested_length_fits_99_of_100_rows() -> None:
    assert suggested_length({100: 99, 5000: 1}) == 128
    assert suggested_length({100: 98, 500: 2}) == 512
    assert suggested_length({3: 1}) == 64
    found = DataStatistics()
    for total in (10, 64, 65, 500):
        found.add_lengths(5, total - 5, total)
    assert (found.truncated(64), found.truncated(500)) == (2, 0)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("发烧怎么办？多喝水。", "zh"),
        ("服用 ibuprofen 400mg 之后还发烧怎么办", "zh"),
        ("What helps against a fever?", "en"),
        ("The Chinese for fever is 发烧, and so on and so on.", "en"),
        ("熱があるときはどうすればいいですか", "other"),
        ("열이 나면 어떻게 해야 하나요", "other"),
        ("Что делать при температуре?", "other"),
        ("12345 !?", "other"),
    ],
)
def test_the_script_tells_the_language(text: str, language: str) -> None:
    assert detect_language(Row(text=text)) == language


def test_rows_are_counted_and_survive_being_stored() -> None:
    found = DataStatistics()
    row = Row(turns=(Turn("user", "怎么办？"), Turn("assistant", "喝水。")))
    for raw in ({"a": "x", "input": "", "history": []}, {"a": "x", "input": None}):
        found.add(raw, row)
        found.add_lengths(4, 3, 7)
    assert (found.rows, found.duplicates, found.turns[2], found.languages["zh"]) == (2, 1, 2, 2)
    assert found.empty == {"input": 2, "history": 1}
    assert DataStatistics.from_json(json.loads(json.dumps(found.to_json()))) == found
