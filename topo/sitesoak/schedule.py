"""Which faults a soak of two sites plays, and in which order: pure functions of the seed.

Kinds are dealt like cards: each once, in random order, singly or as one of a pair, then all again. The suite plays
each kind by itself, the pairs that have names, and pairs drawn by seed.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from topo.relay import BACK, FORTH
from topo.sitesoak.faults import (
    BOTH,
    CONTROLLERS,
    HOUR,
    LASTS,
    LEADER,
    OF_AGENTS,
    OF_SITES,
    Episode,
    Fault,
    Kind,
    Setting,
)

DRAWN = 40
"""Pairs of the suite that are drawn."""
PAIRED = 0.5
"""Share of episodes that are pairs."""
APART = 3.0
"""Seconds from the first fault of a pair to the second, at most."""
CALM = (0.5, 2.5)
"""Seconds without a fault, from one return to health to the next fault."""
RETURN = 9.0
"""Seconds that a return to health takes, more or less."""
TRIES = 100


class _Dealer:
    """Draws faults."""

    def __init__(self, rng: random.Random, setting: Setting, kinds: Collection[Kind]) -> None:
        self._rng = rng
        self._setting = setting
        self._kinds = sorted(setting.kinds(kinds))
        if not self._kinds:
            raise ValueError(f"agents own no VIPs here, so there is nothing for {', '.join(kinds)}")
        self._hand: list[Kind] = []

    def single(self) -> Fault:
        """One of the next kind."""
        if not self._hand:
            self._hand = self._rng.sample(self._kinds, len(self._kinds))
        return self._fault(self._hand.pop())

    def pair(self) -> tuple[Fault, ...]:
        """Two that do not get in each other's way; of the next kind alone, where none goes with it."""
        first = self.single()
        for _ in range(TRIES):
            second = self._fault(self._rng.choice(self._kinds), self._rng.uniform(0.0, APART))
            if compatible(first, second):
                return first, second
        return (first,)

    def _fault(self, kind: Kind, starts: float = 0.0) -> Fault:
        target = self._rng.choice(self._setting.targets(kind))
        value = self._rng.choice(self._setting.values(kind))
        return Fault(kind, target, value, round(starts, 2), round(self._rng.uniform(*LASTS[kind]), 2))


def compatible(one: Fault, other: Fault) -> bool:
    """Whether they are two: not the same part twice, and not both sites, after which nothing is left to prove."""
    if one.kind in OF_SITES and other.kind in OF_SITES:
        return False
    for same in (CONTROLLERS, OF_AGENTS):
        if one.kind in same and other.kind in same:
            return one.target != other.target
    if Kind.LINKS in (one.kind, other.kind) and {one.kind, other.kind} <= {Kind.LINK, Kind.LINKS}:
        return False
    return one.kind is not other.kind or one.target != other.target


def _rng(*parts: object) -> random.Random:
    return random.Random("/".join(("sitesoak", *map(str, parts))))


def draw(
    seed: int, topology: str, switch: str, setting: Setting, kinds: Collection[Kind]
) -> Iterator[Episode]:
    """Without end."""
    rng = _rng(seed, topology, switch)
    dealer = _Dealer(rng, setting, kinds)
    while True:
        faults = dealer.pair() if rng.random() < PAIRED else (dealer.single(),)
        yield Episode(faults, round(rng.uniform(*CALM), 2))


def fitting(episodes: Iterable[Episode], seconds: float) -> list[Episode]:
    """As many as a run of so many seconds plays, more or less."""
    found: list[Episode] = []
    t = 0.0
    for one in episodes:
        t += one.lasts + RETURN + one.calm
        if t > seconds and found:
            break
        found.append(one)
    return found


def named(setting: Setting) -> list[Episode]:
    """Pairs, and faults, that have to be tried whatever is drawn."""
    one, other = setting.links[:2]

    def of(*faults: Fault) -> Episode:
        return Episode(faults, CALM[0])

    stays = next((name for name, place in setting.members.items() if place not in setting.sites), "")
    return [
        of(Fault(Kind.LINK, one, BOTH), Fault(Kind.LINK, other, BOTH)),
        of(Fault(Kind.LINK, one, BOTH), Fault(Kind.LINK, other, FORTH)),
        of(Fault(Kind.LINK, one, FORTH), Fault(Kind.LINK, other, BACK)),
        of(Fault(Kind.LINK, one, FORTH)),
        of(Fault(Kind.LINK, one, BACK)),
        *(of(Fault(Kind.SITE_CUT, site, lasts=8.0)) for site in setting.sites),
        of(Fault(Kind.MEMBER, LEADER)),
        of(Fault(Kind.MEMBERS, stays or next(iter(setting.members)))),
        of(Fault(Kind.MEMBER, LEADER), Fault(Kind.KILLED, LEADER)),
        of(Fault(Kind.MEMBER, LEADER), Fault(Kind.STOPPED, LEADER, lasts=7.0)),
        of(Fault(Kind.CLOCK, LEADER, f"{HOUR}")),
        of(Fault(Kind.CLOCK, LEADER, f"-{HOUR}"), Fault(Kind.MEMBER, LEADER)),
        of(Fault(Kind.MEMBER_FULL, LEADER)),
        of(Fault(Kind.MEMBER_FULL, LEADER), Fault(Kind.KILLED, LEADER)),
        *(
            of(Fault(Kind.MEMBER, LEADER), Fault(kind, setting.sites[0]))
            for kind in OF_AGENTS
            if setting.agents
        ),
        *(
            of(Fault(Kind.KILLED, LEADER), Fault(kind, setting.sites[1]))
            for kind in OF_AGENTS
            if setting.agents
        ),
    ]


def singles(seed: int, setting: Setting, kinds: Collection[Kind]) -> list[Episode]:
    """Each kind by itself."""
    dealer = _Dealer(_rng(seed, "singles"), setting, kinds)
    found = [Episode((dealer.single(),), CALM[0]) for _ in setting.kinds(kinds)]
    return sorted(found, key=lambda each: each.faults[0].kind)


def drawn(seed: int, setting: Setting, kinds: Collection[Kind], count: int = DRAWN) -> list[Episode]:
    """Pairs."""
    dealer = _Dealer(_rng(seed, "pairs"), setting, kinds)
    pairs = (dealer.pair() for _ in iter(int, 1))
    return [Episode(pair, CALM[0]) for pair in islice((each for each in pairs if len(each) > 1), count)]


def suite(seed: int, setting: Setting, kinds: Collection[Kind] = tuple(Kind)) -> list[Episode]:
    """Each kind by itself, the named ones, and ``DRAWN`` pairs; all of the chosen kinds."""
    chosen = [one for one in named(setting) if {fault.kind for fault in one.faults} <= set(kinds)]
    pairs: Sequence[Episode] = drawn(seed, setting, kinds) if len(kinds) > 1 else ()
    return [*singles(seed, setting, kinds), *chosen, *pairs]
