"""What a segment port floods is no drop; at any other port it is one, and counted as what it is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from p4src.ids import Drop, Op
from p4src.pipeline import target
from p4src.target import P4Target
from tests.conformance.packets import arp
from tests.p4.box import Box
from tests.p4.scene import CLIENT_MAC, CLIENTS, SERVERS, Scene, Service

BESIDE, FABRIC = SERVERS[0], SERVERS[1]
NOBODY = "02:00:00:00:ee:01"
SERVICE = Service(1)
QUESTION = arp(1, CLIENT_MAC, ip_address("192.0.2.1"), ip_address(str(SERVICE.vip)))
FRAMES = {
    "question without authority": (QUESTION, Drop.NO_AUTHORITY),
    "question for another address": (
        arp(1, CLIENT_MAC, ip_address("192.0.2.1"), ip_address("192.0.2.9")),
        Drop.NO_ROUTE,
    ),
    "unknown host": (
        bytes.fromhex((NOBODY + CLIENT_MAC).replace(":", "")) + b"\x90\x00" + bytes(46),
        Drop.NO_ROUTE,
    ),
}
EACH = pytest.mark.parametrize("what", FRAMES)


def _target(beside: tuple[int, ...] = (CLIENTS, BESIDE)) -> P4Target:
    scene = Scene((SERVICE,))
    floods = dict.fromkeys(beside, beside)
    return target(scene.duty(), replace(scene.needs(), floods=floods))


@EACH
def test_what_crosses_a_segment_is_not_counted_as_dropped(common: Box, what: str) -> None:
    common.hold(_target())
    frame, _ = FRAMES[what]
    before = common.drops()
    assert common.send([(CLIENTS, frame)]) == [(BESIDE, frame)]
    assert common.send([(BESIDE, frame)]) == [(CLIENTS, frame)]
    assert common.drops() == before


@EACH
def test_from_the_fabric_it_is_dropped_and_counted(common: Box, what: str) -> None:
    common.hold(_target())
    frame, drop = FRAMES[what]
    before = common.drops()[drop]
    assert common.send([(FABRIC, frame)]) == []
    assert common.drops()[drop] == before + 1


def test_a_segment_that_gains_and_loses_ports_floods_to_those_that_it_has(common: Box) -> None:
    frame, drop = FRAMES["unknown host"]
    common.hold(_target())
    common.hold(_target((CLIENTS, BESIDE, FABRIC)))
    assert sorted(common.send([(CLIENTS, frame)])) == sorted([(BESIDE, frame), (FABRIC, frame)])
    common.hold(_target((CLIENTS, FABRIC)))
    assert common.send([(CLIENTS, frame)]) == [(FABRIC, frame)]
    assert len(common.hold(_target(()))) > 0
    before = common.drops()[drop]
    assert common.send([(CLIENTS, frame)]) == []
    assert common.drops()[drop] == before + 1


def test_what_the_controller_hands_in_is_not_flooded(common: Box) -> None:
    common.hold(_target())
    assert common.packet_out(FRAMES["unknown host"][0], Op.INJECT, CLIENTS) == []
