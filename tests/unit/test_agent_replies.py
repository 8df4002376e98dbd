"""What servers answer about themselves is read as HAProxy reads it, bounded, and never more than it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.health.reply import MOST_OCTETS, MOST_PERCENT, BadReply, Reply, read, told
from controller.spec.serveragent import NOTHING_TOLD, AgentKind, Told

HAPROXY, HTTP = AgentKind.HAPROXY, AgentKind.HTTP


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("75%\n", Reply(percent=75)),
        ("75% ready", Reply(percent=75, drain=False)),
        ("drain\r\nup\n", Reply(drain=True)),
        ("MAINT\n", Reply(drain=True)),
        ("ready,up\t50%", Reply(percent=50, drain=False, up=True)),
        ("down # disk full\n", Reply(up=False, why="down: disk full")),
        ("fail", Reply(up=False, why="fail")),
        ("stopped#for the night", Reply(up=False, why="stopped: for the night")),
        ("up maxconn:30", Reply(up=True)),
        ("0%", Reply(percent=0)),
        ("999999%", Reply(percent=MOST_PERCENT)),
        ("\n up\n", Reply(up=True)),
        ("up bogus \x07x", Reply(up=True, unknown=("bogus", "?x"))),
        (f"down # {'x' * 500}", Reply(up=False, why=f"down: {'x' * 120}...")),
    ],
)
def test_words_of_haproxys_agent_protocol(text: str, reply: Reply) -> None:
    assert read(HAPROXY, text) == reply


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (HAPROXY, " \n", "empty"),
        (HAPROXY, "HTTP/1.1 200 OK\r\n", "no word of HAProxy's agent protocol"),
        (HAPROXY, "-5%", "no word"),
        (HAPROXY, "u" * MOST_OCTETS, "longer than 1023 characters"),
        (HTTP, "", "not one whole number"),
        (HTTP, "12 13", "not one whole number"),
        (HTTP, "-1", "not one whole number"),
        (HTTP, "1.5", "not one whole number"),
        (HTTP, "²", "not one whole number"),
        (HTTP, "<html>", 'the body is "<html>"'),
    ],
)
def test_what_says_nothing_is_refused_with_what_it_was(kind: AgentKind, text: str, why: str) -> None:
    with pytest.raises(BadReply, match=why):
        read(kind, text)


def test_a_gauge_is_one_number() -> None:
    assert read(HTTP, " 1234\r\n") == Reply(connections=1234)


@given(st.sampled_from(AgentKind), st.text(max_size=2 * MOST_OCTETS))
def test_whatever_a_server_sends_is_read_or_refused(kind: AgentKind, text: str) -> None:
    try:
        reply = read(kind, text)
    except BadReply:
        return
    assert reply.percent is None or 0 <= reply.percent <= MOST_PERCENT
    assert (reply.why + "".join(reply.unknown)).isprintable()


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["75%", "drain"], Told(75, drain=True, since=2.0)),
        (["drain", "ready"], Told(since=2.0)),
        (["maint", "ready"], Told(since=2.0)),
        (["down # full", "up"], Told(since=2.0)),
        (["down # full", "ready"], Told(down="down: full", since=1.0)),
        (["down", "100%"], Told(down="down", since=1.0)),
        (["up", "ready 100%"], NOTHING_TOLD),
    ],
)
def test_a_word_stands_until_one_of_its_kind_takes_it_back(words: list[str], left: Told) -> None:
    said = NOTHING_TOLD
    for second, word in enumerate(words, 1):
        said = told(said, read(HAPROXY, word), float(second))
    assert said == left
