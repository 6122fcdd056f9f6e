"""Packages, and pushes to hubs through their own SDKs, against a server that speaks the same HTTP."""

import hashlib
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from studio.actions.hand_on import (
    HandOnView,
    find_hand_on,
    package_file,
    start_package,
    start_push,
    stop_hand_on,
    wait_hand_on,
)
from studio.errors import NotFound, StudioError
from studio.jobs.launch import free_port
from studio.stores.home import Home
from studio.stores.models import model_path
from studio.texts import LANGUAGES, word_error
from tests.actions.hub_server import GOOD_TOKEN, Hub, hub_server

FILES = {
    "config.json": b"{}",
    "README.md": b"---\nlicense: apache-2.0\n---\n\n# m\n",
    "model.safetensors": bytes(range(256)) * 400,
    "flex-ckpt.auto_generated.metadata": b"x",
}
SHIPPED = {name: data for name, data in FILES.items() if not name.startswith("flex")}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    folder = home.models / "m"
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return home


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as hub:
        point_at(hub.address, monkeypatch)
        yield hub


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "STUDIO_MODEL_API_URL_PREFIX", "STUDIO_GIT_HOST"):
        monkeypatch.setenv(name, address)
    # The hub's own storage protocol is no HTTP that a stand-in could speak; without it the SDK sends by git-lfs.
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")


def model_of(home: Home) -> str:
    return str(home.models / "m")


def push(home: Home, hub: str, repository: str = "me/m", token: str = GOOD_TOKEN) -> HandOnView:
    return wait_hand_on(home, start_push(home, model_of(home), hub, repository, True, token))


def holding(home: Home, secret: str) -> list[Path]:
    files = [path for path in home.root.rglob("*") if path.is_file()]
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_a_package_holds_every_file_with_its_hash(home: Home, tmp_path: Path) -> None:
    view = wait_hand_on(home, start_package(home, model_of(home)))
    assert (view.state, view.done) == ("finished", sum(map(len, SHIPPED.values())))
    packed = package_file(home, model_of(home))
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    told = subprocess.run(check, cwd=tmp_path / "m", capture_output=True, text=True, check=True).stdout
    assert set(told.splitlines()) == {f"{name}: OK" for name in SHIPPED}
    beside = packed.with_name("m.tar.sha256").read_text()
    assert beside == f"{hashlib.sha256(packed.read_bytes()).hexdigest()}  m.tar\n"


def test_a_package_is_not_written_over(home: Home) -> None:
    (home.models / "m.tar").write_bytes(b"mine")
    with pytest.raises(StudioError, match="target_taken"):
        start_package(home, model_of(home))


def test_a_package_that_was_made_here_is_replaced_and_a_foreign_one_is_not(home: Home) -> None:
    packed = Path(wait_hand_on(home, start_package(home, model_of(home))).where)
    (home.models / "m" / "README.md").write_bytes(b"# corrected\n")
    assert wait_hand_on(home, start_package(home, model_of(home))).state == "finished"
    with tarfile.open(packed) as archive:
        read = archive.extractfile("m/README.md")
        assert read is not None
        assert read.read() == b"# corrected\n"
    told = packed.with_name("m.tar.sha256").read_text()
    assert told == f"{hashlib.sha256(packed.read_bytes()).hexdigest()}  m.tar\n"
    packed.write_bytes(b"mine")
    with pytest.raises(StudioError, match="target_taken"):
        start_package(home, model_of(home))


def test_a_cancelled_package_leaves_nothing_and_the_one_before_it_stays_ours(home: Home) -> None:
    weights = home.models / "m" / "model.safetensors"
    first = Path(wait_hand_on(home, start_package(home, model_of(home))).where)
    before = first.read_bytes()
    with weights.open("r+b") as file:
        file.truncate(1_500_000_000)
    for _ in range(2):
        start_package(home, model_of(home))
        deadline = time.monotonic() + 20
        while not (home.models / ".m.tar.partial").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert wait_hand_on(home, stop_hand_on(home, "package", model_of(home))).state == "stopped"
        assert {path.name for path in home.models.iterdir()} == {"m", "m.tar", "m.tar.sha256"}
    assert first.read_bytes() == before


def test_a_model_is_found_by_its_name_or_its_place(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.root)
    found = {str(model_path(home, given)) for given in ("m", f" {model_of(home)} ", "models/m", "./models/m")}
    assert found == {model_of(home)}


def test_a_package_needs_room(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(StudioError) as refused:
        start_package(home, model_of(home))
    assert word_error(refused.value, "en").startswith("The export needs 0.05 GB at")
    assert "0.00 GB are free" in word_error(refused.value, "en")


@pytest.mark.parametrize("name", ["huggingface", "modelscope", "aistudio"])
def test_a_hub_gets_what_lies_in_the_folder(home: Home, hub: Hub, name: str) -> None:
    view = push(home, name)
    assert view.state == "finished", view.failed
    assert hub.files["me/m"] == SHIPPED
    assert hub.private == {"me/m": True}
    assert view.done == view.total == sum(map(len, SHIPPED.values()))
    assert holding(home, GOOD_TOKEN) == []


@pytest.mark.parametrize("name", ["huggingface", "modelscope", "aistudio"])
def test_a_wrong_token_is_told_and_not_shown(home: Home, hub: Hub, name: str) -> None:
    view = push(home, name, token="hf_wrong-secret")
    assert view.failed is not None
    assert view.failed.code == "hub_bad_token", view.failed
    for language in LANGUAGES:
        assert "hf_wrong-secret" not in word_error(view.failed, language)
    assert holding(home, "hf_wrong-secret") == []


@pytest.mark.parametrize("name", ["huggingface", "modelscope"])
def test_another_owners_name_is_refused_in_words(home: Home, hub: Hub, name: str) -> None:
    view = push(home, name, "somebody/m")
    assert view.failed is not None
    assert view.failed.code == "hub_forbidden", view.failed
    assert "somebody/m" in word_error(view.failed, "en")


@pytest.mark.parametrize("name", ["huggingface", "modelscope", "aistudio"])
def test_nothing_private_goes_into_a_repository_that_is_public(home: Home, hub: Hub, name: str) -> None:
    hub.private["me/m"] = False
    view = push(home, name)
    assert view.failed is not None
    assert view.failed.code == "hub_is_public", view.failed
    assert (hub.files, hub.blobs) == ({}, {})
    for language in LANGUAGES:
        assert "me/m" in word_error(view.failed, language)


@pytest.mark.parametrize("name", ["huggingface", "modelscope", "aistudio"])
def test_a_private_repository_that_is_there_takes_a_model(home: Home, hub: Hub, name: str) -> None:
    hub.private["me/m"] = True
    hub.files["me/m"] = {"notes.txt": b"mine", "model.safetensors": b"old"}
    view = push(home, name)
    assert view.state == "finished", view.failed
    assert hub.files["me/m"] == {**SHIPPED, "notes.txt": b"mine"}


OLD = {"model-00001-of-00001.safetensors": b"old", "model.safetensors.index.json": b"{}"}


@pytest.mark.parametrize("name", ["huggingface", "modelscope"])
def test_weights_in_another_shape_take_the_place_of_the_old_ones(home: Home, hub: Hub, name: str) -> None:
    hub.private["me/m"] = True
    hub.files["me/m"] = {**OLD, "notes.txt": b"mine"}
    view = push(home, name)
    assert view.state == "finished", view.failed
    assert hub.files["me/m"] == {**SHIPPED, "notes.txt": b"mine"}


def test_old_weights_that_cannot_be_deleted_are_named_before_anything_is_sent(home: Home, hub: Hub) -> None:
    hub.private["me/m"] = True
    hub.files["me/m"] = dict(OLD)
    view = push(home, "aistudio")
    assert view.failed is not None
    assert view.failed.code == "hub_old_weights"
    assert all(name in word_error(view.failed, "en") for name in OLD)
    assert hub.files["me/m"] == OLD


def test_what_does_not_exist_is_not_taken_for_what_is_there_already(home: Home, hub: Hub) -> None:
    hub.refused = "the user does not exist"
    view = push(home, "aistudio")
    assert view.failed is not None
    assert "does not exist" in word_error(view.failed, "en")
    assert hub.files == {}


# ModelScope's SDK tries for a quarter of a minute before it says so.
@pytest.mark.parametrize("name", ["aistudio"])
def test_a_hub_that_is_not_there_is_told(home: Home, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    point_at(f"http://127.0.0.1:{free_port()}", monkeypatch)
    view = push(home, name)
    assert view.failed is not None
    assert view.failed.code == "hub_unreachable", view.failed


def test_the_token_is_in_no_process_list_and_a_push_can_be_ended(home: Home, hub: Hub) -> None:
    hub.slow_s = 20
    start_push(home, model_of(home), "huggingface", "me/m", True, GOOD_TOKEN)
    deadline = time.monotonic() + 30
    while not hub.blobs:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert any("studio.jobs.push" in line for line in lines)
    assert not any(GOOD_TOKEN in line for line in lines)
    view = wait_hand_on(home, stop_hand_on(home, "push", model_of(home)))
    assert view.state == "stopped"
    assert hub.files == {}


@pytest.mark.parametrize(
    ("hub", "repository", "token", "code"),
    [
        ("nowhere", "me/m", "t", "unknown_hub"),
        ("huggingface", "no-owner", "t", "bad_repository"),
        ("huggingface", "me/../m", "t", "bad_repository"),
        ("huggingface", "me/m", " ", "no_token"),
        ("huggingface", "me/m", "t\nX-Header: y", "no_token"),
    ],
)
def test_what_cannot_be_pushed_is_refused_before_the_start(
    home: Home, hub: str, repository: str, token: str, code: str
) -> None:
    with pytest.raises(StudioError) as refused:
        start_push(home, model_of(home), hub, repository, True, token)
    assert refused.value.code == code
    assert find_hand_on(home, "push", model_of(home)) is None


def test_nothing_is_handed_out_that_was_not_packed(home: Home) -> None:
    with pytest.raises(NotFound):
        package_file(home, model_of(home))
    with pytest.raises(NotFound):
        package_file(home, "../../etc")
