"""Servers under load, as far as a scheduler sees them: connections that last, and answers that slow down. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import exp

import numpy as np

from controller.plan.adaptive import Adapting, Measured, averaged, decide, follow, loads
from controller.plan.tuned import UNIT
from controller.spec.scheduling import Adaptive, Scheduler

LOOK = 1.0


@dataclass
class Server:
    """One server: connections last ``duration`` seconds on average; it answers ``capacity`` a second at most."""

    name: str
    weight: int = 1
    duration: float = 10.0
    capacity: float = 100.0
    base: float = 0.01
    connections: float = 0.0
    latency: float = 0.01


@dataclass
class Simulation:
    """Servers, new connections at a rate, and the decisions of a scheduler that looks once a second."""

    kind: Scheduler
    rules: Adaptive
    servers: list[Server]
    rate: float
    every: float = 5.0
    """Seconds between two questions to an agent."""
    seed: int | None = None
    """None: connections come evenly; else as they happen to."""
    now: float = 0.0
    adapted: dict[str, int] = field(default_factory=dict)
    decisions: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    """By second: how far the load of the one that is furthest off is from the average, as a logarithm."""

    def __post_init__(self) -> None:
        self.adapted = {each.name: UNIT for each in self.servers}
        self._random = None if self.seed is None else np.random.default_rng(self.seed)
        self._averages: dict[str, float] = {}
        self._state = Adapting.new(self.now)
        self._asked = -self.every
        for each, share in self.shares():
            each.connections = self.rate * share * each.duration
            each.latency = self._settled(each, share)

    def shares(self) -> list[tuple[Server, float]]:
        """Of new connections, by server."""
        total = sum(each.weight * self.adapted[each.name] for each in self.servers)
        return [(each, each.weight * self.adapted[each.name] / total) for each in self.servers]

    def run(self, seconds: float) -> None:
        """Time passes."""
        for _ in range(int(seconds / LOOK)):
            self.now += LOOK
            for each, share in self.shares():
                self._live(each, share)
            if self.now >= self._asked + self.every:
                self._measure()
            self._decide()

    def reversals(self) -> dict[str, int]:
        """How often each factor turned back by more than a hundredth."""
        out = {}
        for each in self.servers:
            rows = [UNIT, *(factors[each.name] for _, factors in self.decisions)]
            steps = [b / a for a, b in pairwise(rows) if abs(b / a - 1) > 0.01]
            out[each.name] = sum((a > 1) != (b > 1) for a, b in pairwise(steps))
        return out

    def measured(self) -> list[Measured]:
        """As they are, without any average."""
        by_time = self.kind is Scheduler.RESPONSE_TIME
        return [
            Measured(
                each.name, each.weight, self.adapted[each.name], each.latency if by_time else each.connections
            )
            for each in self.servers
        ]

    def held(self) -> bool:
        """Whether slots are not yet what factors make of them."""
        return False

    def after(self, made: dict[str, int]) -> None:
        """What follows a look; ``made``: factors that it changed."""

    def _live(self, each: Server, share: float) -> None:
        new = self.rate * share * LOOK
        keep = exp(-LOOK / each.duration)
        if self._random is None:
            each.connections = each.connections * keep + new * each.duration / LOOK * (1 - keep)
        else:
            stay = self._random.binomial(round(each.connections), keep)
            each.connections = float(stay + self._random.poisson(new * each.duration / LOOK * (1 - keep)))
        each.latency += (self._settled(each, share) - each.latency) * (1 - exp(-LOOK / 5.0))

    def _settled(self, each: Server, share: float) -> float:
        busy = min(0.98, self.rate * share / each.capacity)
        return each.base / (1 - busy)

    def _measure(self) -> None:
        passed, self._asked = self.now - self._asked, self.now
        for each in self.measured():
            self._averages[each.name] = averaged(
                self._averages.get(each.name), each.value, passed, self.rules.smoothing
            )

    def _decide(self) -> None:
        seen = [each._replace(value=self._averages[each.name]) for each in self.measured()]
        self._state = follow(self.rules, seen, self._state, self.now, self.held())
        made: dict[str, int] = {}
        if not self.held():
            made, self._state = decide(self.kind, self.rules, seen, self._state, self.now)
        if made:
            self.adapted = self.adapted | made
            self.decisions.append((self.now, dict(self.adapted)))
        found = loads(self.measured(), self.kind)
        average = sum(found[each.name] * each.weight for each in self.servers)
        average /= sum(each.weight for each in self.servers)
        self.after(made)
        self.errors.append(float(max(abs(np.log(average / each)) for each in found.values())))
