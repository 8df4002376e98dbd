"""Records of a zone that are the same for all, in presentation format. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from controller.exits.names.content import RecordSet
from controller.spec.names import NameServer, Record, RecordType, Zone

REFRESH, RETRY, EXPIRE = 7200, 900, 1209600
"""Seconds in SOA records: for secondaries, of which there are none."""
_TEXT = 255
"""Octets of one string of a TXT record."""

Fixed = dict[tuple[str, str], RecordSet]


def soa(zone: Zone, revision: int) -> RecordSet:
    """The start of authority; its serial is the revision that it follows from, modulo 2 to the 32nd."""
    primary = zone.whole(zone.servers[0].name)
    user, _, domain = zone.contact.partition("@")
    mailbox = f"{user}.{domain}." if domain else f"{user}.{zone.origin}"
    numbers = f"{revision % 2**32} {REFRESH} {RETRY} {EXPIRE} {zone.negative_ttl}"
    return RecordSet(zone.origin, "SOA", zone.ttl, (f"{primary} {mailbox} {numbers}",))


def fixed(zone: Zone) -> Fixed:
    """All but the SOA and what services make."""
    found: Fixed = {}
    _name_servers(found, zone, zone.origin, zone.servers, zone.ttl)
    for part in zone.delegations:
        ttl = zone.ttl if part.ttl is None else part.ttl
        name = zone.whole(part.name)
        _name_servers(found, zone, name, part.servers, ttl)
        if part.ds:
            found[name, "DS"] = RecordSet(name, "DS", ttl, part.ds)
    for record in zone.records:
        name = zone.whole(record.name)
        ttl = zone.ttl if record.ttl is None else record.ttl
        values = tuple(_value(zone, record, value) for value in record.values)
        found[name, record.type.value] = RecordSet(name, record.type.value, ttl, values)
    return found


def _name_servers(found: Fixed, zone: Zone, owner: str, servers: Iterable[NameServer], ttl: int) -> None:
    names = tuple(zone.whole(server.name) for server in servers)
    found[owner, "NS"] = RecordSet(owner, "NS", ttl, names)
    for server, name in zip(servers, names, strict=True):
        for version, kind in ((4, "A"), (6, "AAAA")):
            values = tuple(str(each) for each in server.addresses if each.version == version)
            if values:
                found[name, kind] = RecordSet(name, kind, ttl, values)


def _value(zone: Zone, record: Record, value: str) -> str:
    if record.type is RecordType.TXT:
        return " ".join(quoted(value[at : at + _TEXT]) for at in range(0, len(value), _TEXT))
    if record.type in (RecordType.A, RecordType.AAAA):
        return value
    numbers, space, target = value.rpartition(" ")
    return f"{numbers}{space}{zone.whole(target)}"


def quoted(text: str) -> str:
    """A string as zone files have it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
