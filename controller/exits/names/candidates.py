"""Candidates as policies see them: what the intent says of each, and what is known of it now. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.exits.names.inputs import Inputs, State
from controller.spec.addresses import Address
from controller.spec.names import Candidate, Service, Zone


@dataclass(frozen=True, slots=True)
class Fact:
    """One candidate at one moment."""

    name: str
    answer: Address
    """What is answered: its ``public`` address, or its own."""
    site: str
    """Where it is; empty: nowhere, or not known."""
    regions: frozenset[str]
    """Whose clients it serves: those named of it, and those that its site serves."""
    weight: int
    preference: int
    state: State

    @property
    def dead(self) -> str:
        """Why it does not live; empty: it does, or nothing is known against it."""
        if self.state.up is False:
            return f"probes: {self.state.why or 'down'}"
        return self.state.word


Facts = tuple[Fact, ...]


def facts(inputs: Inputs, zone: Zone, service: Service) -> Facts:
    """All candidates of a service, in the order of the intent."""
    by_site: dict[str, set[str]] = {}
    for region in zone.regions:
        for site in region.served_by:
            by_site.setdefault(site, set()).add(region.name)
    return tuple(_facts(inputs, zone, service, by_site))


def of_version(candidates: Facts, version: int) -> Facts:
    """Those whose answer is of an IP version."""
    return tuple(each for each in candidates if each.answer.version == version)


def _facts(inputs: Inputs, zone: Zone, service: Service, by_site: dict[str, set[str]]) -> Iterator[Fact]:
    for candidate in service.candidates:
        state = inputs.state(zone, service.name, candidate.name)
        yield _fact(candidate, state, by_site)


def _fact(candidate: Candidate, state: State, by_site: dict[str, set[str]]) -> Fact:
    return Fact(
        candidate.name,
        candidate.public or state.address,
        state.site,
        frozenset(candidate.regions) | by_site.get(state.site, frozenset()),
        candidate.weight,
        candidate.preference,
        state,
    )
