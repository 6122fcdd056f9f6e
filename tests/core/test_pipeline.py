"""Steps over rows are pure, and a pipeline that a person wrote is checked as a whole."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.pipeline import (
    STEPS,
    Step,
    apply_step,
    check_pipeline,
    fits_length,
    question_of,
    read_pipeline,
    split_rows,
    take_source,
    with_question,
)
from studio.core.rows import Row, Turn
from studio.texts import word_problem


def row(question: str = "高血压怎么办？", answer: str = "遵医嘱。", context: str = "") -> Row:
    asked = Row(turns=(Turn("system", "s"), Turn("user", question), Turn("assistant", answer)))
    return with_question(asked, question, context)


def asked(rows: list[Row]) -> list[str]:
    return [made.turns[1].content for made in rows]


def apply(kind: str, given: Row, seed: str = "1", **settings: Any) -> list[Row]:
    return apply_step(Step(kind, settings), given, seed)


def test_the_question_is_told_from_its_context() -> None:
    assert asked([row(context="背景")]) == ["高血压怎么办？\n背景"]
    assert question_of(row(context="背景")) == "高血压怎么办？"
    assert question_of(Row(text="plain")) == ""


def test_banned_phrases_are_found_in_any_turn_and_any_case() -> None:
    assert apply("banned", row(answer="Click HERE now"), phrases=["here"]) == []
    assert apply("banned", row(), phrases=["广告"]) == [row()]
    assert apply("banned", Row(text="含广告的文本"), phrases=["广告"]) == []


def test_a_missing_context_is_filled_and_a_given_one_stays() -> None:
    (filled,) = apply("fill_context", row(), text="关于{question}")
    assert (filled.context, asked([filled])) == ("关于高血压怎么办？", ["高血压怎么办？\n关于高血压怎么办？"])
    assert apply("fill_context", row(context="背景"), text="x") == [row(context="背景")]


def test_synonyms_change_the_question_and_leave_the_answer() -> None:
    words = {"高血压": ["原发性高血压"], "血压": ["X"]}
    first, second = apply("synonyms", row(answer="高血压要控制。"), words=words)
    assert asked([first, second]) == ["高血压怎么办？", "原发性高血压怎么办？"]
    assert second.turns[2].content == "高血压要控制。"
    assert len(apply("synonyms", row(), words=words, add=False)) == 1
    assert apply("synonyms", row("头痛？"), words=words) == [row("头痛？")]


def test_a_share_is_a_share_and_the_same_for_the_same_seed() -> None:
    made = [len(apply("rewrite", row(), str(i), forms=["请问，{question}"], share=0.3)) for i in range(1000)]
    assert 250 < sum(count == 2 for count in made) < 350
    again = [len(apply("rewrite", row(), str(i), forms=["请问，{question}"], share=0.3)) for i in range(1000)]
    assert made == again


def test_a_rewritten_question_keeps_its_context() -> None:
    (made,) = apply("rewrite", row(context="背景"), forms=["请问，{question}"], add=False)
    assert (asked([made]), made.context) == (["请问，高血压怎么办？\n背景"], "背景")


def test_a_template_puts_question_and_context_where_it_says() -> None:
    forms = {"with_context": "知识：{context}\n问题：{question}", "without_context": "问题：{question}"}
    assert asked(apply("template", row(context="背景{question}"), **forms)) == [
        "知识：背景{question}\n问题：高血压怎么办？"
    ]
    assert asked(apply("template", row(), **forms)) == ["问题：高血压怎么办？"]
    assert apply("template", Row(text="plain"), **forms) == [Row(text="plain")]


def test_lengths_are_kept_between_their_bounds() -> None:
    step = Step("length", {"part": "response", "min": 3, "max": 5})
    assert [fits_length(step, (100, n, 100 + n)) for n in (2, 3, 5, 6)] == [False, True, True, False]
    assert fits_length(Step("length", {"max": 9}), (5, 4, 9))


@given(st.integers(0, 300), st.floats(0.01, 5), st.integers(0, 9))
def test_a_source_gives_its_rows_as_often_as_its_weight_says(count: int, weight: float, seed: int) -> None:
    taken = take_source(count, weight, random.Random(seed))
    assert abs(len(taken) - count * weight) <= 0.5 + 1e-6
    times = Counter(taken).values()
    assert not times or max(times) - min([*times, *([0] if len(times) < count else [])]) <= 1


@given(
    st.lists(st.sampled_from(["zh", "en", "other"]), max_size=400),
    st.sampled_from([{"train": 0.8, "validation": 0.1, "test": 0.1}, {"a": 0.5, "b": 0.5}, {"x": 0.99, "y": 0.01}]),
    st.integers(0, 5),
)
def test_a_split_has_the_shares_in_the_whole_and_in_every_stratum(
    strata: list[str], parts: dict[str, float], seed: int
) -> None:
    placed = split_rows(strata, parts, seed)
    assert len(placed) == len(strata)
    for name, share in parts.items():
        assert abs(placed.count(name) - share * len(strata)) <= 1 + 1e-6
        for stratum in set(strata):
            inside = [part for part, other in zip(placed, strata, strict=True) if other == stratum]
            assert abs(inside.count(name) - share * len(inside)) <= 2 + 1e-6
    assert placed == split_rows(strata, parts, seed)


GOOD: dict[str, Any] = {
    "sources": [{"dataset": "a", "weight": 2}, {"dataset": "b"}],
    "seed": 7,
    "rows": 100,
    "steps": [
        {"length": {"part": "total", "min": 2, "max": 9}},
        {"banned": {"phrases": ["x"]}},
        {"fill_context": {"text": "无"}},
        {"synonyms": {"words": {"a": ["b"]}, "share": 0.5, "add": True}},
        {"rewrite": {"forms": ["?{question}"]}},
        {"template": {"with_context": "{context}{question}", "without_context": "{question}"}},
        {"doctor": {"drop": ["duplicate"], "against": "b"}},
    ],
    "split": {"parts": {"train": 0.9, "test": 0.1}, "by": "language"},
}


def test_a_pipeline_is_read_as_it_is_written() -> None:
    assert check_pipeline(GOOD) == []
    pipeline = read_pipeline(GOOD)
    assert [step.kind for step in pipeline.steps] == list(STEPS)
    assert (pipeline.sources[0].weight, pipeline.seed, pipeline.rows, pipeline.by) == (2, 7, 100, "language")
    assert pipeline.needs_tokens


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"sources": []}, "sources", "pipeline_no_sources"),
        ({"sources": ["a"]}, "sources[0]", "pipeline_no_dataset"),
        ({"sources": [{"dataset": "a", "weight": 0}]}, "sources[0].weight", "pipeline_not_weight"),
        ({"sources": [{"dataset": "a", "wait": 1}]}, "sources[0].wait", "pipeline_unknown"),
        ({"stepz": []}, "stepz", "pipeline_unknown"),
        ({"seed": -1}, "seed", "pipeline_not_count"),
        ({"rows": 0}, "rows", "pipeline_not_count"),
        ({"rows": True}, "rows", "pipeline_not_count"),
        ({"steps": {}}, "", ""),
        ({"steps": {"banned": {}}}, "steps", "pipeline_no_list"),
        ({"steps": ["banned"]}, "steps[0]", "pipeline_not_a_step"),
        ({"steps": [{"ban": {}}]}, "steps[0]", "pipeline_unknown"),
        ({"steps": [{"banned": ["x"]}]}, "steps[0].banned", "pipeline_no_mapping"),
        ({"steps": [{"banned": {}}]}, "steps[0].banned.phrases", "pipeline_missing"),
        ({"steps": [{"banned": {"phrases": [""]}}]}, "steps[0].banned.phrases", "pipeline_not_texts"),
        ({"steps": [{"length": {"min": 9, "max": 2}}]}, "steps[0].length.min", "pipeline_min_above_max"),
        ({"steps": [{"length": {"part": "all"}}]}, "steps[0].length.part", "pipeline_not_part"),
        ({"steps": [{"length": {"max": -3}}]}, "steps[0].length.max", "pipeline_not_count"),
        ({"steps": [{"synonyms": {"words": {"a": "b"}}}]}, "steps[0].synonyms.words", "pipeline_not_words"),
        ({"steps": [{"rewrite": {"forms": ["x"]}}]}, "steps[0].rewrite.forms", "pipeline_not_forms"),
        (
            {"steps": [{"rewrite": {"forms": ["{question}"], "share": 2}}]},
            "steps[0].rewrite.share",
            "pipeline_not_share",
        ),
        (
            {"steps": [{"rewrite": {"forms": ["{question}"], "add": 1}}]},
            "steps[0].rewrite.add",
            "pipeline_not_switch",
        ),
        ({"steps": [{"fill_context": {"text": "{answer}"}}]}, "steps[0].fill_context.text", "pipeline_not_form"),
        ({"steps": [{"doctor": {"drop": ["typo"]}}]}, "steps[0].doctor.drop", "pipeline_not_findings"),
        ({"steps": [{"doctor": {"drop": ["too_long"]}}]}, "steps[0].doctor.drop", "pipeline_not_findings"),
        ({"split": {"parts": {"a": 0.5}}}, "split.parts", "pipeline_not_parts"),
        ({"split": {"parts": {"a": 1}, "by": "size"}}, "split.by", "pipeline_unknown"),
        ({"split": [1]}, "split", "pipeline_no_mapping"),
    ],
)
def test_what_is_wrong_with_a_pipeline_is_said_at_its_place(change: dict[str, Any], field: str, code: str) -> None:
    found = check_pipeline({**GOOD, **change})
    if code:
        assert [(problem.field, problem.code) for problem in found] == [(field, code)]
        assert word_problem(found[0], "en")
    else:
        assert found == []


@pytest.mark.parametrize("config", [None, [], "text", 3])
def test_what_is_no_pipeline_at_all_is_said(config: object) -> None:
    assert [problem.code for problem in check_pipeline(config)] == ["pipeline_no_mapping"]
