"""Whatever a row holds, reading it gives a sound row or a fault with words for it, and never a crash."""

import copy
import json
import random
from typing import Any

from studio.core.doctor import DataDoctor
from studio.core.formats import STAGES_OF, detect_format, entry_format
from studio.core.mapping import check_entry, propose_entry
from studio.core.parsing import RowFault, parse_row
from studio.core.rows import Row
from studio.core.statistics import DataStatistics
from studio.core.writing import TARGETS, CannotWrite, engine_row, target_format
from studio.texts import word_fault

MUTATED_ROWS = 100_000
CALL = {"function": {"name": "f", "arguments": '{"a": 1}'}}
SEEDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"instruction": "q", "input": "c", "output": "a", "system": "s", "history": [["x", "y"]]}, {}),
    (
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"formatting": "sharegpt"},
    ),
    (
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "content": "t"},
                {"role": "assistant", "content": "a"},
            ],
            "tools": [{"name": "f"}],
        },
        {"formatting": "messages"},
    ),
    ({"src": ["q", "r"], "tgt": ["a", "b"], "label": [0, 1], "system": "s"}, {"formatting": "erniekit_sft"}),
    (
        {"src": ["q", "r"], "tgt": ["a"], "response": [["x"], ["y"]], "sort": [1, 0], "is_system": 1},
        {"formatting": "erniekit_dpo"},
    ),
    (
        {"instruction": "q", "chosen": "a", "rejected": "b"},
        {"ranking": True, "columns": {"chosen": "chosen", "rejected": "rejected"}},
    ),
    (
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
        {"formatting": "sharegpt", "ranking": True},
    ),
    ({"instruction": "q", "output": "a", "label": True}, {"columns": {"kto_tag": "label"}}),
    ({"text": "t"}, {"formatting": "text"}),
]
JUNK: list[Any] = [
    None,
    "",
    " \n",
    0,
    -1,
    1.5,
    float("nan"),
    True,
    [],
    {},
    [[]],
    [None],
    {"a": {}},
    ["q", "a"],
    "\ud800",
    "\x00",
    "x" * 1000,
    10**30,
    [["a", "b", "c"]],
    {"role": "assistant", "content": "a"},
    [{"role": []}],
    b"bytes",
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside of a value."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        found += places(inner)
    return found


def mutate(row: Any, rng: random.Random) -> Any:
    row = copy.deepcopy(row)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        inside = places(row)
        if not inside:
            return rng.choice(JUNK)
        container, key = rng.choice(inside)
        how = rng.random()
        if how < 0.6:
            container[key] = copy.deepcopy(rng.choice(JUNK))
        elif how < 0.8:
            del container[key]
        elif isinstance(container, list):
            container.insert(rng.randint(0, len(container)), copy.deepcopy(container[key]))
        else:
            container[rng.choice(["role", "content", "from", "src", "system", "zzz"])] = container.pop(key)
    return row


def test_no_mutated_row_crashes_anything() -> None:
    rng = random.Random(0)
    doctor, statistics = DataDoctor(), DataStatistics()
    said: set[str] = set()
    sound = 0
    for number in range(MUTATED_ROWS):
        seed, entry = SEEDS[number % len(SEEDS)]
        raw = mutate(seed, rng)
        try:
            row = parse_row(raw, entry)
        except RowFault as fault:
            said.add(word_fault(fault.code, fault.values, "zh"))
            continue
        sound += 1
        check_sound(row, entry)
        doctor.look(number, row)
        statistics.add(raw, row)
    assert "" not in said
    assert MUTATED_ROWS * 0.1 < sound < MUTATED_ROWS * 0.9


def check_sound(row: Row, entry: dict[str, Any]) -> None:
    """A row that was read can be written, for the engine and in any format that has a place for it."""
    for stage in STAGES_OF[entry_format(entry)]:
        for message in engine_row(row, stage)["messages"]:
            assert message["content"].strip()
    for name in TARGETS:
        target = target_format(name, row)
        try:
            written = target.write(row)
        except CannotWrite:
            continue
        assert parse_row(json.loads(json.dumps(written)), target.entry) == row


def test_no_mutated_file_crashes_its_recognition() -> None:
    rng = random.Random(1)
    for number in range(3000):
        rows = [mutate(SEEDS[(number + i) % len(SEEDS)][0], rng) for i in range(3)]
        objects = [row for row in rows if isinstance(row, dict)]
        if not objects:
            continue
        detect_format(objects)
        try:
            entry = propose_entry(objects)
        except ValueError:
            continue
        assert check_entry(entry) == []
        for row in rows:
            try:
                parse_row(row, entry)
            except RowFault:
                continue
