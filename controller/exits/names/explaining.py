"""Why a name is answered as it is: the chain with each policy's candidates in and out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from controller.exits.names.candidates import Facts, facts, of_version
from controller.exits.names.chain import Step, firsts, walk
from controller.exits.names.inputs import Inputs
from controller.exits.names.policies import Where
from controller.exits.names.regions import Regions
from controller.exits.names.rtt import BITS, Shared
from controller.spec.addresses import Address
from controller.spec.names import Policy, Service, Zone

TYPES = {"A": 4, "AAAA": 6}
"""Types of records whose answers are explained, and their IP version."""


class UnknownName(ValueError):
    """No balanced name is called so; the message says which are."""


@dataclass(frozen=True)
class Known:
    """One candidate, as it is now."""

    candidate: str
    address: str
    """That is answered."""
    own: str
    """Its own, where another is answered; empty: it is the same."""
    site: str
    """Empty: none, or not known."""
    dead: str
    """Why it does not live; empty: it does, or nothing is known against it."""


@dataclass(frozen=True)
class Answer:
    """One candidate that is left."""

    candidate: str
    address: str
    first: float | None
    """Share of answers in which it comes first; null: that depends on what each name server has counted."""


@dataclass(frozen=True)
class Explained:
    """One name and type, for one asker."""

    name: str
    type: str
    client: str
    """Address that the choice goes by; empty: none was given."""
    resolver: str
    region: str
    """Of the client; empty: it is in none."""
    scope: int
    """Bits of the client's address for which the answer holds (RFC 7871)."""
    rtts: Mapping[str, float]
    """Seconds from each site, as far as measured."""
    candidates: tuple[Known, ...]
    steps: tuple[Step, ...]
    answers: tuple[Answer, ...]
    count: int | None
    """Addresses in a reply, at most; null: all that are left."""
    ttl: int
    otherwise: str
    """The CNAME that is answered in place of addresses; empty: none is."""
    revision: int
    """Change id; 0: it was never stored."""


def explained(
    inputs: Inputs | None, name: str, kind: str, client: Address | None, resolver: Address | None
) -> Explained:
    """``kind``: ``A`` or ``AAAA``. ``client``: of its subnet, or without one the resolver. Raises UnknownName."""
    zone, service = _found(inputs, name)
    assert inputs is not None
    if kind not in TYPES:
        raise UnknownName(f'answers of type "{kind}" are not explained, write {" or ".join(TYPES)}')
    now = facts(inputs, zone, service)
    mine = of_version(now, TYPES[kind])
    asker = _asker(inputs, zone, service, client or resolver, resolver or client)
    tree, steps = walk(service, mine, Where(asker.region, asker.rtts))
    otherwise = service.otherwise is not None and all(each.dead for each in now)
    nothing = service.otherwise is not None and not otherwise and all(each.dead for each in mine)
    by_name = {each.name: str(each.answer) for each in mine}
    rows = () if otherwise or nothing else firsts(tree)
    return Explained(
        zone.whole(service.name)[:-1],
        kind,
        str(client or resolver or ""),
        str(resolver or client or ""),
        asker.region,
        asker.scope,
        asker.rtts,
        tuple(_known(mine)),
        steps,
        tuple(Answer(each, by_name[each], share) for each, share in rows),
        service.answers,
        service.ttl,
        zone.whole(service.otherwise or "") if otherwise else "",
        inputs.revision,
    )


def _found(inputs: Inputs | None, name: str) -> tuple[Zone, Service]:
    wanted = f"{name.strip().lower().rstrip('.')}."
    known = [(zone, each) for zone in (inputs.zones if inputs else ()) for each in zone.services]
    for zone, service in known:
        if zone.whole(service.name) == wanted:
            return zone, service
    names = ", ".join(zone.whole(each.name)[:-1] for zone, each in known[:20]) or "none"
    raise UnknownName(f'no service is called "{name}"; balanced names: {names}')


class _Asker(NamedTuple):
    region: str
    scope: int
    rtts: Mapping[str, float]


def _asker(
    inputs: Inputs, zone: Zone, service: Service, client: Address | None, resolver: Address | None
) -> _Asker:
    if client is None or resolver is None:
        return _Asker("", 0, {})
    region, scope, rtts = "", 0, dict[str, float]()
    if Policy.REGION in service.policies:
        region, scope = Regions(zone.regions).of(client)
    if Policy.RTT in service.policies:
        rtts = dict(Shared(inputs.rtts).near(None, client, resolver))
        scope = max(scope, BITS[client.version])
    return _Asker(region, scope, rtts)


def _known(candidates: Facts) -> Iterator[Known]:
    for each in candidates:
        own = "" if each.answer == each.state.address else str(each.state.address)
        yield Known(each.name, str(each.answer), own, each.site, each.dead)
