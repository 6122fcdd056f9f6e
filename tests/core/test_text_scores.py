"""Text metrics are those of sacrebleu, rouge-score and SQuAD, in English and Chinese."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from studio.core.segmentation import chinese_words, is_mainly_chinese, rouge_words
from studio.core.text_scores import (
    bleu_tokenizer,
    common_length,
    corpus_bleu,
    corpus_chrf,
    score_text,
)

ENGLISH = [
    ("The cat sat on the mat.", "The cat is sitting on the mat."),
    (
        "It is a guide to action which ensures that the military always obeys.",
        "It is a guide to action that ensures that the military will forever heed Party commands.",
    ),
    ("Paris", "The capital of France is Paris, on the Seine."),
    ("I don't know; about 3.14 or 1,000?", "I do not know: 3.14, or 1,000!"),
    ("same words here", "same words here"),
]
CHINESE = [
    ("我今天去北京看天安门。", "今天我去北京参观天安门。"),
    ("自然语言处理是人工智能的一个方向", "自然语言处理是人工智能领域的一个重要方向。"),
    ("使用 PaddlePaddle 3.3 训练模型，学习率为 1e-4", "用PaddlePaddle 3.3训练模型，学习率设为1e-4。"),
    ("不知道", "阿司匹林可以缓解头痛、发热和关节疼痛"),
    ("完全一样的句子", "完全一样的句子"),
]
MIXED = [
    *CHINESE,
    *ENGLISH,
    ("", "nothing said"),
    ("said", ""),
    ("", ""),
    ("😀👍", "😀"),
    ("В лесу", "в лесу ёлка"),
]


class PairTokens:
    """Our words in rouge-score's own scorer."""

    def __init__(self, answer: str, reference: str) -> None:
        said, wanted = rouge_words(answer, reference)
        self.words = {answer: said, reference: wanted}

    def tokenize(self, text: str) -> list[str]:
        return self.words[text]


@pytest.mark.parametrize(("answer", "reference"), MIXED)
def test_rouge_is_what_its_scorer_says_of_the_same_words(answer: str, reference: str) -> None:
    names = ["rouge1", "rouge2", "rougeL"]
    theirs = rouge_scorer.RougeScorer(names, tokenizer=PairTokens(answer, reference)).score(reference, answer)
    ours = score_text(answer, reference)
    assert [getattr(ours, name) for name in names] == pytest.approx([100 * theirs[name].fmeasure for name in names])


@pytest.mark.parametrize(("answer", "reference"), ENGLISH)
def test_rouge_of_english_is_that_of_the_scorer_as_it_comes(answer: str, reference: str) -> None:
    theirs = rouge_scorer.RougeScorer(["rouge1", "rougeL"]).score(reference, answer)
    ours = score_text(answer, reference)
    assert (ours.rouge1, ours.rougeL) == pytest.approx(
        (100 * theirs["rouge1"].fmeasure, 100 * theirs["rougeL"].fmeasure)
    )


@pytest.mark.parametrize(("answer", "reference"), MIXED)
@pytest.mark.parametrize("tokenizer", ["zh", "13a"])
def test_a_row_has_the_sentence_scores_of_sacrebleu(answer: str, reference: str, tokenizer: str) -> None:
    ours = score_text(answer, reference, tokenizer)
    assert ours.bleu4 == sacrebleu.sentence_bleu(answer, [reference], tokenize=tokenizer).score
    assert ours.chrf == pytest.approx(sacrebleu.sentence_chrf(answer, [reference]).score)
    assert ours.tokenizer == tokenizer


@pytest.mark.parametrize("pairs", [ENGLISH, CHINESE, MIXED, MIXED[-5:], ENGLISH[2:3]])
@pytest.mark.parametrize("tokenizer", ["zh", "13a"])
def test_summed_counts_give_the_corpus_scores_of_sacrebleu(pairs: list[tuple[str, str]], tokenizer: str) -> None:
    scores = [score_text(answer, reference, tokenizer) for answer, reference in pairs]
    answers, references = (list(texts) for texts in zip(*pairs, strict=True))
    bleu = np.array([score.bleu_counts for score in scores], dtype=float).sum(axis=0, keepdims=True)
    chrf = np.array([score.chrf_counts for score in scores], dtype=float).sum(axis=0, keepdims=True)
    assert corpus_bleu(bleu)[0] == pytest.approx(
        sacrebleu.corpus_bleu(answers, [references], tokenize=tokenizer).score
    )
    assert corpus_chrf(chrf)[0] == pytest.approx(sacrebleu.corpus_chrf(answers, [references]).score)


texts = st.text(alphabet="ab 我是。.,A😀", max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_any_texts_score_as_the_libraries_score_them(pairs: list[tuple[str, str]]) -> None:
    test_summed_counts_give_the_corpus_scores_of_sacrebleu(pairs, "13a")
    for answer, reference in pairs:
        test_rouge_is_what_its_scorer_says_of_the_same_words(answer, reference)


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")))
def test_a_common_subsequence_is_as_long_as_by_the_table(first: list[str], second: list[str]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, left in enumerate(first, 1):
        for j, right in enumerate(second, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if left == right else max(table[i - 1][j], table[i][j - 1])
    assert common_length(first, second) == table[-1][-1]


@pytest.fixture
def jieba_itself(tmp_path: Path) -> ModuleType:
    """jieba as it comes, silent, and with its file elsewhere."""
    jieba = importlib.import_module("jieba")
    jieba.setLogLevel("ERROR")
    jieba.dt.tmp_dir = str(tmp_path)
    return jieba


def test_chinese_is_cut_by_jieba_whoever_added_words_to_the_shared_one(jieba_itself: ModuleType) -> None:
    before = chinese_words("我来到北京清华大学，学习 ＡＩ！")
    assert before == ["我", "来到", "北京", "清华大学", "学习", "ai"]
    jieba_itself.add_word("来到北京清华")
    try:
        assert jieba_itself.lcut("我来到北京清华大学")[1] == "来到北京清华"
        assert chinese_words("我来到北京清华大学，学习 ＡＩ！") == before
    finally:
        jieba_itself.del_word("来到北京清华")


def test_a_long_text_is_cut_as_jieba_cuts_the_whole(jieba_itself: ModuleType) -> None:
    text = (
        "自然语言处理是人工智能领域的一个重要方向,我来到北京清华大学。阿司匹林可以缓解头痛、发热和关节疼痛\n" * 200
    )
    assert chinese_words(text) == [word for word in jieba_itself.lcut(text) if word not in ",。、\n"]


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("The Eiffel Tower!", "eiffel tower", 100.0),
        # Two of three words, two of two: precision 2/3, recall 1.
        ("in Paris France", "Paris, France", 80.0),
        ("清华大学。", "清华大学", 100.0),
        # 北京 of (北京), 北京 of (我, 来到, 北京): precision 1, recall 1/3.
        ("北京", "我来到北京！", 50.0),
        ("", "", 100.0),
        ("the", "，", 100.0),
        ("", "x", 0.0),
        ("１２３", "123", 100.0),
        ("it it it", "it", 50.0),
    ],
)
def test_token_f1_counts_words_as_squad_does(answer: str, reference: str, f1: float) -> None:
    assert score_text(answer, reference).f1 == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "reference", "exact"),
    [
        (" yes\n", "yes", 100),
        ("Ｂ：１", "B:1", 100),
        ("Yes", "yes", 0),
        ("yes.", "yes", 0),
        ("", " ", 100),
        ("é", "é", 100),
    ],
)
def test_an_exact_match_forgives_only_space_and_width(answer: str, reference: str, exact: float) -> None:
    assert score_text(answer, reference).exact == exact


def test_other_scripts_are_words_too() -> None:
    assert score_text("В лесу родилась ёлочка", "В лесу родилась ёлочка").rougeL == 100


def test_the_references_decide_on_the_tokenizer() -> None:
    assert bleu_tokenizer(["我喜欢 PaddlePaddle", "好"]) == "13a"
    assert bleu_tokenizer(["我很喜欢用 Paddle", "这是一个很好的框架"]) == "zh"
    assert not is_mainly_chinese(["", "123 😀"])


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("啊" * 33_000, "啊" * 33_000),
        ("龘" * 33_000, "龘"),
        ("word " * 20_000, "two word " * 11_000),
        ("a" * 100_000, "b"),
    ],
)
def test_texts_of_100_kb_are_scored(answer: str, reference: str) -> None:
    score = score_text(answer, reference)
    assert 0 <= min(score.f1, score.rougeL, score.bleu4, score.chrf) <= 100


@pytest.mark.parametrize("tokenizer", ["zh", "13a"])
def test_the_library_keeps_no_text(tokenizer: str) -> None:
    score_text("一个很长的回答 " * 5000, "reference", tokenizer)
    module = importlib.import_module(f"sacrebleu.tokenizers.tokenizer_{tokenizer}")
    cutter = {"zh": "TokenizerZh", "13a": "Tokenizer13a"}[tokenizer]
    for kept in (getattr(module, cutter), module.TokenizerRegexp):
        assert kept.__call__.cache_info().currsize == 0


def test_half_a_character_is_scored_too() -> None:
    assert score_text("\ud800", "我\ud800").exact == 0


def test_scoring_loads_its_libraries_when_a_text_is_scored_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = """
import sys
import studio.core.scoring, studio.core.answers, studio.core.judging
heavy = {"jieba", "sacrebleu", "rouge_score", "nltk", "scipy"}
print(sorted(heavy & sys.modules.keys()))
from studio.core.scoring import score_text
score_text("我来到北京", "北京")
score_text("in Paris", "Paris")
print(sorted(heavy & sys.modules.keys()))
"""
    command = [sys.executable, "-W", "error", "-c", script]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[]", "['jieba', 'rouge_score', 'sacrebleu']"]
    assert list(tmp_path.iterdir()) == []
