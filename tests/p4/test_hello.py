"""Hellos never pass a switch: the controller gets those of neighbours, and those of hosts are dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p4src.ids import Drop, Op, Reason
from p4src.pipeline import LIMITS, target
from p4src.target import P4Target
from tests.p4.box import Box, Punt
from tests.p4.embedded import EmbeddedBox
from tests.p4.scene import SERVERS, Scene, Service, probe_mac

NEIGHBOUR, HOST = SERVERS[0], SERVERS[1]
TO_ALL, TO_BRIDGES = "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:0e"
DESTINATIONS = pytest.mark.parametrize("to", [TO_BRIDGES, TO_ALL, probe_mac(HOST)])


def _target() -> P4Target:
    scene = Scene((Service(1),))
    return target(scene.duty(), replace(scene.needs(), neighbours=(NEIGHBOUR,)))


def _frame(to: str, text: bytes = b"hello") -> bytes:
    return bytes.fromhex((to + "0245560100f1").replace(":", "")) + b"\x88\xb6" + text.ljust(60, b"\0")


@DESTINATIONS
def test_a_neighbours_hello_goes_to_the_controller_with_its_port_and_nowhere_else(
    common: Box, to: str
) -> None:
    common.hold(_target())
    common.told()
    assert common.send([(NEIGHBOUR, _frame(to))]) == []
    assert common.told() == [Punt(Reason.HELLO, NEIGHBOUR, 0, 0, _frame(to))]


@DESTINATIONS
def test_a_hosts_hello_is_dropped_and_counted(common: Box, to: str) -> None:
    common.hold(_target())
    common.told()
    before = common.drops()[Drop.HELLO]
    assert common.send([(HOST, _frame(to))]) == []
    assert common.told() == []
    assert common.drops()[Drop.HELLO] == before + 1


def test_the_controllers_hello_leaves_by_the_port_it_names(common: Box) -> None:
    common.hold(_target())
    assert common.packet_out(_frame(TO_BRIDGES), Op.SEND, NEIGHBOUR) == [(NEIGHBOUR, _frame(TO_BRIDGES))]


def test_a_flood_of_hellos_is_metered(embedded: EmbeddedBox) -> None:
    embedded.hold(_target())
    count = 3 * LIMITS[Reason.HELLO]
    embedded.send([(NEIGHBOUR, _frame(TO_BRIDGES, b"%d" % n)) for n in range(count)])
    told = len(embedded.told())
    assert 0 < told < count
    assert embedded.drops()[Drop.LIMITED] == count - told
