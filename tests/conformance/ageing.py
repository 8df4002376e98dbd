"""How the oracle's memory grows old: in generations as Open vSwitch's, cell by cell as a P4 switch's, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from controller.decision import Decision, Remember
from controller.lbstate import ConnectionKey, Generation, Packet, Remembered
from controller.plan.ids import Space
from controller.plan.tables import memory_of
from p4src.pipeline import EMBRYO
from tests.conformance.moment import Moment
from tests.conformance.plant import EMBRYONIC

Memory = Mapping[ConnectionKey, Remembered]


class Ageing(Protocol):
    """What time and packets do to entries, beyond what was decided."""

    def passes(self, memory: Memory, world: Moment) -> Memory:
        """What is left of it by now."""
        ...

    def decided(
        self, packet: Packet, key: ConnectionKey, decision: Decision, old: Memory, new: Memory
    ) -> Memory:
        """What a packet leaves of ``new``, which its decision made of ``old``."""
        ...

    def forget(self) -> None:
        """There is no memory any more."""
        ...


class Never:
    """The clock of the switch is its own, and slower than the suite's."""

    def passes(self, memory: Memory, world: Moment) -> Memory:
        """See ``Ageing``."""
        return memory

    def decided(
        self, packet: Packet, key: ConnectionKey, decision: Decision, old: Memory, new: Memory
    ) -> Memory:
        """See ``Ageing``."""
        return new

    def forget(self) -> None:
        """See ``Ageing``."""


class Generations(Never):
    """Entries last as long as the generation after theirs; embryonic ones are in none, and short-lived."""

    def __init__(self) -> None:
        self._now = 0.0
        self._turns: dict[int, int] = {}

    def passes(self, memory: Memory, world: Moment) -> Memory:
        """See ``Ageing``."""
        passed, self._now = world.now - self._now, world.now
        turned = self._turn(world)
        out = {}
        for key, found in memory.items():
            turns = turned.get(key.vip, 0)
            if found.generation is Generation.NEW:
                if passed < EMBRYONIC:
                    out[key] = found
            elif turns == 0:
                out[key] = found
            elif turns == 1 and found.generation is Generation.NOW:
                out[key] = found._replace(generation=Generation.BEFORE)
        return out

    def _turn(self, world: Moment) -> dict[int, int]:
        """How many generations have begun since the last time, by VIP."""
        turned = {}
        for vip in world.intent.vips:
            number = world.ids.id(Space.VIP, vip.name)
            current = world.generations[vip.name]
            turned[number] = current - self._turns.get(number, current)
            self._turns[number] = current
        return turned

    def forget(self) -> None:
        """See ``Ageing``."""
        self._turns.clear()


class OneWay(Generations):
    """As conntrack's timer has it, too: an entry lasts for as long as held when it was made.

    It is not renewed, since conntrack sees one direction only. Not for real switches: their clock is not the suite's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lasts: dict[int, float] = {}
        """How long what is made now lasts, by VIP."""
        self._ends: dict[ConnectionKey, tuple[int, float]] = {}
        """The generation in which an entry was made, and when it ends."""

    def passes(self, memory: Memory, world: Moment) -> Memory:
        """See ``Ageing``."""
        ends = {}
        for key, found in memory.items():
            known, turn = self._ends.get(key), self._turns.get(key.vip, 0)
            if found.generation is Generation.NOW and (known is None or known[0] != turn):
                known = turn, self._now + self._lasts[key.vip]
            if known is not None:
                ends[key] = known
        left = super().passes(memory, world)
        for vip in world.intent.vips:
            self._lasts[world.ids.id(Space.VIP, vip.name)] = world.entry_lives[vip.name]
        out = {key: found for key, found in left.items() if key not in ends or world.now < ends[key][1]}
        self._ends = {key: end for key, end in ends.items() if key in out}
        return out

    def later(self, seconds: float) -> None:
        """What was made until now ends so much later."""
        self._now += seconds
        self._ends = {key: (turn, end + seconds) for key, (turn, end) in self._ends.items()}

    def forget(self) -> None:
        """See ``Ageing``."""
        super().forget()
        self._ends.clear()


class Cells:
    """Each packet that is delivered renews its cell; a SYN that comes again establishes none."""

    def __init__(self) -> None:
        self._now = 0.0
        self._used: dict[ConnectionKey, float] = {}

    def passes(self, memory: Memory, world: Moment) -> Memory:
        """See ``Ageing``."""
        self._now = world.now
        keep = {world.ids.id(Space.VIP, vip.name): memory_of(world.intent, vip) for vip in world.intent.vips}
        out = {}
        for key, found in memory.items():
            lasts = EMBRYO if found.generation is Generation.NEW else keep.get(key.vip, 0.0)
            if world.now - self._used[key] < lasts:
                out[key] = found
        return out

    def decided(
        self, packet: Packet, key: ConnectionKey, decision: Decision, old: Memory, new: Memory
    ) -> Memory:
        """See ``Ageing``."""
        if decision.backend is None:
            return old
        if decision.remember is Remember.NOTHING:
            return new
        self._used[key] = self._now
        if packet.syn and key in old and old[key].generation is Generation.NEW:
            return {**new, key: new[key]._replace(generation=Generation.NEW)}
        return new

    def forget(self) -> None:
        """See ``Ageing``."""
        self._used.clear()
