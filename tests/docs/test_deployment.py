"""What the page on deployment sets up is what the studio accepts, and nothing more."""

import configparser
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from studio.actions.access import make_token, set_password
from studio.stores.home import Home
from studio.ui.server import UPLOAD_LIMIT, build_app, find_exposure
from tests.docs.pages import DOCS, ROOT, blocks

BLOCKS = {block.language: block.text for block in blocks(DOCS / "deployment.md")}
HOST = "studio.example.org"
VARIABLES = {"$http_host": HOST, "$scheme": "https", "$remote_addr": "192.0.2.7"}
SCRIPT = re.compile(r'src=\\?"([^"\\]*plotly\.js)')
ROOT_URL = re.compile(r'"root":"([^"]+)"')


def set_headers(headers: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """What nginx makes of a browser's headers, by the page's lines; an empty one is left out."""
    lines = re.findall(r'proxy_set_header ([\w-]+)\s+"?([^";]*)"?;', BLOCKS["nginx"])
    both = {name.lower(): value for name, value in headers.items()}
    both |= {name.lower(): variables.get(value, value) for name, value in lines}
    return {name: value for name, value in both.items() if value}


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    return set_headers(headers, VARIABLES)


@pytest.fixture(params=["", "/studio"])
def proxied(request: pytest.FixtureRequest, home: Home) -> Iterator[tuple[str, TestClient]]:
    """The studio behind nginx at the root, and under a sub-path that nginx takes off, for somebody with a token."""
    set_password(home, "long enough")
    exposure = find_exposure(home, "127.0.0.1", [HOST], behind_proxy=True, root_path=request.param)
    token = {"Authorization": f"Bearer {make_token(home, 'test')}"}
    with TestClient(build_app(home, exposure=exposure), base_url="http://127.0.0.1:7860", headers=token) as client:
        yield request.param, client


def test_the_page_opens_behind_nginx_and_knows_its_address(proxied: tuple[str, TestClient]) -> None:
    path, client = proxied
    answer = client.get("/", headers=forwarded({"Host": HOST}))
    assert answer.status_code == 200
    assert set(ROOT_URL.findall(answer.text)) == {f"https://{HOST}{path}"}
    # Relative, so that they are found under any path.
    assert SCRIPT.findall(answer.text) == ["studio/plotly.js"]
    assert client.get("/config", headers=forwarded({"Host": HOST})).json()["root"] == f"https://{HOST}{path}"


def test_writes_of_our_own_page_come_through_and_others_do_not(proxied: tuple[str, TestClient]) -> None:
    path, client = proxied
    client.headers.pop("Authorization")
    own = forwarded({"Host": HOST, "Origin": f"https://{HOST}"})
    logged_in = client.post("/studio/login", headers=own, data={"password": "long enough"}, follow_redirects=False)
    assert logged_in.status_code == 303, logged_in.text
    cookie = logged_in.headers["set-cookie"].partition(";")[0]
    for origin, status in ((f"https://{HOST}", 200), ("https://evil.example", 403), ("null", 403)):
        headers = forwarded({"Host": HOST, "Origin": origin, "Cookie": cookie})
        answer = client.post("/gradio_api/upload", headers=headers, files={"files": ("a.csv", b"a,b\n1,2\n")})
        assert answer.status_code == status, (path, origin)


def test_nginx_lets_uploads_through_up_to_the_studios_own_limit() -> None:
    assert re.search(r"client_max_body_size (\w+);", BLOCKS["nginx"])[1] + "b" == UPLOAD_LIMIT  # type: ignore[index]


def test_a_notebooks_proxy_calls_the_studio_by_names_that_it_accepts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Config:
        class ServerProxy:
            servers: dict[str, dict[str, object]]

    exec(BLOCKS["python"], {"c": Config})
    (name,) = Config.ServerProxy.servers
    replaced = Config.ServerProxy.servers[name]["request_headers_override"]
    assert isinstance(replaced, dict)
    started = re.search(r"GRADIO_ROOT_PATH=(https\S+)", (DOCS / "deployment.md").read_text(encoding="utf-8"))
    assert started
    assert started[1].endswith(f"/{name}")
    monkeypatch.setenv("GRADIO_ROOT_PATH", started[1])
    with TestClient(build_app(home), base_url="http://127.0.0.1:7860") as client:
        assert client.get("/", headers={"Host": "hub.example.org"}).status_code == 400
        page = client.get("/", headers=dict(replaced))
        assert page.status_code == 200
        assert set(ROOT_URL.findall(page.text)) == {started[1]}
        answer = client.post("/gradio_api/upload", headers=dict(replaced), files={"files": ("a.csv", b"a\n1\n")})
        assert answer.status_code == 200


def test_a_restart_of_the_unit_leaves_runs_alone() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(BLOCKS["ini"])
    assert unit["Service"]["KillMode"] == "process"
    assert unit["Service"]["OOMPolicy"] == "continue"
    assert " app.py " in unit["Service"]["ExecStart"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    # The program and its user are not on this machine.
    text = re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", BLOCKS["ini"], flags=re.MULTILINE)
    unit = tmp_path / "studio.service"
    unit.write_text(re.sub(r"^User=.*\n", "", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if "studio.service" in line]
    assert (done.returncode, told) == (0, [])


def test_the_container_file_copies_what_is_there() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    copied = [
        word for line in re.findall(r"^COPY (?:--\S+ )*(.+)$", text, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert copied
    assert all((ROOT / path).exists() for path in copied)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    # What git does not keep is somebody's own: models, runs, keys, the password.
    own = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()[1:]}
    assert own <= {name.removeprefix("**/") for name in ignored}
    assert "data" not in ignored
