"""Promise 9: every checksum is right in every mode, and a TTL counts where a router's would."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from controller.spec.types import Mode, Protocol
from p4src.ids import Drop, Reason
from tests.conformance import packets
from tests.conformance.packets import ACK, ETHER, Tag, ethernet
from tests.p4 import wires
from tests.p4.box import Box, Frame
from tests.p4.keeper import Keeper
from tests.p4.scene import CLIENT_MAC, CLIENTS, VIRTUAL_MAC, Scene, Service
from tests.p4.traffic import Talk, backend_of, client_address, fresh, from_client, from_server

SERVICES = tuple(
    Service(number, mode, version, protocol)
    for number, (mode, version, protocol) in enumerate(product(Mode, (4, 6), Protocol), 1)
)
EACH = pytest.mark.parametrize("service", SERVICES, ids=lambda s: f"{s.mode}-v{s.version}-{s.protocol}")
TRANSLATED = (Mode.NAT, Mode.FULLNAT)
PAYLOADS = (b"", b"\0", b"\xff" * 7, bytes(range(256)), b"\xff" * 512)
ROUTERS = {4: client_address(1 << 20, 4), 6: client_address(1 << 20, 6)}


def _opened(box: Box, service: Service) -> Talk:
    talk = fresh(service)
    (frame,) = box.send([talk.frame(ACK)])
    talk.backend = talk.arrived(frame)
    assert talk.backend
    return talk


@EACH
def test_checksums_are_right_on_the_way_to_the_server_and_back(common: Box, service: Service) -> None:
    Keeper([common], Scene(SERVICES))
    sent = []
    for number, payload in enumerate(PAYLOADS * 6):
        sent.append(from_client(fresh(service).packet(payload=payload, tos=number, ident=number)))
    out = common.send(sent)
    assert len(out) == len(sent)
    assert [wires.faults(frame) for _, frame in out] == [[]] * len(sent)
    if service.mode not in TRANSLATED:
        return
    answers = []
    for frame in out:
        talk = Talk(service, *wires.destination(frame[1]))
        backend = talk.arrived(frame)
        answers.append(from_server(talk.answer(backend, payload=frame[1][-5:]), backend))
    back = common.send(answers)
    assert [port for port, _ in back] == [CLIENTS] * len(sent)
    assert [wires.faults(frame) for _, frame in back] == [[]] * len(sent)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_udp_datagram_without_checksum_stays_without(common: Box, mode: Mode) -> None:
    service = Service(1, mode, 4, Protocol.UDP)
    Keeper([common], Scene((service,)))
    talk = fresh(service)
    (frame,) = common.send([from_client(talk.packet(summed=False))])
    backend = talk.arrived(frame)
    udp = 34 + (20 if mode is Mode.TUN else 0)
    assert frame[1][udp + 6 : udp + 8] == bytes(2)
    assert wires.faults(frame[1]) == []
    if mode in TRANSLATED:
        ((port, back),) = common.send([from_server(talk.answer(backend, summed=False), backend)])
        assert port == CLIENTS
        assert back[40:42] == bytes(2)


@pytest.mark.parametrize("mode", TRANSLATED)
@pytest.mark.parametrize("version", [4, 6])
def test_a_udp_checksum_never_becomes_the_zero_that_means_none(common: Box, mode: Mode, version: int) -> None:
    """Whatever the payload makes of it: one of these datagrams sums up to zero on its way to the server."""
    service = Service(1, mode, version, Protocol.UDP)
    Keeper([common], Scene((service,)))
    talk = fresh(service)
    (frame,) = common.send([talk.frame()])
    at = 14 + (20 if version == 4 else 40) + 6
    total = int.from_bytes(frame[1][at : at + 2], "big")
    # The payload takes in what the checksum is over, so this one leaves nothing.
    payload = bytes(6) + total.to_bytes(2, "big")
    sent = from_client(talk.packet(payload=payload))
    (out,) = common.send([sent])
    assert out[1][at : at + 2] == b"\xff\xff"
    assert wires.faults(out[1]) == []


@EACH
def test_an_icmp_error_reaches_the_server_about_the_packet_that_it_sent(
    common: Box, service: Service
) -> None:
    Keeper([common], Scene(SERVICES))
    for _ in range(4):
        talk = _opened(common, service)
        answer = talk.answer(talk.backend, payload=bytes(range(200)))
        seen = replace(answer, source=service.vip, source_port=service.port)
        seen = replace(seen, destination=talk.client, destination_port=talk.port, ttl=60)
        error = packets.too_big(ROUTERS[service.version], seen.build(), 1280)
        kind = ETHER[service.version]
        out = common.send([(CLIENTS, ethernet(VIRTUAL_MAC, CLIENT_MAC, kind, error.build()))])
        assert [backend_of(frame) for frame in out] == [talk.backend]
        assert wires.faults(out[0][1]) == []
        if service.mode in TRANSLATED:
            _check_error(out[0], replace(answer, ttl=60).build(), service.version)


def _check_error(frame: Frame, about: bytes, version: int) -> None:
    """The quoted packet is the server's own: header and ports; the transport checksum in it is the client's side's."""
    read = packets.read_frame(frame[1])
    assert read is not None
    head = (20 if version == 4 else 40) + 4
    quoted = read.payload[8:]
    assert quoted[:head] == about[:head]


@EACH
def test_a_packet_without_hops_left_is_dropped_where_the_switch_routes(common: Box, service: Service) -> None:
    Keeper([common], Scene(SERVICES))
    before = common.drops()[Drop.MALFORMED]
    out = common.send([from_client(fresh(service).packet(ttl=ttl)) for ttl in (1, 2, 64)])
    reads = [packets.read_frame(frame) for _, frame in out]
    if service.mode is Mode.TUN:
        reads = [packets.read(read.payload) if read is not None else None for read in reads]
    ttls = sorted(read.ttl for read in reads if read is not None)
    if service.mode in TRANSLATED:
        assert ttls == [1, 63]
        assert common.drops()[Drop.MALFORMED] == before + 1
    else:
        assert ttls == [1, 2, 64]


@pytest.mark.parametrize("version", [4, 6])
def test_an_answer_without_hops_left_is_dropped(common: Box, version: int) -> None:
    service = Service(1, Mode.NAT, version)
    Keeper([common], Scene((service,)))
    talk = _opened(common, service)
    before = common.drops()[Drop.MALFORMED]
    answers = [from_server(talk.answer(talk.backend, ttl=ttl), talk.backend) for ttl in (1, 2)]
    ((_, back),) = common.send(answers)
    assert wires.faults(back) == []
    assert common.drops()[Drop.MALFORMED] == before + 1


@pytest.mark.parametrize("tag", [None, Tag(0, 5)], ids=["untagged", "priority"])
@pytest.mark.parametrize("version", [4, 6])
def test_what_fits_no_tunnel_is_handed_to_the_controller(common: Box, version: int, tag: Tag | None) -> None:
    """A tag that names no VLAN is no part of the packet, and the controller does not see it."""
    service = Service(1, Mode.TUN, version)
    keeper = Keeper([common], Scene((service,)))
    head = (20 if version == 4 else 40) + 20
    fits, big = (from_client(fresh(service).packet(payload=bytes(size - head))) for size in (1480, 1481))
    (out,) = common.send([(port, tag.put(data) if tag else data) for port, data in (fits, big)])
    assert wires.faults(out[1]) == []
    keeper.until(lambda: bool(keeper.punts))
    assert [(punt.reason, punt.frame) for punt in keeper.punts] == [(Reason.TOO_BIG, big[1])]
