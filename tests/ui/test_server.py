"""The application around the page: who may call it, and the routes of our own."""

import ast
import math
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from studio.stores.home import Home
from studio.stores.runs import RunPaths
from studio.ui.points import unpack_curves
from studio.ui.server import build_app
from studio.ui.train_form import build_form, read_request
from tests.stores.test_tails import append, log

STUDIO = Path(__file__).parents[2] / "studio"


@pytest.fixture
def run(home: Home) -> RunPaths:
    paths = RunPaths(home.saves / "tiny" / "full" / "r1")
    paths.job.mkdir(parents=True)
    paths.request.write_text('{"request": {"model": "tiny", "datasets": []}}')
    append(paths.metrics, {"kind": "begin", "time": 1.0, "step": 0, "total_steps": 9}, log(1, 3.0), log(2, 2.0))
    return paths


def test_the_page_opens(home: Home) -> None:
    answer = TestClient(build_app(home), base_url="http://127.0.0.1").get("/")
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


def test_another_host_name_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_another_sites_writes_are_refused(client: TestClient, origin: str) -> None:
    for path in ("/gradio_api/upload", "/gradio_api/queue/join"):
        assert client.post(path, headers={"Origin": origin}).status_code == 403
    assert client.post("/gradio_api/queue/join", headers={"Origin": "http://127.0.0.1:7860"}).status_code != 403


def test_points_come_with_a_tag_and_only_when_there_are_new_ones(client: TestClient, run: RunPaths) -> None:
    first = client.get("/studio/points", params={"run": "tiny/full/r1"})
    told, curves = unpack_curves(first.content)
    assert (told["run"], told["points"], told["panels"]) == ("tiny/full/r1", 2, ["loss"])
    assert curves == {"loss": ([1.0, 2.0], [3.0, 2.0])}
    again = {"If-None-Match": first.headers["etag"]}
    assert client.get("/studio/points", params={"run": "tiny/full/r1"}, headers=again).status_code == 304
    append(run.metrics, log(3, float("nan")))
    grown = client.get("/studio/points", params={"run": "tiny/full/r1"}, headers=again)
    steps, losses = unpack_curves(grown.content)[1]["loss"]
    assert steps == [1.0, 2.0, 3.0]
    assert losses[:2] == [3.0, 2.0]
    assert math.isnan(losses[2])


def test_only_what_can_be_seen_is_sent(client: TestClient, run: RunPaths) -> None:
    append(run.metrics, *(log(step, 2.0) for step in range(3, 9)))
    shown = client.get("/studio/points", params={"run": "tiny/full/r1", "x_min": 4.5, "x_max": 5.5})
    # And a point beyond each edge, to which the lines reach.
    assert unpack_curves(shown.content)[1]["loss"][0] == [4.0, 5.0, 6.0]


def test_a_long_run_is_sent_in_few_bytes_on_any_axis(client: TestClient, run: RunPaths) -> None:
    numbers = {"tokens_per_s": 50.0, "interval_runtime": 2.0, "learning_rate": 1e-4, "eval_loss": 2.0}
    append(run.metrics, *({**log(step, 2.0 + step % 5), **numbers} for step in range(3, 20_001)))
    for axis, last in (("step", 20_000), ("tokens", 19_998 * 100), ("time", 19_999)):
        query = {"run": "tiny/full/r1", "panels": "loss,learning_rate", "axis": axis, "weight": 0.6}
        answer = client.get("/studio/points", params=query)
        told, curves = unpack_curves(answer.content)
        assert len(answer.content) <= 16_000
        assert [curve["name"] for curve in told["curves"]] == ["loss", "eval_loss", "learning_rate"]
        assert curves["loss"][0][-1] == pytest.approx(last)


def test_points_are_kept_as_a_table_and_as_json(client: TestClient, run: RunPaths) -> None:
    append(run.metrics, log(3, float("nan")), {"kind": "eval", "time": 3.5, "step": 3, "eval_loss": 2.5})
    table = client.get("/studio/metrics.csv", params={"run": "tiny/full/r1"})
    assert "r1.csv" in table.headers["content-disposition"]
    assert table.text.splitlines() == [
        "step,tokens,seconds,time,loss,eval_loss",
        "1,0.0,0.0,1.0,3.0,",
        "2,0.0,1.0,2.0,2.0,",
        "3,0.0,2.0,3.0,nan,",
        "3,0.0,2.5,3.5,,2.5",
    ]
    points = client.get("/studio/metrics.json", params={"run": "tiny/full/r1"}).json()["points"]
    assert points[2] == {"step": 3, "tokens": 0.0, "seconds": 2.0, "time": 3.0, "loss": None}
    assert client.get("/studio/metrics.csv", params={"run": "gone"}).status_code == 404


@pytest.mark.parametrize("query", [{"axis": "colour"}, {"weight": 1.0}, {"weight": "nan"}])
def test_a_wrong_question_about_points_is_refused(client: TestClient, run: RunPaths, query: dict[str, str]) -> None:
    assert client.get("/studio/points", params={"run": "tiny/full/r1", **query}).status_code == 422


@pytest.mark.parametrize("name", ["gone", "../../etc", "/etc/passwd"])
def test_no_path_leads_out_of_the_runs(client: TestClient, name: str) -> None:
    assert client.get("/studio/points", params={"run": name}).status_code == 404


def test_a_run_is_shown_in_both_languages_and_sent_again_only_when_it_changed(
    client: TestClient, run: RunPaths
) -> None:
    asked = {"run": "tiny/full/r1", "language": "en"}
    first = client.get("/studio/run", params=asked)
    assert "2 / 9" in first.json()["card"]
    assert (
        client.get("/studio/run", params=asked, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    )
    assert "训练损失" in client.get("/studio/run", params={**asked, "language": "zh"}).json()["card"]
    assert "There is no run gone" in client.get("/studio/run", params={"run": "gone"}).json()["card"]


def test_a_log_cannot_write_into_the_page(client: TestClient, run: RunPaths) -> None:
    (run.job / "log.txt").write_text("<script>alert(1)</script>\n<b>")
    shown = client.get("/studio/log", params={"run": "tiny/full/r1"}).json()
    assert shown["html"] == "&lt;script&gt;alert(1)&lt;/script&gt;\n"
    assert shown["rest"] == "&lt;b&gt;"


def test_a_log_is_shown_with_its_colours_and_with_bars_at_their_last_state(
    client: TestClient, run: RunPaths
) -> None:
    (run.job / "log.txt").write_bytes(b"\x1b[31mred\x1b[0m \x1b[2K\x1b]0;title\x07\n 1%\r 99%\r\n")
    shown = client.get("/studio/log", params={"run": "tiny/full/r1"}).json()["html"]
    assert '<span class="ansi31">red</span>' in shown
    assert "99%" in shown
    assert " 1%" not in shown
    assert "\x1b" not in shown


def test_a_log_is_searched_and_kept(client: TestClient, run: RunPaths) -> None:
    run.job.joinpath("ranks").mkdir()
    (run.job / "ranks" / "workerlog.1").write_text("of one process\n")
    text = "start\nTraceback (most recent call last):\n  x\nValueError: no\n损失 done\n"
    (run.job / "log.txt").write_text(text)
    asked = {"run": "tiny/full/r1"}

    def found(**question: object) -> object:
        return client.get("/studio/log/find", params={**asked, **question}).json()["at"]

    assert found() == text.index("Traceback")
    assert found(text="DONE") == found(text="损失") == text.encode().index("损失".encode())
    assert found(text="start", after=0) is None
    assert client.get("/studio/log", params=asked).json()["names"] == ["log.txt", "workerlog.1"]
    whole = client.get("/studio/log/file", params={**asked, "name": "workerlog.1"})
    assert whole.text == "of one process\n"
    for name in ("gone", "../request.json", "/etc/passwd"):
        assert client.get("/studio/log/file", params={**asked, "name": name}).status_code == 404


def test_a_run_without_an_export_says_so(client: TestClient, run: RunPaths) -> None:
    shown = client.get("/studio/export", params={"run": "tiny/full/r1"}).json()
    assert "the result appears here." in shown["card"]
    log = client.get("/studio/log", params={"run": "tiny/full/r1", "export": True})
    assert (log.status_code, log.json()["total"], log.json()["names"]) == (200, 0, [])


def test_a_registered_dataset_can_be_kept_and_nothing_else(client: TestClient, home: Home) -> None:
    answer = client.get("/studio/data", params={"name": "pairs"})
    assert answer.content == (home.data / "pairs.jsonl").read_bytes()
    assert "attachment" in answer.headers["content-disposition"]
    for name in ("gone", "../dataset_registry.json"):
        assert client.get("/studio/data", params={"name": name}).status_code == 404


def test_plotly_is_served_from_here(client: TestClient) -> None:
    assert client.get("/studio/plotly.js").status_code == 200
    assert client.get("/studio/chart.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/studio/evil.js").status_code == 404


def test_the_page_never_imports_paddle(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.stores.home import Home;"
        "from studio.ui.server import build_app; build_app(Home(Path(sys.argv[1])));"
        "print([m for m in sys.modules if m.split('.')[0] in ('paddle', 'paddleformers', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_nothing_of_the_studio_listens_on_or_names_another_machine() -> None:
    for path in STUDIO.rglob("*"):
        if path.suffix in (".py", ".js", ".css"):
            text = path.read_text(encoding="utf-8")
            assert "0.0.0.0" not in text, path
            if path.suffix == ".py":
                for node in ast.walk(ast.parse(text)):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "://" in node.value:
                        assert "127.0.0.1" in node.value or node.value in ("http://", "https://"), (
                            path,
                            node.value,
                        )


def test_every_control_of_the_train_tab_reaches_the_request(home: Home) -> None:
    import gradio as gr

    from studio.actions.train import default_request
    from studio.ui.words import Words

    with gr.Blocks():
        inputs, _ = build_form(default_request(home), Words())
    asked = {name: f"<{name}>" for name in inputs} | {"datasets": ["<datasets>"], "extra": "key: <extra>"}
    # An adapter is asked for where it is shown.
    asked["method"] = "lora"
    request = read_request(inputs, {inputs[name]: value for name, value in asked.items()})
    told = repr(request)
    assert [name for name in inputs if f"<{name}>" not in told] == ["method"]
    assert request.method == "lora"


def test_runs_are_listed_noted_and_thrown_away_in_words(client: TestClient, run: RunPaths) -> None:
    (run.job / "state.json").write_text('{"state": "finished", "ended_at": 9}')
    first = client.get("/studio/runs")
    (line,) = first.json()["runs"]
    assert (line["run"], line["loss"], line["best_loss"]) == ("tiny/full/r1", 2.0, None)
    assert client.get("/studio/runs", headers={"If-None-Match": first.headers["etag"]}).status_code == 304

    def act(**wanted: object) -> str:
        answer = client.post("/studio/runs", json={"language": "zh", **wanted})
        assert answer.status_code == 200
        return answer.json()["told"]

    assert "已为 1 个运行设置标签" in act(act="tags", runs=["tiny/full/r1"], value="好，medical")
    assert client.get("/studio/runs").json()["runs"][0]["tags"] == ["好", "medical"]
    told = act(act="trash", runs=["gone", "tiny/full/r1"])
    assert "gone" in told
    assert "已将 1 个运行移到回收站" in told
    (trashed,) = client.get("/studio/runs").json()["trash"]
    assert "已恢复 1 个运行" in act(act="restore", runs=[trashed["key"]])
    assert client.post("/studio/runs", json={"act": "format"}).status_code == 422


def test_another_site_cannot_throw_runs_away(client: TestClient, run: RunPaths) -> None:
    wanted = {"act": "trash", "runs": ["tiny/full/r1"]}
    assert client.post("/studio/runs", json=wanted, headers={"Origin": "http://evil.example"}).status_code == 403
    assert run.request.exists()


def test_a_comparison_escapes_what_it_shows(client: TestClient, run: RunPaths) -> None:
    other = RunPaths(run.output.with_name("r2"))
    other.job.mkdir(parents=True)
    other.request.write_text('{"request": {"model": "<b>x</b>", "datasets": [], "options": {"max_steps": "9"}}}')
    told = client.get("/studio/compare", params={"runs": '["tiny/full/r1", "tiny/full/r2"]'}).json()
    assert "&lt;b&gt;x&lt;/b&gt;" in told["table"]
    assert told["numeric"] == {"Max steps": [-1, 9.0]}
    for wrong, status in (("[", 422), ('["gone"]', 404), ("3", 422), ("[3]", 422)):
        assert client.get("/studio/compare", params={"runs": wrong}).status_code == status


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("points?run=gone&language=zh", 404, "没有运行 gone。"),
        ("log/file?run=tiny/full/r1", 404, "Nothing was logged yet."),
        ("evaluation.csv?name=gone", 404, "gone"),
        ("evaluation.exe?name=gone", 422, "Input should be 'csv'"),
        ("data?name=gone", 404, "gone"),
        ("data?name=outside&language=xx", 422, "outside"),
    ],
)
def test_what_cannot_be_answered_is_told_in_words(
    client: TestClient, run: RunPaths, home: Home, asked: str, status: int, told: str
) -> None:
    home.registry.write_text('{"outside": {"file_name": "/etc/passwd", "formatting": "text"}}')
    answer = client.get(f"/studio/{asked}")
    assert (answer.status_code, told in str(answer.json()["detail"])) == (status, True), answer.text
