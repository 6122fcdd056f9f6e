"""The guard before all routes, attacked: without a login, with a stolen one, from other sites and under other names."""

import dataclasses
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.formparsers import MultiPartException
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from studio.actions.access import Access, make_token, remove_password, revoke_token, set_password
from studio.core.access import Cost
from studio.core.exposure import Exposure
from studio.errors import StoreFailed, StudioError
from studio.stores.home import Home
from studio.ui.guard import Guard
from studio.ui.login import cookie_name
from studio.ui.server import build_app, find_exposure
from studio.ui.uploads import MOST_FILES, FileNames

QUICK = Cost(2, 1, 1)
PASSWORD = "correct horse 电池"
HOST = "http://127.0.0.1"
FROM_HERE = {"Origin": HOST}
OPEN = {"/studio/login", "/studio/health", "/studio/login.css", "/studio/login.js"}
PROXIED = Exposure(hosts=("studio.example",), behind_proxy=True, is_open=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def app(home: Home) -> FastAPI:
    return build_app(home)


@pytest.fixture(autouse=True)
def password(home: Home) -> None:
    set_password(home, PASSWORD, QUICK)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return browser(app)


@pytest.fixture
def inside(client: TestClient) -> TestClient:
    assert log_in(client).status_code == 303
    return client


def browser(app: FastAPI, exposure: Exposure | None = None, base: str = HOST, **more: object) -> TestClient:
    """A browser that never was here; the guard's memory of tries is fresh."""
    guard = next(one for one in app.user_middleware if "access" in one.kwargs)
    guard.kwargs["access"] = Access(guard.kwargs["access"].home)
    guard.kwargs["exposure"] = exposure or Exposure()
    app.middleware_stack = None
    return TestClient(app, base_url=base, follow_redirects=False, raise_server_exceptions=False, **more)  # type: ignore[arg-type]


def log_in(client: TestClient, given: str = PASSWORD, **headers: str):
    return client.post("/studio/login", data={"password": given}, headers={**FROM_HERE, **headers})


def all_routes(routes: list[BaseRoute], before: str = "") -> Iterator[tuple[str, str]]:
    """Every method and path of an application, of what is included and mounted in it too."""
    for told in iter_route_contexts(routes):
        route = told.original_route
        path = before + (getattr(told, "path", None) or getattr(route, "path", ""))
        if isinstance(route, Mount):
            yield from all_routes(route.routes or [], path)
            yield "GET", f"{path}/anything"
        else:
            filled = re.sub(r"\{[^}]*\}", "1", path)
            for method in getattr(route, "methods", None) or {"GET"}:
                yield method, filled or "/"


def test_no_route_answers_without_a_login(app: FastAPI, client: TestClient) -> None:
    routes = sorted(set(all_routes(app.routes)))
    paths = {path for _, path in routes}
    # The list is the real one: Gradio's, what is mounted, and ours.
    assert len(paths) > 80
    assert {"/", "/config", "/gradio_api/queue/join", "/gradio_api/upload", "/monitoring/1"} <= paths
    assert {"/studio/runs", "/studio/points", "/studio/plotly.js", "/studio/bundle.zip"} <= paths
    seen = {}
    for method, path in routes:
        for verb in {method, "GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "QUERY"}:
            answer = client.request(verb, path, headers=FROM_HERE)
            seen[(verb, path)] = answer.status_code, answer.text
    assert {key: told for key, told in seen.items() if told[0] != 401} == {}
    # Nothing but the sentence that says so.
    assert {told[1] for told in seen.values()} <= {"", "Log in first, or send an API token."}


def test_a_page_leads_to_the_login_and_nothing_of_it_is_told(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"], answer.content) == (303, "/studio/login", b"")
    page = client.get("/studio/login")
    assert page.status_code == 200
    assert "gradio" not in page.text
    assert not re.search(r"<script(?! src)|\son\w+=|style=", page.text)


@pytest.mark.parametrize(
    "path",
    [
        "/studio/login/",
        "/studio/login/../runs",
        "/studio/login%2f..%2fruns",
        "//studio/runs",
        "/studio/login.css/../runs",
        "/studio/health/x",
        "/studio/login;/studio/runs",
        "/STUDIO/LOGIN",
        "/studio/login%00",
        "/%2e%2e/config",
        "/studio/session",
    ],
)
def test_no_spelling_of_an_open_path_opens_another(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401


def test_every_route_is_reached_with_a_login(inside: TestClient) -> None:
    assert "gradio_config" in inside.get("/").text
    for path in (
        "/config",
        "/studio/runs",
        "/studio/plotly.js",
        "/gradio_api/info",
        "/theme.css",
        "/studio/session",
    ):
        assert inside.get(path).status_code == 200, path
    assert inside.post("/studio/runs", json={"act": "empty"}, headers=FROM_HERE).status_code != 401


def test_a_wrong_password_is_told_and_gives_no_cookie(client: TestClient) -> None:
    answer = log_in(client, "wrong password")
    assert answer.status_code == 401
    assert "This is not the password." in answer.text
    assert "密码不正确" in answer.text
    assert "set-cookie" not in answer.headers
    assert "wrong password" not in answer.text


def test_tries_are_slowed_down_and_the_right_password_must_wait_too(client: TestClient) -> None:
    assert [log_in(client, f"wrong {n}").status_code for n in range(6)] == [401] * 5 + [429]
    told = log_in(client)
    assert told.status_code == 429
    assert int(told.headers["retry-after"]) >= 1
    # Another spelling of who one is helps nobody who does not come through a proxy.
    assert log_in(client, **{"X-Forwarded-For": "8.8.8.8", "Forwarded": "for=8.8.8.8"}).status_code == 429


def test_behind_a_proxy_only_what_the_proxy_added_tells_people_apart(app: FastAPI) -> None:
    client = browser(app, PROXIED, "http://studio.example")
    origin = {"Origin": "http://studio.example"}

    def ask(forwarded: str) -> int:
        headers = {**origin, "X-Forwarded-For": forwarded}
        return client.post("/studio/login", data={"password": "wrong one"}, headers=headers).status_code

    assert [ask(f"9.9.9.{n}, 7.7.7.7") for n in range(6)] == [401] * 5 + [429]
    assert ask("7.7.7.7, 6.6.6.6") == 401
    # A proxy may add a header of its own behind the one that was sent.
    both = [*origin.items(), ("X-Forwarded-For", "5.5.5.5"), ("X-Forwarded-For", "7.7.7.7:1234")]
    assert client.post("/studio/login", data={"password": "wrong one"}, headers=both).status_code == 429


def test_the_login_leads_to_what_the_address_named_and_nowhere_else(client: TestClient) -> None:
    asked = "/?tab=history&run=a+b%26c&next=https://evil.example&__theme=dark"
    answer = client.get(asked, headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.headers["location"] == "/studio/login?tab=history&run=a+b%26c"
    page = client.get(answer.headers["location"]).text
    assert 'action="/studio/login?tab=history&amp;run=a+b%26c"' in page
    wrong = client.post("/studio/login?tab=history", data={"password": "wrong one"}, headers=FROM_HERE)
    assert 'action="/studio/login?tab=history"' in wrong.text
    again = client.get("/?" + "&".join(f"x{n}=1" for n in range(50)), headers={"Accept": "text/html"})
    assert again.headers["location"] == "/studio/login"
    inside = client.post("/studio/login?tab=history&next=//evil", data={"password": PASSWORD}, headers=FROM_HERE)
    assert inside.headers["location"] == "/?tab=history"


def test_the_cookie_is_for_the_browser_alone(app: FastAPI, home: Home) -> None:
    cookie = log_in(browser(app)).headers["set-cookie"]
    assert cookie.startswith(f"{cookie_name(home)}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    secure = browser(app, PROXIED, "http://studio.example")
    headers = {"Origin": "https://studio.example", "X-Forwarded-Proto": "https"}
    assert "Secure" in log_in(secure, **headers).headers["set-cookie"]
    # Who is no proxy cannot say so.
    assert "Secure" not in log_in(browser(app), **{"X-Forwarded-Proto": "https"}).headers["set-cookie"]


def test_a_session_that_was_planted_is_not_the_one_after_the_login(client: TestClient, home: Home) -> None:
    planted = "A" * 43
    first = log_in(client, Cookie=f"{cookie_name(home)}={planted}").cookies[cookie_name(home)]
    assert first != planted
    second = log_in(client).cookies[cookie_name(home)]
    assert second != first
    for old in (planted, first):
        assert client.get("/config", headers={"Cookie": f"{cookie_name(home)}={old}"}).status_code == 401


def test_of_two_cookies_of_one_name_none_lets_in(inside: TestClient, home: Home) -> None:
    good = inside.cookies[cookie_name(home)]
    both = f"{cookie_name(home)}={good}; {cookie_name(home)}=planted"
    inside.cookies.clear()
    assert inside.get("/config", headers={"Cookie": both}).status_code == 401


def test_a_logout_ends_the_session_for_whoever_copied_it(inside: TestClient, home: Home) -> None:
    copied = {"Cookie": f"{cookie_name(home)}={inside.cookies[cookie_name(home)]}"}
    answer = inside.post("/studio/logout", headers=FROM_HERE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/studio/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert inside.get("/config", headers=copied).status_code == 401


def test_another_site_can_neither_log_in_nor_out(client: TestClient) -> None:
    assert log_in(client, Origin="http://evil.example").status_code == 403
    assert log_in(client).status_code == 303
    assert client.post("/studio/logout", headers={"Origin": "null"}).status_code == 403
    assert client.get("/config").status_code == 200


def test_a_new_password_ends_all_sessions(inside: TestClient, home: Home) -> None:
    assert inside.get("/config").status_code == 200
    set_password(home, "another password", QUICK)
    assert inside.get("/config").status_code == 401
    assert log_in(inside).status_code == 401
    assert log_in(inside, "another password").status_code == 303


def test_sessions_outlive_the_studio(inside: TestClient, app: FastAPI, home: Home) -> None:
    again = browser(app)
    again.cookies.set(cookie_name(home), inside.cookies[cookie_name(home)])
    assert again.get("/config").status_code == 200


def test_a_token_opens_all_and_a_wrong_an_ended_and_a_revoked_one_nothing(client: TestClient, home: Home) -> None:
    def ask(token: str) -> set[int]:
        headers = {"Authorization": f"Bearer {token}".encode()}
        read = [client.get(path, headers=headers).status_code for path in ("/config", "/studio/runs")]
        wanted = {"data": [], "fn_index": 0, "session_hash": "x"}
        return {*read, client.post("/gradio_api/queue/join", json=wanted, headers=headers).status_code}

    good = make_token(home, "script", 1)
    long_ago = time.time() - 2 * 24 * 3600
    ended = make_token(home, "ended", 1, lambda: long_ago)
    assert 401 not in ask(good)
    assert 403 not in ask(good)
    for wrong in (ended, "", "studio_", good[:-1], good + "x", good.upper(), "' OR 1=1", "é"):
        assert ask(wrong) == {401}, wrong
    revoke_token(home, "script")
    assert ask(good) == {401}


def test_a_wrong_token_is_not_mended_by_a_good_cookie(inside: TestClient) -> None:
    assert inside.get("/config", headers={"Authorization": "Bearer no"}).status_code == 401


def test_other_sites_and_other_ports_cannot_use_a_login(inside: TestClient) -> None:
    wanted = {"act": "empty"}
    for origin in (
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://127.0.0.1.evil.example",
        "[",
        "x",
    ):
        headers = {"Origin": origin}
        assert inside.post("/studio/runs", json=wanted, headers=headers).status_code == 403, origin
        assert inside.post("/gradio_api/queue/join", json={}, headers=headers).status_code == 403, origin
    for site in ("cross-site", "same-site"):
        assert inside.post("/studio/runs", json=wanted, headers={"Sec-Fetch-Site": site}).status_code == 403
    # An image or a script of another site.
    away = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert inside.get("/config", headers=away).status_code == 403
    assert inside.get("/", headers={**away, "Sec-Fetch-Mode": "navigate"}).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; boundary=x"]
)
def test_what_a_form_can_send_is_not_taken(inside: TestClient, kind: str) -> None:
    headers = {**FROM_HERE, "Content-Type": kind}
    for path in ("/studio/runs", "/gradio_api/queue/join", "/gradio_api/reset", "/gradio_api/component_server"):
        assert inside.post(path, content=b'{"act": "empty"}', headers=headers).status_code == 415


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil@127.0.0.1",
        "",
        "127.0.0.1 evil",
        "localhost,evil",
        "10.0.0.9",
    ],
)
def test_a_name_that_was_rebound_is_refused_before_anything_else(inside: TestClient, host: str) -> None:
    assert inside.get("/config", headers={"Host": host}).status_code == 400
    assert inside.get("/studio/login", headers={"Host": host}).status_code == 400


def test_only_named_hosts_are_taken_beyond_this_machine(app: FastAPI) -> None:
    client = browser(app, Exposure(hosts=("studio.example", "10.0.0.9"), is_open=True), "http://studio.example")
    for host in ("studio.example", "STUDIO.example:7860", "10.0.0.9:7860", "[::1]:7860", "localhost"):
        assert client.get("/config", headers={"Host": host}).status_code == 401, host
    assert client.get("/config", headers={"Host": "10.0.0.10"}).status_code == 400
    proxied = browser(app, PROXIED, "http://studio.example")
    assert proxied.get("/config", headers={"X-Forwarded-Host": "evil.example, studio.example"}).status_code == 400


def test_what_a_proxy_would_say_does_not_reach_gradio_from_others(inside: TestClient) -> None:
    told = inside.get(
        "/config", headers={"X-Forwarded-Host": "evil.example", "X-Gradio-Server": "http://evil.example"}
    )
    assert told.status_code == 200
    assert "evil" not in told.text


def test_everything_is_shut_when_the_password_goes_while_the_studio_is_open(app: FastAPI, home: Home) -> None:
    client = browser(app, Exposure(is_open=True))
    log_in(client)
    remove_password(home)
    assert client.get("/config").status_code == 401
    assert client.get("/config", headers={"Authorization": f"Bearer {make_token(home, 'x')}"}).status_code == 401
    revoke_token(home, "x")
    assert log_in(client, "").status_code == 503
    # On this machine alone it is as if there never was one.
    assert browser(app).get("/config").status_code == 200


@pytest.mark.parametrize("name", ["password.json", "sessions.json"])
@pytest.mark.parametrize("content", ["", "[]", "{", '{"salt": 1}'])
def test_a_broken_file_opens_nothing(inside: TestClient, home: Home, name: str, content: str) -> None:
    (home.access / name).write_text(content)
    assert inside.get("/config").status_code in (401, 503)
    set_password(home, PASSWORD, QUICK)
    assert log_in(inside).status_code == 303


def test_a_password_can_be_set_while_the_studio_runs(app: FastAPI, home: Home) -> None:
    remove_password(home)
    client = browser(app)
    assert client.get("/config").status_code == 200
    set_password(home, PASSWORD, QUICK)
    assert client.get("/config").status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.9"])
def test_without_a_password_nobody_else_is_served(home: Home, host: str) -> None:
    remove_password(home)
    for refused in (
        {"host": host},
        {"host": "127.0.0.1", "behind_proxy": True},
        {"host": "127.0.0.1", "hosts": ["a.b"]},
    ):
        with pytest.raises(StudioError, match="only_loopback"):
            find_exposure(home, **refused)
    assert not find_exposure(home, "127.0.0.1").is_open
    set_password(home, PASSWORD, QUICK)
    exposure = find_exposure(home, host)
    assert exposure.is_open
    assert exposure.is_host("10.0.0.9:7860") == (host == "10.0.0.9")
    assert not exposure.is_host("evil.example")


@pytest.mark.parametrize(
    ("flag", "given", "code"),
    [
        ("hosts", "a.b:80", "bad_host_name"),
        ("hosts", "http://a.b", "bad_host_name"),
        ("hosts", "*", "bad_host_name"),
        ("frames", "*", "bad_frame"),
        ("frames", "https://a.b; script-src *", "bad_frame"),
        ("root_path", "//evil.example", "bad_root_path"),
        ("root_path", "/a; Secure", "bad_root_path"),
    ],
)
def test_no_flag_writes_into_a_policy_or_a_cookie(home: Home, flag: str, given: str, code: str) -> None:
    with pytest.raises(StudioError, match=code):
        find_exposure(home, "127.0.0.1", **{flag: given if flag == "root_path" else [given]})


def test_every_answer_says_what_a_browser_may_do(inside: TestClient, app: FastAPI) -> None:
    outside = browser(app)
    answers = [
        inside.get("/"),
        inside.get("/studio/runs"),
        inside.get("/gradio_api/none"),
        inside.get("/studio/chart.js"),
        outside.get("/config"),
        outside.get("/studio/login"),
        outside.get("/", headers={"Accept": "text/html"}),
        outside.get("/", headers={"Host": "evil.example"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in policy
        assert "unsafe-inline" not in re.search(r"script-src[^;]*", policy)[0]  # type: ignore[index]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "uvicorn" not in answer.headers.get("server", "")
    assert answers[0].headers["cache-control"] == "no-store"


def test_the_pages_own_scripts_are_named_in_its_policy(inside: TestClient) -> None:
    policy = inside.get("/", headers={"Accept-Encoding": "br"}).headers["content-security-policy"]
    assert policy.count("'sha256-") >= 4
    assert "sha256" not in inside.get("/studio/runs").headers["content-security-policy"]


def test_only_named_sites_may_frame_the_page(app: FastAPI) -> None:
    framed = browser(app, Exposure(frames=("https://notebooks.example",))).get("/studio/login")
    assert "frame-ancestors 'self' https://notebooks.example" in framed.headers["content-security-policy"]
    assert "x-frame-options" not in framed.headers


def test_under_a_sub_path_cookie_and_ways_stay_there(app: FastAPI) -> None:
    client = browser(app, Exposure(root_path="/sub"), root_path="/sub")
    answer = client.get("/sub/", headers={"Accept": "text/html"})
    assert answer.headers["location"] == "/sub/studio/login"
    assert 'action="/sub/studio/login"' in client.get("/sub/studio/login").text
    done = client.post("/sub/studio/login", data={"password": PASSWORD}, headers=FROM_HERE)
    assert done.headers["location"] == "/sub/"
    assert "Path=/sub/" in done.headers["set-cookie"]
    assert client.get("/sub/config").status_code == 200


def test_behind_a_proxy_gradio_is_told_where_it_stands(home: Home) -> None:
    app = build_app(home, exposure=dataclasses.replace(PROXIED, root_path="/sub"))
    client = TestClient(app, base_url="http://studio.example", root_path="/sub")
    headers = {"X-Forwarded-Host": "studio.example", "X-Forwarded-Proto": "https"}
    headers["Authorization"] = f"Bearer {make_token(home, 'proxied')}"
    assert client.get("/sub/config", headers=headers).json()["root"] == "https://studio.example/sub"
    revoke_token(home, "proxied")


def test_a_full_disk_throws_nobody_out(
    inside: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    def full(*_: object) -> None:
        raise StoreFailed("disk_full", path="x", reason="full")

    monkeypatch.setattr("studio.actions.access.TOUCH_S", -1)
    monkeypatch.setattr("studio.stores.access.write_bytes", full)
    assert inside.get("/config").status_code == 200
    assert inside.post("/studio/logout", headers=FROM_HERE).status_code == 503


def read_names(disposition: bytes, step: int = 1) -> None:
    body = b"--x\r\nX: 1\r\n" + disposition + b"\r\n\r\n{}\r\n--x--\r\n"
    names = FileNames("multipart/form-data; boundary=x")
    for at in range(0, len(body), step):
        names.read(body[at : at + step])


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_names_are_read_however_the_body_is_cut(step: int) -> None:
    read_names(b'Content-Disposition: form-data; name="files"; filename="a.jsonl"', step)
    read_names(b'Content-Disposition: form-data; name="note"', step)
    # No file for Gradio either, whose parser this is.
    read_names(b"Content-Disposition: form-data; name=f; filename*=utf-8''a.html", step)
    for hidden in (
        b'Content-Disposition: form-data; name="files"; filename="a.html"',
        b"content-DISPOSITION: form-data; name=files; FILENAME=a.html",
        b'Content-Disposition: form-data; name=f; filename="a.json"; filename="a.html"',
        b'Content-Disposition: form-data; name=f; filename="a.json"\r\nContent-Disposition: form-data; name=f; filename="a.html"',
        b'Content-Disposition: form-data; name=f; filename=""',
    ):
        with pytest.raises(MultiPartException):
            read_names(hidden, step)


def upload(client: TestClient, *names: str) -> tuple[int, str]:
    files = [("files", (name, b"{}\n")) for name in names]
    answer = client.post("/gradio_api/upload", files=files, headers=FROM_HERE)
    return answer.status_code, answer.text


def test_files_are_limited_in_kind_and_number_on_the_server(inside: TestClient) -> None:
    assert upload(inside, "a.jsonl", "b.CSV.gz", "settings.yaml", "bundle.zip")[0] == 200
    for name in (
        "page.html",
        "x.py",
        "a.jsonl.exe",
        "a.svg",
        "jsonl",
        "a.json/../x.sh",
        "a.jsonl\x00.html",
        "a.gz",
    ):
        status, told = upload(inside, "good.jsonl", name)
        assert status == 400, name
        assert "Files of this kind are not taken" in told
    assert upload(inside, *["a.json"] * MOST_FILES)[0] == 200
    assert upload(inside, *["a.json"] * (MOST_FILES + 1)) == (400, f"At most {MOST_FILES} files at once.")


def test_what_is_larger_than_is_taken_is_refused_before_it_is_read(inside: TestClient) -> None:
    for path, kind in (
        ("/gradio_api/upload", "multipart/form-data; boundary=x"),
        ("/studio/runs", "application/json"),
    ):
        headers = {**FROM_HERE, "Content-Type": kind, "Content-Length": str(10**11)}
        assert inside.post(path, content=b"x", headers=headers).status_code == 413


def test_the_files_of_the_password_are_not_served_even_to_who_is_logged_in(inside: TestClient, home: Home) -> None:
    for name in ("password.json", "sessions.json"):
        path = home.access / name
        for asked in (f"/gradio_api/file={path}", f"/gradio_api/file/{path}", f"/static/../../../{path}"):
            assert inside.get(asked).status_code in (403, 404), asked


def test_a_form_is_limited_and_odd_bodies_are_no_way_in(client: TestClient) -> None:
    kind = {**FROM_HERE, "Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"", b"password", b"password=" + b"x" * 20_000, b"\xff\xfe", b"password=&password=x", b"&" * 5000):
        assert client.post("/studio/login", content=body, headers=kind).status_code in (401, 415, 429), body[:20]
    assert client.post("/studio/login", json={"password": PASSWORD}, headers=FROM_HERE).status_code == 415


def test_an_open_stream_ends_with_its_session(home: Home) -> None:
    access = Access(home)
    token = access.log_in(PASSWORD, "1.2.3.4")

    async def endless(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(9):
            if number == 3:
                access.log_out(token)
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})

    guard = Guard(endless, access, Exposure(), "cookie", recheck_s=0)
    client = TestClient(guard, base_url=HOST, headers={"Cookie": f"cookie={token}"})
    assert client.get("/stream").text == "012"


def test_a_websocket_is_shut_without_a_login(client: TestClient) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/gradio_api/queue/join"):
        pass


def test_the_health_answer_tells_nothing_more(client: TestClient) -> None:
    answer = client.get("/studio/health")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_assets_of_the_login_exist(client: TestClient) -> None:
    for path in sorted(OPEN):
        assert client.get(path).status_code == 200
    assert Path("studio/ui/assets/login.css").exists()
