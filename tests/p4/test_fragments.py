"""Promise 8: later fragments follow their first, both ways, in every mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest

from controller.spec.types import Mode, Protocol, Role
from p4src.ids import Drop
from tests.conformance import packets
from tests.conformance.packets import ETHER, Packet, Read, ethernet
from tests.p4 import wires
from tests.p4.box import Box, Frame
from tests.p4.embedded import EmbeddedBox
from tests.p4.keeper import Keeper
from tests.p4.scene import (
    CLIENT_MAC,
    CLIENTS,
    SWITCH_MAC,
    VIRTUAL_MAC,
    Scene,
    Service,
    server_address,
    server_mac,
    server_port,
)
from tests.p4.traffic import Talk, backend_of, fresh

SERVICES = tuple(
    Service(number, mode, version, Protocol.UDP)
    for number, (mode, version) in enumerate(product(Mode, (4, 6)), 1)
)
TRANSLATED = tuple(service for service in SERVICES if service.mode in (Mode.NAT, Mode.FULLNAT))
PAYLOAD = bytes(range(256)) * 8
EACH = pytest.mark.parametrize("service", SERVICES, ids=lambda s: f"{s.mode}-v{s.version}")


def _fragments(packet: Packet, port: int, macs: tuple[str, str]) -> list[Frame]:
    return [(port, ethernet(*macs, ETHER[packet.source.version], part)) for part in packet.ip.fragments()]


def _from_client(talk: Talk, ident: int = 7) -> list[Frame]:
    packet = talk.packet(payload=PAYLOAD, ident=ident)
    return _fragments(packet, CLIENTS, (VIRTUAL_MAC, CLIENT_MAC))


def _whole(frames: Sequence[Frame]) -> Read:
    """The datagram that arrived in fragments; taken out of its tunnel."""
    parts = []
    for _, frame in frames:
        read = packets.read_frame(frame)
        assert read is not None
        if read.protocol in (packets.IPIP, packets.IPV6_IN_IP):
            read = packets.read(read.payload)
            assert read is not None
        assert packets.header_is_right(read.whole)
        parts.append(read)
    whole = packets.reassembled(parts)
    assert whole is not None
    return whole


def _is_sound(whole: Read) -> bool:
    covered = packets.cover(whole.source, whole.destination, whole.protocol, whole.payload)
    return packets.one_sum(covered) == 0


@EACH
def test_later_fragments_go_where_their_first_went_and_are_translated_alike(
    common: Box, service: Service
) -> None:
    Keeper([common], Scene(SERVICES))
    backends = set()
    for number in range(12):
        talk = fresh(service)
        out = common.send(_from_client(talk, ident=100 + number))
        assert len(out) == 2
        (backend,) = {backend_of(frame) for frame in out}
        backends.add(backend)
        whole = _whole(out)
        assert whole.payload[8:] == PAYLOAD
        assert whole.port(1) == service.backend_port
        assert _is_sound(whole)
        translated = service.mode in (Mode.NAT, Mode.FULLNAT)
        assert whole.destination == (server_address(backend, service.version) if translated else service.vip)
    assert len(backends) > 1


@pytest.mark.parametrize("service", TRANSLATED, ids=lambda s: f"{s.mode}-v{s.version}")
def test_fragments_of_answers_come_from_the_vip(common: Box, service: Service) -> None:
    Keeper([common], Scene(SERVICES))
    talk = fresh(service)
    (frame,) = common.send([talk.frame()])
    backend = talk.arrived(frame)
    answer = talk.answer(backend, payload=PAYLOAD, ident=9)
    out = common.send(_fragments(answer, server_port(backend), (SWITCH_MAC, server_mac(backend))))
    assert [port for port, _ in out] == [CLIENTS] * 2
    whole = _whole(out)
    assert (whole.source, whole.port(0)) == (service.vip, service.port)
    assert (whole.destination, whole.port(1)) == (talk.client, talk.port)
    assert whole.payload[8:] == PAYLOAD
    assert _is_sound(whole)


@EACH
def test_a_later_fragment_without_its_first_is_dropped_and_counted(common: Box, service: Service) -> None:
    Keeper([common], Scene(SERVICES))
    talk = fresh(service)
    first, later = _from_client(talk)
    _, of_another = _from_client(talk, ident=8)
    before = common.drops()[Drop.FRAGMENT]
    assert len(common.send([later, first, of_another, _from_client(fresh(service))[1]])) == 1
    assert common.drops()[Drop.FRAGMENT] == before + 3


@EACH
def test_an_edge_sends_all_fragments_of_a_datagram_to_one_switch(common: Box, service: Service) -> None:
    Keeper([common], replace(Scene(SERVICES), role=Role.EDGE))
    ports = set()
    for number in range(12):
        talk = fresh(service)
        first, later = _from_client(talk, ident=number)
        out = common.send([later, first])
        assert len(out) == 2
        assert len({port for port, _ in out}) == 1
        ports |= {port for port, _ in out}
        assert all(wires.source(frame)[0] == talk.client for _, frame in out)
    assert len(ports) > 1


def test_a_datagram_with_the_number_of_one_before_goes_by_its_own_ports(common: Box) -> None:
    """Numbers of datagrams come round: what counts is the first fragment that came last."""
    Keeper([common], Scene(SERVICES))
    one, same = fresh(SERVICES[0]), fresh(SERVICES[2])
    other = Talk(same.service, one.client, same.port)
    first, later = _from_client(one, ident=77)
    new_first, new_later = _from_client(other, ident=77)
    common.send([first, later, new_first])
    (out,) = common.send([new_later])
    opened = common.send([other.frame()])
    assert backend_of(out) == backend_of(opened[0])
    assert wires.destination(out[1])[0] == server_address(backend_of(out), other.service.version)


def test_later_fragments_find_their_first_for_some_seconds_and_no_longer(embedded: EmbeddedBox) -> None:
    Keeper([embedded], Scene(SERVICES))
    before = embedded.drops()[Drop.FRAGMENT]
    for seconds, arrives in ((15.0, True), (18.0, False)):
        first, later = _from_client(fresh(SERVICES[0]))
        assert len(embedded.send([first])) == 1
        embedded.sleep(seconds)
        assert len(embedded.send([later])) == arrives
    assert embedded.drops()[Drop.FRAGMENT] == before + 1
