"""One jail: no way to write a path leads out of the folders that the page may reach, wherever a path is taken."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.actions.bundles import read_bundle
from studio.actions.chat import resolve_model
from studio.actions.conversations import list_row_targets, open_conversation, save_conversation
from studio.actions.datasets import add_dataset, inspect_file, list_datasets, remove_dataset
from studio.actions.export import start_export
from studio.actions.hand_on import find_hand_on, start_package, start_push
from studio.actions.model_card import read_card, save_card
from studio.actions.presets import save_preset, use_preset
from studio.actions.proofs import start_proof
from studio.actions.rows import allowed_data, check_dataset, read_page
from studio.actions.serving import preview_server
from studio.actions.train import default_request, import_config, preview_run, start_run
from studio.core.conversation import Conversation
from studio.core.serving import ServeRequest
from studio.errors import StudioError
from studio.stores.batches import find_batch
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.runs import find_run_folder
from studio.stores.servers import find_server
from tests.actions.test_export import write_adapter, write_model
from tests.attacks.conftest import outside_files, press
from tests.attacks.spellings import Spelling, spell
from tests.conftest import write_jsonl

SECRET = "SECRET-OF-ANOTHER-FOLDER"
Note = Callable[[str, int], None]
# All of them where there is time, and every tenth in the short form.
SHARES = pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.attacks), 10])


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the home with all that somebody might want."""
    folder = tmp_path / "outside"
    write_jsonl(folder / "secret.jsonl", [{"text": SECRET}])
    model = write_model(folder / "model")
    (model / "README.md").write_text(SECRET)
    (model / "tokenizer_config.json").write_text("{}")
    (write_model(folder / "adapter") / "lora_config.json").write_text("{}")
    return folder


@contextmanager
def nothing_changes(folder: Path) -> Iterator[None]:
    before = outside_files(folder)
    yield
    assert outside_files(folder) == before


def attack(spellings: list[Spelling], act: Callable[[str], Any]) -> int:
    """Try all; what reaches the target must be refused in words, and nothing else may tell of it."""
    for spelling in spellings:
        try:
            told = act(spelling.text)
        except StudioError as error:
            told = repr(error)
        else:
            assert not spelling.reaches, f"{spelling.how}: {spelling.text!r} was taken"
        assert SECRET not in repr(told), spelling.how
        json.dumps(repr(told)).encode()
    return len(spellings)


def test_a_path_on_the_page(app: FastAPI, home: Home, outside: Path, tried: Note) -> None:
    spellings = spell(home, outside / "secret.jsonl", home.data)
    # What is typed begins where the studio was started.
    relative = {"dots", "dots behind a folder", "dots and a dot", "dots and double slashes"}

    def look(text: str) -> str:
        told = str(press(app, "dataset-inspect", None, text, "", "", "en")[0])
        assert "Something went wrong" not in told
        if "lies outside" in told or "cannot be a path" in told or "no file" in told:
            raise StudioError("refused", told=told)
        return told

    count = attack([replace(one, reaches=one.reaches and one.how not in relative) for one in spellings], look)
    tried("paths.register", count)


def test_a_folder_with_links_in_it(jailed: Home, outside: Path) -> None:
    folder = jailed.data / "mixed"
    write_jsonl(folder / "good.jsonl", [{"text": "mine"}])
    assert allowed_data(jailed, folder) == folder
    (folder / "z.jsonl").symlink_to(outside / "secret.jsonl")
    with pytest.raises(StudioError, match="outside_roots"):
        allowed_data(jailed, folder)


def test_a_file_name_in_the_registry(
    jailed: Home, home: Home, app: FastAPI, client: TestClient, outside: Path, tried: Note
) -> None:
    spellings = spell(home, outside / "secret.jsonl", home.data)

    def everything(text: str) -> Any:
        home.registry.write_text(json.dumps({"d": {"file_name": text, "formatting": "text"}}))
        for path in ("/studio/data?name=d", "/studio/faulty?name=d"):
            answer = client.get(path)
            assert answer.status_code in (200, 404, 422)
            assert SECRET not in answer.text
        assert SECRET not in repr([list_datasets(jailed), list_row_targets(jailed)])
        return [read_page(jailed, "d", 1, 10), check_dataset(jailed, "d")]

    # A registry is JSON, in which half a character can stand; a name with spaces around it is another name.
    count = attack(
        [replace(one, reaches=one.reaches and not one.how.startswith("space")) for one in spellings], everything
    )
    tried("paths.registry", count)


def test_deleting_a_dataset_deletes_no_more_than_its_file(jailed: Home, outside: Path, tried: Note) -> None:
    spellings = spell(jailed, outside / "secret.jsonl", jailed.data)
    write_jsonl(jailed.data / "sub" / "part.jsonl", [{"text": "mine"}])
    more = [
        Spelling(f"folder {name!r}", name) for name in (".", "./", "x/..", "sub/..", "../data", "sub", "link.jsonl")
    ]
    for one in [*spellings, *more]:
        kept = {"file_name": "sub/part.jsonl", "formatting": "text"}
        entries = {"d": {"file_name": one.text, "formatting": "text"}, "kept": kept}
        jailed.registry.write_text(json.dumps(entries))
        with nothing_changes(outside):
            try:
                remove_dataset(jailed, "d", delete_file=True)
            except StudioError:
                continue
            finally:
                assert (jailed.data / "sub" / "part.jsonl").exists(), one.how
                assert (jailed.data / "pairs.jsonl").exists(), one.how
    tried("paths.delete", len(spellings) + len(more))


def test_the_model_the_adapter_and_engine_arguments_of_a_run(jailed: Home, outside: Path, tried: Note) -> None:
    request = replace(default_request(jailed), datasets=("pairs",), eval_dataset=None, name="n")
    tiny = str(jailed.models / "tiny")
    cwd = Path.cwd()
    for key, target, base, change in (
        ("paths.model", "model", cwd, lambda text: replace(request, model=text)),
        ("paths.adapter", "adapter", cwd, lambda text: replace(request, model=tiny, method="lora", adapter=text)),
        (
            "paths.extra",
            "model",
            jailed.saves,
            lambda text: replace(request, model=tiny, extra={"tokenizer_name_or_path": text}),
        ),
    ):
        spellings = spell(jailed, outside / target, base if base != cwd else jailed.models)
        relative = {"dots", "dots behind a folder", "dots and a dot", "dots and double slashes"}
        spellings = [
            replace(
                one,
                reaches=one.reaches
                and not one.how.startswith("space")
                and not (base == cwd and one.how in relative),
            )
            for one in spellings
        ]

        def start(text: str, change: Any = change, key: str = key) -> Any:
            asked = change(text)
            # Without an adapter there is nothing to refuse.
            if (key == "paths.extra" and "/" not in text and ".." not in text) or (
                key == "paths.adapter" and not text
            ):
                raise StudioError("no path")
            # What stands before the start of each run, and starts none for a name that leads nowhere.
            if problems := preview_run(jailed, asked).problems:
                raise StudioError(problems[0].code, problems[0].field)
            return asked

        with nothing_changes(outside):
            tried(key, attack(spellings, start))
            with pytest.raises(StudioError):
                start_run(jailed, change(str(outside / target)))
    assert not list(jailed.saves.glob("*/*/n"))


def test_settings_from_a_file(jailed: Home, outside: Path, tried: Note) -> None:
    spellings = spell(jailed, outside / "model", jailed.models)
    relative = {"dots", "dots behind a folder", "dots and a dot", "dots and double slashes"}

    def take(text: str) -> Any:
        return import_config(jailed, json.dumps({"model_name_or_path": text}))

    count = attack(
        [
            replace(one, reaches=one.reaches and not one.how.startswith("space") and one.how not in relative)
            for one in spellings
        ],
        take,
    )
    tried("paths.settings", count)


def test_the_model_in_a_bundle(jailed: Home, outside: Path, tmp_path: Path, tried: Note) -> None:
    spellings = spell(jailed, outside / "model", jailed.models)
    for one in spellings:
        path = tmp_path / "run.zip"
        asked = replace(default_request(jailed), model=one.text)
        record = {"request": asked.to_json(), "model": "x", "datasets": [{"name": one.text, "sha256": "ab"}]}
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("bundle.json", json.dumps({"format": 1, "record": record}))
        try:
            request, told = read_bundle(jailed, path)
        except StudioError:
            continue
        assert Path(request.model).resolve().is_relative_to(jailed.models.resolve()), one.how
        assert Path(request.model).resolve() != jailed.models.resolve(), one.how
        assert SECRET not in repr(told)
    tried("paths.bundle", len(spellings))


def test_models_that_are_loaded_served_or_stand_under_an_adapter(jailed: Home, outside: Path, tried: Note) -> None:
    spellings = [
        replace(one, reaches=one.reaches and not one.how.startswith("space"))
        for one in spell(jailed, outside / "model", jailed.models)
    ]
    count = attack(spellings, lambda text: resolve_model(jailed, text, ()))
    count += attack(spellings, lambda text: resolve_model(jailed, "tiny", [text]))

    def serve(text: str) -> Any:
        preview = preview_server(jailed, ServeRequest(text, name="s"))
        if preview.problems:
            raise StudioError("refused", told=preview.problems)
        return preview

    tried("paths.chat", count + attack(spellings, serve))
    adapter = jailed.models / "adapter"
    adapter.mkdir()

    def stand(text: str) -> Any:
        (adapter / "lora_config.json").write_text(json.dumps({"base_model_name_or_path": text}))
        return resolve_model(jailed, str(adapter), ())

    # A base is named by its whole path; dots would begin where the studio was started.
    straight = [replace(one, reaches=one.reaches and not one.how.startswith("dots")) for one in spellings]
    tried("paths.base", attack(straight, stand))


def test_exports_and_proofs(jailed: Home, outside: Path, tried: Note) -> None:
    base = write_model(jailed.models / "base")
    write_adapter(jailed, "a", base)
    for key, target, act in (
        ("paths.target", "new", lambda text: start_export(jailed, "a", to=text)),
        ("paths.merge", "adapter", lambda text: start_export(jailed, "a", to="merged", more=[text])),
        ("paths.proof", "model", lambda text: start_proof(jailed, str(base), ["a"], text)),
        ("paths.proof", "model", lambda text: start_proof(jailed, text, ["a"], str(base))),
        ("paths.proof", "adapter", lambda text: start_proof(jailed, str(base), [text], str(base))),
    ):
        # A name within the home may be exported to: that is what a target is for.
        plain = {"a stream", "a device", "a very long name", "any character", "a star"}
        spellings = [
            one for one in spell(jailed, outside / target, jailed.models) if one.reaches or one.how not in plain
        ]
        spellings = [one for one in spellings if key != "paths.proof" or one.text.strip("./") or one.reaches]
        with nothing_changes(outside):
            tried(key, attack(spellings, act))


def test_what_is_packed_pushed_or_described(jailed: Home, outside: Path, tried: Note) -> None:
    spellings = spell(jailed, outside / "model", jailed.models)
    with nothing_changes(outside):
        count = attack(spellings, lambda text: start_package(jailed, text))
        count += attack(spellings, lambda text: start_push(jailed, text, "huggingface", "me/model", True, "token"))
        count += attack(spellings, lambda text: read_card(jailed, text))
        count += attack(spellings, lambda text: save_card(jailed, text, "mine"))
        count += attack(
            [replace(one, reaches=False) for one in spellings], lambda text: find_hand_on(jailed, "push", text)
        )
        model = write_model(jailed.models / "linked")
        (model / "README.md").symlink_to(outside / "model" / "README.md")
        for act in (start_package, read_card):
            with pytest.raises(StudioError, match="outside_roots"):
                act(jailed, "linked")
    tried("paths.hand_on", count + 2)


def test_new_names_make_nothing_elsewhere(jailed: Home, outside: Path, tried: Note, tmp_path: Path) -> None:
    request = replace(
        default_request(jailed), model=str(jailed.models / "tiny"), datasets=("pairs",), eval_dataset=None
    )
    source = write_jsonl(tmp_path / "new.jsonl", [{"text": "mine"}])
    acts: list[Callable[[str], Any]] = [
        lambda name: add_dataset(jailed, source, name),
        lambda name: save_preset(jailed, request, name),
        lambda name: use_preset(jailed, request, name),
        lambda name: save_conversation(jailed, name, Conversation()),
        lambda name: open_conversation(jailed, name),
        lambda name: find_run_folder(jailed, name),
        lambda name: find_batch(jailed, name),
        lambda name: find_server(jailed, name),
        lambda name: start_run(jailed, replace(request, name=name, options={"device": name})),
    ]
    spellings = [
        *spell(jailed, outside / "secret.jsonl", jailed.data),
        Spelling("a line end", "x\n"),
        Spelling("a dot", ".x"),
    ]
    before = {path for path in tmp_path.rglob("*") if jailed.root not in path.parents}
    with nothing_changes(outside):
        count = sum(attack(spellings, act) for act in acts)
    assert {path for path in tmp_path.rglob("*") if jailed.root not in path.parents} == before
    made = {path.name for folder in (jailed.presets, jailed.chats) for path in folder.rglob("*")}
    assert not {name for name in made if "/" in name or name.startswith(".") or "\n" in name}
    tried("paths.names", count)


@SHARES
def test_names_in_our_routes(step: int, client: TestClient, home: Home, outside: Path, tried: Note) -> None:
    write_adapter(home, "a", write_model(home.models / "base"))
    routes = [
        "run?run={}",
        "log?run={}",
        "log?run=a&name={}",
        "log/file?run=a&name={}",
        "points?run={}",
        "metrics.csv?run={}",
        "bundle.zip?run={}",
        "data?name={}",
        "faulty?name={}",
        "batch?name={}",
        "batch.csv?name={}",
        "evaluation?name={}",
        "evaluation.json?name={}",
        "export/report.json?run=a&name={}",
        "proof/report.json?name={}",
        "package.tar?model={}",
        "servers/log?name={}",
        "{}.js",
    ]
    count = 0
    for one in spell(home, outside / "secret.jsonl", home.saves)[::step]:
        for route in routes:
            text = (
                one.text.encode("utf-8", "surrogatepass")
                if any(0xD800 <= ord(c) < 0xE000 for c in one.text)
                else one.text
            )
            answer = client.get(f"/studio/{route.format(quote(text, safe=''))}")
            assert answer.status_code in (200, 404, 422), (route, one.how, answer.text)
            assert SECRET not in answer.text
            # A card says what is not there; an empty name of a log is the whole log.
            cards = ("run", "batch", "evaluation")
            assert answer.status_code != 200 or route.split("?")[0] in cards or not one.text, (route, one.how)
            count += 1
    tried("paths.routes", count)


@SHARES
def test_gradios_file_routes(step: int, client: TestClient, home: Home, outside: Path, tried: Note) -> None:
    count = 0
    for one in spell(home, outside / "secret.jsonl", home.data)[::step]:
        if any(0xD800 <= ord(letter) < 0xE000 for letter in one.text):
            continue
        for route in ("file=", "file/", "proxy=", "stream/", "deep_link?session_hash="):
            for written in {quote(one.text, safe=""), quote(one.text)}:
                try:
                    answer = client.get(f"/gradio_api/{route}{written}", follow_redirects=False)
                except httpx.InvalidURL:
                    # Sent on to an address that no browser takes.
                    continue
                # Of a session that is none there is a page without anything in it.
                known = (302, 307, 400, 403, 404, 405, 422)
                assert answer.status_code in known or route.startswith("deep"), (route, one.how)
                assert SECRET not in answer.text
                count += 1
    for name in (
        "app.py",
        "pyproject.toml",
        "studio/errors.py",
        str(home.registry),
        str(home.data / "pairs.jsonl"),
    ):
        assert client.get(f"/gradio_api/file={name}").status_code in (403, 404), name
    tried("paths.files", count)


def test_names_of_uploaded_files(
    client: TestClient, home: Home, outside: Path, tried: Note, tmp_path: Path
) -> None:
    import tempfile

    uploads = Path(tempfile.gettempdir()) / "gradio"
    # Without a name it is no file.
    spellings = [one for one in spell(home, outside / "secret.jsonl", home.data) if one.text]
    for one in spellings:
        name = one.text.encode("utf-8", "replace").decode()
        with nothing_changes(outside):
            answer = client.post(
                "/gradio_api/upload", files=[("files", (name, b"{}"))], headers={"Origin": "http://127.0.0.1"}
            )
        assert answer.status_code in (200, 400, 413), (one.how, answer.status_code)
        if answer.status_code == 200:
            assert Path(answer.json()[0]).resolve().is_relative_to(uploads.resolve()), one.how
    tried("paths.upload", len(spellings))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["..", ".", "", "a", "outside", "home", "data", "~", "link", "\0", "．．", "/"]),
        max_size=12,
    )
)
def test_any_pile_of_parts_stays_inside_or_is_refused(parts: list[str]) -> None:
    home = Home(Path("/nowhere/home"), (Path("/nowhere/home"),))
    try:
        found = allowed_path(home, home.data / "/".join(parts).lstrip("/"))
    except StudioError:
        return
    assert found.resolve().is_relative_to(home.root)


def test_the_command_line_reads_what_its_user_can_read(home: Home, outside: Path) -> None:
    assert allowed_path(home, outside / "secret.jsonl") == outside / "secret.jsonl"
    assert inspect_file(outside / "secret.jsonl").rows == 1
    with pytest.raises(StudioError, match="bad_path"):
        allowed_path(home, "a\0b")
