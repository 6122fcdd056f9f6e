"""Every text exists in both languages, and everything that can be said has a text."""

import ast
import string
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import studio.texts
from studio.core.formats import FORMATS
from studio.core.options import OPTIONS
from studio.core.runs import ACTIVE_STATES
from studio.errors import Problem, RequestRefused, StudioError
from studio.texts import TEXTS, problem_key, say, word_error, word_problem

# What carries its values as a mapping, with how many arguments stand before it.
WITHOUT_VALUES = {"Problem": 2, "Fault": 4}
# Whose errors are told with more than they were raised with.
ADDED = {"push.py": {"hub", "repository"}}
STUDIO = Path(__file__).parents[2] / "studio"
ERRORS = {"StudioError": "error", "NotFound": "error", "StoreFailed": "error", "JobFailed": "error"}


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_no_text_is_empty_and_both_languages_take_the_same_values() -> None:
    for key, (english, chinese) in TEXTS.items():
        assert english.strip(), key
        assert chinese.strip(), key
        assert fields_of(english) == fields_of(chinese), key


def test_no_text_takes_the_place_of_another() -> None:
    modules = [import_module(f"studio.texts.{one.name}") for one in iter_modules(studio.texts.__path__)]
    keys = Counter(key for module in modules for key in module.TEXTS)
    assert [key for key, count in keys.items() if count > 1] == []
    assert keys.keys() == TEXTS.keys()


def test_every_option_and_group_has_label_and_help() -> None:
    wanted = {f"option.{spec.name}" for spec in OPTIONS} | {f"option.{spec.name}.help" for spec in OPTIONS}
    wanted |= {f"group.{spec.group}" for spec in OPTIONS}
    assert wanted - TEXTS.keys() == set()


def test_every_format_and_state_has_a_name() -> None:
    states = {*ACTIVE_STATES, "finished", "stopped", "failed", "lost", "prepared"}
    assert {f"state.{state}" for state in states} | {f"format.{name}" for name in FORMATS} <= TEXTS.keys()


def given_values(call: ast.Call) -> set[str] | None:
    """The names of the values that a text is given; None where that is not seen from here."""
    if isinstance(call.func, ast.Name) and call.func.id in WITHOUT_VALUES:
        rest = call.args[WITHOUT_VALUES[call.func.id] :]
        if not rest:
            return set()
        keys = rest[0].keys if isinstance(rest[0], ast.Dict) else [None]
        return None if None in keys else {str(key.value) for key in keys if isinstance(key, ast.Constant)}
    names = [keyword.arg for keyword in call.keywords]
    return None if None in names else {name for name in names if name}


def test_every_text_is_given_the_values_that_it_takes() -> None:
    found = 0
    for path in STUDIO.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            given = given_values(node) if isinstance(node, ast.Call) else None
            if given is None:
                continue
            given |= ADDED.get(path.name, set()) | ({"reason"} if "fault" in given else set())
            for kind, code in codes_of(node):
                key = key_of(kind, code)
                if key in TEXTS:
                    found += 1
                    assert fields_of(TEXTS[key][0]) <= given, (path.name, key)
    assert found > 500


def raised_codes() -> list[tuple[str, str]]:
    """(kind, code) of every literal that the code raises or returns."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in STUDIO.rglob("*.py"))
    return [
        code for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) for code in codes_of(node)
    ]


def key_of(kind: str, code: str) -> str:
    return code if kind == "say" else problem_key(code) if kind == "problem" else f"{kind}.{code}"


def codes_of(call: ast.Call) -> list[tuple[str, str]]:
    """(kind, code) of the literals that a call may word, raise or return."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    position = 1 if name in ("Problem", "RowFault") else 3 if name == "Fault" else 0
    kind = {"Problem": "problem", "RowFault": "fault", "Fault": "fault", "say": "say", **ERRORS}.get(name)
    if kind is None or len(call.args) <= position:
        return []
    choices = [call.args[position]]
    if isinstance(choices[0], ast.IfExp):
        choices = [choices[0].body, choices[0].orelse]
    return [(kind, c.value) for c in choices if isinstance(c, ast.Constant) and isinstance(c.value, str)]


def test_every_code_that_the_program_can_raise_is_worded() -> None:
    codes = raised_codes()
    assert len(codes) > 100
    missing = {key for kind, code in codes if (key := key_of(kind, code)) not in TEXTS}
    # Only the model's own server raises this, and words it in its protocol's language.
    assert missing - {"error.prompt_too_long"} == set()


def test_a_problem_is_worded_with_its_values() -> None:
    problem = Problem("learning_rate", "not_float", {"given": "abc"})
    assert word_problem(problem, "en") == "“abc” is not a number. Give one such as 0.001 or 1e-3."
    assert word_problem(problem, "zh").startswith("“abc” 不是数字")


def test_a_fault_inside_a_problem_is_worded_in_the_same_language() -> None:
    values = {
        "name": "d",
        "count": 2,
        "rows": 9,
        "file": "d.jsonl",
        "line": 7,
        "field_name": "output",
        "fault": "empty",
    }
    problem = Problem("datasets", "dataset_faulty", values)
    assert word_problem(problem, "en").startswith(
        "d has 2 faulty rows of 9. The first: d.jsonl, line 7, field output: the field is empty."
    )
    assert "该字段为空" in word_problem(problem, "zh")


def test_an_error_at_a_field_is_worded_as_the_error() -> None:
    told = {"given": "bomb.jsonl.gz"}
    problem = Problem("datasets", "unpacks_to_too_much", told)
    assert word_problem(problem, "zh") == word_error(StudioError("unpacks_to_too_much", "file", **told), "zh")
    # A text twice would one day differ.
    twice = [key for key in TEXTS if key.startswith("problem.") and TEXTS[key] == TEXTS.get(f"error.{key[8:]}")]
    assert twice == []


def test_a_refused_request_tells_all_of_its_problems() -> None:
    refused = RequestRefused([Problem("model", "no_model"), Problem("seed", "not_int", {"given": "x"})])
    assert len(word_error(refused, "en").splitlines()) == 2


def test_a_missing_text_is_a_defect_not_a_blank() -> None:
    with pytest.raises(KeyError):
        say("no.such.key")
    with pytest.raises(KeyError):
        word_error(StudioError("no_such_code"), "en")


@pytest.mark.parametrize("script", ["options", "troubleshooting"])
def test_a_reference_is_what_the_program_says(script: str) -> None:
    command = [sys.executable, f"scripts/{script}", "--check"]
    assert subprocess.run(command, cwd=STUDIO.parent, check=False).returncode == 0
