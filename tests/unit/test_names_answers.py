"""What a name server answers: every kind of question against a zone with everything in it, read by dnspython."""

from __future__ import annotations

from ipaddress import ip_address

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.exits.names.content import Asker, Content, RecordSet, Zone
from controller.exits.names.serve.responder import Responder
from tests.unit.zones import (
    CLIENT,
    ORIGIN,
    Steered,
    ask,
    content,
    question,
    records,
    responder,
    shown,
    tables,
    www,
)


@pytest.fixture(scope="module")
def server() -> Responder:
    return responder(tables(content()))


Row = tuple[str, str, str, set[str], set[str], set[str]]
ROWS: tuple[Row, ...] = (
    # name, type, rcode, answer, authority, additional
    ("text", "TXT", "NOERROR", {'text TXT "one" "two"', 'text TXT "three"'}, set(), set()),
    ("", "MX", "NOERROR", {"@ MX 10 mail.example.net."}, set(), set()),
    ("", "SOA", "NOERROR", {"@ SOA ns1.example.net. admin.example.net. 1 3600 600 86400 60"}, set(), set()),
    ("www", "A", "NOERROR", {"www A 198.51.100.1"}, set(), set()),
    ("alias", "A", "NOERROR", {"alias CNAME www.example.net.", "www A 198.51.100.1"}, set(), set()),
    ("alias", "CNAME", "NOERROR", {"alias CNAME www.example.net."}, set(), set()),
    ("out", "A", "NOERROR", {"out CNAME www.example.org."}, set(), set()),
    ("deep", "A", "NOERROR", set(), {"soa"}, set()),
    ("www", "AAAA", "NOERROR", set(), {"soa"}, set()),
    ("alias", "AAAA", "NOERROR", {"alias CNAME www.example.net."}, {"soa"}, set()),
    ("none", "A", "NXDOMAIN", set(), {"soa"}, set()),
    ("x.www", "A", "NXDOMAIN", set(), {"soa"}, set()),
    ("gone", "A", "NXDOMAIN", {"gone CNAME nothing.example.net."}, {"soa"}, set()),
    ("loop1", "A", "SERVFAIL", set(), set(), set()),
    ("p.q.wild", "TXT", "NOERROR", {'p.q.wild TXT "any"'}, set(), set()),
    ("p.wild", "A", "NOERROR", set(), {"soa"}, set()),
    ("p.walias", "A", "NOERROR", {"p.walias CNAME www.example.net.", "www A 198.51.100.1"}, set(), set()),
    (
        "host.sub", "A", "NOERROR", set(),
        {"sub NS ns.sub.example.net.", "sub NS ns.elsewhere.org."}, {"ns.sub A 192.0.2.9"},
    ),
    (
        "ns.sub", "A", "NOERROR", set(),
        {"sub NS ns.sub.example.net.", "sub NS ns.elsewhere.org."}, {"ns.sub A 192.0.2.9"},
    ),
    (
        "safe", "A", "NOERROR", set(), {"safe NS ns1.example.net."}, {"ns1 A 192.0.2.1"},
    ),
    ("sub", "DS", "NOERROR", set(), {"soa"}, set()),
    ("ns2", "ANY", "NOERROR", {"ns2 A 192.0.2.2"}, set(), set()),
    ("www", "ANY", "NOERROR", {"www A 198.51.100.1"}, set(), set()),
    ("none", "ANY", "NXDOMAIN", set(), {"soa"}, set()),
    ("www", "TYPE4711", "NOERROR", set(), {"soa"}, set()),
    ("", "AXFR", "REFUSED", set(), set(), set()),
    ("", "IXFR", "REFUSED", set(), set(), set()),
    ("www", "RRSIG", "REFUSED", set(), set(), set()),
    ("www.example.org.", "A", "REFUSED", set(), set(), set()),
    ("net.", "A", "REFUSED", set(), set(), set()),
    (".", "NS", "REFUSED", set(), set(), set()),
)  # fmt: skip
SOA = "@ SOA ns1.example.net. admin.example.net. 1 3600 600 86400 60"


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(("name", "kind", "rcode", "answer", "authority", "others"), ROWS)
def test_a_question_has_its_answer(
    server: Responder,
    name: str,
    kind: str,
    rcode: str,
    answer: set[str],
    authority: set[str],
    others: set[str],
    tcp: bool,
) -> None:
    found = ask(server, question(name, kind), tcp=tcp)
    assert dns.rcode.to_text(found.rcode()) == rcode
    assert shown(found.answer) == answer
    assert shown(found.authority) == {SOA if each == "soa" else each for each in authority}
    assert shown(found.additional) == others
    referred = any(" NS " in each for each in authority)
    assert bool(found.flags & dns.flags.AA) == (rcode in ("NOERROR", "NXDOMAIN") and not referred)
    assert not found.flags & dns.flags.RA


def test_what_is_not_there_may_be_remembered_for_as_long_as_the_zone_says(server: Responder) -> None:
    found = ask(server, question("none"))
    assert [each.ttl for each in found.authority] == [60]


def test_the_name_comes_back_as_it_was_written(server: Responder) -> None:
    query = question("wWw")
    found = ask(server, query)
    assert found.question[0].name.to_text() == "wWw.example.net."
    assert shown(found.answer) == {"wWw A 198.51.100.1"}


def test_a_choice_is_asked_each_time_and_sees_who_asks() -> None:
    asked = Steered(
        (www("198.51.100.1"), www("198.51.100.2")), lambda by: by.address == ip_address("2001:db8::5")
    )
    server = responder(tables(content(www_A=asked)))
    assert shown(ask(server, question("www")).answer) == {"www A 198.51.100.1"}
    assert shown(ask(server, question("www"), "2001:db8::5").answer) == {"www A 198.51.100.2"}
    assert shown(ask(server, question("www"), CLIENT).answer) == {"www A 198.51.100.1"}
    first, last = asked.asked[0], asked.asked[2]
    assert first == Asker(ip_address(CLIENT), 32, ip_address(CLIENT))
    assert last == Asker(ip_address("2001:db8::5"), 128, ip_address("2001:db8::5"))


@pytest.mark.parametrize(
    ("subnet", "prefix", "address", "scope"),
    [
        ("10.1.0.0", 16, "10.1.0.0", 24),
        ("10.1.2.0", 23, "10.1.2.0", 24),
        ("2001:db8:1::", 48, "2001:db8:1::", 24),
        ("0.0.0.0", 0, CLIENT, 0),
    ],
)
def test_a_clients_subnet_is_what_counts_and_the_answer_says_for_whom_it_is(
    subnet: str, prefix: int, address: str, scope: int
) -> None:
    choice = Steered((www("198.51.100.1"),), scope=24)
    server = responder(tables(content(www_A=choice)))
    query = question("www", use_edns=0, options=[dns.edns.ECSOption(subnet, prefix)])
    found = ask(server, query)
    (option,) = found.options
    assert isinstance(option, dns.edns.ECSOption)
    assert (option.address, option.srclen, option.scopelen) == (subnet, prefix, scope)
    asked = choice.asked[0]
    assert asked.address == ip_address(address)
    assert asked.prefix == (prefix or 32)
    assert asked.resolver == ip_address(CLIENT)


@given(
    st.one_of(
        st.tuples(st.ip_addresses(v=4).map(str), st.integers(0, 32)),
        st.tuples(st.ip_addresses(v=6).map(str), st.integers(0, 128)),
    ),
    st.sampled_from(["www", "alias", "none", "text"]),
    st.booleans(),
)
def test_whether_a_question_came_from_other_subnets_before_changes_nothing(
    subnet: tuple[str, int], name: str, dnssec: bool
) -> None:
    def choice(by: Asker) -> int:
        return int(by.address) % 2

    query = question(name, want_dnssec=dnssec, use_edns=0, options=[dns.edns.ECSOption(*subnet)]).to_wire()
    sets = (www("198.51.100.1"), www("198.51.100.2"))
    fresh, warm = (responder(tables(content(www_A=Steered(sets, choice, scope=24)))) for _ in range(2))
    for first in ("10.1.2.0/24", "10.1.3.0/24", "10.0.0.1/32", "2001:db8::/48", "2001:db8:1::/56"):
        address, _, prefix = first.partition("/")
        option = dns.edns.ECSOption(address, int(prefix))
        for number in (1, 2):
            before = question(name, want_dnssec=dnssec, use_edns=0, options=[option])
            assert warm.datagram(before.to_wire(), f"203.0.113.{number}") is not None
    assert warm.datagram(query, CLIENT) == fresh.datagram(query, CLIENT)
    assert warm.datagram(query, CLIENT) == fresh.message(query, CLIENT)


def test_an_answer_that_is_the_same_for_all_says_so(server: Responder) -> None:
    found = ask(server, question("text", "TXT", use_edns=0, options=[dns.edns.ECSOption("10.1.0.0", 16)]))
    (option,) = found.options
    assert isinstance(option, dns.edns.ECSOption)
    assert option.scopelen == 0


def test_a_choice_may_be_an_alias_within_the_zone_or_out_of_it() -> None:
    here = Steered((records("www", "CNAME", "text.example.net."),))
    there = Steered((records("far", "CNAME", "gslb.example.org."),))
    server = responder(tables(content(www_TXT=here, far_A=there)))
    assert shown(ask(server, question("www", "TXT")).answer) == {
        "www CNAME text.example.net.", 'text TXT "one" "two"', 'text TXT "three"',
    }  # fmt: skip
    assert shown(ask(server, question("far")).answer) == {"far CNAME gslb.example.org."}


def test_choices_that_follow_each_other_are_each_made() -> None:
    first = Steered((records("one", "CNAME", "two.example.net."),), scope=16)
    second = Steered((records("two", "A", "192.0.2.50"), records("two", "A", "192.0.2.51")), scope=24)
    server = responder(tables(content(one_A=first, two_A=second)))
    query = question("one", use_edns=0, options=[dns.edns.ECSOption("10.1.0.0", 16)])
    found = ask(server, query)
    assert shown(found.answer) == {"one CNAME two.example.net.", "two A 192.0.2.50"}
    assert found.options[0].scopelen == 24
    second.which = lambda _: 1
    assert "two A 192.0.2.51" in shown(ask(server, query).answer)


def test_aliases_that_lead_in_a_circle_end() -> None:
    one = Steered((records("one", "CNAME", "two.example.net."),))
    two = Steered((records("two", "CNAME", "one.example.net."),))
    found = ask(responder(tables(content(one_A=one, two_A=two))), question("one"))
    assert found.rcode() == dns.rcode.SERVFAIL or len(found.answer) <= 9


def test_a_name_without_addresses_now_is_there_and_has_none() -> None:
    found = ask(responder(tables(content(www_A=Steered((www(),))))), question("www"))
    assert found.rcode() == dns.rcode.NOERROR
    assert not found.answer
    assert shown(found.authority) == {SOA}


def test_a_choice_that_fails_or_makes_no_sense_fails_its_own_question_alone() -> None:
    broken, wrong = Steered((), lambda _: 7), Steered((records("odd", "A", "no address"),))
    server = responder(tables(content(www_A=broken, odd_A=wrong)))
    assert ask(server, question("www")).rcode() == dns.rcode.SERVFAIL
    assert ask(server, question("odd")).rcode() == dns.rcode.SERVFAIL
    assert ask(server, question("text", "TXT")).rcode() == dns.rcode.NOERROR
    assert server.counters.failed >= 2


def test_values_come_in_the_order_in_which_they_were_chosen() -> None:
    choice = Steered((www("198.51.100.9", "198.51.100.1"), www("198.51.100.1", "198.51.100.9")))
    server = responder(tables(content(www_A=choice)))
    for which, first in ((0, "198.51.100.9"), (1, "198.51.100.1"), (0, "198.51.100.9")):
        choice.which = [lambda _: 0, lambda _: 1][which]
        (found,) = ask(server, question("www")).answer
        octets = server.datagram(question("www").to_wire(), CLIENT)
        assert octets is not None
        assert octets.index(ip_address(first).packed) == 12 + len(b"\3www\7example\3net\0") + 4 + 12
        assert len(found) == 2


@pytest.mark.parametrize(("size", "limit"), [(None, 512), (600, 600), (1232, 1232), (4096, 1232)])
def test_an_answer_too_large_for_udp_is_sent_without_records_and_whole_over_tcp(
    server: Responder, size: int | None, limit: int
) -> None:
    query = question("big", "TXT") if size is None else question("big", "TXT", use_edns=0, payload=size)
    out = server.datagram(query.to_wire(), CLIENT)
    assert out is not None
    found = dns.message.from_wire(out)
    assert found.flags & dns.flags.TC
    assert not found.answer
    assert len(out) <= limit
    whole = ask(server, query, tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(shown(whole.answer)) == 12


def test_other_versions_of_edns_are_told_which_one_there_is(server: Responder) -> None:
    found = ask(server, question("www", use_edns=1))
    assert found.rcode() == dns.rcode.BADVERS
    assert found.edns == 0
    assert not found.answer


@pytest.mark.parametrize("opcode", [dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.IQUERY, 14])
def test_other_operations_are_not_there(server: Responder, opcode: int) -> None:
    query = question("www")
    query.set_opcode(dns.opcode.Opcode.make(opcode))
    out = server.datagram(query.to_wire(), CLIENT)
    assert out is not None
    assert dns.message.from_wire(out).rcode() == dns.rcode.NOTIMP


def test_other_classes_are_refused(server: Responder) -> None:
    query = dns.message.make_query("version.bind.", "TXT", "CH")
    assert ask(server, query).rcode() == dns.rcode.REFUSED


def test_answers_are_not_answered(server: Responder) -> None:
    answer = dns.message.make_response(question("www"))
    assert server.datagram(answer.to_wire(), CLIENT) is None
    assert server.message(answer.to_wire(), CLIENT) is None


def test_another_content_takes_the_place_of_the_one_before() -> None:
    before = tables(content(www_A=Steered((www("198.51.100.1"),))))
    server = responder(before)
    assert shown(ask(server, question("www")).answer) == {"www A 198.51.100.1"}
    server.serve(tables(content(revision=2, www_A=Steered((www("198.51.100.9"),))), before=before))
    assert shown(ask(server, question("www")).answer) == {"www A 198.51.100.9"}
    assert "admin.example.net. 2 3600" in next(iter(shown(ask(server, question("", "SOA")).answer)))


def test_a_zone_below_another_one_answers_for_itself_and_the_upper_one_for_its_ds() -> None:
    upper = content()
    soa = records("child", "SOA", "ns1.example.net. admin.example.net. 1 3600 600 86400 60")
    fixed = {("www.child." + ORIGIN, "A"): records("www.child", "A", "192.0.2.60")}
    lower = Zone("child." + ORIGIN, soa, 60, fixed, {})
    zone = upper.zones[ORIGIN]
    delegated = {
        ("child." + ORIGIN, "NS"): records("child", "NS", "ns1.example.net."),
        ("child." + ORIGIN, "DS"): records("child", "DS", "12345 13 2 " + 32 * "CD"),
    }
    whole = Zone(ORIGIN, zone.soa, 60, {**zone.fixed, **delegated}, zone.balanced)
    server = responder(tables(Content(1, {ORIGIN: whole, lower.origin: lower})))
    assert shown(ask(server, question("www.child")).answer) == {"www.child A 192.0.2.60"}
    assert len(ask(server, question("child", "DS")).answer) == 1
    assert shown(ask(server, question("none.child")).authority) == {f"child SOA {soa.values[0]}"}


def test_a_set_that_makes_no_sense_is_left_out_and_said() -> None:
    made = content()
    zone = made.zones[ORIGIN]
    wrong = {
        ("bad." + ORIGIN, "A"): records("bad", "A", "300.1.1.1"),
        ("x.org.", "A"): RecordSet("x.org.", "A", 1, ("192.0.2.1",)),
    }
    built = tables(Content(1, {ORIGIN: Zone(ORIGIN, zone.soa, 60, {**zone.fixed, **wrong}, zone.balanced)}))
    assert len(built.problems) == 2
    assert any("bad.example.net. A" in each for each in built.problems)
    assert ask(responder(built), question("text", "TXT")).rcode() == dns.rcode.NOERROR
