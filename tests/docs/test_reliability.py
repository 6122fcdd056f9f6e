"""The page about reliability tells the faults that there are, as they were last done."""

import importlib
import inspect
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FAULTS = ROOT / "tests" / "faults"
PAGES = {"english": ROOT / "docs" / "reliability.md", "chinese": ROOT / "docs" / "zh" / "reliability.md"}


def words(language: str) -> set[str]:
    """What each fault says of itself."""
    modules = [importlib.import_module(f"tests.faults.{path.stem}") for path in FAULTS.glob("test_*.py")]
    tests = [test for module in modules for _, test in inspect.getmembers(module, inspect.isfunction)]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", []) if mark.name == "faults"]
    return {mark.kwargs[language] for mark in marks}


@pytest.mark.parametrize("language", PAGES)
def test_the_table_lists_every_fault(language: str) -> None:
    rows = [line.split(" | ") for line in PAGES[language].read_text(encoding="utf-8").splitlines()]
    told = {(row[0].removeprefix("| "), row[2]) for row in rows if len(row) == 6}
    between = ": " if language == "english" else "："
    there = {tuple(text.split(between, 1)) for text in words(language)}
    assert there <= told, there - told


def test_every_fault_is_done_in_a_file_of_the_suite() -> None:
    for path in FAULTS.glob("test_*.py"):
        tests = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("def test_")]
        assert path.read_text(encoding="utf-8").count("\n@fault(") == len(tests), Path(path).name
