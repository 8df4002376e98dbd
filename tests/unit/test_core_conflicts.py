"""Other hosts that say they have a VIP: said once, counted, answered by an announcement, over when they are silent."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Literal

import pytest

from controller.core.cells import Cell
from controller.core.conflicts import AGAIN, MOST, QUIET, Conflicts, ConflictStatus
from controller.frames.announce import announcement
from controller.frames.holder import holder, mac_of
from controller.plan.ids import Space
from controller.southbound.openflow import events as openflow
from controller.southbound.p4 import events as p4
from controller.spec.pool import Backend, Pool
from controller.spec.types import Intent
from flows.tables import Cookie, Kind
from p4src.ids import Reason
from tests.conformance import packets
from tests.fakes.core import SetClock, Stream, journal
from tests.fakes.plain_core import core_of_pair

OTHER = "02:45:56:09:00:07"
SERVER = "02:45:56:04:00:01"


class _Heard:
    """The part alone, and what it announces."""

    def __init__(self) -> None:
        self.clock = SetClock()
        sink, self.said = journal()
        backend = Backend("s1", (ip_address("10.1.0.1"),), mac=SERVER)
        self.part = Conflicts(
            Cell("intent", Intent((), (), (Pool("web", (backend,)),), ())), sink, self.clock
        )
        self.announced: list[str] = []
        self.part.announce = self.announced.append


@pytest.fixture
def heard() -> _Heard:
    return _Heard()


def test_it_is_said_once_and_announced_again_at_most_once_a_second(heard: _Heard) -> None:
    for _ in range(3):
        heard.part.heard("shop", OTHER, "edge1")
    heard.clock.time += AGAIN
    heard.part.heard("shop", OTHER, "edge2")
    heard.part.heard("api", OTHER, "edge2")
    assert heard.announced == ["shop", "shop", "api"]
    said = heard.said.of("vip_conflict")
    assert [(each["vip"], each["mac"], each["server"], each["switch"]) for each in said] == [
        ("shop", OTHER, "", "edge1"),
        ("api", OTHER, "", "edge2"),
    ]
    assert heard.part.counts == {"shop": 4, "api": 1}
    assert heard.part.shown()["shop"] == {OTHER: ConflictStatus("", "edge2", 4, 0.0)}


def test_a_server_that_answers_for_the_vip_is_named(heard: _Heard) -> None:
    heard.part.heard("shop", SERVER, "edge1")
    assert heard.said.of("vip_conflict")[0]["server"] == "web/s1"
    assert heard.part.shown()["shop"][SERVER].server == "web/s1"


def test_one_that_is_silent_is_forgotten_and_said_again_when_it_comes_back(heard: _Heard) -> None:
    assert heard.part.deadline() is None
    heard.part.heard("shop", OTHER, "edge1")
    heard.clock.time += QUIET / 2
    heard.part.heard("shop", OTHER, "edge1")
    heard.clock.time += QUIET / 2
    heard.part.step()
    assert heard.part.shown()
    heard.clock.time += QUIET / 2
    assert heard.part.deadline() == heard.clock.now()
    heard.part.step()
    assert heard.part.shown() == {}
    (ended,) = heard.said.of("vip_conflict_ended")
    assert (ended["frames"], ended["lasted"]) == (2, QUIET / 2)
    heard.part.heard("shop", OTHER, "edge1")
    assert len(heard.said.of("vip_conflict")) == 2


def test_so_many_are_followed_and_no_more(heard: _Heard) -> None:
    for number in range(MOST + 5):
        heard.part.heard("shop", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", "edge1")
    assert len(heard.part.shown()["shop"]) == MOST
    assert heard.part.overlooked == 5
    assert heard.part.counts == {"shop": MOST + 5}


# -- frames ---------------------------------------------------------------------------------------------------------


V4, V6 = ip_address("10.0.0.100"), IPv6Address("fd00::100")
TAG = bytes.fromhex("81000000")


@pytest.mark.parametrize(
    ("frame", "mac"),
    [
        (announcement(V4, OTHER), OTHER),
        (announcement(V6, OTHER), OTHER),
        (packets.advertisement(OTHER, V6, None, SERVER), SERVER),
        (packets.advertisement(OTHER, V6, None, ""), OTHER),
        (announcement(V4, OTHER)[:40], None),
        (announcement(V6, OTHER)[:60], None),
        (packets.solicitation(OTHER, IPv6Address("fd00::1"), V6), None),
        (b"", None),
    ],
)
def test_the_mac_that_a_frame_names(frame: bytes, mac: str | None) -> None:
    assert holder(frame) == mac
    assert holder(frame[:12] + TAG + frame[12:]) == mac


def test_a_p4_switch_names_it_in_front_of_an_address() -> None:
    assert mac_of(IPv6Address(bytes.fromhex("024556090007") + bytes(10))) == OTHER


# -- the controller -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ovs", "embedded"])
def test_what_edges_report_is_about_the_vip_with_that_number(
    tmp_path: Path, kind: Literal["ovs", "embedded"]
) -> None:
    core = core_of_pair(tmp_path, kind)

    async def body() -> None:
        core.connect("edge1")
        await core.synced("edge1")
        world = core.app.targets.world
        vip = world.intent.vips[0]
        number = world.ids.id(Space.VIP, vip.name)

        def report(about: int, mac: str) -> openflow.PacketIn | p4.Report:
            stream = Stream(core.switch("edge1").id)
            if kind == "ovs":
                cookie = Cookie(0x4556, Kind.CONFLICT, about)
                return openflow.PacketIn(stream, cookie, {}, announcement(V4, mac))  # type: ignore[arg-type]
            client = IPv6Address(bytes.fromhex(mac.replace(":", "")) + bytes(10))
            return p4.Report(stream, Reason.CONFLICT, about, client, 0, 0)

        core.core.handle(report(number, OTHER))
        core.core.handle(report(number, vip.mac))
        core.core.handle(report(number + 1000, OTHER))
        assert {name: dict(macs) for name, macs in core.app.conflicts.shown().items()} == {
            vip.name: {OTHER: ConflictStatus("", "edge1", 1, 0.0)}
        }
        assert core.it.said.of("failure") == []

    core.play(body)
