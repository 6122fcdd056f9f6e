"""Passwords, sessions and tokens in their files, and the commands that set them."""

import io
import json
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from studio.actions.access import Access, has_password, list_tokens, make_token, revoke_token, set_password
from studio.cli import main
from studio.core.access import LONGEST_S, Cost
from studio.errors import StudioError
from studio.stores.home import Home
from studio.stores.jail import allowed_path

QUICK = Cost(2, 1, 1)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def guarded(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    set_password(home, "correct horse", QUICK)
    return home


def test_nothing_that_opens_is_in_a_file_and_files_are_private(guarded: Home) -> None:
    cookie = Access(guarded).log_in("correct horse", "a")
    token = make_token(guarded, "script")
    files = [path for path in guarded.access.iterdir() if path.is_file()]
    assert len(files) >= 3
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        text = path.read_text()
        assert not any(secret in text for secret in ("correct horse", cookie, token, token.removeprefix("studio_")))
    assert stat.S_IMODE(guarded.access.stat().st_mode) == 0o700


def test_a_session_lasts_while_it_is_used_and_a_week_at_most(guarded: Home) -> None:
    clock = Clock()
    access = Access(guarded, clock)
    cookie = access.log_in("correct horse", "a")
    for _ in range(6):
        clock.now += 20 * 3600
        assert access.knows_session(cookie)
        assert access.is_to_touch(cookie)
        access.touch(cookie)
        assert not access.is_to_touch(cookie)
    clock.now += LONGEST_S - 6 * 20 * 3600
    assert not access.knows_session(cookie)


def test_an_unused_session_is_over_after_a_day_and_is_swept_out(guarded: Home) -> None:
    clock = Clock()
    access = Access(guarded, clock)
    cookie = access.log_in("correct horse", "a")
    clock.now += 24 * 3600
    assert not access.knows_session(cookie)
    access.log_in("correct horse", "a")
    assert len(json.loads((guarded.access / "sessions.json").read_text())) == 1


def test_sessions_are_limited_in_number(guarded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.actions.access.MOST_SESSIONS", 3)
    clock = Clock()
    access = Access(guarded, clock)
    cookies = []
    for _ in range(5):
        clock.now += 1
        cookies.append(access.log_in("correct horse", "a"))
    assert [access.knows_session(cookie) for cookie in cookies] == [False, False, True, True, True]


def test_many_tries_at_once_are_no_way_around_the_throttle(guarded: Home) -> None:
    access = Access(guarded, Clock())
    codes: list[str] = []

    def attempt() -> None:
        try:
            access.log_in("wrong horse", "a")
        except StudioError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=attempt) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count("wrong_password") <= 5
    assert len(codes) == 40


def test_a_very_long_password_costs_nothing(guarded: Home) -> None:
    with pytest.raises(StudioError, match="wrong_password"):
        Access(guarded).log_in("x" * 10**6, "a")


def test_a_token_ends_when_it_was_said_and_names_are_unique(guarded: Home) -> None:
    clock = Clock()
    access = Access(guarded, clock)
    token, lasting = make_token(guarded, "one", 1, clock), make_token(guarded, "two", 0, clock)
    with pytest.raises(StudioError, match="token_name_taken"):
        make_token(guarded, "one")
    for name, days in (("", 1), ("x" * 65, 1), ("a\nb", 1), ("three", -1)):
        with pytest.raises(StudioError, match="bad_token"):
            make_token(guarded, name, days)
    assert access.knows_token(token)
    clock.now += 24 * 3600
    assert not access.knows_token(token)
    assert access.knows_token(lasting)
    assert [(view.name, view.is_over) for view in list_tokens(guarded, clock)] == [("one", True), ("two", False)]
    revoke_token(guarded, "two")
    assert not access.knows_token(lasting)
    with pytest.raises(StudioError, match="unknown_token"):
        revoke_token(guarded, "two")


def test_the_folder_of_the_hashes_is_no_place_for_data(guarded: Home, tmp_path: Path) -> None:
    link = tmp_path / "innocent.json"
    link.symlink_to(guarded.access / "password.json")
    jailed = replace(guarded, roots=(tmp_path,))
    for path in (guarded.access / "password.json", link):
        with pytest.raises(StudioError, match="outside_roots"):
            allowed_path(jailed, str(path))


def test_the_password_is_set_from_a_script_without_being_an_argument(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(given: str, *argv: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        return main(["--home", str(home.root), *argv])

    monkeypatch.setattr("studio.actions.access.Cost", lambda: QUICK)
    assert run("short\n", "password", "--stdin") == 1
    assert "at least 8 characters" in capsys.readouterr().err
    assert not has_password(home)
    assert run("long enough\n", "password", "--stdin") == 0
    assert "long enough" not in "".join(capsys.readouterr())
    assert Access(home).log_in("long enough", "a")
    # Without a terminal there is nobody to ask.
    assert run("long enough\n", "password") == 1
    assert run("", "password", "--remove") == 0
    assert not has_password(home)


def test_two_different_passwords_on_the_terminal_change_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["first password", "second password"])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert main(["--home", str(home.root), "password"]) == 1
    assert not has_password(home)


def test_the_terminal_is_asked_twice(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda question: asked.append(question) or "same password")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert main(["--home", str(home.root), "--language", "zh", "password"]) == 0
    assert asked == ["新密码：", "再输入一次："]
    assert Access(home).log_in("same password", "a")


def test_tokens_are_made_listed_and_revoked_by_command(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*argv: str) -> tuple[int, str]:
        status = main(["--home", str(home.root), "token", *argv])
        return status, capsys.readouterr().out.strip()

    status, token = run("make", "script", "--days", "0")
    assert status == 0
    assert token.startswith("studio_")
    assert Access(home).knows_token(token)
    listed = run("list")[1]
    assert listed.startswith("script\t")
    assert token not in listed
    assert run("revoke", "script")[0] == 0
    assert not Access(home).knows_token(token)
