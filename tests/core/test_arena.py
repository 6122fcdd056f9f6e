"""Models side by side: what each is told, and what a vote on their answers is worth."""

from studio.core.arena import Arena
from studio.core.conversation import Conversation, Said
from studio.core.rows import Turn

BOTH = ("base", "tuned")


def answered(arena: Arena, *answers: str | None) -> Arena:
    for place, text in enumerate(answers):
        if text is not None:
            arena = arena.with_side(place, arena.sides[place].answer(Said("assistant", text)))
    return arena


def contents(side: Conversation) -> list[str]:
    return [turn.content for turn in side.turns]


def test_a_vote_makes_a_pair_and_all_go_on_from_the_better_answer() -> None:
    arena = answered(Arena().ask(BOTH, "q", "Be short."), "bad", "good")
    vote = arena.vote(1)
    assert (vote.turns, vote.elsewhere) == ((Turn("system", "Be short."), Turn("user", "q")), ())
    assert len(list(vote.pairs())) == 1
    on = Arena(arena.labels, arena.sides, voted=True, best=1).ask(BOTH, "r", "Be short.")
    assert [contents(side) for side in on.sides] == [["q", "good", "r"]] * 2
    assert len(list(answered(on, "x", "y").vote(0).pairs())) == 1


def test_answers_to_different_histories_count_and_make_no_pair() -> None:
    arena = answered(Arena().ask(BOTH, "q", ""), "one", "two").ask(BOTH, "r", "")
    vote = answered(arena, "x", "y").vote(0)
    assert [turn.content for turn in vote.turns] == ["q", "one", "r"]
    assert (vote.elsewhere, list(vote.pairs())) == ((1,), [])


def test_other_models_begin_anew() -> None:
    arena = answered(Arena().ask(BOTH, "q", ""), "one", "two").ask(("base", "other"), "r", "")
    assert [contents(side) for side in arena.sides] == [["r"], ["r"]]


def test_a_model_that_failed_is_in_no_vote_and_is_not_told_what_it_did_not_answer() -> None:
    arena = answered(Arena().ask(("a", "b", "c"), "q", ""), "one", None, "three")
    assert arena.can_vote
    vote = arena.vote(2)
    assert (vote.models, vote.answers, vote.best) == (("a", "c"), ("one", "three"), 1)
    assert [contents(side) for side in arena.ask(("a", "b", "c"), "r", "").sides][1] == ["r"]
    assert not answered(Arena().ask(BOTH, "q", ""), "one", None).can_vote


def test_one_vote_is_taken_on_a_set_of_answers() -> None:
    arena = answered(Arena().ask(BOTH, "q", ""), "one", "two")
    assert not Arena(arena.labels, arena.sides, voted=True).can_vote
    assert not Arena().can_vote
