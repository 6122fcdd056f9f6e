"""The command line: names, exit statuses, and one JSON object at the end of standard output."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main, read_flags
from studio.stores.home import Home
from tests.conftest import write_jsonl

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: str) -> tuple[int, Any]:
        status = main(["--home", str(home.root), *argv, "--json"])
        return status, json.loads(capsys.readouterr().out.splitlines()[-1])

    return call


TINY = ("model_name_or_path=tiny", "datasets=pairs", "eval_dataset=none")


def test_the_home_stands_before_or_after_the_command(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--home", str(home.root), "datasets", "list"], ["datasets", "list", "--home", str(home.root)]):
        assert main(argv) == 0
        assert "pairs" in capsys.readouterr().out


def test_keys_stand_before_and_behind_flags() -> None:
    flags = read_flags(["resume", "a", "max_steps=4", "--checkpoint", "3", "save_steps=2", "--json"])
    assert (flags.of, flags.checkpoint, flags.keys, flags.json) == ("a", 3, ["max_steps=4", "save_steps=2"], True)
    for argv in (["resume", "a", "--chekpoint=3"], ["runs", "a=b"], ["stop", "a", "b=c"]):
        with pytest.raises(SystemExit):
            read_flags(argv)


def test_a_reader_that_has_seen_enough_is_no_error(home: Home) -> None:
    write_jsonl(home.data / "pairs.jsonl", [{"instruction": "a" * 1000, "output": "b"}] * 500)
    argv = [sys.executable, "-m", "studio", "--home", str(home.root), "datasets", "show", "pairs", "--size", "500"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_datasets_are_added_listed_checked_and_shown(run: Run, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "x.jsonl", [{"instruction": "a", "output": "b"}, {"instruction": "a"}])
    status, added = run("datasets", "add", str(file), "--name", "mine")
    assert (status, added["name"], added["format"]) == (0, "mine", "alpaca")
    status, checked = run("datasets", "check", "mine")
    assert (status, checked["rows"], checked["format"]) == (0, 2, "alpaca")
    assert [(fault["line"], fault["field"], fault["code"]) for fault in checked["faults"]] == [
        (2, "output", "missing")
    ]
    status, page = run("datasets", "show", "mine", "--page", "2", "--size", "1")
    assert (status, page["rows"]) == (0, [{"instruction": "a"}])
    assert [entry["name"] for entry in run("datasets", "list")[1]["datasets"]] == ["pairs", "plain", "mine"]


def test_a_fault_is_told_in_words(run: Run, home: Home) -> None:
    (home.data / "pairs.jsonl").write_text('{"messages": []}\n')
    _, checked = run("datasets", "check", "pairs")
    assert checked["faults"][0]["text"] == "the field is empty"


def test_a_run_is_trained_listed_and_shown(run: Run, fake_engine: Callable[[str], None]) -> None:
    status, view = run("train", *TINY, "--name", "r1", "--wait")
    assert (status, view["run"], view["state"]) == (0, "tiny/full/r1", "finished")
    assert Path(view["path"]).is_dir()
    assert [entry["run"] for entry in run("runs")[1]["runs"]] == ["tiny/full/r1"]
    assert run("runs", "show", "r1")[1]["state"] == "finished"


def test_a_run_is_stopped(run: Run, fake_engine: Callable[[str], None]) -> None:
    fake_engine("hang")
    run("train", *TINY, "--name", "r1")
    status, view = run("stop", "r1", "--now")
    assert (status, view["state"]) == (0, "stopped")
    status, refused = run("stop", "r1")
    assert (status, refused["error"]) == (1, "tiny/full/r1 has ended already (stopped).")


def test_a_failed_run_ends_with_1_and_the_reason(run: Run, fake_engine: Callable[[str], None]) -> None:
    fake_engine("crash")
    status, view = run("train", *TINY, "--name", "r1", "--wait")
    assert (status, view["state"]) == (1, "failed")
    assert "the kernel is not registered" in view["error"]


def test_a_config_file_and_keys_on_top_of_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "model_name_or_path: tiny\nlearning_rate: 1e-3\ndatasets: [pairs]\neval_dataset:\n"
    )
    status, preview = run("preview", "--config", str(tmp_path / "x.yaml"), "max_steps=7", "fine_tuning=LoRA")
    assert status == 0
    assert "learning_rate: 0.001\n" in preview["yaml"]
    assert "max_steps: 7\n" in preview["yaml"]
    assert "fine_tuning: LoRA\n" in preview["yaml"]
    assert " -m paddleformers.cli.launcher train " in preview["command"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("datasets", "check", "pears"), "No dataset is called pears. Registered: pairs, plain."),
        (("runs", "show", "gone"), "There is no run gone. Known: -."),
        (
            ("train", *TINY, "learning_rate=abc"),
            "learning_rate: “abc” is not a number. Give one such as 0.001 or 1e-3.",
        ),
        (("preview", "nonsense"), "“nonsense” is not KEY=VALUE."),
        (("export", "gone"), "There is no run gone. Known: -."),
        (("chat", "--model", "gone", "--prompt", "x"), "There is no model, run or folder gone."),
        (("datasets", "show", "pairs", "--size", "0"), "0 rows a page are not possible; give 1 to 1000."),
    ],
)
def test_a_refusal_ends_with_1_and_says_why(run: Run, argv: tuple[str, ...], told: str) -> None:
    status, answer = run(*argv)
    assert (status, answer["error"]) == (1, told)


def test_refusals_come_in_chinese_too(run: Run) -> None:
    assert run("runs", "show", "gone", "--language", "zh")[1]["error"] == "没有运行 gone。已有：-。"


def test_what_was_left_out_is_counted_by_kind(run: Run, home: Home) -> None:
    rows = [{"instruction": "a", "output": "one"}] * 3 + [{"instruction": "b"}]
    write_jsonl(home.data / "twice.jsonl", rows)
    run("datasets", "add", str(home.data / "twice.jsonl"), "--name", "twice")
    status, made = run("datasets", "clean", "twice", "--as", "once")
    assert (status, made["dataset"]["rows"]) == (0, 1)
    assert made["left_out"] == {"duplicate": 2, "faulty": 1}


def test_a_sweep_is_planned_from_a_file(run: Run, tmp_path: Path) -> None:
    axes = tmp_path / "axes.yaml"
    axes.write_text("learning_rate: [1e-4, 1e-3]\n")
    status, plan = run("sweep", "--axes", str(axes), "--plan", "--name", "rates", *TINY)
    assert (status, plan) == (0, {"runs": ["rates-1", "rates-2"], "seconds": None})
    status, refused = run("sweep", "--axes", str(tmp_path / "gone.yaml"), "--plan", *TINY)
    assert (status, refused["code"]) == (1, "bad_config")
    axes.write_text("lora_rank: [4, 8]\n")
    status, refused = run("sweep", "--axes", str(axes), "--plan", *TINY)
    assert (status, refused["problems"][0]["code"]) == (1, "sweep_no_effect")


def test_runs_are_noted_compared_thrown_away_and_brought_back(run: Run, home: Home) -> None:
    for name, rate in (("a", "1e-3"), ("b", "1e-2")):
        status, _ = run("prepare", "--name", name, *TINY, f"learning_rate={rate}")
        assert status == 0
    assert run("runs", "note", "a", "--tags", "good, old", "--note", "first")[1]["tags"] == ["good", "old"]
    status, told = run("runs", "compare", "a", "b")
    assert [one["name"] for one in told["differences"]] == ["learning_rate"]
    status, trashed = run("runs", "trash", "a")
    assert [one["key"] for one in run("runs", "restore")[1]["trash"]] == [trashed["key"]]
    assert run("runs", "restore", trashed["key"]) == (0, {"run": "tiny/full/a"})
