"""Passwords, tries, sessions and names, with a clock that is turned by hand."""

import pytest

from studio.core.access import (
    IDLE_S,
    LONGEST_S,
    MOST_ADDRESSES,
    Cost,
    Limit,
    Session,
    Throttle,
    group_address,
    hash_password,
    is_alive,
    is_password,
)
from studio.core.exposure import host_name, is_every_address, is_own_origin

QUICK = Cost(2, 1, 1)


def test_a_password_is_kept_as_what_it_cannot_be_read_from() -> None:
    kept = hash_password("correct horse", b"0" * 16, QUICK)
    assert "correct" not in repr(kept)
    assert is_password("correct horse", kept)
    assert not is_password("correct horse ", kept)
    assert not is_password("", kept)
    assert kept.key != hash_password("correct horse", b"1" * 16, QUICK).key


def test_the_usual_cost_is_what_is_advised_for_scrypt() -> None:
    # OWASP: N of 2 to the 17th, r 8, p 1.
    assert (Cost().n, Cost().r, Cost().p) == (131072, 8, 1)


def test_a_password_is_the_same_however_its_characters_were_typed() -> None:
    kept = hash_password("cafe\u0301 ＡＢＣ", b"0" * 16, QUICK)
    assert is_password("caf\u00e9 ABC", kept)
    # Half a character is a wrong password, not a failure.
    assert not is_password("\ud800", kept)


def test_hashes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    kept = hash_password("correct horse", b"0" * 16, QUICK)
    assert not is_password("wrong horse", kept)
    assert compared == [(hash_password("wrong horse", b"0" * 16, QUICK).key, kept.key)]


def test_each_further_try_waits_twice_as_long_up_to_a_quarter_of_an_hour() -> None:
    throttle, now = Throttle(), 1000.0
    assert [throttle.begin("1.2.3.4", now) for _ in range(5)] == [0.0] * 5
    waits = []
    for _ in range(12):
        waits.append(throttle.begin("1.2.3.4", now))
        now += waits[-1]
        assert throttle.begin("1.2.3.4", now) == 0.0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert throttle.begin("1.2.3.5", now) == 0.0
    assert throttle.begin("1.2.3.4", now + 3600) == 0.0


def test_a_try_that_is_refused_does_not_make_the_wait_longer() -> None:
    throttle = Throttle()
    for _ in range(5):
        throttle.begin("1.2.3.4", 0.0)
    assert [throttle.begin("1.2.3.4", 0.5) for _ in range(100)] == [0.5] * 100
    assert throttle.begin("1.2.3.4", 1.0) == 0.0


def test_many_addresses_together_are_slowed_but_not_who_was_right_before() -> None:
    throttle = Throttle()
    throttle.begin("9.9.9.9", 0.0)
    throttle.succeed("9.9.9.9")
    waits = [throttle.begin(f"10.0.{n // 250}.{n % 250}", 1.0) for n in range(60)]
    assert waits[:50] == [0.0] * 50
    assert set(waits[50:]) == {1.0}
    assert throttle.begin("9.9.9.9", 1.0) == 0.0


def test_the_memory_of_tries_is_bounded() -> None:
    throttle = Throttle(everybody=Limit(10**9, 1))
    for number in range(5 * MOST_ADDRESSES):
        throttle.begin(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", 1.0)
        throttle.succeed(f"11.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(throttle._tries) == MOST_ADDRESSES
    assert len(throttle._known) == 100


def test_a_whole_network_of_ipv6_is_one_person() -> None:
    assert group_address("2001:db8::1") == group_address("2001:db8::ffff:2") == "2001:db8::/64"
    assert group_address("::ffff:1.2.3.4") == group_address("1.2.3.4")
    assert group_address("1.2.3.4:5678") == group_address("1.2.3.4:5679") == "1.2.3.4"
    assert group_address("[2001:db8::1]:5678") == "2001:db8::/64"
    assert group_address("fe80::1%eth0") == "fe80::/64"
    assert len(group_address("x" * 10**6)) == 64


def test_a_session_ends_unused_after_a_day_and_always_after_a_week() -> None:
    session = Session(began=0.0, seen=0.0, password="p")
    assert is_alive(session, "p", IDLE_S - 1)
    assert not is_alive(session, "p", IDLE_S)
    assert not is_alive(session, "other", 1)
    assert not is_alive(Session(0.0, LONGEST_S - 1, "p"), "p", LONGEST_S)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Studio.Example.:80", "studio.example"),
        ("[::1]:7860", "::1"),
        ("[::1", ""),
        ("a b", ""),
        ("a,b", ""),
        ("a@b", ""),
        ("a:b", ""),
        ("a:80:80", ""),
        ("", ""),
    ],
)
def test_a_host_header_names_one_host_or_none(header: str, name: str) -> None:
    assert host_name(header) == name


def test_an_origin_is_ours_with_its_port_and_over_https_where_we_are() -> None:
    assert is_own_origin("http://a.b:7860", ["A.b:7860"], "http")
    assert is_own_origin("https://a.b", ["a.b"], "http")
    assert not is_own_origin("http://a.b", ["a.b"], "https")
    for other in (
        "http://a.b",
        "http://a.b:7861",
        "http://x.a.b:7860",
        "null",
        "",
        "ftp://a.b:7860",
        "http://[",
        "//a.b:7860",
    ):
        assert not is_own_origin(other, ["a.b:7860", ""], "http"), other


def test_all_addresses_are_told_from_one() -> None:
    assert is_every_address("0.0.0.0")
    assert is_every_address("::")
    assert not is_every_address("10.0.0.1")
    assert not is_every_address("name")
