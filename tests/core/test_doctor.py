"""What is doubtful about a row is found, and nothing else is."""

import pytest

from studio.core.doctor import DataDoctor, is_identity_number, question_key
from studio.core.rows import Row, Turn


def chat(question: str, answer: str) -> Row:
    return Row((Turn("user", question), Turn("assistant", answer)))


def test_a_row_seen_before_is_a_duplicate_and_the_first_is_not() -> None:
    doctor = DataDoctor()
    told = [doctor.look(i, row) for i, row in enumerate([chat("a", "bc"), chat("ab", "cd"), chat(" a", "bc ")], 1)]
    assert told == [[], [], ["duplicate"]]
    (finding,) = doctor.findings()
    assert (finding.code, finding.count, finding.lines) == ("duplicate", 1, [3])


def test_a_question_of_the_evaluation_set_has_leaked_whatever_its_answer() -> None:
    doctor = DataDoctor(frozenset({question_key(chat("问", "评估的回答"))}))
    assert doctor.look(1, chat("问 ", "另一个回答")) == ["leak"]
    assert doctor.look(2, chat("问一", "答案")) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("写信到 li.lei@example.com.cn 即可", "email"),
        ("请拨打13812345678。", "mobile"),
        ("证件号11010519491231002X。", "identity"),
    ],
)
def test_personal_data_is_found_in_any_turn(text: str, code: str) -> None:
    assert DataDoctor().look(1, chat(text, "好的")) == [code]
    assert DataDoctor().look(1, chat("问", text)) == [code]


@pytest.mark.parametrize("text", ["a @ b", "12345678901", "138123456789", "110105194912310021", "每天3次，共10片"])
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert DataDoctor().look(1, chat("问", text)) == []


def test_an_answer_of_one_character_is_doubtful() -> None:
    assert DataDoctor().look(1, chat("能吃吗", "能")) == ["short_answer"]
    assert DataDoctor().look(1, Row(text="能")) == []


def test_the_check_character_decides() -> None:
    assert is_identity_number("11010519491231002X")
    assert not is_identity_number("110105194912310021")
