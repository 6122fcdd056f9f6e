"""What can be changed of a conversation, and what can be learnt from it."""

import pytest

from studio.core.conversation import Conversation, Said, read_tools, split_thinking
from studio.core.endpoint import AnswerFacts
from studio.core.rows import Row, Turn
from studio.core.votes import Vote, count_wins
from studio.errors import StudioError

FACTS = AnswerFacts("m", 3, 5, "stop", 0.1, 0.5)


def talk(*texts: str) -> Conversation:
    found = Conversation(system="Be short.")
    for place, text in enumerate(texts):
        found = found.answer(Said("assistant", text, model="m", facts=FACTS)) if place % 2 else found.ask(text)
    return found


def contents(conversation: Conversation) -> list[str]:
    return [turn.content for turn in conversation.turns]


def test_regenerating_asks_again_and_remembers_what_was_answered() -> None:
    again = talk("q", "a").regenerate()
    assert contents(again) == ["q"]
    assert again.awaits_answer
    assert again.answer(Said("assistant", "b")).turns[-1].others == ("a",)
    third = again.answer(Said("assistant", "b")).regenerate().answer(Said("assistant", "a"))
    assert third.turns[-1].others == ("a", "b")


def test_an_answer_that_does_not_come_again_is_given_back_with_what_followed() -> None:
    whole = talk("q", "a", "r", "b")
    assert whole.regenerate(1).give_back() == whole
    assert Conversation.from_json(whole.regenerate().to_json()) == whole
    assert whole.regenerate(1).ask("other").dropped == ()


def test_a_question_that_is_edited_is_asked_again_without_what_followed() -> None:
    assert contents(talk("q", "a", "r", "b").edit(0, "p")) == ["p"]
    assert talk("q", "a").edit(0, "q") == talk("q", "a")


def test_an_answer_that_is_corrected_keeps_what_followed_and_what_it_was() -> None:
    corrected = talk("q", "a", "r", "b").edit(1, "better")
    assert contents(corrected) == ["q", "better", "r", "b"]
    assert (corrected.turns[1].others, corrected.turns[1].facts) == (("a",), None)


def test_undo_gives_the_question_back_to_be_worded_anew() -> None:
    assert talk("q", "a", "r", "b").undo() == (talk("q", "a"), "r")
    assert Conversation().undo() == (Conversation(), "")


def test_a_conversation_becomes_a_row_up_to_its_last_answer() -> None:
    assert talk("q", "a", "r").row() == Row(
        turns=(Turn("system", "Be short."), Turn("user", "q"), Turn("assistant", "a"))
    )
    with pytest.raises(StudioError, match="nothing_answered"):
        talk("q").row()


def test_a_correction_becomes_a_pair_of_the_better_and_the_worse_answer() -> None:
    assert talk("q", "bad").edit(1, "good").pair() == Row(
        turns=(Turn("system", "Be short."), Turn("user", "q")),
        chosen=(Turn("assistant", "good"),),
        rejected=(Turn("assistant", "bad"),),
    )
    with pytest.raises(StudioError, match="no_other_answer"):
        talk("q", "a").pair()


def test_a_conversation_survives_its_file() -> None:
    kept = talk("q", "bad").edit(1, "good").ask("{}", "tool").answer(Said("assistant", "x", "thought", "m", FACTS))
    assert Conversation.from_json(kept.to_json()) == kept
    for broken in ({}, {"turns": [{}]}, {"turns": [{"role": "robot", "content": "x"}]}, {"turns": 3}):
        with pytest.raises(StudioError, match="not_a_conversation"):
            Conversation.from_json(broken)


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("<think>hm</think>\n\nYes", "hm", "Yes"),
        ("<think>still at it", "still at it", ""),
        ("opened by the template</think>\n\nYes", "opened by the template", "Yes"),
        ("The tag </think> closes it", "", "The tag </think> closes it"),
        ("Yes", "", "Yes"),
        ("Write <think> to think", "", "Write <think> to think"),
    ],
)
def test_what_was_thought_is_told_from_what_was_said(text: str, thought: str, said: str) -> None:
    assert split_thinking(text) == (thought, said)


def test_tools_are_read_with_and_without_their_wrapping() -> None:
    wrapped = [{"type": "function", "function": {"name": "look"}}]
    assert read_tools('[{"name": "look"}]') == read_tools('[{"type": "function", "function": {"name": "look"}}]')
    assert read_tools('{"name": "look"}') == wrapped
    assert read_tools("  ") == []
    for broken in ("[", "[]", "[1]", '"x"'):
        with pytest.raises(StudioError, match="bad_tools"):
            read_tools(broken)


def test_tokens_a_second_are_counted_after_the_first_token() -> None:
    assert FACTS.tokens_per_s == pytest.approx(10)
    assert AnswerFacts("m", 3, 1, "stop", 0.1, 0.1).tokens_per_s is None


def test_a_vote_makes_a_pair_with_each_other_answer_and_a_tie_makes_none() -> None:
    asked = (Turn("user", "q"),)
    vote = Vote(asked, ("base", "tuned", "third"), ("a", "b", "a"), 1)
    pairs = list(vote.pairs())
    assert [(row.chosen[0].content, row.rejected[0].content) for row in pairs] == [("b", "a")]
    assert list(Vote(asked, ("x", "y"), ("a", "b"), None).pairs()) == []
    assert list(Vote(asked, ("x", "y"), ("a", " "), 0).pairs()) == []
    assert list(Vote(asked, ("x", "y"), ("a", ""), 1).pairs()) == []
    assert list(Vote(asked, ("x", "y"), ("a", "b"), 0, elsewhere=(1,)).pairs()) == []
    assert Vote.from_json(vote.to_json()) == vote
    assert count_wins([vote, Vote(asked, ("base", "tuned"), ("a", "b"), None)]) == {
        "base": (0, 2),
        "tuned": (1, 2),
        "third": (0, 1),
    }
