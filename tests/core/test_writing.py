"""What is written in a format is read again as the same row, or refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.parsing import parse_row
from studio.core.rows import Row, Turn
from studio.core.writing import TARGETS, CannotWrite, target_format

# Surrogates are no text; a blank text is a fault of its own.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A sound row of any kind: text, conversation (masked, with tools or a label), or a pair of answers."""
    kind = draw(st.sampled_from(["text", "chat", "masked", "tools", "kto", "pair"]))
    if kind == "text":
        return Row(text=draw(texts))
    turns = [Turn("system", draw(texts))] if draw(st.booleans()) else []
    exchanges = draw(st.integers(1, 3))
    for _ in range(exchanges):
        turns += [Turn("user", draw(texts)), Turn("assistant", draw(texts))]
    if kind == "pair":
        chosen, rejected, more, last = draw(st.lists(texts, min_size=4, max_size=4, unique=True))
        longer = (Turn("user", more), Turn("assistant", last)) if draw(st.booleans()) else ()
        return Row(tuple(turns[:-1]), (Turn("assistant", chosen), *longer), (Turn("assistant", rejected),))
    if kind == "masked" and exchanges > 1:
        return Row(tuple(turns), masked=(draw(st.integers(0, exchanges - 1)),))
    if kind == "tools":
        turns += [Turn("user", draw(texts)), Turn("function", draw(texts)), Turn("tool", draw(texts))]
        return Row((*turns, Turn("assistant", draw(texts))), tools=draw(texts))
    if kind == "kto":
        return Row(tuple(turns), desirable=draw(st.booleans()))
    return Row(tuple(turns))


@given(rows(), st.sampled_from(TARGETS))
def test_a_round_trip_loses_nothing_that_the_target_can_express(row: Row, target: str) -> None:
    made = target_format(target, row)
    try:
        written = made.write(row)
    except CannotWrite:
        return
    assert parse_row(written, made.entry) == row


@pytest.mark.parametrize(
    ("row", "able"),
    [
        (Row(text="x"), {"text"}),
        (
            Row((Turn("user", "a"), Turn("assistant", "b"))),
            {"alpaca", "sharegpt", "messages", "erniekit", "paddleformers"},
        ),
        (
            Row(
                (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d")), masked=(0,)
            ),
            {"erniekit", "paddleformers"},
        ),
        (Row((Turn("user", "a"), Turn("assistant", "b")), tools="[]"), {"sharegpt", "messages", "paddleformers"}),
        (Row((Turn("user", "a"), Turn("assistant", "b")), desirable=True), {"alpaca", "sharegpt", "messages"}),
        (
            Row((Turn("user", "a"),), (Turn("assistant", "b"),), (Turn("assistant", "c"),)),
            {"alpaca", "sharegpt", "messages", "erniekit", "paddleformers"},
        ),
    ],
)
def test_every_format_takes_what_it_has_a_place_for(row: Row, able: set[str]) -> None:
    found: set[str] = set()
    for target in TARGETS:
        try:
            target_format(target, row).write(row)
        except CannotWrite:
            continue
        found.add(target)
    assert found == able


def test_another_name_is_no_format() -> None:
    with pytest.raises(KeyError):
        target_format("xml", Row(text="x"))
