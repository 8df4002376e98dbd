"""What comes over the wire: questions are read as dnspython wrote them, and nothing hostile does harm."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.exits.names.serve import wire
from controller.exits.names.serve.wire import Malformed
from tests.unit.zones import CLIENT, content, question, responder, tables

LABEL = st.binary(min_size=1, max_size=20)
NAMES = st.lists(LABEL, min_size=0, max_size=8).map(lambda labels: dns.name.Name([*labels, b""]))
SUBNETS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
)
OPTIONS = st.lists(
    st.one_of(
        SUBNETS.map(lambda of: dns.edns.ECSOption(str(of[0]), of[1])),
        st.binary(min_size=8, max_size=8).map(lambda client: dns.edns.CookieOption(client, b"")),
        st.tuples(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=32)).map(
            lambda of: dns.edns.CookieOption(*of)
        ),
        st.binary(max_size=30).map(
            lambda data: dns.edns.GenericOption(dns.edns.OptionType.make(65001), data)
        ),
    ),
    max_size=3,
)


def octets(name: dns.name.Name) -> bytes:
    made = name.to_wire()
    assert made is not None
    return made


@given(NAMES, st.integers(0, 65535), st.integers(0, 65535), st.booleans(), st.integers(512, 65535), OPTIONS)
def test_a_question_is_read_as_it_was_written(
    name: dns.name.Name, kind: int, number: int, dnssec: bool, size: int, options: list[dns.edns.Option]
) -> None:
    query = dns.message.make_query(
        name,
        dns.rdatatype.RdataType.make(kind),
        use_edns=0,
        payload=size,
        want_dnssec=dnssec,
        options=options,
    )
    query.id = number
    read = wire.read(query.to_wire())
    assert read.id == number
    assert read.name == octets(name).lower()
    assert read.type == kind
    assert read.of == wire.IN
    assert (read.edns, read.version, read.size, read.dnssec) == (True, 0, size, dnssec)
    subnets = [each for each in options if isinstance(each, dns.edns.ECSOption)]
    assert (read.subnet is None) == (not subnets)
    if subnets and read.subnet is not None:
        assert read.subnet.prefix == subnets[0].srclen
        assert read.subnet.address == subnets[0].addrdata
    cookies = [each for each in options if isinstance(each, dns.edns.CookieOption)]
    assert read.cookie == (cookies[0].client + cookies[0].server if cookies else None)


@given(NAMES)
def test_names_are_ordered_as_dnspython_orders_them_and_read_from_text(name: dns.name.Name) -> None:
    lower = octets(name.canonicalize())
    assert wire.of_text(name.to_text()) == lower
    other = dns.name.from_text("m.example.net.")
    assert (wire.order(lower) < wire.order(octets(other))) == (name < other)


@pytest.mark.parametrize(
    "text", ["", "relative", "a..b.", "." + 64 * "a" + ".", 64 * "a" + ".", 130 * "a.", "ä."]
)
def test_what_is_no_absolute_name_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        wire.of_text(text)


SERVER = responder(tables(content()))


def _survives(data: bytes) -> None:
    for answer in (SERVER.datagram(data, CLIENT), SERVER.message(data, CLIENT)):
        if answer is not None:
            assert len(data) >= 12
            assert dns.message.from_wire(answer, ignore_trailing=False).id == int.from_bytes(data[:2])
    assert SERVER.counters.failed == 0


@given(st.binary(max_size=600))
def test_any_octets_do_no_harm(data: bytes) -> None:
    _survives(data)


@given(
    st.sampled_from(["www", "sub", "none", "alias", "p.wild"]),
    st.sampled_from(["A", "ANY", "AXFR", "DS"]),
    OPTIONS,
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 200),
)
def test_a_question_that_was_damaged_does_no_harm(
    name: str, kind: str, options: list[dns.edns.Option], changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(question(name, kind, use_edns=0, options=options).to_wire())
    for at, octet in changes:
        data[at % len(data)] = octet
    _survives(bytes(data))
    _survives(bytes(data[: cut % len(data)]))


HEAD = b"\x12\x34\0\0\0\1\0\0\0\0\0"
QUESTION = b"\3www\7example\3net\0\0\1\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0"


@pytest.mark.parametrize(
    "data",
    [
        b"\x12\x34\0\0\0\2\0\0\0\0\0\0" + 2 * QUESTION,
        b"\x12\x34\0\0\0\0\0\0\0\0\0\0",
        HEAD + b"\0\xc0\x0c\0\1\0\1",
        HEAD + b"\0" + b"\3www",
        HEAD + b"\1" + QUESTION + OPT + b"\0\5\0",
        HEAD + b"\1" + QUESTION + OPT + b"\0\4\0\x08\0\x20",
        HEAD + b"\2" + QUESTION + 2 * (OPT + b"\0\0"),
        HEAD + b"\1" + QUESTION + OPT + b"\0\x0b\0\x08\0\7\0\1\x10\0\1\2\3",
        HEAD + b"\1" + QUESTION + OPT + b"\0\x0b\0\x08\0\7\0\1\x17\1\1\2\3",
        HEAD + b"\1" + QUESTION + OPT + b"\0\x0b\0\x08\0\7\0\1\x17\0\1\2\3",
        HEAD + b"\1" + QUESTION + OPT + b"\0\x09\0\x08\0\5\0\1\x18\0\1",
        HEAD + b"\1" + QUESTION + OPT + b"\0\x07\0\x0a\0\3abc",
    ],
    ids=[
        "two questions", "no question", "compressed name", "cut name", "cut option", "option beyond the end",
        "two OPT", "subnet with too many octets", "subnet with a scope", "bits beyond the prefix", "cut subnet",
        "short cookie",
    ],
)  # fmt: skip
def test_what_is_no_question_is_told_so(data: bytes) -> None:
    answer = SERVER.datagram(data, CLIENT)
    assert answer is not None
    found = dns.message.from_wire(answer)
    assert found.rcode() == dns.rcode.FORMERR
    assert found.id == 0x1234


def test_opt_may_follow_other_records() -> None:
    record = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\1\2\3\4"
    read = wire.read(HEAD + b"\2" + QUESTION + record + OPT + b"\0\0")
    assert read.edns
    assert read.size == 1232
