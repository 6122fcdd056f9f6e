"""Scripts and benchmarks are run by hand and seldom: what they take from the studio is still there."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = "#!/usr/bin/env python3"
SCRIPTS = [
    *(
        path
        for path in sorted((ROOT / "scripts").iterdir())
        if path.is_file() and path.read_text(encoding="utf-8").startswith(PYTHON)
    ),
    *sorted((ROOT / "benchmarks").glob("*.py")),
]


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_what_a_script_imports_exists(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ("studio", "tests", "benchmarks"):
            module = importlib.import_module(str(node.module))
            for name in node.names:
                if not hasattr(module, name.name):
                    importlib.import_module(f"{node.module}.{name.name}")
