"""Promise 6: local ports of fullnat connections."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from controller.spec.types import Address, Mode, Protocol
from p4src.ids import Drop
from p4src.numbers import ticks
from p4src.pipeline import CLOSING, EMBRYO
from tests.conformance.packets import ACK, FIN, PSH, RST, SYN
from tests.p4 import wires
from tests.p4.box import Box
from tests.p4.cells import TICK
from tests.p4.embedded import EmbeddedBox
from tests.p4.keeper import Keeper
from tests.p4.scene import LOCAL, Scene, Service, server_address
from tests.p4.traffic import Crowd, Talk, from_server, talks

KINDS = tuple(
    Service(number, Mode.FULLNAT, version, protocol)
    for number, (version, protocol) in enumerate(product((4, 6), Protocol), 1)
)
SERVICE = KINDS[0]


def _open(box: Box, talk: Talk, *flags: int) -> tuple[Address, int] | None:
    """Packets of a client; the local end that servers see, None if nothing came out."""
    end = None
    for frame in box.send([talk.frame(each) for each in flags]):
        talk.backend = talk.arrived(frame)
        end = wires.source(frame[1])
    return end


@pytest.mark.parametrize("service", KINDS, ids=lambda s: f"v{s.version}-{s.protocol}")
def test_each_living_connection_has_a_local_port_of_its_own_and_answers_are_undone(
    box: Box, service: Service
) -> None:
    Keeper([box], Scene(KINDS))
    crowd = Crowd(box)
    crowd.open(talks(service, 300))
    crowd.exchange()
    assert crowd.unharmed
    ends = {talk.peer for talk in crowd.talks}
    assert len(ends) == 300
    for address, port in (end for end in ends if end is not None):
        assert any(address in network for network in LOCAL if network.version == address.version)
        assert port >= 0x8000


def test_connections_of_different_listeners_share_no_local_port(box: Box) -> None:
    services = tuple(Service(number, Mode.FULLNAT) for number in range(1, 4))
    Keeper([box], Scene(services))
    crowd = Crowd(box)
    for service in services:
        crowd.open(talks(service, 100))
    crowd.exchange()
    assert crowd.unharmed
    assert len({talk.peer for talk in crowd.talks}) == 300


@pytest.mark.parametrize("service", KINDS, ids=lambda s: f"v{s.version}-{s.protocol}")
def test_only_the_connections_own_server_gets_answers_through(box: Box, service: Service) -> None:
    Keeper([box], Scene(KINDS))
    (talk,) = talks(service, 1)
    end = _open(box, talk, SYN, ACK)
    assert end is not None
    right = talk.answer(talk.backend)
    other = talk.backend % 4 + 1
    wrong = [
        from_server(replace(right, source=server_address(other, service.version)), other),
        from_server(replace(right, source_port=right.source_port + 1), talk.backend),
        from_server(replace(right, destination_port=right.destination_port ^ 1), talk.backend),
        from_server(replace(right, destination_port=22), talk.backend),
        from_server(replace(right, destination_port=right.destination_port & 0x7FFF), talk.backend),
    ]
    assert box.send(wrong) == []
    assert box.drops()[Drop.ANSWER] == len(wrong)
    assert len(box.send([from_server(right, talk.backend)])) == 1


@pytest.mark.parametrize("last", [FIN | ACK, RST], ids=["fin", "rst"])
def test_the_port_of_a_closed_connection_rests_for_the_quarantine(embedded: EmbeddedBox, last: int) -> None:
    Keeper([embedded], Scene((SERVICE,), cells_mask=0))
    some = talks(SERVICE, 4)
    ends = [_open(embedded, talk, SYN, ACK) for talk in some]
    assert len(set(ends)) == 4
    _open(embedded, some[2], last)
    tried = 0
    while tried < CLOSING:
        (new,) = talks(SERVICE, 1, first=1000 + tried)
        assert _open(embedded, new, SYN) is None
        tried += 10
        embedded.sleep(10.0)
    assert embedded.drops()[Drop.MEMORY] == tried // 10
    embedded.sleep((ticks(CLOSING) + 1) * TICK - CLOSING)
    assert _open(embedded, talks(SERVICE, 1, first=5000)[0], SYN) == ends[2]


def test_the_client_of_a_closed_connection_may_open_it_again_from_the_same_port(
    embedded: EmbeddedBox,
) -> None:
    Keeper([embedded], Scene((SERVICE,)))
    (talk,) = talks(SERVICE, 1)
    end = _open(embedded, talk, SYN, ACK, FIN | ACK, ACK)
    assert _open(embedded, talk, SYN) == end
    assert _open(embedded, talk, ACK, ACK | PSH) == end


def test_embryos_keep_their_ports_until_they_are_forgotten(embedded: EmbeddedBox) -> None:
    Keeper([embedded], Scene((SERVICE,), cells_mask=0))
    some = talks(SERVICE, 4)
    ends = {_open(embedded, talk, SYN) for talk in some}
    assert len(ends) == 4
    assert _open(embedded, talks(SERVICE, 1, first=100)[0], SYN) is None
    embedded.sleep((ticks(EMBRYO) + 1) * TICK)
    assert _open(embedded, talks(SERVICE, 1, first=200)[0], SYN) in ends


def test_a_forged_rst_holds_a_port_no_longer_than_a_forged_syn(embedded: EmbeddedBox) -> None:
    Keeper([embedded], Scene((SERVICE,), cells_mask=0))
    for talk in talks(SERVICE, 4):
        _open(embedded, talk, RST)
    embedded.sleep((ticks(EMBRYO) + 1) * TICK)
    assert _open(embedded, talks(SERVICE, 1, first=200)[0], SYN) is not None


def test_an_answer_to_a_forgotten_connection_is_dropped(embedded: EmbeddedBox) -> None:
    Keeper([embedded], Scene((SERVICE,), keep=100.0))
    (talk,) = talks(SERVICE, 1)
    _open(embedded, talk, SYN, ACK)
    answer = from_server(talk.answer(talk.backend), talk.backend)
    embedded.sleep(99.0)
    assert len(embedded.send([answer])) == 1
    embedded.sleep(3.0)
    assert embedded.send([answer]) == []
    assert embedded.drops()[Drop.ANSWER] == 1


def test_fullnat_and_other_connections_never_take_each_others_cells(embedded: EmbeddedBox) -> None:
    plain = Service(2, Mode.NAT)
    Keeper([embedded], Scene((SERVICE, plain), cells_mask=0))
    crowd = Crowd(embedded)
    crowd.open(talks(SERVICE, 2))
    crowd.open(talks(plain, 2))
    for number in range(40):
        for service in (SERVICE, plain):
            embedded.send([talks(service, 1, first=100 + number)[0].frame(SYN)])
    crowd.exchange()
    assert crowd.unharmed


def test_without_room_a_packet_is_dropped_and_counted_and_nobody_else_is_harmed(box: Box) -> None:
    Keeper([box], Scene((SERVICE,), cells_mask=7))
    them = talks(SERVICE, 100)
    ends = {talk: _open(box, talk, SYN) for talk in them}
    served = [talk for talk, end in ends.items() if end is not None]
    assert 0 < len(served) <= 32
    assert box.drops()[Drop.MEMORY] == 100 - len(served)
    assert len({ends[talk] for talk in served}) == len(served)
    crowd = Crowd(box, served)
    crowd.exchange()
    assert crowd.unharmed
