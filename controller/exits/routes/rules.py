"""What each speaker should announce, and why: from the plan's inputs alone. Pure.

owners, fitness, admitted lb switches, drains ─► conditions of (speaker, VIP) ─► Wish
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from controller.exits.base import Seen
from controller.sites.placement import SiteState
from controller.spec.routes import Preference, RoutedVip, Routes, Speaker, Spread
from controller.spec.types import Intent, Vip


class Name(StrEnum):
    """What an announcement needs."""

    OWNER = "owner"
    """The speaker's site owns the VIP; with ``backups``, or is on its list."""
    SITE = "site"
    """It is fit, by the conditions of ownership."""
    LB = "lb"
    """The lb switch that the speaker is beside is in use."""
    SERVICE = "service"
    """Neither the site nor the speaker is drained."""


class Condition(NamedTuple):
    """One of them, as it is."""

    name: Name
    met: bool
    value: str
    on_purpose: bool = False
    """If it is not met: routers are asked to send elsewhere before they lose the way."""


class Slot(NamedTuple):
    """A VIP at a speaker."""

    speaker: str
    vip: str


@dataclass(frozen=True)
class Attributes:
    """What routers are told of a VIP beside its address."""

    med: int
    cost: int
    prepend: int
    local_pref: int
    communities: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """Whether a VIP should be announced at a speaker, and how."""

    prefix: str
    """Such as ``10.0.0.100/32``."""
    attributes: Attributes
    conditions: tuple[Condition, ...]

    @property
    def met(self) -> bool:
        """All conditions are."""
        return all(each.met for each in self.conditions)

    @property
    def on_purpose(self) -> bool:
        """What is not met is so on purpose, so that there is time."""
        return all(each.on_purpose for each in self.conditions if not each.met)

    @property
    def why(self) -> str:
        """What is not met, in words; or all conditions."""
        lacks = [each for each in self.conditions if not each.met]
        return ", ".join(f"{each.name}: {each.value}" for each in lacks or self.conditions)


def wishes(seen: Seen) -> dict[Slot, Wish]:
    """Of every VIP that may be announced, at every speaker that may announce it."""
    intent, routes = seen.intent, seen.intent.routes
    sites = {switch.name: switch.site for switch in intent.switches}
    made: dict[Slot, Wish] = {}
    for vip in intent.vips:
        own = routes.vip(vip.name)
        if own is None:
            continue
        for speaker in routes.speakers:
            site = sites[speaker.switch]
            if site in vip.owners and speaks(speaker, vip.address.version):
                steps = vip.owners.index(site) + _aside(intent, vip, speaker)
                made[Slot(speaker.name, vip.name)] = Wish(
                    prefix_of(vip),
                    attributes(routes, own, steps),
                    tuple(_conditions(seen, vip, speaker, site)),
                )
    return made


def prefix_of(vip: Vip) -> str:
    """Of one address."""
    return f"{vip.address}/{vip.address.max_prefixlen}"


def in_use(seen: Seen, speaker: Speaker) -> bool:
    """Whether the lb switch that a speaker is beside takes packets."""
    return speaker.switch in seen.admitted and speaker.switch not in seen.absent


def speaks(speaker: Speaker, version: int) -> bool:
    """Whether a speaker tells anyone of addresses of an IP version."""
    neighbors = speaker.bgp.neighbors if speaker.bgp else ()
    return speaker.ospf is not None or any(each.address.version == version for each in neighbors)


def attributes(routes: Routes, own: RoutedVip, steps: int) -> Attributes:
    """At a place that is so many steps from the best."""
    of: Preference = routes.preference
    return Attributes(
        (of.med if own.med is None else own.med) + steps * of.med_step,
        (of.cost if own.cost is None else own.cost) + steps * of.cost_step,
        steps * of.prepend,
        of.local_pref - steps * of.local_pref_step,
        tuple(sorted({*routes.communities, *own.communities}, key=_numbers)),
    )


def _numbers(community: str) -> tuple[int, ...]:
    """Its order among others, which is the engine's."""
    return tuple(map(int, community.split(":")))


def _aside(intent: Intent, vip: Vip, speaker: Speaker) -> int:
    """1 where the spread prefers another speaker of the site."""
    if intent.routes.spread is Spread.ECMP:
        return 0
    sites = {switch.name: switch.site for switch in intent.switches}
    peers = [s.name for s in intent.routes.speakers if sites[s.switch] == sites[speaker.switch]]
    if len(peers) < 2:
        return 0
    return int(peers.index(speaker.name) % 2 != int(vip.address) % 2)


def _conditions(seen: Seen, vip: Vip, speaker: Speaker, site: str) -> Iterator[Condition]:
    """``site`` and ``owner`` may fail since an operator drains the site: that is the condition ``service``'s."""
    drained = site in seen.drained
    owner = seen.owners.get(vip.name, "")
    fit, why = _fitness(seen.sites, site)
    backup = seen.intent.routes.backups
    yield Condition(Name.OWNER, owner == site or backup, owner or "none", on_purpose=fit)
    yield Condition(Name.SITE, fit, why)
    lb = in_use(seen, speaker)
    yield Condition(Name.LB, lb, f"{speaker.switch} {'in use' if lb else 'not in use'}")
    who = (
        f"site {site} is drained"
        if drained
        else f"{speaker.name} is drained"
        if speaker.drain
        else "in service"
    )
    yield Condition(Name.SERVICE, not (drained or speaker.drain), who, on_purpose=True)


def _fitness(sites: Mapping[str, SiteState] | None, site: str) -> tuple[bool, str]:
    """A site that was not looked at yet, or that nothing judges, counts as fit: what it announces stays."""
    if sites is None or site not in sites:
        return True, "not judged"
    fitness = sites[site].fitness
    return fitness.fit, fitness.why
