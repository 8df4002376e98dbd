"""Guards hold new connections to their rate and leave the others alone; a source with affinity keeps its server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from typing import Any

import pytest

from tests.lab.balanced import Balanced
from tests.lab.services import DEADLINE, ECHO, SERVERS, Service, connect, echo, host_address
from tests.lab.wire import Seen, Tap
from tests.unit import craft
from topo.lab import Lab

pytestmark = pytest.mark.lab

RATE = 50
SYNS = 600
GROUP = 20
LBS = 2
CONNECTIONS = 12
SERVICE = Service("dr", 4)


def listener(document: Any) -> Any:
    """The echo listener of the VIP in mode dr."""
    (vip,) = (one for one in document["vips"] if one["address"] == SERVICE.address)
    (found,) = (one for one in vip["listeners"] if one["port"] == ECHO and one["protocol"] == "tcp")
    return found


@pytest.fixture
def name(balanced_pair: Balanced) -> str:
    """The listener's name in the status."""
    names = [n for n in balanced_pair.status()["listeners"] if n.startswith("shop/")]
    (found,) = (n for n in names if str(ECHO) in n)
    return str(found)


@pytest.fixture(autouse=True)
def as_it_was(balanced_pair: Balanced) -> Iterator[None]:
    """Each test starts with the lab's own intent."""
    original = balanced_pair.lab.intent_path.read_text(encoding="utf-8")
    yield
    # The way back would be refused as well.
    balanced_pair.edit_intent(
        lambda document: listener(document).update(affinity="connection", accept_loss=True)
    )
    balanced_pair.mark()
    balanced_pair.lab.intent_path.write_text(original, encoding="utf-8")
    balanced_pair.wait_event("intent_accepted")
    balanced_pair.settle()


def burst(lab: Lab, count: int, meanwhile: Callable[[], object], flags: int = craft.SYN) -> tuple[int, float]:
    """SYNs of c2 from ``count`` ports, in small groups; how many came to servers, and how many seconds it took.

    ``flags``: of TCP, of other packets than SYNs.
    """
    source, vip = ip_address(host_address(lab, "c2", 4)), ip_address(SERVICE.address)

    def wanted(seen: Seen) -> bool:
        if seen.outgoing or seen.version != 4 or seen.protocol != craft.TCP:
            return False
        return seen.source == source and seen.payload[13] == flags

    with lab.namespace("c2"):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender, Tap(lab, *SERVERS) as tap:
        sender.bind(("eth0", 0))
        started = time.monotonic()
        for number in range(count):
            segment = craft.tcp(source, vip, (20_000 + number, ECHO), flags)
            packet = craft.packet(source, vip, craft.TCP, segment)
            sender.send(craft.in_ethernet(packet, lab.fabric.hosts["c2"].mac))
            if number % GROUP == GROUP - 1:
                meanwhile()
                # A tap that is not read loses frames.
                tap.frames(wanted, 0.02, 0.0)
        took = time.monotonic() - started
        arrived = tap.frames(wanted)
    return len({frame.payload[:2] for frame in arrived}), took


def test_a_burst_of_syns_is_held_to_the_rate_counted_and_disturbs_no_connection(
    balanced_pair: Balanced, name: str
) -> None:
    lab = balanced_pair.lab
    with connect(lab, "c1", SERVICE, ECHO) as one:
        server = echo(one, b"before")
        balanced_pair.edit_intent(lambda document: listener(document).update(guard={"rate": RATE}))
        balanced_pair.settle()
        assert balanced_pair.status()["guard"] == {name: 0}
        arrived, took = burst(lab, SYNS, lambda: echo(one, b"during"))
        assert echo(one, b"after") == server
    # Each lb switch has a meter of its own, whose bucket is full at the beginning.
    assert RATE <= arrived <= LBS * RATE * (took + 2)
    assert arrived < SYNS
    status = balanced_pair.wait_status(
        lambda status: status["guard"][name] >= SYNS - arrived, "what did not arrive is counted as dropped"
    )
    assert status["guard"][name] == SYNS - arrived


def test_packets_that_no_syn_opened_cost_neither_memory_nor_a_report_on_settled_slots(
    balanced_pair: Balanced, name: str
) -> None:
    lab = balanced_pair.lab
    balanced_pair.edit_intent(lambda document: listener(document).update(guard={"rate": RATE}))
    balanced_pair.settle()
    pool = balanced_pair.status()["listeners"][name]["pool"]
    balanced_pair.wait_status(lambda status: not status["pools"][pool]["tracked"], "no slot is tracked", 60)
    before = balanced_pair.status()
    arrived, _ = burst(lab, SYNS, lambda: None, craft.ACK)
    assert arrived == SYNS
    source = host_address(lab, "c2", 4)
    for switch in (one for one in lab.switches if one.startswith("lb")):
        assert f"src={source}" not in lab.appctl(switch, "dpctl/dump-conntrack")
    after = balanced_pair.wait_status(lambda status: status["at"] > before["at"] + 1, "a later status")
    assert (after["reports"], after["guard"]) == (before["reports"], before["guard"])


def test_a_prefix_has_a_rate_of_its_own_and_takes_nothing_from_others(
    balanced_pair: Balanced, name: str
) -> None:
    lab = balanced_pair.lab
    prefix = f"{host_address(lab, 'c2', 4)}/32"
    guard = {"rate": 1000, "prefixes": [{"prefix": prefix, "rate": 10}]}
    balanced_pair.edit_intent(lambda document: listener(document).update(guard=guard))
    balanced_pair.settle()
    served: list[str] = []

    def another_client() -> None:
        with connect(lab, "c1", SERVICE, ECHO) as one:
            served.append(echo(one, b"hello"))

    arrived, took = burst(lab, SYNS // 2, another_client)
    assert len(served) == SYNS // 2 // GROUP
    assert 0 < arrived <= LBS * 10 * (took + 2)
    dropped = SYNS // 2 - arrived
    status = balanced_pair.wait_status(
        lambda status: status["guard"][f"{name} {prefix}"] >= dropped, "the prefix's drops are counted"
    )
    assert status["guard"] == {name: 0, f"{name} {prefix}": dropped}


def test_a_source_with_affinity_keeps_its_server_through_a_change_of_weights(balanced_pair: Balanced) -> None:
    lab = balanced_pair.lab

    def sticky(document: Any) -> None:
        listener(document).update(affinity="source", accept_loss=True)

    balanced_pair.edit_intent(sticky)
    balanced_pair.settle()
    with ExitStack() as stack:
        ones = [stack.enter_context(connect(lab, "c1", SERVICE, ECHO)) for _ in range(CONNECTIONS)]
        (server,) = {echo(one, b"hello") for one in ones}

        def shun(document: Any) -> None:
            for backend in document["pools"][0]["backends"]:
                backend["weight"] = 1 if backend["name"] == server else 20

        balanced_pair.edit_intent(shun)
        balanced_pair.settle(2 * DEADLINE)
        assert {echo(one, b"still") for one in ones} == {server}
        ones = [stack.enter_context(connect(lab, "c1", SERVICE, ECHO)) for _ in range(CONNECTIONS)]
        assert {echo(one, b"again") for one in ones} == {server}
