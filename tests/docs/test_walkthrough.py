"""The walkthrough's commands, one after the other, on a home of their own with the real engine."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.actions import tokens
from studio.actions.home import make_demo_model, open_home
from studio.actions.serving import list_servers, stop_server
from studio.actions.tokens import Encoders
from studio.cli import main
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.runs import RunPaths, find_run_folders
from tests.docs.pages import COMMAND, DOCS, blocks
from tests.engine.conftest import warm_engine

PAGE = DOCS / "walkthrough.md"
# Blocks that run anywhere; those of `sh` need a GPU, a network or a file of yours.
RUNNABLE = [line for block in blocks(PAGE) if block.language == "bash" for line in block.text.splitlines()]
FILES = {"raw.csv": ("csv", 0), "questions.csv": ("csv", 1), "medical.yaml": ("yaml", 0)}
# Training is cut short: here it is only asked whether each step takes what the one before has made.
SHORT = ("max_steps=2", "eval_steps=1", "save_steps=1")


class SharedEncoders:
    """Encoders that outlive the command that closes them."""

    def __init__(self, shared: Encoders) -> None:
        self._shared = shared

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shared, name)

    def close(self) -> None:
        pass


@pytest.fixture
def walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = open_home(tmp_path / "home")
    make_demo_model(home)
    for name, (language, number) in FILES.items():
        found = [block for block in blocks(PAGE) if block.language == language]
        (home.root / name).write_text(found[number].text, encoding="utf-8")
    monkeypatch.chdir(home.root)
    # One tokenizer process for all commands, each of which would start its own.
    encoders = Encoders()
    monkeypatch.setattr(tokens, "Encoders", lambda: SharedEncoders(encoders))
    with warm_engine(home):
        yield home
        encoders.close()
        for server in list_servers(home):
            if server.state == "running":
                stop_server(home, server.name)
    assert [each for folder in find_run_folders(home) for each in processes_of(RunPaths(folder).job)] == []


def test_the_page_names_the_files_that_it_gives() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in FILES:
        assert f"`{name}`" in text
    assert len(RUNNABLE) >= 25
    assert all(line.startswith(COMMAND) for line in RUNNABLE)


@pytest.mark.slow
def test_the_walkthrough_leads_from_data_to_a_server(walked: Home, capsys: pytest.CaptureFixture[str]) -> None:
    told: dict[str, Any] = {}
    for line in RUNNABLE:
        command, *argv = shlex.split(line.removeprefix(COMMAND))
        short = SHORT if command == "train" else ()
        status = main(["--home", str(walked.root), command, *short, *argv, "--json"])
        answer = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert status == 0, (line, answer)
        told[line] = answer

    def answer_to(words: str) -> Any:
        return next(answer for line, answer in told.items() if words in line)

    # What the page promises of the data.
    assert answer_to("datasets add raw.csv")["rows"] == 10
    assert len(answer_to("datasets check visits")["faults"]) == 1
    assert answer_to("--as visits-clean")["dataset"]["rows"] == 8
    made = [version["dataset"]["name"] for version in answer_to("--as med")["made"]]
    assert made == ["med-train", "med-validation", "med-test"]
    # Every run ended well, the merge was proven, and the tables are there.
    for name in ("med-pt", "med-sft", "med-lora", "med-dpo"):
        assert answer_to(f"--name {name} --wait")["state"] == "finished"
    assert answer_to("export med-dpo")["report"]["verdict"] == "PASS"
    assert (walked.root / "report.md").read_text(encoding="utf-8").startswith("#")
    assert (walked.root / "answers.csv").read_text(encoding="utf-8").count("打鼾") == 1
    assert answer_to("servers start --model med-final --name medical --wait")["health"] == "ready"
