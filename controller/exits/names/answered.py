"""Which candidates may be answered for each name: what events and status are about. Pure.

Sets are those that any client may get; times and counts of connections are not looked at, since they change often and
say nothing about who lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from controller.exits.names.candidates import Facts, facts, of_version
from controller.exits.names.chain import left, tree
from controller.exits.names.inputs import Inputs
from controller.exits.names.policies import Where
from controller.spec.names import COUNTS, Policy, Region, Service, Zone

_PASSING = COUNTS | {Policy.RTT, Policy.ACTIVE_SERVERS}


@dataclass(frozen=True)
class Answered:
    """One name."""

    name: str
    candidates: Mapping[str, str]
    """Why each does not live; empty: it does, or nothing is known against it."""
    answers: tuple[str, ...]
    """Those that may be answered, in the order of the intent."""

    @property
    def live(self) -> int:
        """How many live."""
        return sum(not why for why in self.candidates.values())


class Answers:
    """Of one state after the other; what is known of a name whose candidates are as they were is not made again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Service, tuple[Region, ...], Facts, Answered]] = {}

    def of(self, inputs: Inputs) -> dict[str, Answered]:
        """All names that are balanced, whole and without the dot at the end."""
        before, self._known = self._known, {}
        for zone in inputs.zones:
            for service in zone.services:
                name, now = zone.whole(service.name)[:-1], facts(inputs, zone, service)
                old = before.get(name)
                if old is None or old[:3] != (service, zone.regions, now):
                    old = service, zone.regions, now, _answered(zone, service, now)
                self._known[name] = old
        return {name: known[3] for name, known in self._known.items()}


def _answered(zone: Zone, service: Service, now: Facts) -> Answered:
    calm = replace(service, policies=tuple(each for each in service.policies if each not in _PASSING))
    regions = ("", *(each.name for each in zone.regions)) if Policy.REGION in service.policies else ("",)
    possible = {
        each.name
        for version in (4, 6)
        for region in regions
        for each in left(tree(calm, of_version(now, version), Where(region)))
    }
    if service.otherwise is not None and all(each.dead for each in now):
        possible = set()
    names = tuple(each.name for each in now if each.name in possible)
    return Answered(zone.whole(service.name)[:-1], {each.name: each.dead for each in now}, names)


def news(before: Answered, after: Answered) -> str:
    """Why candidates do not live, of those of which that is new."""
    rows = (
        f"{name}: {why}"
        for name, why in after.candidates.items()
        if why and why != before.candidates.get(name)
    )
    return "; ".join(rows)
