"""Weights that follow connections or times for 30 simulated minutes: how many slots stay settled, and what it brings.

No switch and no socket: the product's decisions, tables and budget, and a model of servers (``loadmodel.py``). All
switches are taken to hold at once what is planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from controller.plan.ids import IdAllocator, Space
from controller.plan.pool import PoolState, step
from controller.plan.tuned import Tuned
from controller.spec.scheduling import Adaptive, Scheduler
from controller.spec.slots import Slots
from controller.spec.types import Pool, Protocol
from tests.bench.loadmodel import Server, Simulation
from tests.fakes.poollife import backend

MINUTES = 30.0
CONNECTIONS = 400
"""On an average server."""


@dataclass
class Tabled(Simulation):
    """The same with a table of slots, and the pool's budget: a server gets the connections of the slots that it has."""

    def __post_init__(self) -> None:
        names = {each.name: 0.0 for each in self.servers}
        self.pool = Pool(
            "web",
            tuple(backend(each.name, weight=each.weight) for each in self.servers),
            max_backends=max(40, len(self.servers)),
            scheduler=self.kind,
            panic_threshold=1.0,
        )
        self.ids = IdAllocator().step({Space.BACKEND: names}, 0.0)
        self.state = PoolState.new("web", Protocol.TCP, self.pool.slots)
        self.state = step(self.state, self.pool, {}, self.ids, 0.0, whole=True)
        self._numbers = {m.backend.name: m.id for m in self.state.members}
        self._counted: Slots | None = None
        self.settled: list[float] = []
        """Share of slots, by second."""
        self.moved = 0
        super().__post_init__()

    def shares(self) -> list[tuple[Server, float]]:
        """Of slots."""
        if self._counted is not self.state.now:
            self._counted = self.state.now
            self._slots = np.bincount(self.state.now, minlength=max(self._numbers.values()) + 1)
        size = len(self.state.now)
        return [(each, float(self._slots[self._numbers[each.name]]) / size) for each in self.servers]

    def held(self) -> bool:
        """The budget holds slots back."""
        return self.state.behind > 0

    def after(self, made: dict[str, int]) -> None:
        """Move slots as far as the budget lets them."""
        tuned = {name: Tuned(adapted=factor) for name, factor in self.adapted.items()}
        before = self.state
        self.state = step(before, self.pool, {}, self.ids, self.now, tuned=tuned)
        self.moved += self.state.moved_from(before) if self.state.now is not before.now else 0
        self.settled.append(1 - self.state.tracking.tracks / len(self.state.now))


def servers(count: int, slow: int, factor: float, duration: float = 30.0) -> list[Server]:
    """Equal ones, but for so many that serve connections ``factor`` times as long, and take as many times fewer."""
    return [
        Server(
            f"s{n}",
            duration=duration * (factor if n < slow else 1.0),
            capacity=100.0 / (factor if n < slow else 1.0),
        )
        for n in range(count)
    ]


def least_connections(count: int, slow: int, factor: float, duration: float, seed: int) -> Tabled:
    """Half an hour."""
    rate = count * CONNECTIONS / duration
    made = Tabled(
        Scheduler.LEAST_CONNECTIONS, Adaptive(), servers(count, slow, factor, duration), rate, seed=seed
    )
    made.run(60 * MINUTES)
    return made


def response_time(count: int, slow: int, factor: float, load: float) -> Tabled:
    """Half an hour."""
    of = servers(count, slow, factor)
    rate = load * sum(each.capacity for each in of)
    made = Tabled(Scheduler.RESPONSE_TIME, Adaptive(), of, rate, every=1.0)
    made.run(60 * MINUTES)
    return made


def run() -> dict[str, object]:
    """Half a minute."""
    rows = []
    for count, slow, factor, duration in (
        (4, 1, 2.0, 30.0), (10, 2, 1.5, 30.0), (10, 2, 3.0, 300.0), (40, 8, 2.0, 10.0), (40, 0, 1.0, 60.0)
    ):  # fmt: skip
        made = least_connections(count, slow, factor, duration, seed=1)
        rows.append(_row(f"least-connections: {slow} of {count} x {factor:g}, {duration:g} s", made))
    for count, slow, factor, load in ((4, 1, 2.0, 0.5), (10, 2, 2.0, 0.7)):
        made = response_time(count, slow, factor, load)
        rows.append(_row(f"response-time: {slow} of {count} x {factor:g}, load {load:.0%}", made))
    return {"pools": rows, "minutes": MINUTES, "connections_a_server": CONNECTIONS}


def _row(name: str, made: Tabled) -> dict[str, object]:
    return {
        "pool": name,
        "least_settled_percent": round(100 * min(made.settled), 1),
        "decisions": len(made.decisions),
        "slots_moved_percent": round(100 * made.moved / len(made.state.now), 1),
        "off_at_first_percent": round(100 * (np.exp(made.errors[0]) - 1)),
        "off_at_last_percent": round(100 * (np.exp(np.mean(made.errors[-120:])) - 1)),
        "turned_back_most": max(chain(made.reversals().values(), [0])),
    }
