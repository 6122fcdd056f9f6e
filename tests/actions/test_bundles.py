"""A run that is packed on one machine is asked for on another, which says what is otherwise there."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.actions import environment
from studio.actions.bundles import pack_bundle, read_bundle
from studio.actions.runs import wait_run
from studio.actions.train import start_run
from studio.errors import NotFound, StudioError
from studio.stores.home import Home
from tests.actions.test_train import a_request
from tests.conftest import write_jsonl

FakeEngine = Callable[[str], None]


@pytest.fixture
def bundle(home: Home, fake_engine: FakeEngine, tmp_path: Path) -> Path:
    view = wait_run(home, start_run(home, a_request(home, options={"learning_rate": "1e-3"})).run)
    path = tmp_path / "run.zip"
    path.write_bytes(pack_bundle(home, view.run))
    return path


def test_a_bundle_holds_what_was_asked_and_no_data(home: Home, bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as packed:
        assert set(packed.namelist()) == {"bundle.json", "train.yaml", "hook.json", "metrics.jsonl"}
        manifest = json.loads(packed.read("bundle.json"))
    assert manifest["record"]["request"]["options"] == {"learning_rate": "1e-3"}
    assert manifest["entries"]["pairs"]["file_name"] == "pairs.jsonl"
    assert {"studio", "studio code", "python"} <= manifest["record"]["versions"].keys()


def test_on_the_same_machine_nothing_differs(home: Home, bundle: Path) -> None:
    request, different = read_bundle(home, bundle)
    assert different == []
    assert (request.name, request.model, request.options) == (
        "run-2",
        str(home.models / "tiny"),
        {"learning_rate": "1e-3"},
    )
    assert wait_run(home, start_run(home, request).run).state == "finished"


def test_every_difference_is_told(
    home: Home, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(home.data / "pairs.jsonl", [{"messages": [{"role": "user", "content": "other"}]}])
    (home.models / "tiny" / "config.json").write_text('{"hidden_size": 3}')
    monkeypatch.setattr(environment, "code_hash", lambda: "changed")
    told = {(problem.code, problem.values["name"]) for problem in read_bundle(home, bundle)[1]}
    assert told == {
        ("bundle_versions_other", "studio code"),
        ("bundle_model_other", "tiny"),
        ("bundle_datasets_other", "pairs"),
    }
    empty = Home(tmp_path / "empty")
    empty.saves.mkdir(parents=True)
    empty.registry.write_text("{}")
    told = {problem.code for problem in read_bundle(empty, bundle)[1]}
    assert {"bundle_model_missing", "bundle_datasets_missing"} <= told


def test_what_was_not_recorded_is_not_called_the_same(home: Home, bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as packed:
        manifest = json.loads(packed.read("bundle.json"))
    old = tmp_path / "old.zip"
    record = {"request": manifest["record"]["request"]}
    with zipfile.ZipFile(old, "w") as packed:
        packed.writestr("bundle.json", json.dumps({**manifest, "record": record}))
    codes = [problem.code for problem in read_bundle(home, old)[1]]
    assert codes == [f"bundle_{part}_unrecorded" for part in ("versions", "model", "datasets")]


def test_what_is_no_bundle_is_refused(home: Home, tmp_path: Path) -> None:
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr("bundle.json", '{"format": 99}')
    for number, content in enumerate((b"no zip", b"", other.getvalue())):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(content)
        with pytest.raises(StudioError) as refused:
            read_bundle(home, path)
        assert refused.value.code == "bad_bundle"
    with pytest.raises(NotFound):
        pack_bundle(home, "gone")
