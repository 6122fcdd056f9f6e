"""`python -m studio.engine.encode MODEL`: rows as the model sees them, by PaddleFormers' own datasets.

A line of standard input is a request, `{"ask", "stage", "max_seq_len", "rows"}` with rows as
`studio.core.writing.engine_row` writes them; a line of standard output is its answer, one object a row: for
`lengths` `[prompt, response, total]` tokens, for `fits` `[total, skipped]`, for `rows` what `EncodedRow` holds.
Ends when standard input does, so it cannot outlive whoever asked.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studio.errors import StudioError

IGNORED = -100
# Longer than any row, and short enough for the engine's arithmetic.
NO_LIMIT = 10**9
# What every stage accepts; the engine's datasets want a file when they are made.
ANY_ROW = {
    "messages": [{"role": "user", "content": "-"}, {"role": "assistant", "content": "-"}],
    "chosen_response": [{"role": "assistant", "content": "a"}],
    "rejected_response": [{"role": "assistant", "content": "b"}],
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of tokens that make whole characters: their text, how many, and whether they count in the loss.

    `part` is `row`, or in DPO `prompt`, `chosen` or `rejected`; what is `cut` lies behind `max_seq_len`.
    """

    text: str
    tokens: int
    counts: bool
    cut: bool
    special: bool
    part: str


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """What the engine makes of a row: `ids` and `labels` as it feeds them (none when it skips the row)."""

    ids: list[int]
    labels: list[int]
    total: int
    skipped: bool
    pieces: list[Piece]


class RowEncoder:
    """PaddleFormers' datasets with the tokenizer of one model."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.specials = set(self.tokenizer.all_special_ids)
        self._datasets: dict[tuple[str, int], Any] = {}

    def lengths(self, row: dict[str, Any], stage: str) -> list[int]:
        """Tokens of a row of any length: prompt, response (what counts in the loss), and all."""
        sequence = self._sequence(row, stage, NO_LIMIT)
        if sequence is None:
            return [0, 0, 0]
        labels = _labels(sequence)
        response = sum(label != IGNORED for label in labels)
        total = len(sequence.token_ids)
        return [max(0, total - response), response, total]

    def fits(self, row: dict[str, Any], stage: str, max_seq_len: int) -> tuple[int, bool]:
        """Tokens of a row, and whether the engine skips it for nothing of its answer is left at that length."""
        total = self.lengths(row, stage)[-1]
        return total, total > max_seq_len and self._sequence(row, stage, max_seq_len) is None

    def encode(self, row: dict[str, Any], stage: str, max_seq_len: int) -> EncodedRow:
        """What the engine feeds of a row, and the whole row in pieces to look at."""
        whole = self._sequence(row, stage, NO_LIMIT)
        fed = self._sequence(row, stage, max_seq_len)
        ids = [int(token) for token in fed.token_ids] if fed is not None else []
        labels = [int(label) for label in _labels(fed)] if fed is not None else []
        if whole is None:
            return EncodedRow(ids, labels, 0, fed is None, [])
        pieces = self._preference_pieces(whole) if stage == "DPO" else self._pieces(whole, max_seq_len)
        return EncodedRow(ids, labels, len(whole.token_ids), fed is None, pieces)

    def last_answer(self, messages: Sequence[Mapping[str, Any]], answer: str) -> tuple[list[int], int]:
        """The tokens of a conversation with its answer as SFT feeds them, and where what counts of it begins.

        Without a conversation the answer is a text, as pre-training feeds it. The end that the model has to say
        belongs to the answer. Raises StudioError for what the engine skips.
        """
        said = [{"role": str(turn["role"]), "content": str(turn.get("content") or "")} for turn in messages]
        row = {"messages": [*said, {"role": "assistant", "content": answer}]}
        sequence = self._sequence(row, "SFT" if said else "PT", NO_LIMIT)
        labels = [int(label) for label in _labels(sequence)] if sequence is not None else []
        if sequence is None or all(label == IGNORED for label in labels):
            raise StudioError("not_trainable", "messages")
        # A label says what comes after its token. Earlier answers count in training, and not here.
        last = max(place for place, label in enumerate(labels) if label != IGNORED)
        first = last
        while first and labels[first - 1] != IGNORED:
            first -= 1
        ids = [int(token) for token in sequence.token_ids]
        return [*ids[: last + 1], labels[last]], first + 1

    def _sequence(self, row: dict[str, Any], stage: str, max_seq_len: int) -> Any:
        """The engine's sequence of a row, or None when it skips it."""
        dataset = self._dataset(stage, max_seq_len)
        # The engine changes the rows it is given.
        example = dataset.studio_reader._data_check(json.loads(json.dumps(row)))
        if stage == "DPO":
            return dataset._postprocess_sequence(example)
        return dataset._current_processor_func(example, 1)

    def _dataset(self, stage: str, max_seq_len: int) -> Any:
        key = (stage, max_seq_len)
        if key not in self._datasets:
            self._datasets[key] = _make_dataset(self.tokenizer, stage, max_seq_len)
        return self._datasets[key]

    def _pieces(self, sequence: Any, max_seq_len: int) -> list[Piece]:
        ids = [int(token) for token in sequence.token_ids]
        labels = _labels(sequence)
        # A label says what comes after its token; the last one may be a token that is only ever predicted.
        counts = [False, *(label != IGNORED for label in labels[:-1])]
        if labels[-1] != IGNORED:
            ids.append(int(labels[-1]))
            counts.append(True)
            max_seq_len += 1
        return self._group(ids, counts, max_seq_len, "row")

    def _preference_pieces(self, sequence: Any) -> list[Piece]:
        labels = [int(label) for label in sequence.response_labels]
        begin, middle, end = (int(index) for index in sequence.response_index)
        prompt = [int(token) for token in sequence.token_ids[: begin + 1]]
        pieces = self._group(prompt, [False] * len(prompt), NO_LIMIT, "prompt")
        for part, answer in (("chosen", labels[begin:middle]), ("rejected", labels[middle:end])):
            pieces += self._group(answer, [True] * len(answer), NO_LIMIT, part)
        return pieces

    def _group(self, ids: list[int], counts: list[bool], limit: int, part: str) -> list[Piece]:
        pieces: list[Piece] = []
        begun = 0
        for end in range(1, len(ids) + 1):
            special = ids[end - 1] in self.specials
            text = self.tokenizer.decode(ids[begun:end], skip_special_tokens=False)
            kind = (counts[end - 1], end - 1 >= limit, special)
            changes = end == len(ids) or kind != (counts[end], end >= limit, ids[end] in self.specials)
            # Half a character waits for its other half.
            if changes or special or not text.endswith("�"):
                pieces.append(Piece(text, end - begun, *kind, part))
                begun = end
        return pieces


def _labels(sequence: Any) -> Sequence[int]:
    return sequence.response_labels if hasattr(sequence, "response_labels") else sequence.labels


def _make_dataset(tokenizer: Any, stage: str, max_seq_len: int) -> Any:
    from paddleformers.datasets.loader import create_dataset
    from paddleformers.datasets.reader.file_reader import FileReader

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "row.jsonl").write_text(json.dumps(ANY_ROW) + "\n", encoding="utf-8")
        before = Path.cwd()
        # The engine takes spaces out of the paths it is given; a relative one has none.
        os.chdir(folder)
        try:
            dataset: Any = create_dataset(**_dataset_config(tokenizer, stage, max_seq_len))
        finally:
            os.chdir(before)
    dataset.studio_reader = FileReader("row.jsonl", "messages")
    return dataset


def _dataset_config(tokenizer: Any, stage: str, max_seq_len: int) -> dict[str, Any]:
    """What `paddleformers.cli.train` gives its datasets for the configs that the studio writes."""
    return {
        "tokenizer": tokenizer,
        "processor": None,
        "max_seq_len": max_seq_len,
        "random_seed": 0,
        "random_shuffle": False,
        "num_replicas": 1,
        "rank": 0,
        "num_samples_each_epoch": 1,
        "greedy_intokens": False,
        "packing": False,
        "mix_strategy": "concat",
        "encode_one_turn": True,
        "use_template": True,
        "is_pretraining": stage == "PT",
        "truncate_packing": False,
        "stage": stage,
        "template_backend": "jinja",
        "template_instance": None,
        "split_multi_turn": False,
        "dataset_type": "iterator",
        "dataset_num_proc": 1,
        "truncation_strategy": "right",
        "task_group": "row.jsonl",
        "task_group_prob": "1.0",
        "sub_dataset_type": "messages",
        "is_valid": True,
    }


def _answer(encoder: RowEncoder, request: dict[str, Any]) -> list[Any]:
    stage, rows = request["stage"], request["rows"]
    if request["ask"] == "lengths":
        return [encoder.lengths(row, stage) for row in rows]
    if request["ask"] == "fits":
        return [encoder.fits(row, stage, request["max_seq_len"]) for row in rows]
    return [asdict(encoder.encode(row, stage, request["max_seq_len"])) for row in rows]


def main() -> None:
    # The engine prints; what is read by the studio must be the answers alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        from paddleformers.transformers import AutoTokenizer

        encoder = RowEncoder(AutoTokenizer.from_pretrained(sys.argv[1]))
    except Exception as error:
        print(json.dumps({"error": str(error).strip().splitlines()[0][:300]}), file=answers, flush=True)
        return
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            told: dict[str, Any] = {"rows": _answer(encoder, json.loads(line))}
        except Exception as error:
            told = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(told, ensure_ascii=False), file=answers, flush=True)


if __name__ == "__main__":
    main()
