"""Batches against a real server of the protocol: answered, refused, cancelled, cut off, and gone on with."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from studio.actions.batch import (
    batch_csv,
    batch_jsonl,
    cancel_batch,
    first_question,
    name_batches,
    read_table,
    remove_batch,
    view_batch,
)
from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.cli import main
from studio.core.batch import BatchRequest, Contender
from studio.errors import NotFound, RequestRefused, StudioError
from studio.jobs.launch import free_port
from studio.jobs.processes import ProcessIdentity
from studio.stores.batches import BatchPaths
from studio.stores.home import Home
from tests.actions.model_server import KEY, ModelServer
from tests.conftest import write_jsonl

WAIT_S = 20


def outside(server: ModelServer, label: str = "far") -> Contender:
    return Contender(label, "m", address=server.address)


def asking(server: ModelServer, *questions: str, name: str = "b") -> BatchRequest:
    return BatchRequest(name, pasted="\n".join(questions), contenders=(outside(server),))


def texts(home: Home, name: str = "b") -> list[str | None]:
    """What was said to each question in order; codes of errors; None where nothing is."""
    table = read_table(home, name)
    found = [table.answers.get((question.number, table.labels[0])) for question in table.questions]
    return [each and (each.error.code if each.error else each.text) for each in found]


def test_a_dataset_becomes_a_table_with_references(home: Home, batches: Batches, server: ModelServer) -> None:
    begun = batches.start(BatchRequest(dataset="pairs", contenders=(outside(server),)))
    view = batches.wait(begun.name, WAIT_S)
    assert (view.name, view.state, view.total, view.done, view.failed) == ("pairs", "finished", 2, 2, 0)
    first, second = map(json.loads, batch_jsonl(home, "pairs").splitlines())
    assert (first["question"], first["reference"]) == ("发烧怎么办？", "多喝水，多休息。")
    assert first["answers"]["far"]["text"] == "re: 发烧怎么办？"
    assert (second["answers"]["far"]["prompt_tokens"], second["answers"]["far"]["completion_tokens"]) == (3, 5)
    assert batch_csv(home, "pairs", "en").splitlines()[2] == "2,Hello?,,Hello.,re: Hello?,"
    assert server.bodies[0]["model"] == "m"
    # A second one has a name of its own.
    assert batches.start(BatchRequest(dataset="pairs", contenders=(outside(server),))).name == "pairs-2"


def test_only_the_rows_that_were_asked_for_are_asked(home: Home, batches: Batches, server: ModelServer) -> None:
    write_jsonl(home.data / "pairs.jsonl", [{"messages": [{"role": "user", "content": "no answer"}]}] * 2)
    rows = [json.loads(line) for line in (home.data / "pairs.jsonl").read_text().splitlines()]
    good = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}]}
        for n in (3, 4, 5)
    ]
    write_jsonl(home.data / "pairs.jsonl", [*rows, *good])
    request = BatchRequest("b", dataset="pairs", contenders=(outside(server),), first=2, limit=3)
    batches.start(request)
    view = batches.wait("b", WAIT_S)
    # The faulty row is told, and the numbers are those of the dataset.
    assert (view.total, view.left_out) == (2, 1)
    assert [question.number for question in read_table(home, "b").questions] == [3, 4]
    found = first_question(home, replace(request, first=4))
    assert found
    assert found.text == "q4"
    assert first_question(home, request) is None


def test_what_one_question_meets_is_its_own_matter(home: Home, batches: Batches, server: ModelServer) -> None:
    batches.start(asking(server, "one", "refuse", "break", "four"))
    view = batches.wait("b", WAIT_S)
    assert texts(home) == ["re: one", "endpoint_refused", "endpoint_broke_off", "re: four"]
    assert (view.state, view.done, view.failed, view.can_resume) == ("incomplete", 4, 2, True)
    assert "The model refused: " in batch_csv(home, "b", "en")
    server.kinder = True
    server.asked.clear()
    batches.resume("b")
    view = batches.wait("b", WAIT_S)
    assert (view.state, view.failed) == ("finished", 0)
    assert server.asked == ["refuse", "break"]
    assert texts(home) == ["re: one", "re: refuse", "re: break", "re: four"]


@pytest.mark.parametrize("question", ["slow", "silent"])
def test_cancel_ends_in_the_midst_of_an_answer(
    home: Home, batches: Batches, server: ModelServer, question: str
) -> None:
    batches.start(asking(server, "one", question, "three"))
    assert server.begun.wait(WAIT_S)
    begun = time.monotonic()
    assert cancel_batch(home, "b").state in ("stopping", "stopped")
    view = batches.wait("b", WAIT_S)
    assert time.monotonic() - begun < 2
    assert (view.state, texts(home)) == ("stopped", ["re: one", None, None])
    if question == "slow":
        # The connection is closed, so the server is told to end as well.
        assert server.ended.wait(WAIT_S)
    server.let_go.set()
    server.asked.clear()
    batches.resume("b")
    batches.wait("b", WAIT_S)
    assert server.asked == [question, "three"]


def test_resume_after_a_torn_line_asks_only_what_is_missing(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    batches.start(asking(server, "one", "two", "three"))
    batches.wait("b", WAIT_S)
    answers = BatchPaths(home.batches / "b").answers
    lines = answers.read_bytes().splitlines(keepends=True)
    answers.write_bytes(lines[0] + b"{rubbish}\n" + lines[1][:40])
    assert texts(home) == ["re: one", None, None]
    server.asked.clear()
    batches.resume("b")
    assert batches.wait("b", WAIT_S).state == "finished"
    assert server.asked == ["two", "three"]
    assert texts(home) == ["re: one", "re: two", "re: three"]


DYING = """
import sys
from pathlib import Path
from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.core.batch import BatchRequest, Contender
from studio.stores.home import Home
home, address, key = Home(Path(sys.argv[1])), sys.argv[2], sys.stdin.read()
request = BatchRequest("b", pasted="one\\nslow\\nthree", contenders=(Contender("far", "m", address=address),))
batches = Batches(home, ChatModels())
batches.start(request, {"far": key})
batches.wait("b")
"""


def test_a_batch_whose_studio_died_is_interrupted_and_goes_on_with_the_key_given_again(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    argv = [sys.executable, "-c", DYING, str(home.root), server.address]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE) as studio:
        assert studio.stdin
        studio.stdin.write(KEY.encode())
        studio.stdin.close()
        assert server.begun.wait(WAIT_S)
        assert view_batch(home, "b").state == "running"
        with pytest.raises(StudioError, match="batch_is_running"):
            batches.resume("b", {"far": KEY})
        with pytest.raises(StudioError, match="batch_is_running"):
            remove_batch(home, "b")
        studio.kill()
    assert (view_batch(home, "b").state, texts(home)) == ("interrupted", ["re: one", None, None])
    server.let_go.set()
    with pytest.raises(RequestRefused) as refused:
        batches.resume("b")
    assert [problem.code for problem in refused.value.problems] == ["batch_needs_key"]
    server.asked.clear()
    batches.resume("b", {"far": KEY})
    assert batches.wait("b", WAIT_S).state == "finished"
    assert (server.asked, server.keys) == (["slow", "three"], {KEY})
    files = [path for path in home.batches.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert all(KEY.encode() not in path.read_bytes() for path in files)


def test_a_pid_that_is_used_again_is_not_taken_for_the_studio(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    batches.start(asking(server, "one"))
    batches.wait("b", WAIT_S)
    state = BatchPaths(home.batches / "b").state
    now = json.loads(state.read_text())
    me = ProcessIdentity.of(os.getpid())
    state.write_text(json.dumps({**now, "state": "running", "pid": me.pid, "started": me.started}))
    assert view_batch(home, "b").state == "running"
    state.write_text(json.dumps({**now, "state": "running", "pid": me.pid, "started": me.started + "0"}))
    assert view_batch(home, "b").state == "interrupted"


def test_a_studio_that_ends_in_order_leaves_a_batch_to_go_on_with(home: Home, server: ModelServer) -> None:
    models = ChatModels()
    batches = Batches(home, models)
    batches.start(asking(server, "slow"))
    assert server.begun.wait(WAIT_S)
    batches.close()
    assert view_batch(home, "b").state == "interrupted"
    models.close()


def test_a_model_that_does_not_load_is_told_and_the_others_go_on(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    contenders = (outside(server), Contender("tiny", "tiny"), outside(server, "last"))
    batches.start(replace(asking(server, "slow"), contenders=contenders))
    assert server.begun.wait(WAIT_S)
    # It was there when the batch was started.
    shutil.rmtree(home.models / "tiny")
    server.let_go.set()
    view = batches.wait("b", WAIT_S)
    assert (view.state, view.total, view.done) == ("incomplete", 3, 2)
    assert {label: reason.code for label, reason in view.reasons.items()} == {"tiny": "model_not_found"}
    assert sorted(label for _, label in read_table(home, "b").answers) == ["far", "last"]


def test_a_server_that_is_not_there_is_given_up_after_three_times(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    request = asking(server, *"abcdef")
    gone = Contender("gone", "m", address=f"http://127.0.0.1:{free_port()}/v1")
    batches.start(replace(request, contenders=(gone, *request.contenders)))
    view = batches.wait("b", WAIT_S)
    assert {label: reason.code for label, reason in view.reasons.items()} == {"gone": "endpoint_unreachable"}
    assert texts(home) == ["endpoint_unreachable"] * 3 + [None] * 3
    assert (view.done, view.failed, len(server.asked)) == (9, 3, 6)


def test_a_wrong_key_is_not_tried_on_every_question(home: Home, batches: Batches, server: ModelServer) -> None:
    batches.start(asking(server, "forbid", "two"), {"far": "wrong"})
    view = batches.wait("b", WAIT_S)
    assert (list(view.reasons), texts(home)) == (["far"], ["endpoint_refused", None])


def test_bad_input_starts_nothing(home: Home, batches: Batches, server: ModelServer) -> None:
    request = asking(server, "one")
    for bad in (
        replace(request, contenders=()),
        replace(request, pasted="", dataset="plain"),
        replace(request, pasted="a", first=2),
        replace(request, contenders=(Contender("x", "no-such-model"),)),
    ):
        with pytest.raises(StudioError):
            batches.start(bad)
    assert name_batches(home) == []
    batches.start(request)
    with pytest.raises(RequestRefused):
        batches.start(request)
    for name in ("../b", "nothing", ""):
        with pytest.raises(NotFound):
            view_batch(home, name)


def test_a_batch_is_whole_without_its_dataset_until_it_is_removed(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    batches.start(BatchRequest("b", dataset="pairs", contenders=(outside(server),)))
    batches.wait("b", WAIT_S)
    (home.data / "pairs.jsonl").unlink()
    assert texts(home)[1] == "re: Hello?"
    assert name_batches(home) == ["b"]
    remove_batch(home, "b")
    assert name_batches(home) == []
    assert not (home.batches / "b").exists()


def test_a_full_disk_ends_the_batch_and_says_so(home: Home, batches: Batches, server: ModelServer) -> None:
    batches.start(asking(server, "one", "slow"))
    assert server.begun.wait(WAIT_S)
    answers = BatchPaths(home.batches / "b").answers
    answers.unlink()
    answers.symlink_to("/dev/full")
    server.let_go.set()
    view = batches.wait("b", WAIT_S)
    assert view.state == "incomplete"
    assert view.reasons[""].code == "disk_full"


def test_the_command_writes_the_table_and_says_how_to_go_on(
    home: Home,
    server: ModelServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STUDIO_ENDPOINT_KEY", KEY)
    questions = tmp_path / "questions.txt"
    questions.write_text("one\nrefuse")
    out = tmp_path / "answers.csv"
    begin = ["--home", str(home.root), "batch", "--out", str(out), "--json"]
    asked = ["--questions", str(questions), "--endpoint", server.address, "--endpoint-model", "m"]
    assert main([*begin, *asked]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["failed"], told["state"]) == (2, 1, "incomplete")
    assert f"--resume questions --out {out}" in told["error"]
    assert server.keys == {KEY}
    server.kinder = True
    assert main([*begin, "--resume", "questions"]) == 0
    assert out.read_text().splitlines()[1:] == ["1,one,,,re: one,", "2,refuse,,,re: refuse,"]
    assert main([*begin[:3], "--out", "x.txt", "--resume", "questions"]) == 1


def test_an_interrupted_command_keeps_what_was_answered(home: Home, server: ModelServer, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("one\nslow\nthree")
    out = tmp_path / "answers.jsonl"
    argv = [sys.executable, "-m", "studio", "--home", str(home.root), "batch", "--questions", str(questions)]
    argv += ["--endpoint", server.address, "--out", str(out)]
    command = subprocess.Popen(
        argv,
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell is born deaf to Ctrl+C, and so would be what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert server.begun.wait(WAIT_S)
        command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=WAIT_S)
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 1
    assert told.startswith("1 of 3 are answered. To go on: python -m studio batch --resume questions")
    assert [len(json.loads(line)["answers"]) for line in out.read_text().splitlines()] == [1, 0, 0]
    assert view_batch(home, "questions").state == "stopped"
