"""Tables of the documentation that a suite's own output fills."""

import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

Run = Callable[[Sequence[str]], int]


def run_reported(run: Run) -> tuple[int, list[ElementTree.Element] | None]:
    """Run a suite with further arguments to pytest; its exit status, and its tests where it came to report them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # What tests note beside their results is kept by xunit1.
        status = run([f"--junitxml={report}", "-o", "junit_family=xunit1"])
        return status, list(ElementTree.parse(report).getroot().iter("testcase")) if report.exists() else None


def as_table(told: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A sentence and the Markdown table below it."""
    lines = [told, "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def put_table(page: Path, mark: str, table: str) -> None:
    """Replace what stands in a page between `<!-- mark -->` and `<!-- /mark -->`."""
    between = re.compile(rf"(<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)", re.DOTALL)
    text = page.read_text(encoding="utf-8")
    page.write_text(between.sub(lambda found: found[1] + table, text), encoding="utf-8")
