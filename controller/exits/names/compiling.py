"""Makes what is served of what it follows from. Pure: the memory of a name server is handed on, and not looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from controller.exits.names.candidates import Facts, facts, of_version
from controller.exits.names.chain import End, left, tree
from controller.exits.names.choosing import Balanced, Ground, Picked, sites_of
from controller.exits.names.content import Choice, Content, RecordSet
from controller.exits.names.content import Zone as Served
from controller.exits.names.ends import Fixed, Make, Pick, picks
from controller.exits.names.fixed import fixed, soa
from controller.exits.names.inputs import Inputs
from controller.exits.names.memory import Memory
from controller.exits.names.policies import Where
from controller.exits.names.regions import Regions
from controller.exits.names.rtt import Shared
from controller.spec.names import Policy, Region, Service, Srv, Zone

_TYPES = {4: "A", 6: "AAAA"}


def compiled(inputs: Inputs, memory: Memory) -> Content:
    """All zones."""
    return Compiler(memory).compiled(inputs)


class _Made(NamedTuple):
    """A service's choices, and what they were made of."""

    zone: Zone
    service: Service
    facts: Facts
    choices: dict[tuple[str, str], Choice]


class Compiler:
    """Makes one content after the other; choices of services of which nothing has changed are taken over."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._made: dict[str, _Made] = {}
        self._regions: dict[str, tuple[tuple[Region, ...], Regions]] = {}
        self._shared: tuple[object, Shared] = (None, Shared({}))

    def compiled(self, inputs: Inputs) -> Content:
        """All zones."""
        if inputs.rtts != self._shared[0]:
            self._shared = inputs.rtts, Shared(inputs.rtts)
            self._made.clear()
        made: dict[str, _Made] = {}
        zones = {zone.origin: self._zone(inputs, zone, made) for zone in inputs.zones}
        self._made = made
        self._regions = {zone.name: self._regions[zone.name] for zone in inputs.zones}
        return Content(inputs.revision, zones)

    def _zone(self, inputs: Inputs, zone: Zone, made: dict[str, _Made]) -> Served:
        known = self._regions.get(zone.name)
        if known is None or known[0] != zone.regions:
            known = self._regions[zone.name] = zone.regions, Regions(zone.regions)
        ground = Ground(known[1], tuple(each.name for each in zone.regions), self._shared[1], self._memory)
        all_fixed, balanced = fixed(zone), dict[tuple[str, str], Choice]()
        for service in zone.services:
            name = zone.whole(service.name)
            now = facts(inputs, zone, service)
            old = self._made.get(name)
            if old is None or (old.facts, old.service, old.zone.regions, old.zone.ttl) != (
                now,
                service,
                zone.regions,
                zone.ttl,
            ):
                old = _Made(zone, service, now, dict(_Compiled(zone, service, now, ground).choices()))
            made[name] = old
            balanced |= old.choices
            if service.srv:
                all_fixed |= dict(_targets(zone, service, now))
        return Served(
            zone.origin, soa(zone, inputs.revision), zone.negative_ttl, all_fixed, balanced, zone.signed
        )


class _Compiled:
    """One service."""

    def __init__(self, zone: Zone, service: Service, now: Facts, ground: Ground) -> None:
        self._zone, self._service, self._facts, self._ground = zone, service, now, ground
        self._name = zone.whole(service.name)
        self._calm = replace(
            service, policies=tuple(each for each in service.policies if each is not Policy.SITE_WEIGHT)
        )

    def choices(self) -> Iterator[tuple[tuple[str, str], Choice]]:
        """By name and type."""
        elsewhere = self._elsewhere()
        for version, kind in _TYPES.items():
            mine = of_version(self._facts, version)
            if mine or self._service.otherwise is not None:
                yield (self._name, kind), self._balanced(mine, elsewhere or self._addresses(mine, kind))
        if self._service.https is not None:
            yield (self._name, "HTTPS"), self._balanced(self._facts, elsewhere or self._https)
        for row in self._service.srv:
            yield (
                (f"{row.name}.{self._name}", "SRV"),
                self._balanced(self._facts, self._srv(row)),
            )

    def _balanced(self, mine: Facts, picked: Picked) -> Balanced:
        return Balanced(self._service, sites_of(mine), self._ground, picked)

    def _elsewhere(self) -> Picked | None:
        """A CNAME, where none lives and the service has one; None: what its candidates are."""
        service = self._service
        if service.otherwise is None or any(not each.dead for each in self._facts):
            return None
        target = self._zone.whole(service.otherwise)
        made = Fixed(RecordSet(self._name, "CNAME", service.ttl, (target,)))
        return lambda _: made

    def _addresses(self, mine: Facts, kind: str) -> Picked:
        service = self._service
        if service.otherwise is not None and all(each.dead for each in mine):
            made = Fixed(RecordSet(self._name, kind, service.ttl, ()))
            return lambda _: made

        def picked(where: Where) -> Pick:
            found = tree(service, mine, where)
            return picks(found, kind, service.answers, self._maker(kind), self._ground.memory, self._name)

        return picked

    def _maker(self, kind: str) -> _Maker:
        return _Maker(self._name, kind, self._service.ttl)

    def _left(self, where: Where) -> Facts:
        """Of both IP versions, before a site is drawn."""
        ends = (tree(self._calm, of_version(self._facts, version), where) for version in _TYPES)
        return tuple(each for end in ends for each in left(end))

    def _https(self, where: Where) -> Pick:
        said = self._service.https
        assert said is not None
        words = ["1", "."]
        if said.alpn:
            words.append(f'alpn="{",".join(said.alpn)}"')
        if said.port is not None:
            words.append(f"port={said.port}")
        facts = self._left(where) if said.hints else ()
        for version in _TYPES:
            hints = ",".join(str(each.answer) for each in of_version(facts, version))
            if hints:
                words.append(f"ipv{version}hint={hints}")
        return Fixed(RecordSet(self._name, "HTTPS", self._service.ttl, (" ".join(words),)))

    def _srv(self, row: Srv) -> Picked:
        def picked(where: Where) -> Pick:
            values = tuple(
                f"{row.priority} {each.weight} {row.port} {_target(each.name, self._name)}"
                for each in self._left(where)
            )
            return Fixed(RecordSet(f"{row.name}.{self._name}", "SRV", self._service.ttl, values))

        return picked


class _Maker:
    """Makes address records of the candidates at an end."""

    def __init__(self, name: str, kind: str, ttl: int) -> None:
        self._name, self._kind, self._ttl = name, kind, ttl

    def __call__(self, end: End) -> Make:
        """What makes them of places in it."""
        texts = tuple(str(each.answer) for each in end.left)

        def make(places: Sequence[int]) -> RecordSet:
            return RecordSet(self._name, self._kind, self._ttl, tuple(texts[place] for place in places))

        return make


def _targets(zone: Zone, service: Service, now: Facts) -> Iterator[tuple[tuple[str, str], RecordSet]]:
    """Addresses of the names that SRV records lead to."""
    for each in now:
        name = _target(each.name, zone.whole(service.name))
        kind = _TYPES[each.answer.version]
        yield (name, kind), RecordSet(name, kind, service.ttl, (str(each.answer),))


def _target(candidate: str, name: str) -> str:
    return f"{candidate.lower()}.{name}"
