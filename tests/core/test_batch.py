"""What is asked, how it is put, and the table that comes of it."""

import csv
import io
import json
from dataclasses import replace

import pytest

from studio.core.batch import (
    BatchAnswer,
    BatchRequest,
    BatchTable,
    Contender,
    find_batch_problems,
    remaining_s,
    table_csv,
    table_jsonl,
    unanswered,
)
from studio.core.endpoint import Sampling
from studio.core.questions import Question, Wording, messages_of, pasted_questions, question_of
from studio.core.rows import Row, Turn
from studio.errors import Problem, RequestRefused

REQUEST = BatchRequest("night", dataset="pairs", contenders=(Contender("tiny", "tiny"),))


def codes(request: BatchRequest) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in find_batch_problems(request, {"pairs"})]


def answer(question: int, label: str = "tiny", text: str = "yes", error: Problem | None = None) -> BatchAnswer:
    return BatchAnswer(question, label, text, seconds=2.0, error=error)


def by_cell(*answers: BatchAnswer) -> dict[tuple[int, str], BatchAnswer]:
    return {(each.question, each.label): each for each in answers}


def test_the_last_question_of_a_row_is_asked_after_what_was_said_before() -> None:
    turns = (
        Turn("system", "s"),
        Turn("user", "a"),
        Turn("assistant", "b"),
        Turn("user", "c"),
        Turn("assistant", "d"),
    )
    assert question_of(7, Row(turns=turns)) == Question(7, "c", "", "d", turns[:3])


def test_a_preference_row_has_its_better_answer_as_the_reference() -> None:
    row = Row(turns=(Turn("user", "q"),), chosen=(Turn("assistant", "good"),), rejected=(Turn("assistant", "bad"),))
    assert question_of(1, row) == Question(1, "q", "", "good", rejected="bad")


def test_a_context_is_parted_from_the_question_that_it_was_joined_to() -> None:
    row = Row(turns=(Turn("user", "why?\nbecause"), Turn("assistant", "so")), context="because")
    assert question_of(1, row) == Question(1, "why?", "because", "so")


@pytest.mark.parametrize(
    "row",
    [
        Row(text="plain"),
        Row(turns=(Turn("user", "<image>?"), Turn("assistant", "a")), images=("a.png",)),
        Row(turns=(Turn("user", "q"), Turn("function", "{}"), Turn("tool", "1"), Turn("assistant", "a"))),
        Row(turns=(Turn("system", "s"),)),
    ],
)
def test_a_row_that_asks_nothing_in_words_alone_is_no_question(row: Row) -> None:
    assert question_of(1, row) is None


def test_with_a_context_the_other_template_is_filled() -> None:
    wording = Wording("Q: {question}", "Given {context}: {question}")
    assert messages_of(Question(1, "why?"), wording) == [{"role": "user", "content": "Q: why?"}]
    assert messages_of(Question(1, "why?", "rain"), wording) == [{"role": "user", "content": "Given rain: why?"}]


def test_braces_are_harmless_wherever_they_stand() -> None:
    wording = Wording('{"ask": "{question}", {0} {} {other}}', "{context}|{question}")
    assert (
        messages_of(Question(1, "{context} {x"), wording)[0]["content"] == '{"ask": "{context} {x", {0} {} {other}}'
    )
    assert messages_of(Question(1, "{context}", "{question}"), wording)[0]["content"] == "{question}|{context}"


def test_a_system_prompt_takes_the_place_of_the_rows_own() -> None:
    question = Question(1, "q", history=(Turn("system", "old"), Turn("user", "a"), Turn("assistant", "b")))
    assert [turn["content"] for turn in messages_of(question, Wording())] == ["old", "a", "b", "q"]
    assert [turn["content"] for turn in messages_of(question, Wording(system="new"))] == ["new", "a", "b", "q"]


def test_pasted_lines_are_questions_with_a_context_and_an_answer_behind_tabs() -> None:
    assert pasted_questions("\ufeffOne, or two?\n\n  Why?\tRain.\nWho?\t\tMe\n") == [
        Question(1, "One, or two?"),
        Question(2, "Why?", "Rain."),
        Question(3, "Who?", "", "Me"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question,context,answer\nq,c,a\n", Question(1, "q", "c", "a")),
        ("id\tAnswer\tQuestion\n9\ta\tq", Question(1, "q", "", "a")),
        ('\n"问题","上下文"\n"一,\n二","三"\n', Question(1, "一,\n二", "三")),
        ("Question\nq", Question(1, "q")),
    ],
)
def test_pasted_csv_with_a_header_is_read_as_such(text: str, expected: Question) -> None:
    assert pasted_questions(text) == [expected]


def test_a_first_line_that_only_mentions_a_question_is_one() -> None:
    assert pasted_questions("Question, what is it?\nb")[0].text == "Question, what is it?"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n\tcontext only", Problem("pasted", "pasted_no_question", {"row": 2})),
        ("question,context\na,b\n,c", Problem("pasted", "pasted_no_question", {"row": 2})),
        ('question,context\n"a,b', Problem("pasted", "pasted_bad_csv", {"reason": "unexpected end of data"})),
    ],
)
def test_what_cannot_be_asked_says_which_row_it_is(text: str, problem: Problem) -> None:
    with pytest.raises(RequestRefused) as refused:
        pasted_questions(text)
    assert refused.value.problems == (problem,)


def test_a_sound_request_has_no_problems() -> None:
    assert codes(REQUEST) == []
    outside = Contender("gpt", "gpt", address="https://api.example.com/v1")
    assert codes(BatchRequest(pasted="q", contenders=(outside,))) == []


def test_all_problems_are_told_at_once() -> None:
    request = BatchRequest(
        "../x",
        pasted=" \n",
        wording=Wording("{context}", "ask"),
        sampling=Sampling(temperature=-1, max_tokens=0),
        first=0,
        limit=-1,
    )
    assert codes(request) == [
        ("batch_name", "batch_bad_name"),
        ("batch_source", "batch_no_source"),
        ("batch_first", "batch_bad_first"),
        ("batch_limit", "batch_bad_limit"),
        ("batch_template", "template_without_question"),
        ("batch_context_template", "template_without_question"),
        ("batch_template", "template_with_context"),
        ("batch_temperature", "batch_bad_temperature"),
        ("batch_max_tokens", "batch_bad_max_tokens"),
        ("batch_models", "batch_no_model"),
    ]


def test_a_source_is_one_and_known() -> None:
    assert codes(replace(REQUEST, pasted="q")) == [("batch_source", "batch_two_sources")]
    assert codes(replace(REQUEST, dataset="pears")) == [("batch_source", "batch_unknown_dataset")]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("localhost:8000", "batch_bad_address"),
        ("ftp://host/v1", "batch_bad_address"),
        ("http://", "batch_bad_address"),
        ("http://[::1", "batch_bad_address"),
        ("http://me:secret@host/v1", "batch_secret_address"),
        ("http://host/v1?key=secret", "batch_secret_address"),
    ],
)
def test_an_address_is_one_of_the_web_and_holds_no_secret(address: str, code: str) -> None:
    (problem,) = find_batch_problems(
        replace(REQUEST, contenders=(Contender("a", "m", address=address),)), {"pairs"}
    )
    assert problem.code == code
    assert "secret" not in str(problem.values)


def test_two_models_cannot_share_a_column() -> None:
    assert codes(replace(REQUEST, contenders=REQUEST.contenders * 2)) == [("batch_models", "batch_same_label")]


def test_what_failed_is_asked_again_and_what_is_answered_is_not() -> None:
    questions = [Question(number, "q") for number in (1, 2, 3)]
    answers = by_cell(answer(1), answer(2, error=Problem("", "endpoint_refused")), answer(3, "other"))
    assert [question.number for question in unanswered(questions, "tiny", answers)] == [2, 3]


def test_the_rest_is_estimated_from_the_last_answers_alone() -> None:
    slow = [replace(answer(number), seconds=100.0) for number in range(5)]
    quick = [answer(number) for number in range(5, 25)]
    assert remaining_s(by_cell(*slow, *quick), 10) == 20.0
    assert remaining_s({}, 10) is None


def test_requests_and_answers_come_back_from_json_as_they_were() -> None:
    contender = Contender("a", "m", ("x", "y"), "http://127.0.0.1:1/v1", True)
    request = BatchRequest("n", "", "q", (contender,), Wording(system="s"), Sampling(stop=("a",), seed=3), 2, 5)
    assert BatchRequest.from_json(json.loads(json.dumps(request.to_json()))) == request
    failed = answer(1, error=Problem("model", "endpoint_refused", {"reason": "no"}))
    assert BatchAnswer.from_json(json.loads(json.dumps(failed.to_json()))) == failed
    question = Question(1, "q", "c", "r", (Turn("user", "a"),))
    assert Question.from_json(json.loads(json.dumps(question.to_json()))) == question


TABLE = BatchTable(
    [Question(3, 'say "a",\nb', "c", "r"), Question(4, "=1+1")],
    ["one", "two"],
    by_cell(answer(3, "one", "一"), answer(3, "two", "", Problem("", "endpoint_refused")), answer(4, "two", "=2")),
)


def test_the_table_is_one_row_a_question_and_one_column_a_model() -> None:
    rows = list(csv.reader(io.StringIO(table_csv(TABLE, lambda problem: problem.code))))
    assert rows == [
        ["row", "question", "context", "reference", "one", "two", "errors"],
        ["3", 'say "a",\nb', "c", "r", "一", "", "two: endpoint_refused"],
        ["4", "=1+1", "", "", "", "=2", ""],
    ]
    assert (TABLE.total, TABLE.answered, TABLE.failed) == (4, 2, 1)


def test_json_lines_hold_what_was_sent_and_all_that_came_back() -> None:
    first, second = map(json.loads, table_jsonl(TABLE).splitlines())
    assert first["messages"] == [{"role": "user", "content": 'say "a",\nb\nc'}]
    assert (first["row"], first["reference"], first["answers"]["one"]["text"]) == (3, "r", "一")
    assert first["answers"]["two"]["error"]["code"] == "endpoint_refused"
    assert list(second["answers"]) == ["two"]
