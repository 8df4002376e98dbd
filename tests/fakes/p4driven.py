"""The P4Runtime driver under test with its events, and the entries that its tests write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TypeVar

import numpy as np

from controller.southbound.p4.connections import P4Runtime
from controller.southbound.p4.events import Connected, Event
from controller.southbound.p4.pipeline import Pipeline, balancer
from controller.southbound.p4.session import P4Session
from controller.spec.slots import SlotTable
from p4src.target import BLOCK, Configuration, EntryBody, EntryKey, P4Target, Rate
from tests.fakes.p4switches import DEVICE, Startable

SECONDS = 20.0
"""For an event that does not come, not a measure of speed."""
NAME = "s1"
_E = TypeVar("_E")


class Driven:
    """A driver, and what it said."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.driver = P4Runtime(self.events.put_nowait, pipeline)

    async def next(self, kind: type[_E]) -> _E:
        """The next event of a kind; those before it are dropped."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self.events.get()
                if isinstance(event, kind):
                    return event

    async def session(self, switch: Startable, term: int = 7) -> P4Session:
        """Connect and become primary."""
        self.driver.connect(NAME, switch.address, DEVICE, term)
        return (await self.next(Connected)).session


@contextlib.asynccontextmanager
async def driven(pipeline: Pipeline | None = None) -> AsyncIterator[Driven]:
    """A driver of this pipeline, or of ours, closed in the end."""
    made = Driven(pipeline or balancer())
    try:
        yield made
    finally:
        await made.driver.close()


MAPPED = 0xFFFF << 32
"""Before an IPv4 address."""
MAC = 0x024556000101
VIP, CLIENT, SERVER = MAPPED | 0x0A000064, MAPPED | 0x0A000001, MAPPED | 0x0A010001
CLIENT6 = 0xFD << 120 | 1
BIG = 1 << 127 | 7
"""An address with its highest bit set."""


def entries() -> dict[EntryKey, EntryBody]:
    """One entry at least of every table, with values of every length."""
    key, body = EntryKey, EntryBody
    return {
        key("neighbour", (300,)): body("hear"),
        key("segment", (300,)): body("floods", (301,)),
        key("nexthop", (1, 0)): body("send", (3,)),
        key("nexthop", (256, 255)): body("send", (511,)),
        key("address", ((0, 0),)): body("via", (1,)),
        key("address", ((MAPPED | 0x0A000000, 104),)): body("deliver", (1, MAC, 0x02)),
        key("address", ((0xFD << 120, 8),)): body("via", (300,)),
        key("frame", (MAC,)): body("to", (1,)),
        key("bypass", ((MAPPED | 0x0A010000, 112),)): body("direct"),
        key("answer", (SERVER, 80, 6)): body("undo_nat4", (0x0A000064, 80, 0x1234)),
        key("answer", (BIG, 8080, 17)): body("undo_nat6", (BIG, 80, 0xFFFF)),
        key("answer_local", (1, 2, SERVER, 80)): body("undo_fullnat6", (BIG, 80, 0)),
        key("local_address", (MAPPED | 0x0A000009,)): body("here", (3,)),
        key("backend", (1, 1)): body("dr", (MAC, 1)),
        key("backend", (1, 300)): body("fullnat6", (MAC, 1, BIG, 8080, 99, 1 << 96)),
        key("session", (1, 1, 0)): body("count"),
        key("session", (1, 300, 1)): body("count"),
        key("fate", (1, 2)): body("drain"),
        key("guard_source", (1, (MAPPED | 0x0A000000, 104))): body(
            "limit_source", (1,), meter=Rate(1000, 50)
        ),
        key("guard_source", (1, (0, 0))): body("limit_source", (2,), meter=Rate(249, 7)),
        key("guard_listener", (1,)): body("limit_listener", (3,), meter=Rate(526_737_857, 100)),
        key("guard_over", (3,)): body("over"),
        key("access", (1, (MAPPED | 0x0A000000, 104))): body("allow"),
        key("access", (1, (0, 0))): body(BLOCK),
        key("pin", (1, CLIENT, 1000)): body("pinned", (1,), idle=300),
        key("pin", (300, CLIENT6, 0)): body("seen", (2,)),
        key("listener", (VIP, 6, 80)): body("serve", (1, 1, 1, 255, 0, 0, 900, 1, 115)),
        key("vip", (VIP,)): body("claim", (1, MAC, 0, 1)),
        key("vip", (BIG,)): body("own", (MAC,)),
    }


def slots() -> SlotTable:
    """A pool's smallest table: settled, moving, tracked, emptied and absent slots, backends of either length."""
    table = SlotTable.empty(256)
    table.now[:] = np.arange(256) % 2 + 1
    table.now[[0, 5, 255]] = 300
    table.before[[7, 9, 255]] = (2, 400, 500)
    table.now[3], table.before[3] = 0, 1
    table.now[4] = 0
    class_, base, home = (np.zeros(256, np.uint16) for _ in range(3))
    class_[20:24], base[20:22], home[22:24] = (1, 2, 3, 1), (400, 2), (1, 300)
    table.now[23] = 300
    aged = np.array([int(table.now[slot]) << 16 | slot for slot in (20, 21)], np.uint32)
    return replace(table, class_=class_, base=base, home=home, aged=np.sort(aged))


CONFIGURATION = Configuration(MAC, 1 << 127 | 5, 77, 65535, 5, 10, 2)


def target() -> P4Target:
    """Something of everything that a switch can hold."""
    limits = {1: Rate(1001, 100), 15: Rate(20000, 2000)}
    return P4Target(
        entries(), CONFIGURATION, limits, {1: slots(), 300: slots()}, {2: (1,), 301: (7, 255, 300)}
    )
