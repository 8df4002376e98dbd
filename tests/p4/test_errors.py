"""ICMP errors on a slot that moves: they find the server of their connection, whichever switch remembers it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from controller.spec.types import Mode
from p4src.ids import Drop, Op, Reason
from p4src.pipeline import LIMITS
from tests.conformance import packets
from tests.conformance.packets import ACK, ETHER, SYN, ethernet
from tests.p4.box import Frame, Punt
from tests.p4.embedded import EmbeddedBox
from tests.p4.keeper import Keeper
from tests.p4.scene import CLIENT_MAC, CLIENTS, VIRTUAL_MAC, Scene, Service
from tests.p4.test_checksums import ROUTERS
from tests.p4.traffic import Talk, backend_of, talks

KINDS = tuple(Service(number, mode) for number, mode in enumerate((Mode.DR, Mode.NAT, Mode.TUN), 1))
ALL, JUST_ENOUGH = Scene(KINDS), Scene(KINDS).just_enough()
EACH = pytest.mark.parametrize(
    ("scene", "service"),
    [(scene, service) for scene in (ALL, JUST_ENOUGH) for service in scene.services],
    ids=lambda it: "" if isinstance(it, Scene) else f"{it.mode}-{'all' if it.remembers else 'just-enough'}",
)


def _error(talk: Talk) -> Frame:
    """A router's complaint about the last packet from the VIP to the client."""
    said = talk.packet().answer(bytes(64))
    error = packets.too_big(ROUTERS[said.source.version], said.build(), 1280)
    kind = ETHER[said.source.version]
    return CLIENTS, ethernet(VIRTUAL_MAC, CLIENT_MAC, kind, error.build())


def _moved(scene: Scene, service: Service) -> tuple[Talk, int, int]:
    """A connection whose slot moves, its slot's backend before, and now."""
    table = scene.table
    boxes = [EmbeddedBox() for _ in range(2)]
    Keeper(boxes[:1], scene)
    Keeper(boxes[1:], scene.settled())
    for talk in talks(service, 200):
        before, now = (backend_of(box.send([talk.frame(ACK)])[0]) for box in boxes)
        if before != now:
            assert before in (*table.before, *table.base)
            return talk, before, now
    raise AssertionError("no slot moves")


def _went(out: Sequence[Frame]) -> list[int]:
    return [backend_of(frame) for frame in out]


def _punts(box: EmbeddedBox) -> list[Punt]:
    return [told for told in box.told() if isinstance(told, Punt)]


@EACH
def test_an_error_about_a_connection_that_only_a_sibling_remembers_is_delivered_by_the_sibling(
    scene: Scene, service: Service
) -> None:
    knows, asks, other = (EmbeddedBox(name) for name in ("lb1", "lb2", "lb3"))
    keeper = Keeper([knows, asks, other], scene)
    scene = scene.changing((1, 2, 5))
    talk, before, now = _moved(scene, service)
    keeper.change(scene)
    assert _went(knows.send([talk.frame(SYN)])) == [now]
    error = _error(talk)
    # The one that remembers needs no other.
    assert _went(knows.send([error])) == [now]
    assert asks.send([error]) == []
    assert _punts(asks) == [Punt(Reason.ERROR_UNKNOWN, CLIENTS, service.id, before, error[1])]
    # What the controller makes of it: siblings deliver what they know, and the one that asked what it may be.
    assert _went(knows.packet_out(error[1], Op.ASK, CLIENTS)) == [now]
    assert other.packet_out(error[1], Op.ASK, CLIENTS) == []
    assert other.drops()[Drop.ERROR] == 1
    assert _went(asks.packet_out(error[1], Op.INJECT, CLIENTS)) == [before]
    assert [told for box in (knows, asks, other) for told in _punts(box)] == []


@EACH
def test_errors_beyond_the_rate_of_questions_go_where_old_connections_are(
    scene: Scene, service: Service
) -> None:
    box = EmbeddedBox()
    keeper = Keeper([box], scene)
    scene = scene.changing((1, 2, 5))
    talk, before, _ = _moved(scene, service)
    keeper.change(scene)
    out = box.send([_error(talk)] * (LIMITS[Reason.ERROR_UNKNOWN] + 20))
    assert 15 <= len(out) <= 20
    assert set(_went(out)) == {before}
    assert len(_punts(box)) + len(out) == LIMITS[Reason.ERROR_UNKNOWN] + 20


@EACH
def test_on_a_settled_slot_nobody_is_asked(scene: Scene, service: Service) -> None:
    box = EmbeddedBox()
    Keeper([box], scene)
    (talk,) = talks(service, 1)
    (found,) = _went(box.send([_error(talk)]))
    assert found == backend_of(box.send([talk.frame(ACK)])[0])
    assert _punts(box) == []
