"""Labels and letters are read out of what models write."""

import pytest

from studio.core.answers import Choices, find_choices, find_labels, read_choice, read_label

SENTIMENT = ("positive", "negative", "neutral")
TOPICS = ("体育", "财经", "非体育")


def test_a_few_short_references_that_come_back_are_labels_the_most_frequent_first() -> None:
    assert find_labels(["neg", "Pos", "neg", "pos", "POS", "pos "]) == ("Pos", "neg")
    assert find_labels(["体育"] * 3 + ["财经"] * 4) == ("财经", "体育")
    assert find_labels(["<think>Is it?</think>\nyes", "no"] * 3) == ("no", "yes")


@pytest.mark.parametrize(
    "references",
    [
        [],
        ["yes"] * 9,
        ["Paris", "Rome", "Berlin", "Paris"],
        ["yes", "no"] * 9 + [""],
        ["yes", "no"] * 9 + ["a sentence that explains at some length why it is so"],
        ["yes", "no"] * 9 + ["yes\nno"],
        [str(number) for number in range(51)] * 4,
    ],
)
def test_other_references_are_no_labels(references: list[str]) -> None:
    assert find_labels(references) == ()


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"),
        (" **Positive**.\n", "positive"),
        ("ｎｅｇａｔｉｖｅ", "negative"),
        ("The sentiment is Negative, I think.", "negative"),
        ("情感：positive。", "positive"),
        ("It is not positive but negative.", "negative"),
        ("This isn't a positive review; neutral.", "neutral"),
        ("<think>positive or negative?</think>neutral", "neutral"),
        ("positive or negative", None),
        ("positively", None),
        ("not positive", None),
        ("<think>positive", None),
        ("", None),
        ("😀", None),
    ],
)
def test_a_label_is_read_when_it_is_clear(answer: str, label: str | None) -> None:
    assert read_label(answer, SENTIMENT) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("体育", "体育"),
        ("类别：体育。", "体育"),
        ("这是一条体育新闻", "体育"),
        ("属于非体育类", "非体育"),
        ("不是财经，是体育", "体育"),
        ("体育和财经", None),
        ("娱乐", None),
    ],
)
def test_a_chinese_label_is_read_without_spaces_around_it(answer: str, label: str | None) -> None:
    assert read_label(answer, TOPICS) == label


def test_labels_of_signs_and_no_labels_are_no_trouble() -> None:
    assert read_label("+", ("+", "-")) == "+"
    assert read_label("anything", ()) is None
    assert read_label("c++ it is", ("C", "C++")) == "C++"


LINES = "哪种药可以退热？\nA. 阿司匹林\nB. 青霉素\nC. 胰岛素\nD. 维生素C\n"


@pytest.mark.parametrize(
    ("question", "letters"),
    [
        (LINES, "ABCD"),
        ("退热？A、阿司匹林 B、青霉素 C、胰岛素", "ABC"),
        ("退热？A.阿司匹林B.青霉素C.胰岛素D.无", "ABCD"),
        ("退热？\nＡ．阿司匹林\nＢ．青霉素", "AB"),
        ("退热？（A）阿司匹林（B）青霉素", "AB"),
        ("退热？选项：A：阿司匹林；B：青霉素", "AB"),
        ("选项A：阿司匹林\n选项B：青霉素", "AB"),
        ("Which one? (A) one (B) two (C) three", "ABC"),
        ("Which one?\nA) one\nB) two", "AB"),
        ("Which one?\nA one\nB two\nC three", "ABC"),
        ("Pick:\n- **A.** one\n- **B.** two", "AB"),
        ("哪个？A甲 B乙\nC丙", "ABC"),
        ("Which one?\n[A] one\n[B] two\n[C] c\n[D] d\n[E] e\n[F] f\n[G] g\n[H] h", "ABCDEFGH"),
        ("Q1?\nA. x\nB. y\nC. z\nAnswer: A\nQ2?\nA. x\nB. y\nAnswer:", "AB"),
        ("A. is a letter?\nA. yes\nB. no", "AB"),
    ],
)
def test_the_letters_that_a_question_offers_are_found(question: str, letters: str) -> None:
    assert find_choices(question, "B") == Choices(tuple(letters), "B")


@pytest.mark.parametrize(
    ("reference", "right"),
    [
        ("A", "A"),
        ("Ｂ", "B"),
        ("b", "B"),
        ("A.", "A"),
        ("B. 青霉素", "B"),
        ("B、青霉素", "B"),
        ("C 胰岛素", "C"),
        ("(C)", "C"),
        ("（D）维生素C", "D"),
        ("答案：B", "B"),
        ("答案是 C。", "C"),
        ("正确答案为D", "D"),
        ("选B", "B"),
        ("The answer is C", "C"),
        ("The correct answer is (D).", "D"),
        ("Answer: A", "A"),
        ("B\n因为……", "B"),
        ("正确选项：B", "B"),
        ("The correct option is B", "B"),
        ("E", None),
        ("阿司匹林", None),
        ("A man walked in", None),
        ("A、B", None),
        ("A and B", None),
        ("【答案】C", "C"),
        ("**B**", "B"),
        ("本题选C。因为它……", "C"),
        ("答案：AC", None),
        ("<think>A?</think>\n\nD", "D"),
        ("AB", None),
        ("ABCD", None),
        ("Because of it", None),
        ("", None),
    ],
)
def test_the_right_letter_is_what_the_reference_begins_with(reference: str, right: str | None) -> None:
    found = find_choices(LINES, reference)
    assert (found.right if found else None) == right


@pytest.mark.parametrize(
    "question", ["", "What is vitamin A?", "A. only one", "B. two\nC. three", "Plan A or plan B?"]
)
def test_a_question_without_options_is_no_choice(question: str) -> None:
    assert find_choices(question, "B") is None
    assert find_choices(question, "阿司匹林") is None


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("b.", "B"),
        ("B. 青霉素，因为 A 不对", "B"),
        ("**C**", "C"),
        ("我认为答案是D。", "D"),
        ("A is wrong, B is wrong. The answer is C.", "C"),
        ("First I thought the answer is A. No: the answer is B.", "B"),
        ("综上，应选B", "B"),
        ("故选：A", "A"),
        ("so \\boxed{D}", "D"),
        ("<think>A? B!</think>\nC", "C"),
        ("正确的是（B）", "B"),
        ("A man of B", "B"),
        ("A or B", None),
        ("B is correct", "B"),
        ("A is correct.", "A"),
        ("Option B is right, option A is wrong", "B"),
        ("选项B正确，选项A错误", "B"),
        ("不选A，选C", "C"),
        ("The answer is a good question", None),
        ("The answer is not A.", None),
        ("补充维生素C即可", None),
        ("A、C", None),
        ("答案：H", None),
        ("I don't know", None),
        ("", None),
    ],
)
def test_a_letter_is_read_when_it_is_clear(answer: str, letter: str | None) -> None:
    assert read_choice(answer, "ABCD") == letter
