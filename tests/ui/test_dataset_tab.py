"""Where a step through a dataset leads."""

import pytest

from studio.ui.dataset_tab import BACK, FORWARD, JUMP, STAY, Place, find_place

THERE = Place("a", 3, "fever", False)


@pytest.mark.parametrize(
    ("how", "asked", "place"),
    [
        (FORWARD, ("a", "fever", False, ""), Place("a", 4, "fever")),
        (BACK, ("a", "fever", False, ""), Place("a", 2, "fever")),
        (STAY, ("a", "fever", False, ""), THERE),
        # Another search begins anew, whatever was clicked; the row that was jumped to before stands there still.
        (STAY, ("a", "cough", False, "23"), Place("a", 1, "cough")),
        (STAY, ("a", "fever", True, "23"), Place("a", 1, "fever", True)),
        (FORWARD, ("a", "cough", False, ""), Place("a", 1, "cough")),
        # Rows are numbered among all rows, so a jump ends the search.
        (JUMP, ("a", "fever", True, "23"), Place("a", 5)),
        (JUMP, ("a", "fever", False, " 5 "), Place("a", 1)),
        (JUMP, ("a", "fever", False, "0"), Place("a", 1)),
        (JUMP, ("a", "fever", False, "x"), THERE),
        # Another dataset has nothing of the last.
        (FORWARD, ("b", "fever", True, "23"), Place("b")),
        (JUMP, (None, "fever", True, "23"), Place()),
    ],
)
def test_a_step_leads_where_one_expects(how: str, asked: tuple[str, str, bool, str], place: Place) -> None:
    assert find_place(how, THERE, *asked) == place


def test_nobody_goes_before_the_first_page() -> None:
    assert find_place(BACK, Place("a"), "a", "", False, "").page == 1
