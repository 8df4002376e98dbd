"""An edge that runs Open vSwitch sends each packet by the slot that its bits name, and past who is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from random import Random
from typing import NamedTuple

import pytest

from controller.plan.ecmp import ecmp
from flows.stages.edge import PORT_BITS, SLOT_BITS
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.edges import uses
from tests.lab.tuned import TRIO

pytestmark = pytest.mark.lab

LBS = ("lb1", "lb2", "lb3")
VIP = "10.0.0.100"
PACKETS = 60
_OUTPUT = re.compile(r"output:(\d+)$", re.MULTILINE)


class Packet(NamedTuple):
    """What a client may send."""

    protocol: str
    source: str
    port: int

    @property
    def slot(self) -> int:
        """As docs/pipeline-ovs.md says."""
        count = PORT_BITS[f"{self.protocol}_src"]
        low = self.port >> 1 & (1 << count) - 1
        return low | (int(ip_address(self.source)) & (1 << SLOT_BITS - count) - 1) << count

    def flow(self) -> str:
        """As ``ofproto/trace`` wants it."""
        name = self.protocol
        ports = f"{name}_src={self.port},{name}_dst=7000"
        return f"{name},nw_src={self.source},nw_dst={VIP},nw_ttl=64,{ports}"


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    with Balanced(make_lab(TRIO)) as balanced:
        yield balanced


def packets(seed: int) -> list[Packet]:
    """Of both protocols, seeded."""
    random = Random(seed)
    sources = [f"192.0.2.{random.randrange(256)}" for _ in range(PACKETS)]
    return [Packet(random.choice(("tcp", "udp")), one, random.randrange(1024, 65536)) for one in sources]


def ways(served: Balanced) -> tuple[dict[int, str], list[tuple[str, ...]]]:
    """lb switch by port, and the order of preference of every slot."""
    switches = served.lab.fabric.switches
    names = {switches["edge1"].port(lb): lb for lb in LBS}
    made = ecmp(tuple((port, f"{switches[names[port]].id:x}/0") for port in sorted(names)))
    orders = {way.id: tuple(names[port] for port in way.ports) for way in made.ways}
    return names, [orders[way] for way in made.slots]


def sent(served: Balanced, packet: Packet, names: dict[int, str]) -> str:
    """The lb switch to which the edge sends it."""
    port = served.lab.fabric.switches["edge1"].port("c1")
    told = served.lab.appctl("edge1", "ofproto/trace", "br0", f"in_port={port},{packet.flow()}")
    return names[int(_OUTPUT.findall(told.replace(" ", "").partition("Finalflow")[0])[-1])]


def test_packets_go_to_the_first_of_the_way_of_their_slot(served: Balanced) -> None:
    names, orders = ways(served)
    for packet in packets(1):
        assert sent(served, packet, names) == orders[packet.slot][0], packet


def test_packets_of_a_dead_lb_switch_go_to_the_next_in_their_way_and_others_stay(served: Balanced) -> None:
    names, orders = ways(served)
    served.mark()
    served.lab.fail("lb2")
    served.wait_event("withdrawn", switch="lb2")
    eventually(lambda: not uses(served.lab, "edge1", "lb2"), "the edge leaves it out")
    for packet in packets(2):
        living = [lb for lb in orders[packet.slot] if lb != "lb2"]
        assert sent(served, packet, names) == living[0], packet
    served.mark()
    served.lab.heal("lb2")
    served.wait_event("admitted", switch="lb2")
    eventually(lambda: uses(served.lab, "edge1", "lb2"), "the edge uses it again")
    its = next(packet for packet in packets(3) if orders[packet.slot][0] == "lb2")
    eventually(lambda: sent(served, its, names) == "lb2", "the edge hears it by BFD again")
    for packet in packets(3):
        assert sent(served, packet, names) == orders[packet.slot][0], packet
