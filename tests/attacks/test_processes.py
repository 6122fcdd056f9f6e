"""Processes: arguments are lists, no shell reads them, and no data is run as a program."""

import ast
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.core.command import Command
from studio.core.serving import ServePlace, ServeRequest, shown_command, snippets

STUDIO = Path(__file__).parents[2] / "studio"
STARTERS = {"Popen", "run", "call", "check_call", "check_output"}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput"}
# What runs a program that stands in data.
# It exists to let pickles run nothing.
ONLY_DATA = STUDIO / "engine" / "pickles.py"
LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch"}
HOSTILE = (
    "--host=0.0.0.0", "-x", "--", "a b", "a\nb", "a;id", "$(id)", "`id`", "a|id", "a&&id", "'", '"', "\\", "a=b", "*",
    "~", "#", "!", "<x", ">x", "\t", "é", "你好", "\u202e", "", "%s", "{0}", "a'b\"c", "$HOME", "${IFS}",
)  # fmt: skip
Note = Callable[[str, int], None]


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in [*STUDIO.rglob("*.py"), STUDIO.parent / "app.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(STUDIO.parent)}:{node.lineno}", node


def test_no_shell_reads_what_is_started(tried: Note) -> None:
    started = 0
    for place, call in calls():
        function = call.func
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
            continue
        assert not (function.value.id in ("os", "subprocess") and function.attr in SHELLS), place
        assert not any(keyword.arg == "shell" for keyword in call.keywords), place
        if function.value.id == "subprocess" and function.attr in STARTERS:
            started += 1
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), place
    assert started > 5
    tried("processes.shell", started)


def test_nothing_that_was_given_is_run_as_a_program(tried: Note) -> None:
    seen = 0
    for path in STUDIO.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert path == ONLY_DATA or not {name.partition(".")[0] for name in names} & LOADERS, path
            if isinstance(node, ast.Call):
                seen += 1
                assert not (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile")), path
                for keyword in node.keywords:
                    trusts = keyword.arg == "trust_remote_code" or (keyword.arg == "allow_pickle")
                    assert not (
                        trusts and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
                    ), path
    assert seen > 1000
    # One look, at however many calls.
    tried("processes.programs", 1)


def test_a_command_that_is_copied_is_the_command_that_runs(tried: Note) -> None:
    count = 0
    for text in HOSTILE:
        told = Command(("python", "-m", "x", "--to", text), {"KEY": text}, f"/tmp/{text}").shell()
        words = shlex.split(told)
        assert words[:3] == ["cd", f"/tmp/{text}", "&&"]
        assert words[3:] == [f"KEY={text}", "python", "-m", "x", "--to", text]
        request = ServeRequest(f"/models/{text}", name=text, adapters=(f"/a/{text}",))
        shown = shlex.split(shown_command(request, ServePlace("python", "/checkout", "/job")))
        assert shown[shown.index("--model") + 1] == f"/models/{text}"
        assert shown[shown.index("--name") + 1] == text
        found = snippets("http://127.0.0.1:1", text, True, text)
        # Twice: what it is to bash, and what it is to Python.
        assert len(shlex.split(found.curl.replace("\\\n", ""))) == 8
        ast.parse(found.python)
        count += 4
    tried("processes.copied", count)
