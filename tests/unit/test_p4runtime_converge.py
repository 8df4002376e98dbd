"""Whatever a switch holds, the difference brings it to its target: random targets after each other."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from controller.southbound.p4.pipeline import Field, Pipeline, balancer
from controller.spec.slots import SlotTable
from p4src.diff import diff
from p4src.target import ORDER, Configuration, EntryBody, EntryKey, Match, P4Target, Rate
from tests.fakes.p4driven import driven
from tests.fakes.p4switches import Startable, each_kind

STEPS = 12


switch = each_kind()


class Dice:
    """Random targets of our program; few keys, so that they meet again."""

    def __init__(self, seed: int, pipeline: Pipeline) -> None:
        self._random = random.Random(seed)
        self._numpy = np.random.default_rng(seed)
        self._pipeline = pipeline
        info = pipeline.config.p4info
        self._widths = {a.preamble.id: [p.bitwidth for p in a.params] for a in info.actions}
        self._legal = {
            t.preamble.alias: [r.id for r in t.action_refs if r.scope != r.DEFAULT_ONLY] for t in info.tables
        }

    def number(self, width: int) -> int:
        """Any length of value as likely as another."""
        return self._random.getrandbits(self._random.randint(1, width))

    def target(self) -> P4Target:
        entries = {}
        for table in ORDER:
            for _ in range(self._random.randint(0, 12)):
                match = tuple(self.match(field) for field in self._pipeline.tables[table].fields)
                entries[EntryKey(table, match)] = self.body(table)
        pools = self._random.sample([1, 2, 255, 256, 40_000], self._random.randint(0, 4))
        limits = {index: self.rate() for index in range(1, 16)}
        widths = (48, 128, 32, 16, 16, 16, 16)
        configuration = Configuration(*(self.number(width) for width in widths))
        return P4Target(
            entries, configuration, limits, {pool: self.slots() for pool in pools}, self.multicast()
        )

    def multicast(self) -> dict[int, tuple[int, ...]]:
        groups = self._random.sample([1, 2, 3, 255, 256, 4096], self._random.randint(0, 5))
        ports = [1, 2, 3, 255, 256, 509]
        return {
            group: tuple(sorted(self._random.sample(ports, self._random.randint(1, 5)))) for group in groups
        }

    def match(self, field: Field) -> Match:
        if not field.lpm:
            return self._random.choice(
                (0, 1, 2 % (1 << field.width), (1 << field.width) - 1, self.number(field.width))
            )
        length = self._random.choice((0, 1, 96, 127, field.width))
        keep = (1 << length) - 1 << field.width - length
        return (self.number(field.width) & keep, length) if length else (0, 0)

    def body(self, table: str) -> EntryBody:
        known = self._pipeline.tables[table]
        action = self._pipeline.actions_by_id[self._random.choice(self._legal[table])]
        params = tuple(self.number(width) for width in self._widths[action.id])
        idle = self.number(20) if table == "pin" and action.name == "pinned" else 0
        return EntryBody(action.name, params, idle, self.rate() if known.metered else None)

    def rate(self) -> Rate:
        return Rate(1 + self.number(30), 1 + self.number(20))

    def slots(self) -> SlotTable:
        size = 256 << self._random.randint(0, 3)
        now = self._numpy.integers(0, 600, size).astype(np.uint16)
        before = np.where(self._numpy.random(size) < 0.3, now[::-1], 0).astype(np.uint16)
        # The size is known by the highest slot.
        now[-1] = 9
        return SlotTable(now, before)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_target_is_reached_from_every_other(switch: Startable, seed: int) -> None:
    async def body() -> None:
        async with driven() as it:
            dice = Dice(seed, balancer())
            session = await it.session(switch)
            for _ in range(STEPS):
                want = dice.target()
                await session.write(diff((await session.read()).target, want))
                found = (await session.read()).target
                assert found.entries == want.entries
                assert found == want

    asyncio.run(body())
