"""Whether zones of names can be carried out: names that exclude each other, hosts without addresses, and services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.model.check_services import check_service
from controller.model.findings import Findings
from controller.spec.names import Delegation, NameServer, Record, Service, Zone


def check_zones(found: Findings) -> None:
    """All of them."""
    for zone in found.intent.zones:
        _check_servers(found, zone)
        _check_regions(found, zone)
        _check_owners(found, zone)
        for service in zone.services:
            check_service(found, zone, service)


def _check_servers(found: Findings, zone: Zone) -> None:
    if not zone.servers:
        hint = "name at least one: [{name: ns1, addresses: [192.0.2.53]}]"
        found.add(zone, "servers", f'zone "{zone.name}" has no name server', hint)
    _check_glue(found, zone, zone.servers, zone.origin)
    for part in zone.delegations:
        _check_delegation(found, zone, part)
    if "@" not in zone.contact:
        return
    if not zone.contact.partition("@")[2]:
        found.add(zone, "contact", f'zone "{zone.name}": contact has no domain', "write NAME or NAME@DOMAIN")


def _check_delegation(found: Findings, zone: Zone, part: Delegation) -> None:
    name = zone.whole(part.name)
    if not _is_below(name, zone.origin) or name == zone.origin or "*" in name:
        message = f'delegation "{part.name}" of zone "{zone.name}" is no name below the zone'
        found.add(part, "name", message, f"write one that is, such as eu or eu.{zone.name}.")
    if not part.servers:
        message = f'delegation "{part.name}" of zone "{zone.name}" has no name server'
        found.add(part, "servers", message, "name at least one, or leave the delegation out")
    _check_glue(found, zone, part.servers, zone.origin)


def _check_glue(found: Findings, zone: Zone, servers: Iterable[NameServer], origin: str) -> None:
    for server in servers:
        inside = _is_below(zone.whole(server.name), origin)
        if inside and not server.addresses:
            message = f'name server "{server.name}" is in the zone "{zone.name}" and has no address'
            hint = "add its addresses, so that resolvers can reach it: addresses: [192.0.2.53]"
            found.add(server, "addresses", message, hint)
        if not inside and server.addresses:
            message = (
                f'name server "{server.name}" is not in the zone "{zone.name}", which cannot say its address'
            )
            found.add(server, "addresses", message, "leave addresses out")
        if server.site is not None and server.site not in found.names("site"):
            found.dangling(server, "site", server.site, "site", f'name server "{server.name}"')


def _check_regions(found: Findings, zone: Zone) -> None:
    known = found.names("site") | {c.site for s in zone.services for c in s.candidates if c.site is not None}
    seen: dict[object, str] = {}
    for region in zone.regions:
        for site in region.served_by:
            if site not in known:
                found.dangling(region, "served_by", site, "site", f'region "{region.name}"')
        for prefix in region.prefixes:
            other = seen.setdefault(prefix, region.name)
            if other != region.name:
                message = f'regions "{other}" and "{region.name}" of zone "{zone.name}" both have {prefix}'
                found.add(
                    region, "prefixes", message, "give it to one of them; a longer prefix may be another's"
                )


# -- names that exclude each other -------------------------------------------------------------------------------

Owner = tuple[str, str, object, str]
"""Name, type, the thing that has it, and the key of that."""


def _owners(zone: Zone) -> Iterator[Owner]:
    for record in zone.records:
        yield zone.whole(record.name), record.type.value, record, "name"
    for service in zone.services:
        yield from _of_service(zone, service)
    for server in (*zone.servers, *(each for part in zone.delegations for each in part.servers)):
        for version in sorted({each.version for each in server.addresses}):
            yield zone.whole(server.name), "A" if version == 4 else "AAAA", server, "name"


def _of_service(zone: Zone, service: Service) -> Iterator[Owner]:
    name = zone.whole(service.name)
    for kind in ("A", "AAAA", *(("HTTPS",) if service.https else ())):
        yield name, kind, service, "name"
    for each in service.srv:
        yield f"{each.name}.{name}", "SRV", each, "name"
    if service.srv:
        for candidate in service.candidates:
            yield f"{candidate.name.lower()}.{name}", "A", candidate, "name"


def _check_owners(found: Findings, zone: Zone) -> None:
    cuts = {zone.whole(part.name): part for part in zone.delegations}
    types: dict[str, dict[str, object]] = {}
    for name, kind, thing, key in _owners(zone):
        glue = isinstance(thing, NameServer)
        if not _is_below(name, zone.origin):
            if not glue:
                message = f'"{name}" is not in the zone "{zone.name}"'
                found.add(thing, key, message, "leave the dot at the end out, or write a name of the zone")
            continue
        cut = next((each for each in cuts if _is_below(name, each)), None)
        if cut is not None and not glue:
            message = f'"{name}" is in the part "{cuts[cut].name}" of zone "{zone.name}", which others serve'
            found.add(thing, key, message, "leave it or the delegation out")
        before = types.setdefault(name, {})
        if kind in before and not (glue and isinstance(before[kind], NameServer)):
            message = f'zone "{zone.name}" has {kind} records of "{name}" twice'
            found.add(thing, key, message, "give them in one place")
        before[kind] = thing
    for name, kinds in types.items():
        record = kinds.get("CNAME")
        if isinstance(record, Record):
            _check_cname(found, zone, name, record, alone=len(kinds) == 1 and name != zone.origin)


def _check_cname(found: Findings, zone: Zone, name: str, record: Record, alone: bool) -> None:
    if not alone:
        message = f'"{name}" of zone "{zone.name}" has a CNAME beside other records'
        hint = "a name with a CNAME has nothing else: choose another name"
        found.add(record, ("type", "name"), message, hint)
    if len(record.values) > 1:
        found.add(record, "values", f'the CNAME "{name}" leads to several names', "give one")


def _is_below(name: str, origin: str) -> bool:
    return name == origin or name.endswith(f".{origin}")
