"""Announcements carry the virtual MAC, for each family, and come from whichever switch answers, as soon as it does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller.core import announce
from controller.core.announce import Announcer
from controller.core.cells import Cell
from controller.core.fleet import Fleet
from controller.core.targets import Targets
from controller.frames.announce import announcement
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.southbound.driver import FramePacket
from controller.southbound.errors import SwitchError
from controller.spec.types import Intent, Port, Role, Site, Switch, Vip
from tests.fakes.core import PlainDriver, SetClock, Watching, journal, play, until

MAC = "02:45:56:00:01:01"
SHOP = Vip("shop", ip_address("10.0.0.100"), MAC, ("east",), ())
API = Vip("api", ip_address("10.0.0.101"), MAC, ("east",), ())


def frame(vip: Vip) -> bytes:
    """The announcement of a VIP."""
    return announcement(vip.address, vip.mac)


def test_an_ipv4_vip_is_announced_by_a_broadcast_arp_for_itself() -> None:
    said = frame(SHOP)
    assert said[:6] == b"\xff" * 6
    assert said[6:12] == bytes.fromhex("024556000101")
    assert said[28:32] == said[38:42] == SHOP.address.packed


def test_an_ipv6_vip_is_announced_to_all_nodes() -> None:
    vip = Vip("shop6", ip_address("fd00::100"), MAC, ("east",), ())
    said = frame(vip)
    assert said[:6] == bytes.fromhex("333300000001")
    assert vip.address.packed in said[54:]
    assert said.endswith(bytes.fromhex("024556000101"))


def _edge(number: int, site: str = "east") -> Switch:
    mac = f"02:45:56:01:00:{number:02x}"
    ports = (Port(2, "segment-front"),)
    return Switch(f"edge{number}", "bmv2", number, site, frozenset({Role.EDGE}), mac, ports)


class _Fabric:
    """Two edges on one segment, both synced, and what they are given to send."""

    def __init__(self, *vips: Vip, site: str = "east") -> None:
        self.clock = SetClock()
        edges = tuple(_edge(number, site) for number in (1, 2))
        self.intent = Intent((Site("east"), Site("west")), edges, (), vips)
        self.absent: frozenset[str] = frozenset()
        self.committed: Cell[PlanInput | None] = Cell("committed", None)
        self.commit()
        self.drivers = {each.name: PlainDriver(each) for each in edges}
        targets = Targets(self.committed, PinBook())
        self.fleet = Fleet(targets, journal()[0], self.clock)
        self.committed.subscribe(self.fleet.wake)
        self.announcer = Announcer(targets, self.fleet, self.clock)
        for driver in self.drivers.values():
            self.fleet.connect(driver, Watching()).synced = True

    def commit(self) -> None:
        """Another revision is committed."""
        owners = {vip.name: "east" for vip in self.intent.vips}
        self.committed.put(
            world_of(self.intent, Tables(), PinBook(), frozenset(), owners, absent=self.absent)
        )

    @property
    def sent(self) -> list[tuple[str, bytes, list[int]]]:
        """By switch, in order."""
        packets = [(name, packet) for name, driver in self.drivers.items() for packet in driver.sent]
        assert all(isinstance(packet, FramePacket) for _, packet in packets)
        return [(name, p.frame, list(p.ports)) for name, p in packets if isinstance(p, FramePacket)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "LOOK", 0.001)


def test_of_two_edges_on_a_segment_one_announces_and_the_other_as_soon_as_it_is_alone() -> None:
    fabric = _Fabric(SHOP)

    async def body() -> None:
        await until(lambda: fabric.sent, "the first edge announces")
        assert fabric.sent == [("edge1", frame(SHOP), [2])]
        fabric.fleet.disconnect(next(iter(fabric.fleet)).switch.id)
        fabric.absent = frozenset({"edge1"})
        fabric.commit()
        await until(lambda: len(fabric.sent) == 2, "the second edge announces")
        assert fabric.sent[1:] == [("edge2", frame(SHOP), [2])]
        fabric.intent = replace(fabric.intent, vips=(SHOP, API))
        fabric.commit()
        await until(lambda: len(fabric.sent) == 3, "another VIP is announced")
        assert fabric.sent[2:] == [("edge2", frame(API), [2])]

    play(body, fabric.fleet.run, fabric.announcer.run)


def test_everything_is_announced_again_and_again() -> None:
    fabric = _Fabric(SHOP, API)

    async def body() -> None:
        for times in range(1, 4):
            await until(lambda: len(fabric.sent) == 2 * times, f"announced {times} times")  # noqa: B023
            fabric.clock.time += announce.PERIOD
        assert {name for name, _, _ in fabric.sent} == {"edge1"}
        assert [said for _, said, _ in fabric.sent[:4]] == [frame(SHOP), frame(API)] * 2

    play(body, fabric.fleet.run, fabric.announcer.run)


def test_a_switch_that_is_ready_announces_all_at_once_though_it_did_so_before() -> None:
    fabric = _Fabric(SHOP)

    async def body() -> None:
        task = fabric.fleet.named("edge1")
        assert task is not None
        for times in (1, 2):
            fabric.announcer.begin(task)
            await until(lambda: len(fabric.sent) == times, "announced")  # noqa: B023

    play(body, fabric.fleet.run)


def test_a_site_that_does_not_own_a_vip_does_not_announce_it() -> None:
    fabric = _Fabric(SHOP, site="west")
    task = fabric.fleet.named("edge1")
    assert task is not None

    async def body() -> None:
        fabric.announcer.begin(task)
        fabric.committed.put(replace(fabric.committed.value, owners={"shop": "west"}))  # type: ignore[type-var]
        fabric.announcer.begin(task)
        await until(lambda: fabric.sent, "the owner announces")
        assert len(fabric.sent) == 1

    play(body, fabric.fleet.run)


def test_a_vip_without_authority_is_not_announced_before_there_is_some() -> None:
    fabric = _Fabric(SHOP)
    task = fabric.fleet.named("edge1")
    assert task is not None

    async def body() -> None:
        fabric.announcer.authorized = lambda _: False
        fabric.announcer.begin(task)
        fabric.announcer.authorized = lambda _: True
        fabric.announcer.begin(task)
        await until(lambda: fabric.sent, "it is announced")
        assert len(fabric.sent) == 1

    play(body, fabric.fleet.run)


def test_many_vips_are_announced_in_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "BURST", 3)
    vips = tuple(replace(SHOP, name=f"v{n}", address=ip_address(f"10.0.1.{n}")) for n in range(7))
    fabric = _Fabric(*vips)
    task = fabric.fleet.named("edge1")
    assert task is not None

    async def body() -> None:
        for sent in (3, 6, 7, 7):
            fabric.announcer._say(task)
            await until(lambda: len(fabric.sent) == sent, f"{sent} sent")  # noqa: B023
        assert [said for _, said, _ in fabric.sent] == [frame(vip) for vip in vips]

    play(body, fabric.fleet.run)


def test_a_vip_that_is_new_at_a_switch_is_announced_some_times_within_seconds_and_then_now_and_then() -> None:
    fabric = _Fabric(SHOP)

    async def body() -> None:
        for times, rest in enumerate((*announce.REPEATS, announce.PERIOD), start=1):
            await until(lambda: len(fabric.sent) == times, f"announced {times} times")  # noqa: B023
            fabric.clock.time += rest - 0.01
            await asyncio.sleep(0.01)
            assert len(fabric.sent) == times, "not before its time"
            fabric.clock.time += 0.02
        await until(lambda: len(fabric.sent) == len(announce.REPEATS) + 2, "announced again")

    play(body, fabric.fleet.run, fabric.announcer.run)


def test_a_switch_announces_what_it_holds_by_now_and_not_what_is_planned() -> None:
    fabric = _Fabric(SHOP)
    driver = fabric.drivers["edge1"]

    async def body() -> None:
        await until(lambda: fabric.sent, "announced")
        fabric.intent = replace(fabric.intent, vips=(SHOP, API))
        driver.does.writes.append(SwitchError("refused"))
        fabric.commit()
        await until(lambda: not driver.does.writes, "the write was refused")
        await asyncio.sleep(0.02)
        assert {said for _, said, _ in fabric.sent} == {frame(SHOP)}

    play(body, fabric.fleet.run, fabric.announcer.run)
