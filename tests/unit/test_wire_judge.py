"""The judge of who claims a VIP: two sites at one moment are found, a clean move is none, silence is measured."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from controller.frames import gratuitous_arp, unsolicited_na
from tests.conformance import packets
from topo.wire.claims import ANNOUNCEMENT, ANSWER, Claim, claim, question
from topo.wire.judge import Findings, Heard, judge
from topo.wire.origin import KEPT, Origin

VIP, MAC, ASKER = "10.0.0.100", "02:45:56:00:01:01", "02:45:56:02:00:01"
V4, V6 = IPv4Address(VIP), IPv6Address("fd00::100")
PATIENCE = 0.5
ASKED = [(VIP, "east"), (VIP, "west")]


def said(site: str, at: float, made: bool = True, kind: str = ANSWER, vip: str = VIP) -> Heard:
    return Heard(at, vip, kind, f"edge{site[0]}", site, "c1", made, to_client=True)


def answers(site: str, begin: float, end: float, vip: str = VIP) -> list[Heard]:
    """Of an owner that is asked ten times a second."""
    return [said(site, begin + n / 10, vip=vip) for n in range(int((end - begin) * 10) + 1)]


def judged(*heard: Iterable[Heard], end: float = 10.0) -> Findings:
    return judge([each for some in heard for each in some], ASKED, PATIENCE, 0.0, end)


def test_two_sites_that_answer_at_one_moment_are_found() -> None:
    (found,) = judged(answers("east", 0, 6), answers("west", 5, 10)).duplicates
    assert (found.vip, found.sites, found.begin) == (VIP, ("east", "west"), 5.0)
    assert found.end == pytest.approx(6.0)
    assert found.claims == 22


def test_a_single_answer_within_the_others_time_is_one_too_many() -> None:
    assert len(judged(answers("east", 0, 10), [said("west", 5.03)]).duplicates) == 1


def test_an_announcement_claims_as_an_answer_does() -> None:
    announced = [said("west", 5.03, kind=ANNOUNCEMENT)]
    assert len(judged(answers("east", 0, 10), announced).duplicates) == 1


def test_a_move_and_a_move_back_are_no_duplicates_however_short_the_silence_between() -> None:
    found = judged(answers("east", 0, 4), answers("west", 4.02, 7), answers("east", 7.02, 10))
    assert not found.duplicates
    assert found.owners == {VIP: ("east", "west", "east")}


def test_what_an_edge_passes_on_claims_nothing_but_reaches_its_clients() -> None:
    passed = [said("west", each.at + 0.003, made=False) for each in answers("east", 0, 10)]
    found = judged(answers("east", 0, 10), passed)
    assert not found.duplicates
    assert (found.owners, found.gaps) == ({VIP: ("east",)}, ())
    assert found.answers == 201, "the last one came after the end"


def test_vips_are_judged_apart() -> None:
    other = "10.0.0.101"
    assert not judged(answers("east", 0, 10), answers("west", 0, 10, vip=other)).duplicates


def test_silence_is_measured_for_clients_of_each_site_from_the_begin_to_the_end() -> None:
    west = [said("west", each.at, made=False) for each in answers("east", 1, 9)]
    found = judged(answers("east", 0, 4), answers("east", 6, 10), west)
    told = [(gap.site, round(gap.begin, 3), round(gap.end, 3)) for gap in found.gaps]
    assert told == [("west", 0.0, 1.0), ("east", 4.0, 6.0), ("west", 9.0, 10.0)]
    assert found.longest == {VIP: pytest.approx(2.0)}


def test_a_vip_that_nobody_answers_for_is_one_gap() -> None:
    found = judged()
    assert [(gap.site, gap.seconds) for gap in found.gaps] == [("east", 10.0), ("west", 10.0)]
    assert found.owners == {VIP: ()}


def test_what_was_heard_before_or_after_does_not_count() -> None:
    assert not judge(answers("west", 0, 4), ASKED, PATIENCE, 5.0, 10.0).answers


def test_answers_and_announcements_are_claims_and_questions_are_none() -> None:
    reply = packets.arp(2, MAC, V4, ip_address("10.0.0.11"), ASKER)
    assert claim(reply) == Claim(V4, ANSWER)
    assert claim(packets.advertisement(MAC, V6, (ASKER, ip_address("fd00::11")))) == Claim(V6, ANSWER)
    assert claim(gratuitous_arp(V4, MAC)) == Claim(V4, ANNOUNCEMENT)
    assert claim(packets.arp(2, MAC, V4, V4)) == Claim(V4, ANNOUNCEMENT)
    assert claim(unsolicited_na(V6, MAC)) == Claim(V6, ANNOUNCEMENT)
    for vip, source in ((V4, ip_address("10.0.0.11")), (V6, ip_address("fd00::11"))):
        assert claim(question(vip, ASKER, source)) is None
    assert claim(bytes(60)) is None
    assert claim(reply[:20]) is None


def test_questions_are_those_that_hosts_ask() -> None:
    here4, here6 = ip_address("10.0.0.11"), ip_address("fd00::11")
    assert question(V4, ASKER, here4) == packets.arp(1, ASKER, here4, V4)
    assert question(V6, ASKER, here6) == packets.solicitation(ASKER, here6, V6)
    assert struct.unpack("!H", question(V6, ASKER, here6)[12:14]) == (0x86DD,)


def test_what_came_in_and_leaves_by_other_ports_once_was_not_made_here() -> None:
    edge = Origin()
    edge.came(b"answer", "lb1", 1.0)
    assert not edge.left(b"answer", "c1", 1.001)
    assert not edge.left(b"answer", "r1", 1.001)
    assert edge.left(b"answer", "c1", 1.002), "a second copy is the switch's own"
    assert edge.left(b"other", "c1", 1.002)


def test_what_goes_back_where_it_came_from_or_came_long_ago_was_made_here() -> None:
    edge = Origin()
    edge.came(b"answer", "lb1", 1.0)
    assert edge.left(b"answer", "lb1", 1.001)
    assert edge.left(b"answer", "c1", 1.0 + 2 * KEPT)
