"""What happens in a soak and when: a pure function of seed, length and stage, so that every run can be played again.

Kinds are dealt like cards: each once, in random order, then all again. What is broken is healed, what is changed is
changed back, and the end is calm. Only so much is broken at once that every connection has a way to a living server.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from topo.soak.edits import Edit, Intent, NotApplicableError, apply
from topo.soak.stage import Stage
from topo.soak.steps import DEATHS, EDITS, KINDS, OTHERS, Step

__all__ = ["DEATHS", "EDITS", "KINDS", "OTHERS", "Schedule", "Step", "write_schedule"]

BEGIN = 9.0
"""Seconds until the first step: all long-lived connections are open by then."""
SABOTAGE_AT, AFTER_SABOTAGE = 10.0, 24.0
LONG_RUN = 120.0
"""Seconds from which a run has room for everything."""


@dataclass(frozen=True)
class Schedule:
    """The whole run."""

    seed: int
    minutes: float
    topology: str
    switch: str
    kinds: tuple[str, ...]
    steps: tuple[Step, ...]
    end: float
    """Seconds after the start of the load at which it ends."""
    calm: float
    """From here on nothing happens any more."""


@dataclass(frozen=True)
class Pace:
    """How dense a run is. All in seconds."""

    gap: tuple[float, float]
    """From one step to the next."""
    calm: float
    """Without any step, at the end."""
    short: bool
    """No room for what takes longer than some seconds."""


def pace_of(seconds: float) -> Pace:
    """A run of half a minute is denser than one of five."""
    if seconds < LONG_RUN:
        return Pace((0.8, 2.0), 6.0, True)
    return Pace((1.5, 4.0), 20.0, False)


def write_schedule(
    seed: int, minutes: float, stage: Stage, kinds: Collection[str] = KINDS, sabotage: bool = False
) -> Schedule:
    """Deal the kinds over the run. ValueError names a kind that does not exist, or that the stage has no use for."""
    chosen = tuple(kind for kind in KINDS if kind in kinds)
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ValueError(f"no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if len(stage.lbs) < 2:
        chosen = tuple(kind for kind in chosen if kind not in ("lb", "cable"))
    if len(stage.document["pools"]) < 2:
        chosen = tuple(kind for kind in chosen if kind != "repool")
    end = minutes * 60.0
    pace = pace_of(end)
    writer = _Writer(
        random.Random(f"soak/{seed}/{minutes:g}/{stage.topology}/{stage.kind}"), stage, pace, end
    )
    if sabotage:
        writer.emit(Step(SABOTAGE_AT, "sabotage", "move", "connection"))
    writer.deal(chosen, AFTER_SABOTAGE if sabotage else BEGIN)
    return Schedule(
        seed, minutes, stage.topology, stage.kind, chosen, tuple(writer.steps), end, end - pace.calm
    )


Episode = list[Step]
"""What happens to one thing, from the first change until all is as before."""


class _Writer:
    """Writes steps in the order of time, and keeps what the file then says and what is broken."""

    def __init__(self, rng: random.Random, stage: Stage, pace: Pace, end: float) -> None:
        self.steps: list[Step] = []
        self._rng = rng
        self._stage = stage
        self._pace = pace
        self._last = end - pace.calm
        self._intent = Intent(stage.document)
        self._to_come: list[tuple[float, int, Step]] = []
        self._locks: dict[str, float] = {}

    def emit(self, step: Step) -> None:
        """Write a step down; what it edits counts from here on."""
        if step.kind in EDITS:
            self._intent = apply(self._intent, step.edit)
        self.steps.append(step)

    def deal(self, kinds: Collection[str], begin: float) -> None:
        """Fill the run."""
        t, hand = begin, list[str]()
        while t < self._last and kinds:
            self._catch_up(t)
            if not hand:
                hand = list(kinds)
                self._rng.shuffle(hand)
            for kind in hand:
                if self._play(kind, t):
                    hand.remove(kind)
                    break
            t = round(t + self._rng.uniform(*self._pace.gap), 2)
        self._catch_up(float("inf"))

    def _catch_up(self, t: float) -> None:
        while self._to_come and self._to_come[0][0] <= t:
            self.emit(heapq.heappop(self._to_come)[2])

    def _play(self, kind: str, t: float) -> bool:
        episode = next(self._episodes(kind, t), None)
        if episode is None:
            return False
        self.emit(episode[0])
        for step in episode[1:]:
            heapq.heappush(self._to_come, (step.at, len(self.steps), step))
        return True

    # -- what may be touched

    def _free(self, t: float, *names: str) -> bool:
        return all(self._locks.get(name, 0.0) <= t for name in names)

    def _lock(self, until: float, *names: str) -> None:
        for name in names:
            self._locks[name] = until

    def _hold(self, lowest: float, highest: float) -> float:
        """How long an episode lasts: a run that is short has the shortest."""
        highest = min(highest, lowest * 1.3) if self._pace.short else highest
        return round(self._rng.uniform(lowest, highest), 2)

    def _fits(self, until: float) -> bool:
        return until <= self._last

    def _mixed(self, items: Collection[str]) -> list[str]:
        """In an order by chance."""
        return self._rng.sample(sorted(items), len(items))

    def _serving(self, pool: str, t: float, without: str) -> int:
        """How many backends of a pool take new connections and live if ``without`` does not."""
        rows = next(row for row in self._intent.document["pools"] if row["name"] == pool)["backends"]
        return sum(
            1
            for row in rows
            if row["name"] != without
            and not row.get("drain")
            and int(row.get("weight", 1))
            and self._free(t, f"dead:{row['name']}")
        )

    def _pools(self) -> list[str]:
        return [str(row["name"]) for row in self._intent.document["pools"]]

    def _backends(self) -> list[str]:
        return [f"{p['name']}/{b['name']}" for p in self._intent.document["pools"] for b in p["backends"]]

    def _spare(self, t: float, target: str) -> bool:
        """Whether this backend can go: nothing else happens to it, and two others serve in each of its pools."""
        name = target.rpartition("/")[2]
        mine = [pool for pool in self._pools() if f"{pool}/{name}" in self._backends()]
        return self._free(t, f"server:{name}") and all(self._serving(p, t, name) >= 2 for p in mine)

    # -- episodes

    def _episodes(self, kind: str, t: float) -> Iterator[Episode]:
        """Those of a kind that are possible now; the first is taken."""
        makers = {
            "weights": self._weights,
            "slow": self._weights,
            "drains": self._drains,
            "members": self._members,
            "repool": self._repool,
            "services": self._services,
            "renames": self._renames,
            "affinity": self._affinity,
            "memory": self._memory,
            "transition": self._transition,
            "lb": self._lb,
            "server": self._server,
            "cable": self._cable,
            "controller": self._controller,
            "clock": self._clock,
            "pause": self._pause,
        }
        for episode in makers[kind](t, kind):
            try:
                if episode[0].kind in EDITS:
                    apply(self._intent, episode[0].edit)
            except NotApplicableError:
                continue
            if self._fits(episode[-1].at):
                yield episode

    def _weights(self, t: float, kind: str) -> Iterator[Episode]:
        for target in self._mixed(self._backends()):
            if self._free(t, f"server:{target.rpartition('/')[2]}"):
                yield [Step(t, kind, "weight", target, str(self._rng.randint(1, 5)))]

    def _pair(self, t: float, until: float, kind: str, first: Edit, second: Edit, *locks: str) -> Episode:
        """An edit and the one that takes it back."""
        if self._fits(until):
            self._lock(until + 1.0, *locks)
        return [
            Step(t, kind, first.action, first.target, first.value),
            Step(until, kind, second.action, second.target, second.value),
        ]

    def _drains(self, t: float, kind: str) -> Iterator[Episode]:
        for target in self._mixed(self._backends()):
            if self._spare(t, target):
                hold = self._hold(4.0, 8.0) if self._rng.random() < 0.5 else self._hold(4.5, 22.0)
                on, off = Edit("drain", target, "on"), Edit("drain", target, "off")
                yield self._pair(t, t + hold, kind, on, off, f"server:{target.rpartition('/')[2]}")

    def _members(self, t: float, kind: str) -> Iterator[Episode]:
        for target in self._mixed(self._backends()):
            if self._spare(t, target):
                hold = self._hold(3.0, 8.0) if self._rng.random() < 0.5 else self._hold(3.5, 20.0)
                out, back = Edit("remove", target), Edit("restore", target)
                yield self._pair(t, t + hold, kind, out, back, f"server:{target.rpartition('/')[2]}")

    def _listeners(self, t: float) -> Iterator[tuple[str, str]]:
        """Free ones that long-lived connections use, and their pools."""
        for target in self._mixed([one.listener for one in self._stage.long]):
            for vip in self._intent.document["vips"]:
                for row in vip["listeners"]:
                    if f"{vip['address']}/{row['port']}" == target and self._free(
                        t, f"listener:{target}", f"vip:{vip['address']}"
                    ):
                        yield target, str(row["pool"])

    def _repool(self, t: float, kind: str) -> Iterator[Episode]:
        for target, pool in self._listeners(t):
            other = self._rng.choice([name for name in self._pools() if name != pool])
            there, back = Edit("repool", target, other), Edit("repool", target, pool)
            yield self._pair(t, t + self._hold(4.0, 25.0), kind, there, back, f"listener:{target}")

    def _services(self, t: float, kind: str) -> Iterator[Episode]:
        """Away for a moment mostly; at times for longer than connections drain."""
        if not self._free(t, "services"):
            return
        for target, _pool in self._listeners(t):
            address = target.rpartition("/")[0]
            hold = self._hold(1.5, 4.0) if self._rng.random() < 0.7 else self._hold(2.0, 16.0)
            whole = self._rng.random() < 0.5
            what, name = ("listener", target) if not whole else ("vip", address)
            others = [f"listener:{one.listener}" for one in self._stage.long if one.address == address]
            if self._free(t, *others):
                off, on = Edit(f"{what}_off", name), Edit(f"{what}_on", name)
                yield self._pair(t, t + hold, kind, off, on, "services", f"vip:{address}", *others)

    def _renames(self, t: float, kind: str) -> Iterator[Episode]:
        """Of an lb switch or a VIP, and back."""
        hold = self._hold(4.0, 12.0)
        if self._rng.random() < 0.5:
            for name in self._mixed(self._stage.lbs):
                if self._free(t, "infra", f"name:{name}"):
                    there, back = (
                        Edit("rename_switch", name, f"{name}x"),
                        Edit("rename_switch", f"{name}x", name),
                    )
                    yield self._pair(t, t + hold, kind, there, back, "infra", f"name:{name}")
        for vip in self._intent.document["vips"]:
            address, name = str(vip["address"]), str(vip["name"])
            if self._free(t, f"vip:{address}"):
                there, back = Edit("rename_vip", address, f"{name}x"), Edit("rename_vip", address, name)
                yield self._pair(t, t + hold, kind, there, back, f"vip:{address}")

    def _affinity(self, t: float, kind: str) -> Iterator[Episode]:
        """Refused, and taken back: with a controller that answers, or it would take other edits along."""
        if not self._free(t, "controller"):
            return
        for target, _pool in self._listeners(t):
            there, back = Edit("affinity", target, "source"), Edit("affinity", target, "connection")
            yield self._pair(
                t, t + self._hold(4.0, 6.0), kind, there, back, f"listener:{target}", "controller"
            )

    def _memory(self, t: float, kind: str) -> Iterator[Episode]:
        """Never below the silence that connections keep."""
        for pool in self._mixed(self._pools()):
            yield [Step(t, kind, "memory_timeout", pool, self._rng.choice(("20s", "23s", "27s", "40s")))]

    def _transition(self, t: float, kind: str) -> Iterator[Episode]:
        for pool in self._mixed(self._pools()):
            yield [Step(t, kind, "transition", pool, self._rng.choice(("3s", "5s", "7s", "9s")))]

    def _broken(
        self, t: float, until: float, kind: str, what: tuple[str, str], target: str, after: float
    ) -> Episode:
        """A death and the healing; the lock lasts until all works again."""
        if self._fits(until):
            self._lock(until + after, "infra")
        return [Step(t, kind, what[0], target), Step(until, kind, what[1], target)]

    def _lb(self, t: float, kind: str) -> Iterator[Episode]:
        for name in self._mixed(self._stage.lbs):
            if self._free(t, "infra"):
                yield self._broken(t, t + self._hold(4.0, 14.0), kind, ("kill", "heal"), name, 10.0)

    def _cable(self, t: float, kind: str) -> Iterator[Episode]:
        """Between switches, or a server's: that one for a moment, or for longer than its connections are kept."""
        if not self._free(t, "infra"):
            return
        if self._rng.random() < 0.4:
            for name in self._mixed(self._stage.server_cables):
                if all(self._spare(t, each) for each in self._backends() if each.endswith(f"/{name}")):
                    brief = self._rng.random() < 0.5
                    until = t + (self._hold(0.8, 1.8) if brief else self._hold(9.0, 14.0))
                    if self._fits(until):
                        self._lock(until + 6.0, f"server:{name}", f"dead:{name}")
                    yield self._broken(t, until, kind, ("cut", "mend"), self._stage.server_cables[name], 4.0)
        for name in self._mixed(self._stage.cables):
            if self._free(t, "infra"):
                yield self._broken(t, t + self._hold(3.0, 10.0), kind, ("cut", "mend"), name, 6.0)

    def _server(self, t: float, kind: str) -> Iterator[Episode]:
        if not self._free(t, "servers"):
            return
        for name in self._mixed(self._stage.server_cables):
            if all(self._spare(t, each) for each in self._backends() if each.endswith(f"/{name}")):
                until = t + self._hold(5.0, 16.0)
                if self._fits(until):
                    self._lock(until + 6.0, "servers", f"server:{name}", f"dead:{name}")
                yield [Step(t, kind, "kill", name), Step(until, kind, "heal", name)]

    def _controller(self, t: float, kind: str) -> Iterator[Episode]:
        if self._free(t, "controller"):
            until = t + self._hold(3.0, 9.0)
            if self._fits(until):
                self._lock(until + 6.0, "controller")
            yield [Step(t, kind, "kill", "controller"), Step(until, kind, "start", "controller")]

    def _clock(self, t: float, kind: str) -> Iterator[Episode]:
        if self._free(t, "controller"):
            seconds = self._rng.choice((1800, -900, 3600, -3600, 7200))
            yield [Step(t, kind, "step", "controller", str(seconds))]

    def _pause(self, t: float, kind: str) -> Iterator[Episode]:
        """Of the controller, or of an lb switch; it ends by itself."""
        if self._rng.random() < 0.5 and self._free(t, "infra") and len(self._stage.lbs) > 1:
            seconds = self._hold(1.0, 3.0)
            if self._fits(t + seconds):
                self._lock(t + seconds + 8.0, "infra")
                yield [Step(t, kind, "pause", self._rng.choice(self._stage.lbs), f"{seconds:g}")]
        elif self._free(t, "controller"):
            seconds = self._hold(1.5, 6.0)
            if self._fits(t + seconds):
                self._lock(t + seconds + 5.0, "controller")
                yield [Step(t, kind, "pause", "controller", f"{seconds:g}")]
