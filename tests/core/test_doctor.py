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


LONG = "感冒发烧的时候应当多喝温水，注意休息，体温超过三十八度五再服用退烧药，三天不退请及时就医。"


@pytest.mark.parametrize(
    ("again", "codes"),
    [
        (LONG.replace("，", ", ") + "！", ["near_duplicate"]),
        (LONG.replace("温水", "热水"), ["near_duplicate"]),
        (LONG, ["duplicate"]),
        ("头痛多半与睡眠不足有关，早些睡，少看屏幕，连着三天不好转或者伴有呕吐请去医院。", []),
    ],
)
def test_what_says_almost_the_same_is_a_near_duplicate(again: str, codes: list[str]) -> None:
    doctor = DataDoctor(near=True)
    assert doctor.look(1, chat("感冒怎么办？", LONG)) == []
    assert doctor.look(2, chat("感冒怎么办？", again)) == codes
    # Nobody pays for what was not asked for.
    plain = DataDoctor()
    plain.look(1, chat("感冒怎么办？", LONG))
    assert "near_duplicate" not in plain.look(2, chat("感冒怎么办？", again))


def test_a_row_beyond_the_length_limit_is_too_long() -> None:
    doctor = DataDoctor(limit=10)
    assert [doctor.look(i, chat(f"问{i}", "答案"), tokens) for i, tokens in enumerate((10, 11, None))] == [
        [],
        ["too_long"],
        [],
    ]


def test_a_row_that_loses_its_whole_answer_is_told_apart() -> None:
    doctor = DataDoctor(limit=10)
    assert doctor.look(1, chat("问", "答案"), 30, skipped=True) == ["too_long", "answer_cut"]


def test_it_is_told_when_not_every_row_was_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.core.doctor.NEAR_LIMIT_ROWS", 2)
    doctor = DataDoctor(near=True)
    doctor.look(1, chat("感冒怎么办？", LONG))
    assert doctor.saw_all_near
    doctor.look(2, chat("头痛多半与睡眠不足有关吗？", "早些睡，少看屏幕。"))
    assert not doctor.saw_all_near
