"""Evaluations against a real server of the protocol: scored, judged, cut off, gone on with, and kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from studio.actions.answering import JUDGE_KEY
from studio.actions.batch import cancel_batch, name_batches, read_table, view_batch
from studio.actions.batches import Batches
from studio.actions.evaluation import Asked, compare_scores, list_run_scores, read_report, run_of
from studio.cli import main
from studio.core.batch import BatchRequest, Contender, Judge
from studio.core.questions import Question, question_of
from studio.core.rows import Row, Turn
from studio.errors import RequestRefused, StoreFailed
from studio.jobs.launch import free_port
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from tests.actions.model_server import KEY, ModelServer
from tests.conftest import write_jsonl

WAIT_S = 20
RUBRIC = "{answer}: Score: {reference}"


def asking(server: ModelServer, *rows: str, **more: object) -> BatchRequest:
    """Rows are `question<tab><tab>reference`."""
    request = BatchRequest(
        "e",
        pasted="\n".join(rows),
        contenders=(Contender("far", "m", address=server.address),),
        measures=("answers",),
    )
    return replace(request, **more)


def register(home: Home, rows: list[object], **entry: object) -> None:
    """Register some rows as the dataset `d`."""
    write_jsonl(home.data / "d.jsonl", rows)
    home.registry.write_text(json.dumps({"d": {"file_name": "d.jsonl", **entry}}))


def codes(batches: Batches, request: BatchRequest) -> list[str]:
    with pytest.raises(RequestRefused) as caught:
        batches.start(request)
    return [problem.code for problem in caught.value.problems]


def test_answers_and_likelihoods_become_scores(home: Home, batches: Batches, server: ModelServer) -> None:
    server.weighs = True
    request = asking(server, "one\t\tre: one", "two\t\tno", measures=("answers", "likelihood"))
    assert batches.wait(batches.start(request).name, WAIT_S).state == "finished"
    report = read_report(home, "e")
    assert report is not None
    estimates = report.models[0].estimates
    assert (estimates["exact"].value, estimates["loss"].value) == (50, 1)
    assert [row.answers["far"].scores["loss"] for row in report.rows] == [1, 1]


def test_what_only_measures_likelihoods_asks_for_no_answers(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    server.weighs = True
    batches.wait(batches.start(asking(server, "one\t\tyes", measures=("likelihood",))).name, WAIT_S)
    assert server.asked == []
    report = read_report(home, "e")
    assert report is not None
    assert report.metrics == ["loss", "perplexity"]


def test_a_server_that_tells_no_likelihoods_is_scored_by_its_answers(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    request = asking(server, "one\t\tre: one", "two\t\tno", measures=("answers", "likelihood"))
    view = batches.wait(batches.start(request).name, WAIT_S)
    assert (view.state, view.failed) == ("finished", 0)
    report = read_report(home, "e")
    assert report is not None
    assert "exact" in report.metrics
    assert "loss" not in report.metrics


def test_a_judge_gives_points_with_its_own_key(home: Home, batches: Batches, server: ModelServer) -> None:
    judge = Judge(server.address, "j", RUBRIC)
    request = asking(server, "one\t\t7", "two\t\tno points", measures=("judge",), judge=judge)
    view = batches.wait(batches.start(request, {JUDGE_KEY: KEY, "judge": "of-a-model"}).name, WAIT_S)
    assert (view.state, view.done, view.total) == ("finished", 4, 4)
    # What is judged is the answer; the key of the judge reached the judge, and is written nowhere.
    assert server.asked[2:] == ["re: one: Score: 7", "re: two: Score: no points"]
    assert server.keys == {"none", KEY}
    assert not any(KEY in path.read_text() for path in (home.batches / "e").iterdir() if path.is_file())
    report = read_report(home, "e")
    assert report is not None
    assert (report.models[0].estimates["judge"].value, report.models[0].estimates["judge"].rows) == (7, 1)


def test_verdicts_that_failed_are_asked_for_again_and_the_answers_are_not(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    judge = Judge(server.address, "j", f"refuse, or {RUBRIC}")
    request = asking(server, "one\t\t7", measures=("judge",), judge=judge)
    view = batches.wait(batches.start(request).name, WAIT_S)
    assert (view.state, view.done, view.total, view.failed) == ("incomplete", 1, 2, 0)
    server.kinder = True
    view = batches.wait(batches.resume("e").name, WAIT_S)
    assert (view.state, view.done) == ("finished", 2)
    assert server.asked.count("one") == 1
    report = read_report(home, "e")
    assert report is not None
    assert report.models[0].estimates["judge"].value == 7


def test_a_judge_that_is_not_there_leaves_the_other_scores(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    judge = Judge(f"http://127.0.0.1:{free_port()}/v1", "j", RUBRIC)
    rows = [f"{number}\t\tre: {number}" for number in range(4)]
    request = asking(server, *rows, measures=("answers", "judge"), judge=judge)
    view = batches.wait(batches.start(request).name, WAIT_S)
    assert (view.state, view.reasons[JUDGE_KEY].code) == ("incomplete", "endpoint_unreachable")
    report = read_report(home, "e")
    assert report is not None
    assert report.models[0].estimates["exact"].value == 100
    assert "judge" not in report.models[0].estimates


def test_one_that_is_cancelled_has_the_scores_of_what_was_answered(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    batches.start(asking(server, "one\t\tre: one", "slow\t\tno"))
    assert server.begun.wait(WAIT_S)
    cancel_batch(home, "e")
    assert batches.wait("e", WAIT_S).state == "stopped"
    report = read_report(home, "e")
    assert report is not None
    assert (report.models[0].estimates["exact"].rows, report.models[0].failed) == (1, 1)


def test_a_reference_that_cannot_be_weighed_costs_only_its_likelihood(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    server.weighs = True
    request = asking(server, "one\t\ttoo long", "two\t\tre: two", measures=("answers", "likelihood"))
    view = batches.wait(batches.start(request).name, WAIT_S)
    assert (view.state, view.failed) == ("finished", 0)
    report = read_report(home, "e")
    assert report is not None
    assert (report.models[0].refused, report.models[0].estimates["loss"].rows) == (1, 1)
    assert report.models[0].estimates["exact"].rows == 2


def test_one_whose_scores_could_not_be_kept_goes_on_with_scoring(
    home: Home, batches: Batches, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreFailed("disk_full", path="report.json", reason="full")

    with monkeypatch.context() as patched:
        patched.setattr("studio.actions.batches.keep_report", full)
        view = batches.wait(batches.start(asking(server, "one\t\tx")).name, WAIT_S)
    assert (view.state, view.can_resume, view.reasons[""].code) == ("incomplete", True, "disk_full")
    assert batches.wait(batches.resume("e").name, WAIT_S).state == "finished"
    assert server.asked == ["one"]


def test_a_text_is_weighed_and_never_asked(home: Home, batches: Batches, server: ModelServer) -> None:
    server.weighs = True
    request = asking(server, measures=("likelihood",), dataset="plain", pasted="")
    batches.wait(batches.start(request).name, WAIT_S)
    assert (server.asked, server.weighed) == ([], [([], ["一段文字。"])])
    assert codes(batches, replace(request, name="f", measures=("answers",))) == ["batch_no_questions"]


def test_what_nobody_wants_to_hear_is_no_reference() -> None:
    row = Row(turns=(Turn("user", "q"), Turn("assistant", "bad")), desirable=False)
    assert question_of(1, row) == Question(1, "q")


def test_bad_input_starts_nothing(batches: Batches, server: ModelServer) -> None:
    assert codes(batches, asking(server, "one")) == ["nothing_for_answers"]
    assert codes(batches, asking(server, "one\t\tx", measures=("choices", "pairs", "taste"))) == [
        "unknown_measure",
        "nothing_for_choices",
        "nothing_for_pairs",
    ]
    judge = Judge("far away", "j", RUBRIC)
    assert codes(batches, asking(server, "one\t\tx", measures=("judge",), judge=judge)) == ["batch_bad_address"]
    # A judge that is told nothing of the answer can only guess.
    judge = Judge(server.address, "j", "Score it.")
    assert codes(batches, asking(server, "one\t\tx", measures=("judge",), judge=judge)) == ["rubric_without_answer"]
    assert server.asked == []


def test_evaluations_and_batches_stand_in_lists_of_their_own(
    home: Home, batches: Batches, server: ModelServer
) -> None:
    batches.wait(batches.start(asking(server, "one\t\tx")).name, WAIT_S)
    batches.wait(batches.start(asking(server, "one\t\tx", name="b", measures=())).name, WAIT_S)
    assert (name_batches(home, "evaluation"), name_batches(home)) == (["e"], ["b"])
    assert read_report(home, "b") is None


def test_pairs_of_a_dataset_are_weighed_on_both_sides(home: Home, batches: Batches, server: ModelServer) -> None:
    server.weighs = True
    register(
        home,
        [{"instruction": "Why?", "chosen": "so", "rejected": "because"}],
        ranking=True,
        columns={"prompt": "instruction", "chosen": "chosen", "rejected": "rejected"},
    )
    request = asking(server, measures=("pairs",), dataset="d", pasted="")
    batches.wait(batches.start(request).name, WAIT_S)
    report = read_report(home, "e")
    assert report is not None
    # A nat a letter: the shorter is the likelier.
    assert report.models[0].estimates["margin"].value == len("because") - len("so")
    assert read_table(home, "e").questions[0].rejected == "because"


# Of runs.


def make_run(home: Home, name: str) -> Path:
    folder = home.saves / "m" / "full" / name
    request = {"model": "m", "stage": "SFT", "method": "full", "datasets": ["d"], "name": name}
    write_json_in(RunPaths(folder).request, {"request": request})
    return folder


def write_json_in(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, value)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("{saves}/m/full/r", ("m/full/r", None)),
        ("{saves}/m/full/r/hf_checkpoint-6", ("m/full/r", 6)),
        ("{saves}/m/full/r/checkpoint-7", ("m/full/r", 7)),
        ("r", ("m/full/r", None)),
        ("m/full/r", ("m/full/r", None)),
        ("/elsewhere/r2", ("", None)),
    ],
)
def test_whose_weights_a_model_has(home: Home, model: str, expected: tuple[str, int | None]) -> None:
    make_run(home, "r")
    assert run_of(home, Contender("x", model.format(saves=home.saves))) == expected


def test_a_server_elsewhere_is_no_run_whatever_it_is_called(home: Home) -> None:
    make_run(home, "r")
    assert run_of(home, Contender("r", "r", address="http://127.0.0.1:1/v1")) == ("", None)


def stored(
    name: str, created_at: float, run: str, value: float, checkpoint: int | None = None, asked: str = "a"
) -> dict[str, object]:
    estimate = {"value": value, "low": value, "high": value, "rows": 3, "broken_rows": 0, "detail": ""}
    model = {"label": "x", "model": "x", "run": run, "checkpoint": checkpoint, "failed": 0, "refused": 0}
    model |= {"unjudged": 0, "estimates": {"f1": estimate}, "differences": {}}
    told = {"name": name, "dataset": "d", "rows": 3, "asked": asked, "created_at": created_at}
    return {**told, "models": [model]}


def test_the_newest_scores_of_what_runs_became_are_compared(home: Home) -> None:
    for name in ("a", "b"):
        make_run(home, name)
    folder = RunPaths(home.saves / "m" / "full" / "a").evaluations
    write_json_in(folder / "old.json", stored("old", 1.0, "m/full/a", 10.0))
    write_json_in(folder / "new.json", stored("new", 2.0, "m/full/a", 20.0))
    write_json_in(folder / "checkpoint.json", stored("checkpoint", 3.0, "m/full/a", 30.0, 5))
    write_json_in(folder / "others.json", stored("others", 4.0, "m/full/c", 40.0))
    assert [scores.evaluation for scores in list_run_scores(home, "a")] == ["checkpoint", "new", "old"]
    write_json_in(folder / "foreign.json", [1])
    (folder / "torn.json").write_text('{"models": [')
    found = compare_scores(home, ["a", "b"])
    assert list(found) == [(Asked("d", 3, "a"), "f1")]
    first, second = found[Asked("d", 3, "a"), "f1"]
    assert first is not None
    assert (first.value, second) == (20, None)


def test_scores_of_other_rows_are_not_set_beside_each_other(home: Home) -> None:
    for name, asked in (("a", "many"), ("b", "few")):
        folder = RunPaths(make_run(home, name)).evaluations
        write_json_in(folder / "e.json", stored("e", 1.0, f"m/full/{name}", 10.0, asked=asked))
    found = compare_scores(home, ["a", "b"])
    assert {asked.key: [each and each.value for each in row] for (asked, _), row in found.items()} == {
        "many": [10, None],
        "few": [None, 10],
    }


# On the command line.


def test_the_command_scores_and_writes_the_report(
    home: Home, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(home, [{"instruction": "one", "output": "re: one"}])
    argv = ["--home", str(home.root), "evaluate", "--dataset", "d", "--endpoint", server.address, "--json"]
    for suffix in (".json", ".csv", ".md"):
        out = tmp_path / f"report{suffix}"
        assert main([*argv, "--endpoint-model", "m", "--measure", "answers", "--out", str(out)]) == 0
        assert "100" in out.read_text()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["state"], told["scores"]["m"]["exact"]) == ("finished", 100)
    assert main([*argv, "--out", "x.txt"]) == 1


def test_a_run_that_held_nothing_out_is_told(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home, "r")
    assert main(["--home", str(home.root), "evaluate", "--held-out", "r", "--model", "r"]) == 1
    assert capsys.readouterr().err != ""


def test_a_view_counts_what_is_to_be_judged(home: Home, batches: Batches, server: ModelServer) -> None:
    judge = Judge(server.address, "j", f"{RUBRIC} slow")
    batches.start(asking(server, "one\t\t7", measures=("judge",), judge=judge))
    assert server.begun.wait(WAIT_S)
    view = view_batch(home, "e")
    assert (view.phase, view.done, view.total) == ("judging", 1, 2)
    cancel_batch(home, "e")
    assert batches.wait("e", WAIT_S).state == "stopped"
