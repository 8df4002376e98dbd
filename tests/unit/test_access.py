"""Access lists: which rule counts, what an edit shuts out, in which order switches learn it, and what is counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.decision import DecidedBy, Remember, decide
from controller.lbstate import LbPool, LbState, Packet
from controller.plan.pins import PinKey
from controller.plan.shutout import SAID, newly_blocked, shut_out
from controller.spec.access import OPEN, Access
from controller.spec.slots import SlotTable
from controller.spec.switch import Fate, ListenerSpec, PoolSpec, SwitchSpec, VipSpec
from controller.spec.types import Intent, Listener, Mode, Protocol, Vip
from flows.diff import diff
from flows.entries import Target
from flows.pipeline import target
from flows.tables import Kind, Placed
from p4src.diff import diff as p4_diff
from p4src.pipeline import access as p4_access
from p4src.target import BLOCK, EntryBody, EntryKey, P4Target
from tests.fakes import duties

VIP = VipSpec(1, ip_address("10.0.0.100"), "02:45:56:00:01:01", 30)
ITEM = ListenerSpec(1, VIP, Protocol.TCP, 80, 80, 1, Mode.DR, sticky=False)
PLACED = Placed(duties.LB_PLACE)
HOSTS = [IPv4Address(f"10.0.0.{n}") for n in range(16)]
_PREFIXES = st.builds(
    lambda host, length: IPv4Network(f"10.0.0.{host & 0xFF << 32 - length & 0xFF}/{length}"),
    st.integers(0, 15),
    st.integers(28, 32),
)


def networks(*texts: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(text) for text in texts)


@st.composite
def lists(draw: st.DrawFn) -> Access:
    prefixes = draw(st.lists(_PREFIXES, unique=True, max_size=8))
    half = draw(st.integers(0, len(prefixes)))
    return Access(tuple(prefixes[:half]), tuple(prefixes[half:]))


def served(access: Access, host: IPv4Address) -> bool:
    """By the definition, one length after the other."""
    for length in range(32, -1, -1):
        prefix = IPv4Network(f"{host}/{length}", strict=False)
        if prefix in access.allow or prefix in access.block:
            return prefix in access.allow
    return True


@given(lists())
def test_the_longest_prefix_counts_and_what_none_names_is_served(access: Access) -> None:
    for host in HOSTS:
        rule = access.rule_of(host)
        assert (rule is None or rule.allows) == served(access, host)


@given(lists(), lists())
def test_every_source_that_is_newly_shut_out_is_in_a_prefix_that_is_named(old: Access, new: Access) -> None:
    named = {rule.prefix for rule in newly_blocked(old, new)}
    for host in HOSTS:
        if served(old, host) and not served(new, host):
            rule = new.rule_of(host)
            assert rule is not None
            assert rule.prefix in named
    assert newly_blocked(new, new) == []


def test_what_was_blocked_before_is_not_named_again() -> None:
    old = Access((), networks("10.0.0.0/8"))
    assert newly_blocked(old, Access((), networks("10.0.0.0/9", "10.128.0.0/9"))) == []
    assert newly_blocked(old, Access(networks("10.0.0.0/9"), networks("10.0.0.0/8"))) == []
    (rule,) = newly_blocked(old, Access((), networks("10.0.0.0/7", "10.0.0.0/8")))
    assert rule.prefix == ip_network("10.0.0.0/7")


def intent(access: Access, own: Access | None = None, name: str = "shop") -> Intent:
    items = (
        Listener(name, Protocol.TCP, 80, "p", Mode.DR, 80, access=own),
        Listener(name, Protocol.TCP, 81, "p", Mode.DR, 81),
    )
    return Intent(
        (), (), (), (Vip(name, ip_address("10.0.0.100"), "02:45:56:00:01:01", (), items, access=access),)
    )


def test_an_edit_names_each_listener_that_shuts_sources_out() -> None:
    block = Access((), networks("192.0.2.0/24"))
    cut = "blocks 192.0.2.0/24: established connections from there are cut"
    assert list(shut_out(intent(OPEN), intent(block))) == [f"listener shop/tcp/{n} {cut}" for n in (80, 81)]
    assert list(shut_out(intent(OPEN), intent(OPEN, block))) == [f"listener shop/tcp/80 {cut}"]
    assert list(shut_out(intent(block), intent(OPEN))) == []
    assert list(shut_out(intent(block), intent(block, name="renamed"))) == []
    many = Access((), tuple(ip_network(f"192.0.2.{n}/32") for n in range(SAID + 3)))
    (said,) = shut_out(intent(OPEN), intent(OPEN, many))
    assert " and 3 prefixes more: " in said


def test_a_listener_has_the_list_of_its_vip_or_its_own() -> None:
    of_vip, own = Access((), networks("192.0.2.0/24")), Access((), networks("198.51.100.0/24"))
    vip = intent(of_vip, own).vips[0]
    assert [vip.access_of(item) for item in vip.listeners] == [own, of_vip]


LISTED = replace(ITEM, access=Access(networks("10.1.0.0/16"), networks("0.0.0.0/0", "10.1.0.9/32")))


@pytest.mark.parametrize(
    ("source", "by", "reason"),
    [
        ("10.1.0.8", DecidedBy.PIN, "access: 10.1.0.0/16 is allowed"),
        ("10.1.0.9", DecidedBy.BLOCKED, "access: 10.1.0.9/32 is blocked; dropped"),
        ("192.0.2.7", DecidedBy.BLOCKED, "access: 0.0.0.0/0 is blocked; dropped"),
    ],
)
def test_a_decision_names_the_rule_before_anything_else_is_asked(
    source: str, by: DecidedBy, reason: str
) -> None:
    slots = SlotTable(np.full(256, 7, np.uint16), np.zeros(256, np.uint16))
    pins = {PinKey(1, ip_address(source), 1234): 7}
    state = LbState((LISTED,), {1: LbPool(slots, {7: Fate.NORMAL})}, pins)
    packet = Packet(ip_address(source), 1234, VIP.address, 80, Protocol.TCP)
    made = decide(packet, state)
    assert made.by is by
    assert made.reasons[1] == reason
    if by is DecidedBy.BLOCKED:
        assert (made.backend, made.remember, len(made.reasons)) == (None, Remember.NOTHING, 2)
    none_named = replace(LISTED, access=Access((), networks("172.16.0.0/12")))
    said = decide(packet, replace(state, listeners=(none_named,))).reasons[1]
    assert said == f"access: no prefix names {source}, so it is served"


def flows_of(access: Access) -> Target:
    table = SlotTable(np.full(256, 1, np.uint16), np.zeros(256, np.uint16))
    pools = {1: PoolSpec(1, 256, (), table)}
    return target(SwitchSpec(duties.switch(), (VIP,), (replace(ITEM, access=access),), pools))


def steps(have: Target, want: Target) -> Iterator[tuple[int, str, int]]:
    """Number of the phase, what is done, and to which kind of rule."""
    for number, phase in enumerate(diff(PLACED, have, want).phases):
        for message in phase.messages:
            cookie = int.from_bytes(message[8:16], "big")
            kind = cookie >> 40 & 0xFF
            if kind in (Kind.BLOCK, Kind.ALLOW):
                yield number, "put" if message[25] < 3 else "delete", kind


@given(lists(), lists())
def test_open_vswitch_learns_what_is_allowed_first_and_forgets_it_last(old: Access, new: Access) -> None:
    done = list(steps(flows_of(old), flows_of(new)))

    def when(what: str, kind: Kind) -> list[int]:
        return [number for number, did, which in done if (did, which) == (what, kind)]

    order = [
        when("put", Kind.ALLOW),
        when("put", Kind.BLOCK),
        when("delete", Kind.BLOCK),
        when("delete", Kind.ALLOW),
    ]
    given_ = [numbers for numbers in order if numbers]
    assert all(max(one) < min(other) for one, other in itertools.pairwise(given_))


@given(lists(), lists())
def test_so_does_a_p4_switch(old: Access, new: Access) -> None:
    have, want = (P4Target(dict(p4_access(replace(ITEM, access=each)))) for each in (old, new))
    changes = p4_diff(have, want)
    put = [body.action for _, body, _ in changes.put]
    gone = [have.entries[key].action for key in changes.gone]
    assert put == sorted(put)
    assert gone == sorted(gone, reverse=True)
    blocks = {key for key, body, _ in changes.put if body.action == BLOCK}
    blocks |= {key for key in changes.gone if have.entries[key].action == BLOCK}
    assert changes.blocks == blocks


def test_a_p4_entry_carries_the_prefix_behind_the_mapped_one() -> None:
    made = dict(p4_access(replace(ITEM, access=Access((), networks("0.0.0.0/0", "192.0.2.0/24")))))
    assert made == {
        EntryKey("access", (1, (0xFFFF << 32, 96))): EntryBody(BLOCK),
        EntryKey("access", (1, (0xFFFFC0000200, 120))): EntryBody(BLOCK),
    }
