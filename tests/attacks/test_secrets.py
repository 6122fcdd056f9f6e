"""Secrets that are planted through the studio's own actions: each stands in its own file, for its owner, and nowhere else."""

import io
import json
import os
import stat
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from studio.actions.access import Access, list_tokens, make_token, set_password
from studio.actions.answering import JUDGE_KEY
from studio.actions.batch import batch_csv, batch_jsonl, read_table, view_batch
from studio.actions.batches import Batches
from studio.actions.bundles import pack_bundle
from studio.actions.chat import ChatModels
from studio.actions.datasets import list_datasets
from studio.actions.hand_on import start_push, wait_hand_on
from studio.actions.notify import known_webhook, set_webhook, try_webhook
from studio.actions.presets import save_preset
from studio.actions.rows import allowed_data
from studio.actions.runs import find_run, wait_run
from studio.actions.serving import list_servers, preview_server
from studio.actions.train import import_config, preview_run, start_run
from studio.cli import main
from studio.core.access import Cost
from studio.core.batch import BatchRequest, Contender, Judge
from studio.core.hiding import is_secret_key
from studio.core.paddleformers.arguments import engine_arguments
from studio.core.serving import ServeRequest
from studio.errors import RequestRefused, StudioError
from studio.jobs import notify
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from studio.stores.servers import write_key, write_server
from studio.texts import LANGUAGES, word_error, word_problem
from studio.ui.routes import build_routes
from studio.ui.server import build_app
from tests.actions.hub_server import hub_server
from tests.actions.model_server import ModelServer, serve
from tests.actions.test_hand_on import FILES, point_at
from tests.actions.test_train import a_request, until
from tests.attacks.conftest import press

SECRET = "planted-secret-7f3a91"
QUICK = Cost(2, 1, 1)
WAIT_S = 30
# Variables as they stand in people's shells; the last ones hold a password within an address.
VARIABLES = {
    name: f"planted-{number:02}-{name.lower()}"
    for number, name in enumerate(
        (
            *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AISTUDIO_ACCESS_TOKEN", "MODELSCOPE_API_TOKEN", "GITHUB_PAT"),
            *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "OPENAI_KEY", "WANDB_API_KEY"),
            *("STUDIO_API_KEY", "STUDIO_ENDPOINT_KEY", "STUDIO_JUDGE_KEY", "STUDIO_HUB_TOKEN", "VLLM_API_KEY"),
            *("FD_API_KEY", "DB_PASSWORD", "PGPASSWORD", "SSH_PASSPHRASE", "SIGNING_PRIVATE_KEY", "CREDENTIALS"),
            *("DATABASE_URL", "MLFLOW_TRACKING_URI"),
        )
    )
}
Note = Callable[[str, int], None]


def in_environment(name: str) -> str:
    return f"postgres://me:{VARIABLES[name]}@host/x" if name.endswith(("URL", "URI")) else VARIABLES[name]


def holders(home: Home, secret: str = SECRET) -> dict[str, int]:
    """The files of a home that hold the secret, with who may read them."""
    found = [path for path in home.root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    return {path.relative_to(home.root).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in found}


def test_a_secret_stands_in_its_own_file_for_its_owner(home: Home, tried: Note) -> None:
    before = os.umask(0)
    try:
        told = set_webhook(home, f"https://hooks.example/{SECRET}")
        write_key(home.serving / "s" / "api_key", SECRET)
    finally:
        os.umask(before)
    assert SECRET not in told + repr(known_webhook(home))
    assert holders(home) == {"webhook.json": 0o600, "serving/s/api_key": 0o600}
    tried("secrets.files", 2)


def test_the_webhooks_file_is_no_data(jailed: Home) -> None:
    set_webhook(jailed, f"https://hooks.example/{SECRET}")
    with pytest.raises(StudioError, match="outside_roots"):
        allowed_data(jailed, jailed.webhook)
    jailed.registry.write_text(json.dumps({"w": {"file_name": "../webhook.json"}}))
    assert SECRET not in repr(list_datasets(replace(jailed)))


@contextmanager
def repeating_service() -> Iterator[str]:
    """A service that refuses, and says how it was called, in each way in which services do; its address."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            calls.append(self.path)
            padding = "x" * 180 if len(calls) % 2 else ""
            body = json.dumps(
                {"errcode": 1, "errmsg": f"{padding} http://{self.headers['Host']}{self.path} {self.path}"}
            )
            self.send_response(200 if len(calls) % 3 else 400, f"no {self.path}")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing: a test's output is its own."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def watching_processes() -> Iterator[set[bytes]]:
    """The arguments of every process that there is meanwhile, as any user of the machine can read them."""
    seen: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.03):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(place.read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def pushed(home: Home, hub: str, token: str) -> Iterator[str]:
    """What is said of a push that was refused."""
    model = home.models / "m"
    model.mkdir(exist_ok=True)
    for name, data in FILES.items():
        (model / name).write_bytes(data)
    view = wait_hand_on(home, start_push(home, str(model), hub, "me/m", True, token))
    assert view.failed is not None
    assert view.failed.code == "hub_bad_token", view.failed
    yield from (word_error(view.failed, language) for language in LANGUAGES)


def judged(home: Home, server: ModelServer, keys: Mapping[str, str]) -> Iterator[str]:
    """What is told of a batch of which one question is refused with the key repeated, and of one that is judged so."""
    models = ChatModels()
    batches = Batches(home, models)
    far = Contender("far", "m", address=server.address)
    asked = BatchRequest("b", pasted="hello\nrefuse and repeat", contenders=(far,))
    rubric = "refuse and repeat {answer}"
    judge = replace(
        asked,
        name="j",
        measures=("answers", "judge"),
        pasted="",
        dataset="pairs",
        judge=Judge(server.address, "m", rubric),
    )
    for request in (asked, judge):
        batches.start(request, keys)
        batches.wait(request.name, WAIT_S)
        view = view_batch(home, request.name)
        yield repr(view)
        yield from (word_problem(reason, language) for reason in view.reasons.values() for language in LANGUAGES)
        yield repr(read_table(home, request.name)) + batch_jsonl(home, request.name)
        yield from (batch_csv(home, request.name, language) for language in LANGUAGES)
    batches.close()
    models.close()
    assert server.keys == {*keys.values()}


def told_of_a_run(home: Home, run: str) -> Iterator[str]:
    """What is told of a run whose engine prints its environment, and whose end a service refuses to be told."""
    assert wait_run(home, run).state == "finished"
    assert until(home, run, lambda view: bool(view.webhook_error)).webhook_error
    yield repr((find_run(home, run), known_webhook(home)))
    for _ in range(2):
        with pytest.raises(StudioError) as refused:
            try_webhook(home)
        yield from (word_error(refused.value, language) for language in LANGUAGES)
    preview = preview_run(home, a_request(home, name="again"))
    yield preview.command + preview.yaml + preview.python
    with zipfile.ZipFile(io.BytesIO(pack_bundle(home, run))) as bundle:
        yield from (bundle.read(name).decode() for name in bundle.namelist())
    log = (RunPaths(Path(find_run(home, run).path)).job / "log.txt").read_text()
    # It was told its environment, and where to look for what may be in there.
    assert "PYTHONUNBUFFERED" in log
    yield log


def told_of_a_server(home: Home, key: str) -> Iterator[str]:
    """What is told of a server that asks for a key."""
    write_server(home.serving / "s", ServeRequest(str(home.models / "tiny"), "s", host="::"), time.time())
    write_key(home.serving / "s" / "api_key", key)
    yield repr(list_servers(home))
    for backend in ("builtin", "fastdeploy", "vllm"):
        yield repr(preview_server(home, ServeRequest("tiny", "s", backend, host="::")))


def routes_of(router: Any) -> dict[str, APIRoute]:
    """What can be got of ours, by its path: FastAPI keeps what was included as routers within a router."""
    found: dict[str, APIRoute] = {}
    for route in router.routes:
        if not isinstance(route, APIRoute):
            found |= routes_of(route.original_router)
        elif "GET" in route.methods:
            found["/studio/" + route.path.removeprefix("/studio").lstrip("/")] = route
    return found


# What the routes are asked about: a run, a batch, an evaluation, a server and a dataset.
NAMES = ("tiny/full/run", "j", "b", "s", "pairs")
PARTS = {"{name}.js": "page.js", "evaluation.{kind}": "evaluation.json", "hand-on/{kind}": "hand-on/push"}
# They hand out what was not made here, or want two runs.
SILENT = {
    "/studio/compare",
    "/studio/package.tar",
    "/studio/export/report.json",
    "/studio/proof/report.json",
    "/studio/probes",
}


def answered(home: Home, password: str, token: str) -> Iterator[str]:
    """What the routes and the page's functions say to somebody who has logged in, and to somebody who has not."""
    app = build_app(home)
    found = set[str]()
    for given in (token, f"{token}x"):
        client = TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {given}"})
        for path, route in routes_of(build_routes(home)).items():
            place, _, last = path.rpartition("/studio/")
            asked = {param.name for param in route.dependant.query_params} & {
                "run",
                "runs",
                "name",
                "model",
                "text",
            }
            asked -= {"name"} if "run" in asked else set()
            for name in NAMES if asked else ("",):
                answer = client.get(f"{place}/studio/{PARTS.get(last, last)}", params=dict.fromkeys(asked, name))
                found |= {path} if answer.is_success else set()
                yield answer.text if "plotly" not in path else ""
        yield from (client.get(path).text for path in ("/", "/config", "/gradio_api/info"))
        yield client.post("/studio/login", json={"password": f"{password}x"}).text
    # All others had something to say.
    assert {*routes_of(build_routes(home))} - found <= SILENT
    yield repr(press(app, "notify-try", "en"))
    yield repr(press(app, "push-start", str(home.models / "m"), "huggingface", "no-owner", "private", token, "en"))


@pytest.mark.slow
@pytest.mark.attacks
def test_what_was_planted_is_found_nowhere_else(
    home: Home,
    fake_engine: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tried: Note,
) -> None:
    planted = {
        # As hubs may give them out one day: what JSON and addresses write in another way.
        "a hub's token": 'planted-push"token\\%2F-and-more',
        "a server's key": "planted-endpoint-key+/=",
        "a judge's key": 'planted-judge-key"\\',
        "a webhook's address": "planted-webhook-7f3a91",
        "the password": "planted password 42",
        "a key of a server of ours": "planted-server-key",
    }
    for name in VARIABLES:
        monkeypatch.setenv(name, in_environment(name))
    monkeypatch.setattr(notify, "PAUSE_S", 0)
    fake_engine("tell")
    set_password(home, planted["the password"], QUICK)
    planted["a script's token"] = make_token(home, "script")
    keys = {"far": planted["a server's key"], JUDGE_KEY: planted["a judge's key"]}
    said = [repr(list_tokens(home)), *told_of_a_server(home, planted["a key of a server of ours"])]
    with watching_processes() as seen, repeating_service() as service, serve() as server, hub_server() as hub:
        point_at(hub.address, monkeypatch)
        hub.repeats = True
        said += [set_webhook(home, f"{service}/open-apis/bot/" + planted["a webhook's address"] + "?sign=1")]
        run = start_run(home, a_request(home)).run
        said += judged(home, server, keys)
        said += pushed(home, "huggingface", planted["a hub's token"])
        # Its supervisor has tried three times by now.
        said += told_of_a_run(home, run)
        said += answered(home, planted["the password"], planted["a script's token"])
        with pytest.raises(StudioError):
            Access(home).log_in(planted["the password"] + "x", "a")
        assert main(["--home", str(home.root), "token", "list"]) == 0
    assert any(b"studio.jobs.push" in argv for argv in seen)
    planted |= {f"the variable {name}": secret for name, secret in VARIABLES.items()}
    printed = capfd.readouterr()
    said += [printed.out, printed.err, caplog.text]
    own = {
        "a webhook's address": {"webhook.json": 0o600},
        "a key of a server of ours": {"serving/s/api_key": 0o600},
    }
    for what, secret in planted.items():
        for written in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
            assert [text for text in said if written in text] == [], what
            assert [argv for argv in seen if written.encode() in argv] == [], what
            assert holders(home, written) == own.get(what, {}), what
            # Nor the better half of it, where something was cut off.
            assert [text for text in said if written[:14] in text and what.startswith(("a ", "the p"))] == [], what
    tried("secrets.planted", len(planted))


def test_a_secret_among_further_engine_keys_is_refused_before_it_is_written(home: Home, tried: Note) -> None:
    before = sorted(home.root.rglob("*"))
    assert [name for name in engine_arguments() if is_secret_key(name)] == ["wandb_api_key"]
    for extra in (
        {"wandb_api_key": SECRET},
        {"wandb_http_proxy": f"http://me:{SECRET}@proxy:3128"},
        {"hf_hub_token": SECRET},
    ):
        request = a_request(home, extra=extra)
        preview = preview_run(home, request)
        assert (preview.command, preview.yaml, preview.python) == ("", "", "")
        assert [problem.code for problem in preview.problems] == ["key_is_a_secret"]
        for act in (start_run, lambda home, asked: save_preset(home, asked, "mine")):
            with pytest.raises(RequestRefused) as refused:
                act(home, request)
            told = [word_problem(each, language) for each in refused.value.problems for language in LANGUAGES]
            assert SECRET not in "".join(told)
        _, report = import_config(home, json.dumps({"stage": "SFT", **extra}))
        if "wandb_http_proxy" not in extra:
            assert SECRET not in repr(report)
    assert sorted(home.root.rglob("*")) == before
    tried("secrets.keys", 3)
