"""The examples of the page on formats are registered, and read as the page says."""

import json
from pathlib import Path

import pytest

from studio.actions.datasets import add_dataset, inspect_file
from studio.actions.rows import iter_rows
from studio.core.formats import FORMATS, STAGES_OF, entry_format
from studio.core.rows import Row
from studio.core.writing import engine_row
from studio.stores.home import Home
from studio.stores.registry import find_entry
from tests.docs.pages import DOCS, Block, blocks

PAGE = DOCS / "formats.md"
FILES = [block for block in blocks(PAGE) if len(block.names) == 1]
MAPPINGS = {block.names[1]: json.loads(block.text) for block in blocks(PAGE) if block.names[:1] == ("mapping",)}
# By the name of the example: its format, its rows, and what the engine gets of the first.
MEANT = {
    "alpaca.json": ("alpaca", 2, "What does the leaflet advise?\nTake one tablet with water."),
    "columns.csv": ("alpaca", 2, "How long is the cast worn?"),
    "sharegpt.jsonl": ("sharegpt", 1, "My ankle is swollen."),
    "messages.jsonl": ("messages", 2, "Be short."),
    "erniekit_sft.jsonl": ("erniekit_sft", 1, "Be short."),
    "erniekit_dpo.jsonl": ("erniekit_dpo", 1, "Which department treats gout?"),
    "preference.jsonl": ("preference", 1, "Can I drive after the drops?"),
    "pairs.jsonl": ("preference", 1, "Can I drive after the drops?"),
    "kto.jsonl": ("kto", 1, "May I take two?"),
    "text.jsonl": ("text", 1, "A cast keeps a broken bone still while it heals."),
    "text.txt": ("text", 2, "A cast keeps a broken bone still while it heals."),
    "images.jsonl": ("messages", 1, "<image>Which bone is this?"),
}


def written(block: Block, folder: Path) -> Path:
    path = folder / block.names[0]
    path.write_text(block.text, encoding="utf-8")
    return path


def test_every_format_has_an_example() -> None:
    assert [block.names[0] for block in FILES] == list(MEANT)
    assert {meant[0] for meant in MEANT.values()} == set(FORMATS)
    assert MAPPINGS.keys() <= MEANT.keys()


@pytest.mark.parametrize("block", FILES, ids=lambda block: block.names[0])
def test_an_example_is_registered_and_read(home: Home, tmp_path: Path, block: Block) -> None:
    formatting, count, said = MEANT[block.names[0]]
    add_dataset(home, written(block, tmp_path), "example")
    assert entry_format(find_entry(home, "example")) == formatting
    rows = [row for _, _, row in iter_rows(home, "example")]
    assert len(rows) == count
    for row in rows:
        assert isinstance(row, Row), row
        for stage in STAGES_OF[formatting]:
            assert engine_row(row, stage)["messages"]
    first = rows[0]
    assert isinstance(first, Row)
    assert (first.text if formatting == "text" else first.turns[0].content) == said


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_reads_the_file_as_it_is_recognised(tmp_path: Path, name: str) -> None:
    (block,) = (block for block in FILES if block.names[0] == name)
    path = written(block, tmp_path)
    recognised, mapped = inspect_file(path), inspect_file(path, MAPPINGS[name])
    assert (mapped.format, mapped.fault_count) == (recognised.format, 0)
    assert mapped.sample == recognised.sample


def test_labels_and_rankings_mean_what_the_page_says(home: Home, tmp_path: Path) -> None:
    by_name = {block.names[0]: block for block in FILES}
    add_dataset(home, written(by_name["messages.jsonl"], tmp_path), "masked")
    add_dataset(home, written(by_name["erniekit_dpo.jsonl"], tmp_path), "ranked")
    second = [row for _, _, row in iter_rows(home, "masked")][1]
    (pair,) = (row for _, _, row in iter_rows(home, "ranked"))
    assert isinstance(second, Row)
    assert isinstance(pair, Row)
    assert engine_row(second, "SFT")["label"] == [0, 1]
    assert engine_row(pair, "DPO")["chosen_response"] == [{"role": "assistant", "content": "Rheumatology."}]
