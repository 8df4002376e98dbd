"""Judges what was recorded: whether two sites claimed a VIP at one moment, and for how long none answered. Pure.

    claims that a switch made ─► spells of each site ─► two that overlap: duplicates
    answers that reach clients ─► gaps between them ─► spells with none

The owner is asked all the time, and answers each time: a site's claims that follow each other within ``patience`` are
one spell, in which it was the owner all along. A site that takes over begins after the other's spell has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from typing import Any

from topo.wire.claims import ANSWER


@dataclass(frozen=True)
class Heard:
    """A claim as an edge sent it out."""

    at: float
    """Seconds of the monotonic clock."""
    vip: str
    """Address."""
    kind: str
    """``answer`` or ``announcement``."""
    switch: str
    """The edge."""
    site: str
    """The edge's."""
    port: str
    """The interface that it left by."""
    made: bool
    """Whether this edge made it; False: it passed it on."""
    to_client: bool
    """Whether the port leads to a client."""


@dataclass(frozen=True)
class Spell:
    """A time in which a site claimed a VIP."""

    vip: str
    site: str
    begin: float
    end: float
    claims: int


@dataclass(frozen=True)
class Duplicate:
    """Two sites claimed a VIP at one moment."""

    vip: str
    sites: tuple[str, str]
    begin: float
    end: float
    claims: int
    """Of both, in that time."""


@dataclass(frozen=True)
class Gap:
    """A time in which clients of a site got no answer."""

    vip: str
    site: str
    """Where they ask."""
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


@dataclass(frozen=True)
class Findings:
    """What was found."""

    duplicates: tuple[Duplicate, ...]
    gaps: tuple[Gap, ...]
    """Longer than ``patience``."""
    longest: Mapping[str, float]
    """VIP -> longest time between two answers at one site, seconds."""
    owners: Mapping[str, tuple[str, ...]]
    """VIP -> sites that claimed it, one after the other."""
    answers: int
    """That reached clients."""

    def as_json(self) -> dict[str, Any]:
        """As it is reported."""
        return asdict(self)


def judge(
    heard: Iterable[Heard], asked: Iterable[tuple[str, str]], patience: float, begin: float, end: float
) -> Findings:
    """Findings about the time from ``begin`` to ``end``.

    ``asked``: (VIP, site) whose clients asked for it all that time, much more often than every ``patience`` seconds.
    """
    known = sorted((each for each in heard if begin <= each.at <= end), key=lambda each: each.at)
    spells = [
        spell for vip in _by_vip(each for each in known if each.made) for spell in _spells(vip, patience)
    ]
    reached = [each for each in known if each.kind == ANSWER and each.to_client]
    asked = sorted(set(asked))
    every = {each.vip for each in known} | {vip for vip, _ in asked}
    gaps = [gap for vip, site in asked for gap in _gaps(vip, site, reached, begin, end)]
    return Findings(
        tuple(sorted(_duplicates(spells, known), key=lambda each: each.begin)),
        tuple(sorted((gap for gap in gaps if gap.seconds > patience), key=lambda gap: gap.begin)),
        {vip: round(max((g.seconds for g in gaps if g.vip == vip), default=0.0), 4) for vip in sorted(every)},
        {vip: _owners(spells, vip) for vip in sorted(every)},
        len(reached),
    )


def _by_vip(heard: Iterable[Heard]) -> list[list[Heard]]:
    found: dict[str, list[Heard]] = defaultdict(list)
    for each in heard:
        found[each.vip].append(each)
    return list(found.values())


def _spells(heard: Sequence[Heard], patience: float) -> list[Spell]:
    """Of one VIP; ``heard`` in order of time."""
    made: list[Spell] = []
    for site in dict.fromkeys(each.site for each in heard):
        own = [each.at for each in heard if each.site == site]
        begin, claims = own[0], 1
        for before, at in pairwise([*own, float("inf")]):
            if at - before > patience:
                made.append(Spell(heard[0].vip, site, begin, before, claims))
                begin, claims = at, 0
            claims += 1
    return made


def _duplicates(spells: Iterable[Spell], heard: Sequence[Heard]) -> Iterable[Duplicate]:
    for one, other in combinations(spells, 2):
        begin, end = max(one.begin, other.begin), min(one.end, other.end)
        if one.vip == other.vip and one.site != other.site and begin <= end:
            claims = sum(e.made and e.vip == one.vip and begin <= e.at <= end for e in heard)
            yield Duplicate(one.vip, (one.site, other.site), begin, end, claims)


def _gaps(vip: str, site: str, reached: Iterable[Heard], begin: float, end: float) -> list[Gap]:
    own = [each.at for each in reached if (each.vip, each.site) == (vip, site)]
    return [Gap(vip, site, before, at) for before, at in pairwise([begin, *own, end])]


def _owners(spells: Iterable[Spell], vip: str) -> tuple[str, ...]:
    return tuple(spell.site for spell in sorted(spells, key=lambda s: s.begin) if spell.vip == vip)
