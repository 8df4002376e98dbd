"""The schema of zones of names: reading them, in the order of the file::

    zones: name, ttl, negative_ttl, contact, signed, servers: [{name, addresses, site}],
           regions: [{name, prefixes, served_by}], records: [{name, type, values, ttl}],
           delegations: [{name, servers: [...], ttl, ds}], labels,
           services: [{name, ttl, answers, policies, none_live, otherwise, port, health: {...}, threshold,
                       rtt_within, site_weights, https: {alpn, port, hints}, srv: [{name, port, priority}],
                       candidates: [{name, vip | address, public, site, regions, weight, preference}]}]

``check_zones.py`` looks at what they mean together, ``zonedocument.py`` writes them.
"""

from __future__ import annotations

from controller.model import dnsvalues as d
from controller.model import fields as f
from controller.model.labels import read_labels
from controller.model.pools import read_health
from controller.model.reader import Place, Record, each, things
from controller.model.units import Wrong
from controller.model.yaml_source import Mapping, Sequence
from controller.spec.names import (
    Candidate,
    Delegation,
    Https,
    NameServer,
    NoneLive,
    Policy,
    RecordType,
    Region,
    Service,
    Srv,
    Zone,
)
from controller.spec.names import Record as Fixed

_SERVERS = "[{name: ns1, addresses: [192.0.2.53]}]"
_WEIGHT = f.whole(0, 65535)
_PORT = f.whole(1, 65535)


def read_zone(place: Place) -> Zone | None:
    """One entry of ``zones``."""
    r = Record(place, "zone")
    name = r.name("zone", d.zone_name, "name: example.net")
    ttl = r.get("ttl", d.ttl, Zone.ttl)
    negative_ttl = r.get("negative_ttl", d.ttl, Zone.negative_ttl)
    contact = r.get("contact", d.contact, Zone.contact)
    signed = r.get("signed", f.flag, Zone.signed)
    servers = r.need("servers", things(read_server, "name server", _SERVERS), f"servers: {_SERVERS}")
    regions = r.get("regions", things(read_region, "region", "[{name: eu, prefixes: [192.0.2.0/24]}]"), ())
    services = r.get("services", things(read_service, "service", "[{name: shop, candidates: [...]}]"), ())
    records = r.get(
        "records", things(_read_record, "record", "[{name: www, type: CNAME, values: [shop]}]"), ()
    )
    delegations = r.get(
        "delegations", things(read_delegation, "delegation", "[{name: eu, servers: [...]}]"), ()
    )
    labels = r.get("labels", read_labels, ())
    if not r.close():
        return None
    made = Zone(
        name, servers, ttl, negative_ttl, contact, signed, regions, services, records, delegations, labels
    )
    return r.built(made)


def read_server(place: Place) -> NameServer | None:
    """One entry of ``servers``."""
    r = Record(place, "name server")
    name = r.name("name server", d.name, "name: ns1")
    addresses = r.get("addresses", each(f.address, "write a list: [192.0.2.53]"), ())
    site = r.get("site", f.name, None)
    return r.built(NameServer(name, addresses, site)) if r.close() else None


def read_region(place: Place) -> Region | None:
    """One entry of a zone's ``regions``."""
    r = Record(place, "region")
    name = r.name("region", f.name, "name: eu")
    prefixes = r.need(
        "prefixes", each(f.network, "write a list of prefixes: [192.0.2.0/24]"), "prefixes: [...]"
    )
    sites = r.get("served_by", each(f.name, "write a list of sites: [east]"), ())
    return r.built(Region(name, prefixes, sites)) if r.close() else None


def read_delegation(place: Place) -> Delegation | None:
    """One entry of a zone's ``delegations``."""
    r = Record(place, "delegation")
    name = r.name("delegation", d.name, "name: eu")
    servers = r.need("servers", things(read_server, "name server", _SERVERS), f"servers: {_SERVERS}")
    ttl = r.get("ttl", d.ttl, None)
    ds = r.get("ds", each(d.digest, 'write a list: ["12345 13 2 0a1b..."]'), ())
    return r.built(Delegation(name, servers, ttl, ds)) if r.close() else None


def _read_record(place: Place) -> Fixed | None:
    """One entry of a zone's ``records``."""
    r = Record(place, "record")
    name = r.need("name", d.name, "name: www")
    kind = r.need("type", f.choice(RecordType), "type: CNAME", RecordType.TXT)
    texts = r.need("values", each(f.text, "write a list of texts"), "values: [...]", ())
    values = _values(r, kind, texts)
    ttl = r.get("ttl", d.ttl, None)
    return r.built(Fixed(name, kind, values, ttl)) if r.close() else None


def _values(r: Record, kind: RecordType, texts: tuple[str, ...]) -> tuple[str, ...]:
    out = []
    for text in texts:
        try:
            out.append(d.value_of(kind, text))
        except Wrong as wrong:
            r.fail("values", f"a value of type {kind} {wrong.problem}", wrong.right)
            return ()
    return tuple(out)


def read_service(place: Place) -> Service | None:
    """One entry of a zone's ``services``."""
    r = Record(place, "service")
    name = r.name("service", d.name, "name: shop")
    candidate = things(read_candidate, "candidate", "[{vip: shop}]")
    made = Service(
        name=name,
        candidates=r.need("candidates", candidate, "candidates: [{vip: shop}]", ()),
        ttl=r.get("ttl", d.ttl, Service.ttl),
        answers=r.get("answers", d.answers, Service.answers),
        policies=r.get(
            "policies", each(f.choice(Policy), "write a list: [health, round-robin]"), Service.policies
        ),
        none_live=r.get("none_live", f.choice(NoneLive), Service.none_live),
        otherwise=r.get("otherwise", d.name, None),
        port=r.get("port", _PORT, None),
        health=r.get("health", read_health, None),
        threshold=r.get("threshold", f.share, Service.threshold),
        rtt_within=r.get("rtt_within", f.duration(0, 10), Service.rtt_within),
        site_weights=r.get("site_weights", _site_weights, ()),
        https=r.get("https", _read_https, None),
        srv=r.get("srv", things(read_srv, "SRV record", "[{name: _https._tcp, port: 443}]"), ()),
    )
    return r.built(made) if r.close() else None


def read_candidate(place: Place) -> Candidate | None:
    """One entry of a service's ``candidates``."""
    r = Record(place, "candidate")
    vip = r.get("vip", f.name, None)
    address = r.get("address", f.address, None)
    usual = vip if vip is not None else "" if address is None else str(address)
    name = r.get("name", f.name, usual)
    if r.has("vip") == r.has("address"):
        problem = (
            'both "vip" and "address" are given' if r.has("vip") else 'neither "vip" nor "address" is given'
        )
        r.fail("address", problem, "write one of the two")
        r.complete = False
    made = Candidate(
        name=name,
        vip=vip,
        address=address,
        public=r.get("public", f.address, None),
        site=r.get("site", f.name, None),
        regions=r.get("regions", each(f.name, "write a list of regions: [eu]"), ()),
        weight=r.get("weight", _WEIGHT, Candidate.weight),
        preference=r.get("preference", f.whole(0, 65535), Candidate.preference),
    )
    if r.place.source.asked is None and not name:
        r.complete = False
    return r.built(made) if r.close() else None


def _read_https(place: Place) -> Https:
    """The ``https`` key of a service."""
    r = Record(place, "https")
    made = Https(
        r.get("alpn", each(d.alpn, "write a list: [h2, h3]"), ()),
        r.get("port", _PORT, None),
        r.get("hints", f.flag, Https.hints),
    )
    r.close()
    return r.built(made)


def read_srv(place: Place) -> Srv | None:
    """One entry of a service's ``srv``."""
    r = Record(place, "SRV record")
    name = r.name("SRV record", d.srv_name, "name: _https._tcp")
    port = r.need("port", _PORT, "port: 443", 0)
    priority = r.get("priority", f.whole(0, 65535), Srv.priority)
    return r.built(Srv(name, port, priority)) if r.close() else None


def _site_weights(place: Place) -> tuple[tuple[str, int], ...]:
    """Mapping of sites to whole numbers, such as `{east: 3, west: 1}`."""
    if not isinstance(place.node, Mapping) or isinstance(place.node, Sequence):
        raise Wrong(f"is {place.node}", "write sites and weights: {east: 3, west: 1}")
    found: dict[str, int] = {}
    for entry in place.node.entries:
        path = (*place.path, entry.key.text)
        site = Place(place.source, entry.key, path, "site").convert(f.name)
        weight = Place(place.source, entry.value, path, f"weight of {entry.key.text}").convert(_WEIGHT)
        if site is not None and weight is not None:
            found[site[0]] = weight[0]
    return tuple(sorted(found.items()))
