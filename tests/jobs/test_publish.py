"""What goes round with a published model."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.jobs.publish import REPORT, publish
from studio.stores.atomic import write_json


@pytest.fixture(autouse=True)
def same_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_published_report_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    job, source = tmp_path / "job", tmp_path / "work" / "export"
    source.mkdir(parents=True)
    told = {"base": "/home/me/models/b", "adapters": ["/s/lora/a", "/s/lora/a/checkpoint-5"], "verdict": "PASS"}
    write_json(job / REPORT, told)
    publish(source, tmp_path / "target", job)
    public = json.loads((tmp_path / "target" / REPORT).read_text())
    assert public == {"base": "b", "adapters": ["a", "a/checkpoint-5"], "verdict": "PASS", "seconds": {}}
    assert json.loads((job / REPORT).read_text())["base"] == "/home/me/models/b"
