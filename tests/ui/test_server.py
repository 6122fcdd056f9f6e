"""The application around the page: who may call it, and the routes of our own."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from studio.stores.home import Home
from studio.stores.runs import RunPaths
from studio.ui.server import build_app
from studio.ui.train_form import build_form, read_request
from tests.stores.test_tails import append, log

STUDIO = Path(__file__).parents[2] / "studio"


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    with TestClient(build_app(home), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def run(home: Home) -> RunPaths:
    paths = RunPaths(home.saves / "tiny" / "full" / "r1")
    paths.job.mkdir(parents=True)
    paths.request.write_text('{"request": {"model": "tiny", "datasets": []}}')
    append(paths.metrics, {"kind": "begin", "time": 1.0, "step": 0, "total_steps": 9}, log(1, 3.0), log(2, 2.0))
    return paths


def test_the_page_opens(client: TestClient) -> None:
    answer = client.get("/")
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
    assert first.json() == {"run": "tiny/full/r1", "points": 2, "series": {"loss": [[1.0, 2.0], [3.0, 2.0]]}}
    again = {"If-None-Match": first.headers["etag"]}
    assert client.get("/studio/points", params={"run": "tiny/full/r1"}, headers=again).status_code == 304
    append(run.metrics, log(3, float("nan")))
    grown = client.get("/studio/points", params={"run": "tiny/full/r1"}, headers=again)
    assert grown.json()["series"]["loss"] == [[1.0, 2.0, 3.0], [3.0, 2.0, None]]


def test_only_the_visible_steps_are_sent(client: TestClient, run: RunPaths) -> None:
    shown = client.get("/studio/points", params={"run": "tiny/full/r1", "x_min": 1.5, "x_max": 9})
    assert shown.json()["series"]["loss"] == [[2.0], [2.0]]


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
    (run.job / "log.txt").write_text("<script>alert(1)</script>")
    shown = client.get("/studio/run", params={"run": "tiny/full/r1"}).json()
    assert shown["log"] == "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_a_run_without_an_export_says_so(client: TestClient, run: RunPaths) -> None:
    assert client.get("/studio/export", params={"run": "tiny/full/r1"}).json()["log"] == ""


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
