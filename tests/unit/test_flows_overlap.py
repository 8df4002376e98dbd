"""No packet may match two flows of one priority: which of them a switch then takes depends on the order of writing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest

from controller.spec.switch import ListenerSpec, SwitchSpec
from controller.spec.types import Mode
from flows.entries import FlowBody, FlowKey
from flows.match import Match
from flows.pipeline import target
from tests.fakes.duties import edge_duty, lb_duty

ONE_PORT = 2000
"""A server may serve a nat and a fullnat listener from one port."""


def apart(duty: SwitchSpec) -> SwitchSpec:
    """The duty with local addresses of their own for all fullnat listeners, and one server port for all."""
    return replace(duty, listeners=tuple(_with_local(item) for item in duty.listeners))


def _with_local(item: ListenerSpec) -> ListenerSpec:
    if item.mode is not Mode.FULLNAT:
        return replace(
            item, backend_port=ONE_PORT if item.mode is Mode.NAT and not item.sticky else item.backend_port
        )
    network = ip_network({4: "10.3.0.0/24", 6: "fd00:3::/64"}[item.vip.address.version])
    return replace(item, local=ip_address(int(network.network_address) + item.id), backend_port=ONE_PORT)


def meet(one: Match, other: Match) -> bool:
    """Whether a packet can match both."""
    masks = {name: (value, mask) for name, value, mask in one}
    for name, value, mask in other:
        if name in masks:
            known, over = masks[name]
            if (value ^ known) & (-1 if mask is None else mask) & (-1 if over is None else over):
                return False
    return True


def overlaps(flows: dict[FlowKey, FlowBody]) -> list[str]:
    """Pairs of flows that some packet matches alike, and that do different things to it."""
    places: dict[tuple[int, int], list[tuple[Match, FlowBody]]] = defaultdict(list)
    for key, body in flows.items():
        places[key.table, key.priority].append((key.match, body))
    return [
        f"table {table}, priority {priority}: {sorted(one)} and {sorted(other)}"
        for (table, priority), found in places.items()
        for (one, does), (other, other_does) in combinations(found, 2)
        if does.instructions != other_does.instructions and meet(one, other)
    ]


@pytest.mark.parametrize("duty", [lb_duty(), edge_duty()], ids=["lb", "edge"])
def test_no_packet_matches_two_flows_of_one_priority(duty: SwitchSpec) -> None:
    assert overlaps(dict(target(apart(duty)).flows)) == []


def test_overlaps_are_seen() -> None:
    key = FlowKey(1, 5, Match.of(eth_type=0x800, ipv4_dst=ip_network("10.0.0.0/8")))
    inside = FlowKey(1, 5, Match.of(eth_type=0x800, ipv4_dst=ip_address("10.1.0.1"), ip_proto=6))
    beside = FlowKey(1, 5, Match.of(eth_type=0x800, ipv4_dst=ip_address("11.1.0.1")))
    above = inside._replace(priority=6)
    bodies = [FlowBody(bytes([n]), 0) for n in range(4)]
    assert len(overlaps(dict(zip((key, inside, beside, above), bodies, strict=True)))) == 1
