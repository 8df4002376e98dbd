"""ICMP errors about a connection reach its server, quoting what that sent, whichever lb switch they come to."""

from __future__ import annotations

import re
import socket
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from controller.core.questions import SAME
from controller.frames.packet import in_frame, ip_packet
from controller.spec.types import Address
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually
from tests.lab.services import DEADLINE, ECHO, LOCAL, SERVERS, Service, connect, echo, host_address, log
from tests.lab.tuned import weights
from tests.lab.wire import Seen, Tap, send, too_big
from tests.unit import craft
from topo.lab import Lab

pytestmark = pytest.mark.lab

MTU = 1300
VIRTUAL_MAC = "02:45:56:00:01:01"
LBS = ("lb1", "lb2")
VXLAN = 4789
_VXLAN_HEADERS = 16
_ICMP_HEADER = 8
CASES = [Service("dr", 4), Service("nat", 6), Service("tun", 4), Service("fullnat", 6)]
"""Every mode, and every version twice."""
REST = [Service("dr", 6), Service("nat", 4), Service("tun", 6), Service("fullnat", 4)]

each_case = pytest.mark.parametrize(
    "service", [*CASES, *(pytest.param(each, marks=pytest.mark.long) for each in REST)], ids=str
)
MOST = 60
"""Connections of which one surely is of a slot that moved: a third of them did."""


@pytest.fixture(scope="module")
def moved_pair(balanced_pair: Balanced) -> Balanced:
    """The same, a third of the slots of each pool moved."""
    balanced_pair.edit_intent(weights("web", s1=4))
    balanced_pair.settle()
    return balanced_pair


@dataclass(frozen=True)
class Told:
    """An error as a server gets it."""

    server: str
    destination: Address
    quoted_source: tuple[Address, int]
    quoted_destination: tuple[Address, int]
    mtu: int


def error_about(lab: Lab, service: Service, client: tuple[str, int], sequence: bytes = bytes(4)) -> bytes:
    """The frame in which r1 tells the VIP that an answer to ``client`` was too big."""
    vip, peer = ip_address(service.address), ip_address(client[0])
    segment = craft.tcp(vip, peer, (ECHO, client[1]), craft.ACK, b"answer" * 20)
    about = craft.packet(vip, peer, craft.TCP, craft.patched(segment, 4, sequence))
    router = ip_address(host_address(lab, "r1", service.version))
    return craft.in_ethernet(too_big(router, about, MTU), lab.fabric.hosts["r1"].mac, VIRTUAL_MAC)


def deliver(lab: Lab, switch: str, frame: bytes) -> None:
    """As if the edge had sent it to this lb switch."""
    port = lab.fabric.switches[switch].port("edge1")
    what = f"in_port={port},packet={frame.hex()},actions=resubmit(,0)"
    lab.ofctl(switch, "packet-out", "br0", what)


def unwrapped(seen: Seen) -> Seen:
    """Without the tunnel."""
    if seen.protocol == socket.IPPROTO_UDP and int.from_bytes(seen.payload[2:4], "big") == VXLAN:
        return Seen(seen.host, seen.outgoing, seen.payload[_VXLAN_HEADERS:])
    return seen


def is_error(seen: Seen) -> bool:
    """A packet-too-big on its way into a server."""
    inside = unwrapped(seen)
    if inside.outgoing or not inside.version or inside.protocol != craft.ICMP[inside.version]:
        return False
    return inside.payload[0] == {4: 3, 6: 2}[inside.version]


def told(seen: Seen) -> Told:
    """What the server gets. The checksums must be right, or it would drop it."""
    inside = unwrapped(seen)
    assert craft.sums_are_right(inside.frame), inside.frame.hex()
    outer = in_frame(inside.frame)
    assert outer is not None
    quote = ip_packet(inside.frame[: outer.end], outer.payload + _ICMP_HEADER)
    assert quote is not None
    assert quote.protocol == craft.TCP
    ports = inside.frame[quote.payload : quote.payload + 4]
    return Told(
        seen.host,
        inside.destination,
        (quote.source_address, int.from_bytes(ports[:2], "big")),
        (quote.destination_address, int.from_bytes(ports[2:], "big")),
        int.from_bytes(inside.payload[4:8], "big"),
    )


def holders(lab: Lab, service: Service, client: tuple[str, int]) -> list[str]:
    """The lb switches that remember the connection."""
    row = re.compile(
        rf"tcp,orig=\(src={re.escape(client[0])},dst={re.escape(service.address)},"
        rf"sport={client[1]},dport={ECHO}\).*mark=[1-9]"
    )
    return [s for s in LBS if row.search(lab.appctl(s, "dpctl/dump-conntrack"))]


def ends(
    lab: Lab, service: Service, server: str, since: int
) -> tuple[tuple[Address, int], tuple[Address, int]]:
    """Local and remote end of the connection that the server has opened after its first ``since`` log entries."""
    port = service.backend_port(ECHO)
    entries = [e for e in log(lab, server)[since:] if e["event"] == "open" and e["local"][1] == port]
    (entry,) = entries
    (local, local_port), (peer, peer_port) = entry["local"][:2], entry["peer"][:2]
    return (ip_address(local), local_port), (ip_address(peer), peer_port)


def errors_about(lab: Lab, service: Service, client: tuple[str, int], way: str) -> list[Told]:
    """What servers get of one error that comes in there: through the edge, or at an lb switch."""
    frame = error_about(lab, service, client)
    with Tap(lab, *SERVERS) as tap:
        if way == "edge":
            send(lab, "r1", frame)
        else:
            deliver(lab, way, frame)
        return [told(seen) for seen in tap.frames(is_error, DEADLINE)]


@pytest.mark.parametrize("way", ["edge", *LBS])
@each_case
def test_an_error_reaches_the_server_of_the_connection_and_quotes_what_it_sent(
    balanced_pair: Balanced, service: Service, way: str
) -> None:
    lab = balanced_pair.lab
    logged = {server: len(log(lab, server)) for server in SERVERS}
    with connect(lab, "c1", service, ECHO) as one:
        client = one.getsockname()[:2]
        server = echo(one, b"hello")
        local, peer = ends(lab, service, server, logged[server])
        assert bool(holders(lab, service, client)) is (service.mode == "fullnat"), "slots are settled"
        assert errors_about(lab, service, client, way) == [Told(server, local[0], local, peer, MTU)]
        if service.mode == "fullnat":
            assert any(peer[0] in network for network in LOCAL)
        assert echo(one, b"after") == server


@each_case
def test_an_error_that_no_switch_remembers_goes_where_the_table_says(
    balanced_pair: Balanced, service: Service
) -> None:
    lab = balanced_pair.lab
    with lab.socket("c1", service.family) as one:
        one.settimeout(DEADLINE)
        one.bind((host_address(lab, "c1", service.version), 0))
        client = one.getsockname()[:2]
        with Tap(lab, *SERVERS) as tap:
            send(lab, "r1", error_about(lab, service, client))
            errors = [told(seen) for seen in tap.frames(is_error, DEADLINE)]
        one.connect((service.address, ECHO))
        server = echo(one, b"hello")
    assert [each.server for each in errors] == [server]
    direct = service.mode in ("dr", "tun")
    address = ip_address(service.address if direct else host_address(lab, server, service.version))
    assert errors[0].destination == address
    assert errors[0].quoted_source == (address, service.backend_port(ECHO))


def test_an_error_that_comes_again_later_is_delivered_again(balanced_pair: Balanced) -> None:
    lab, service = balanced_pair.lab, Service("nat", 4)
    with connect(lab, "c1", service, ECHO) as one:
        server = echo(one, b"hello")
        client = one.getsockname()[:2]
        for pause in (0.0, SAME):
            time.sleep(pause)
            assert [each.server for each in errors_about(lab, service, client, LBS[0])] == [server]


def sequence_after(segment: Seen) -> bytes:
    """Sequence number of the next byte."""
    (first,) = struct.unpack_from("!I", segment.payload, 4)
    length = len(segment.payload) - 4 * (segment.payload[12] >> 4)
    return int((first + length) % (1 << 32)).to_bytes(4, "big")


def test_a_server_lowers_its_segments_after_an_error(balanced_pair: Balanced) -> None:
    """Not only does the error look right: the server's kernel takes it for its own."""
    lab, service = balanced_pair.lab, Service("nat", 4)
    with connect(lab, "c1", service, ECHO) as one:
        port = one.getsockname()[1]
        ends = struct.pack("!HH", service.backend_port(ECHO), port)
        with Tap(lab, *SERVERS) as tap:
            server = echo(one, b"hello")
            answers = tap.frames(lambda f: f.outgoing and f.protocol == craft.TCP and f.payload[:4] == ends)
        # Linux listens only to errors about what it has sent and may still be under way.
        following = sequence_after(answers[-1])
        send(lab, "r1", error_about(lab, service, one.getsockname()[:2], following))
        client = host_address(lab, "c1", 4)

        def learned() -> bool:
            route = lab.exec(server, ["ip", "route", "get", client], capture_output=True, text=True).stdout
            return f"mtu {MTU}" in route

        try:
            eventually(learned, f"{server} knows the path's MTU", DEADLINE)
            assert echo(one, b"x" * 30_000) == server
        finally:
            lab.exec(server, ["ip", "route", "flush", "cache"], check=True)


@each_case
def test_an_error_about_a_connection_of_a_tracked_slot_does_too(
    moved_pair: Balanced, service: Service
) -> None:
    lab = moved_pair.lab
    logged = {server: len(log(lab, server)) for server in SERVERS}
    with ExitStack() as stack:
        for _ in range(MOST):
            one = stack.enter_context(connect(lab, "c1", service, ECHO))
            client, server = one.getsockname()[:2], echo(one, b"hello")
            known = holders(lab, service, client)
            if known:
                break
            one.close()
            logged = {each: len(log(lab, each)) for each in SERVERS}
        (holder,) = known
        local, peer = ends(lab, service, server, logged[server])
        other = next(switch for switch in LBS if switch != holder)
        for way in ("edge", holder, other):
            errors = errors_about(lab, service, client, way)
            assert set(errors) == {Told(server, local[0], local, peer, MTU)}
            # The edge asks every lb switch: where no controller is needed, it comes from the one that knows, and once
            # more because the other has it asked.
            twice = way == "edge" and service.mode in ("dr", "tun")
            assert len(errors) <= (2 if twice else 1)
            # The same bytes are one error for a second.
            time.sleep(SAME)
