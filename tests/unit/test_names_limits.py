"""Floods and forged addresses: answers over UDP are limited for each network, and cookies lift the limit."""

from __future__ import annotations

from collections import Counter

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.exits.names.serve.cookies import GOOD, RENEW, Cookies
from controller.exits.names.serve.limiting import Limiter, Limits, Verdict
from tests.unit.zones import CLIENT, SECRET, WALL, content, question, responder, tables

EXAMPLES = (
    # RFC 9018, appendix A: secret, client's cookie, server's, address, when it is shown
    (
        "e5e973e5a6b2a43f48e7dc849e37bfcf",
        "2464c4abcf10c957",
        "010000005cf79f111f8130c3eee29480",
        "198.51.100.100",
        1559731985,
    ),
)


@pytest.mark.parametrize(("secret", "client", "server", "address", "now"), EXAMPLES)
def test_cookies_are_those_of_the_standard(
    secret: str, client: str, server: str, address: str, now: int
) -> None:
    cookies = Cookies(bytes.fromhex(secret))
    made = cookies.check(bytes.fromhex(client), address, now)
    assert not made.good
    assert made.answer.hex() == client + server
    again = cookies.check(made.answer, address, now + 60)
    assert again.good
    assert again.answer == made.answer


def test_a_cookie_is_good_for_its_client_alone_and_for_an_hour() -> None:
    cookies, client = Cookies(SECRET), b"12345678"
    cookie = cookies.check(client, CLIENT, WALL).answer
    assert not cookies.check(cookie, "203.0.113.8", WALL).good
    assert not cookies.check(b"8" + cookie[1:], CLIENT, WALL).good
    assert cookies.check(cookie, CLIENT, WALL + RENEW - 1).answer == cookie
    later = cookies.check(cookie, CLIENT, WALL + RENEW)
    assert later.good
    assert later.answer != cookie
    assert not cookies.check(cookie, CLIENT, WALL + GOOD + 1).good
    assert not cookies.check(cookie, CLIENT, WALL - 301).good


def test_a_cookie_of_the_secret_before_is_taken_and_replaced() -> None:
    old = Cookies(SECRET).check(b"12345678", CLIENT, WALL).answer
    both = Cookies(bytes(16), SECRET)
    assert both.check(old, CLIENT, WALL + 5).good
    assert not Cookies(bytes(16)).check(old, CLIENT, WALL + 5).good


@given(st.binary(min_size=8, max_size=40), st.integers(0, 2**32))
def test_no_cookie_that_was_made_up_is_good(cookie: bytes, now: int) -> None:
    assert not Cookies(SECRET).check(cookie, CLIENT, now).good


def verdicts(limiter: Limiter, host: str, kind: object, count: int) -> Counter[Verdict]:
    """What becomes of so many answers."""
    return Counter(limiter.verdict(host, kind) for _ in range(count))


def test_beyond_the_rate_half_of_the_answers_are_dropped_and_half_lead_to_tcp() -> None:
    limiter = Limiter(Limits(10, 2))
    assert verdicts(limiter, CLIENT, "a", 30) == {Verdict.SEND: 10, Verdict.DROP: 10, Verdict.SLIP: 10}
    limiter.tick(1.0)
    assert verdicts(limiter, CLIENT, "a", 10) == {Verdict.SEND: 10}
    limiter.tick(1.9)
    assert Verdict.SEND not in verdicts(limiter, CLIENT, "a", 10)
    limiter.tick(2.0)
    assert verdicts(limiter, CLIENT, "a", 10) == {Verdict.SEND: 10}


@pytest.mark.parametrize(
    ("near", "far"), [("203.0.113.200", "203.0.114.7"), ("2001:db8:0:1::1", "2001:db8:0:100::1")]
)
def test_a_network_is_counted_together_and_others_by_themselves(near: str, far: str) -> None:
    limiter = Limiter(Limits(10, 0))
    host = CLIENT if "." in near else "2001:db8::7"
    verdicts(limiter, host, "a", 10)
    assert verdicts(limiter, near, "a", 5) == {Verdict.DROP: 5}
    assert verdicts(limiter, far, "a", 5) == {Verdict.SEND: 5}
    assert verdicts(limiter, host, "b", 5) == {Verdict.SEND: 5}


def test_counters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.exits.names.serve.limiting.COUNTED", 100)
    limiter = Limiter(Limits(1, 0))
    for number in range(1000):
        limiter.verdict(f"10.{number // 256}.{number % 256}.1", "a")
    assert len(limiter._counts) <= 100


@pytest.mark.parametrize(
    "names",
    [["www"], ["text"], [f"n{number}" for number in range(40)]],
    ids=["balanced", "fixed", "not there"],
)
def test_a_flood_gets_few_answers_and_the_rest_ask_over_tcp(names: list[str]) -> None:
    server = responder(tables(content()), Limits(10, 2))
    outs = [server.datagram(question(names[at % len(names)]).to_wire(), CLIENT) for at in range(40)]
    answers = [dns.message.from_wire(out) for out in outs if out is not None]
    cut = [each for each in answers if each.flags & dns.flags.TC]
    assert len(answers) == 25
    assert len(cut) == 15
    assert not any(each.answer for each in cut)
    assert server.counters.dropped == 15
    assert server.counters.slipped == 15
    assert server.message(question(names[0]).to_wire(), CLIENT) is not None


def test_errors_are_limited_too() -> None:
    server = responder(tables(content()), Limits(10, 2))
    refused = [server.datagram(question("x.org.").to_wire(), CLIENT) for _ in range(30)]
    assert sum(each is not None for each in refused) == 20
    assert server.datagram(b"\0\1" + bytes(10), CLIENT) is None


def test_one_who_shows_a_cookie_is_not_limited_and_one_without_is_told_to_come_back_with_one() -> None:
    server = responder(tables(content()), Limits(10, 2))
    first = question("www", use_edns=0, options=[dns.edns.CookieOption(b"12345678", b"")])
    answers = [server.datagram(first.to_wire(), CLIENT) for _ in range(30)]
    said = [dns.message.from_wire(each) for each in answers if each is not None]
    assert Counter(each.rcode() for each in said) == {dns.rcode.NOERROR: 10, dns.rcode.BADCOOKIE: 10}
    (option,) = said[-1].options
    assert isinstance(option, dns.edns.CookieOption)
    shows = question("www", use_edns=0, options=[option])
    for _ in range(30):
        out = server.datagram(shows.to_wire(), CLIENT)
        assert out is not None
        assert dns.message.from_wire(out).rcode() == dns.rcode.NOERROR
    assert server.counters.cookies == 30
