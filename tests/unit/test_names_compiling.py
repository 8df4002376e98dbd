"""Compiled zones: records that are the same for all, choices by who asks, and for whom they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from controller.exits.names.compiling import Compiler, compiled
from controller.exits.names.inputs import Inputs
from controller.exits.names.regions import Regions
from controller.exits.names.reports import Reports
from controller.exits.names.rtt import KEPT, MOST, Report, Rtts, Shared, key_in, key_of, text_of
from controller.spec.codec import decode, encode
from controller.spec.names import (
    Delegation,
    Https,
    NameServer,
    Policy,
    Record,
    RecordType,
    Region,
    Srv,
    Zone,
)
from tests.examples import examples
from tests.fakes.naming import (
    ELSEWHERE,
    EU,
    US,
    asker,
    candidate,
    choice,
    inputs,
    memory,
    service,
    state,
    zone,
)

A, B = (
    candidate("a", 1, site="east", public=ip_address("203.0.113.1")),
    candidate("b", 2, site="west", weight=3),
)
SIX = replace(candidate("six", 6, site="west"), address=ip_address("2001:db8:2::6"))


def whole() -> Zone:
    made = service(
        (A, B, SIX),
        Policy.HEALTH,
        Policy.REGION,
        Policy.ROUND_ROBIN,
        https=Https(("h2", "h3"), 8443, hints=True),
        srv=(Srv("_https._tcp", 443, 5),),
    )
    records = (
        Record("www", RecordType.CNAME, ("shop",)),
        Record("@", RecordType.MX, ("10 mail", "20 mail.example.org.")),
        Record("@", RecordType.TXT, ('say "x" \\ y', "z" * 300), 60),
    )
    parts = (Delegation("asia", (NameServer("ns1.asia", (ip_address("192.0.2.9"),)),), 300, ("1 13 2 AB",)),)
    return zone(made, records=records, delegations=parts, contact="dns@example.org")


def test_records_that_are_the_same_for_all_are_written_as_zone_files_have_them() -> None:
    found = compiled(inputs(whole()), memory()).zones["example.net."]
    rows = {(key[0], key[1]): (each.ttl, each.values) for key, each in found.fixed.items()}
    assert found.soa.values == ("ns1.example.net. dns.example.org. 7 7200 900 1209600 30",)
    assert rows["example.net.", "NS"] == (3600, ("ns1.example.net.",))
    assert rows["ns1.example.net.", "A"] == (3600, ("192.0.2.53",))
    assert rows["www.example.net.", "CNAME"] == (3600, ("shop.example.net.",))
    assert rows["example.net.", "MX"] == (3600, ("10 mail.example.net.", "20 mail.example.org."))
    assert rows["example.net.", "TXT"] == (60, ('"say \\"x\\" \\\\ y"', f'"{"z" * 255}" "{"z" * 45}"'))
    assert rows["asia.example.net.", "NS"] == (300, ("ns1.asia.example.net.",))
    assert rows["asia.example.net.", "DS"] == (300, ("1 13 2 AB",))
    assert rows["ns1.asia.example.net.", "A"] == (300, ("192.0.2.9",))
    assert rows["a.shop.example.net.", "A"] == (10, ("203.0.113.1",))
    assert rows["six.shop.example.net.", "AAAA"] == (10, ("2001:db8:2::6",))


def test_the_public_address_is_answered_in_place_of_the_candidates_own() -> None:
    content = compiled(inputs(whole()), memory())
    assert choice(content)(asker(EU)).records.values == ("203.0.113.1",)


def test_https_and_srv_records_follow_the_chain() -> None:
    content = compiled(inputs(whole(), {"b": state(B, up=False)}), memory())
    https = choice(content, "HTTPS")
    assert https(asker(ELSEWHERE)).records.values == (
        '1 . alpn="h2,h3" port=8443 ipv4hint=203.0.113.1 ipv6hint=2001:db8:2::6',
    )
    srv = choice(content, "SRV", "_https._tcp.shop.example.net.")
    assert srv(asker(ELSEWHERE)).records.values == (
        "5 1 443 a.shop.example.net.",
        "5 1 443 six.shop.example.net.",
    )
    assert srv(asker(US)).records.values == ("5 1 443 a.shop.example.net.", "5 1 443 six.shop.example.net.")


@pytest.mark.parametrize(
    ("client", "scope"),
    [
        (EU, 17),
        ("10.1.128.9", 24),
        ("10.1.129.9", 24),
        ("10.1.200.1", 18),
        (US, 16),
        (ELSEWHERE, 1),
        ("2001:db8:1::5", 48),
    ],
)
def test_an_answer_by_region_holds_for_the_prefix_in_which_all_are_in_that_region(
    client: str, scope: int
) -> None:
    assert choice(compiled(inputs(whole()), memory()))(asker(client)).scope == scope


def test_an_answer_that_does_not_go_by_the_client_holds_for_all() -> None:
    content = compiled(inputs(zone(service((A, B)))), memory())
    assert choice(content)(asker(EU)).scope == 0


def test_every_answer_is_among_the_possible_ones() -> None:
    for policies in ((Policy.HEALTH, Policy.REGION, Policy.WEIGHT), (Policy.HEALTH, Policy.SITE_WEIGHT)):
        ask = choice(compiled(inputs(zone(service((A, B), *policies, answers=None))), memory()))
        possible = {frozenset(each.values) for each in ask.possible}
        for client in (EU, US, ELSEWHERE):
            assert {frozenset(ask(asker(client)).records.values) for _ in range(20)} <= possible


def test_choices_of_services_of_which_nothing_changed_are_taken_over() -> None:
    other = replace(service((A,)), name="other")
    both = replace(whole(), services=(*whole().services, other))
    makes = Compiler(memory())
    one = makes.compiled(inputs(both))
    two = makes.compiled(Inputs(8, (both,), inputs(both, {"b": state(B, up=False)}).states))
    assert choice(two, name="other.example.net.") is choice(one, name="other.example.net.")
    assert choice(two) is not choice(one)
    assert two.revision == 8


def test_inputs_can_be_sent_and_read_again() -> None:
    made = inputs(whole(), rtts={"10.1.0.0/24": {"east": 0.01}}, resolvers=("10.1.0.1",))
    assert decode(Inputs, json.loads(json.dumps(encode(made)))) == made


# -- regions -----------------------------------------------------------------------------------------------------

PREFIXES = some.builds(
    lambda bits, length: ip_network((bits << 24 >> (32 - length) << (32 - length), length)),
    some.integers(0, 255),
    some.integers(1, 8),
)


@settings(max_examples=examples(40, 1000), deadline=None)
@given(some.lists(some.tuples(PREFIXES, some.sampled_from("xyz")), max_size=8), some.integers(0, 2**32 - 1))
def test_the_longest_prefix_counts_and_holds_for_the_whole_scope(
    rows: list[tuple[IPv4Network, str]], number: int
) -> None:
    unique = dict(rows)
    regions = Regions(Region(name, (prefix,)) for prefix, name in unique.items())

    def plain(at: int) -> str:
        holding = [p for p in unique if ip_address(at) in p]
        return unique[max(holding, key=lambda p: p.prefixlen)] if holding else ""

    found = regions.of(ip_address(number))
    assert found.region == plain(number)
    block = IPv4Network((number, found.scope), strict=False)
    ends = (int(block.network_address), int(block.broadcast_address), (int(block[0]) + int(block[-1])) // 2)
    assert {regions.at(each, 4) for each in ends} == {found}
    assert all(plain(each) == found.region for each in ends)
    if found.scope:
        wider = block.supernet()
        inside = [p for p in unique if p.subnet_of(wider)]
        assert inside or not holding_of(unique, block), "a scope is no longer than it has to be"


def holding_of(unique: dict[IPv4Network, str], block: IPv4Network) -> list[IPv4Network]:
    return [p for p in unique if block.subnet_of(p) and p.prefixlen < block.prefixlen]


# -- times -------------------------------------------------------------------------------------------------------


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_times_are_a_moving_average_that_ends() -> None:
    now = Now()
    rtts = Rtts(now, "east")
    resolver = ip_address("10.1.0.1")
    rtts.note(resolver, 0.1)
    rtts.note(ip_address("10.1.0.77"), 0.2)
    assert rtts.own(key_of(resolver)) == pytest.approx(0.13)
    assert rtts.report() == Report("east", {"10.1.0.0/24": 0.7 * 0.1 + 0.3 * 0.2}, ())
    now.seconds += KEPT
    assert rtts.own(key_of(resolver)) is None
    rtts.note(resolver, 0.4)
    assert rtts.own(key_of(resolver)) == pytest.approx(0.4)


def test_times_that_cannot_be_are_left_out_and_their_number_is_bounded() -> None:
    rtts = Rtts(lambda: 0.0, "east")
    for wrong in (0.0, -1.0, 100.0, float("nan")):
        rtts.note(ip_address("10.0.0.1"), wrong)
    assert not rtts.report().rtts
    for number in range(MOST + 10):
        rtts.note(ip_address(number << 8), 0.1)
        rtts.asks(ip_address(number))
    report = rtts.report()
    assert len(report.rtts) == MOST
    assert len(report.asked) == 512
    assert report.asked[-1] == str(ip_address(MOST + 9))


@pytest.mark.parametrize("text", ["10.1.2.0/24", "2001:db8:1::/48"])
def test_prefixes_are_written_and_read(text: str) -> None:
    assert text_of(key_in(text)) == text


def test_rtt_goes_by_the_clients_prefix_where_it_was_measured_or_by_the_resolvers() -> None:
    rtts = {"10.1.0.0/24": {"east": 0.2, "west": 0.01}, "10.2.0.0/24": {"east": 0.01, "west": 0.2}}
    content = compiled(inputs(zone(service((A, B), Policy.RTT)), rtts=rtts), memory())
    ask = choice(content)
    assert ask(asker(EU)).records.values == ("198.51.100.2",)
    assert ask(asker(US)).records.values == ("203.0.113.1",)
    assert ask(asker(EU)).scope == 24
    assert ask(asker(ELSEWHERE, resolver=EU)).records.values == ("198.51.100.2",)
    short = asker("10.2.0.0", resolver=EU, prefix=16)
    assert ask(short).records.values == ("198.51.100.2",), "too few bits of the client are known"
    assert ask(asker(ELSEWHERE)).records.values == ("203.0.113.1",), (
        "nothing is known: the order of the intent"
    )


def test_what_a_name_server_measures_itself_counts_for_its_site() -> None:
    kept = memory(site="west")
    content = compiled(inputs(zone(service((A, B), Policy.RTT)), rtts={"10.1.0.0/24": {"east": 0.1}}), kept)
    assert choice(content)(asker(EU)).records.values == ("203.0.113.1",)
    kept.rtts.note(ip_address("10.1.0.9"), 0.01)
    assert choice(content)(asker(EU)).records.values == ("198.51.100.2",)
    assert kept.rtts.report().asked == (EU,)


def test_reports_of_sites_become_one_table_that_ends_too() -> None:
    now = Now()
    reports = Reports(now)
    reports.take(Report("east", {"10.1.0.0/24": 0.03}, (EU,)))
    reports.take(Report("east", {"10.1.0.0/24": 0.0325}, (EU,)))
    now.seconds += KEPT / 2
    reports.take(Report("west", {"10.1.0.0/24": 0.01}, (US, EU)))
    reports.take(Report("", {"10.9.0.0/24": 0.01}))
    assert reports.rtts() == {"10.1.0.0/24": {"east": 0.03, "west": 0.01}}, "a tenth more is the same"
    assert reports.resolvers() == (EU, US)
    reports.take(Report("west", {"10.1.0.0/24": 0.02}))
    now.seconds += KEPT / 2
    assert reports.rtts() == {"10.1.0.0/24": {"west": 0.02}}
    for wrong in (
        Report("east", {"10.1.0.0/16": 0.1}),
        Report("east", {}, ("x",)),
        Report("e", {"10.1.0.0/24": -1}),
    ):
        with pytest.raises(ValueError, match=r"."):
            reports.take(wrong)


def test_a_row_that_is_no_prefix_is_passed_over() -> None:
    shared = Shared({"nonsense": {"east": 0.1}, "10.1.0.0/24": {"east": 0.2}})
    assert shared.near(None, None, ip_address(EU)) == {"east": 0.2}
