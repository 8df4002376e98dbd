"""The key ``routes`` of an intent file: reading it, and writing it as plain values.

routes: {speakers: [{name, switch, sockets, router_id, engine, drain,
                     bgp: {as, neighbors: [{address, as, bfd, password_file, hold}]},
                     ospf: {interfaces: [{name, cost, network, bfd}], area, hello, dead}}],
         vips: [{name, med, cost, communities}], backups, spread, max_vips, communities, graceful,
         preference: {...}, bfd: {interval, multiplier}, dampening: {flaps, window, hold}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import IPv4Address
from typing import Any

from controller.model import fields as f
from controller.model.reader import Place, Record, each, shortened, things
from controller.model.units import Wrong, format_duration
from controller.spec.addresses import Address
from controller.spec.routes import (
    NO_ROUTES,
    Bfd,
    Bgp,
    Dampening,
    Engine,
    Neighbor,
    Network,
    Ospf,
    OspfInterface,
    Preference,
    RoutedVip,
    Routes,
    Speaker,
    Spread,
)

MOST_MED = 2**32 - 1
MOST_COST = 16_777_213
"""Largest metric of an external LSA that is not infinite, less one that says: not if there is another way."""
_MOST_AS = 2**32 - 1
_RESERVED = (0, 65535)
"""First halves of communities that are not for operators (RFC 1997): routers act upon some by themselves."""
_LONGEST_PATH = 90
"""Octets of a directory that leave room for a socket's name in a socket address (108)."""
_LONGEST_WAIT = 3600.0
_COMMUNITY = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")
_AREA = IPv4Address(0)
_AS = f.whole(1, _MOST_AS)
_MED, _COST = f.whole(0, MOST_MED), f.whole(1, MOST_COST)
_SECONDS = f.duration(0, _LONGEST_WAIT)


def community(place: Place) -> str:
    """BGP community such as ``65000:100``; not a reserved one."""
    right = "write two numbers such as 65000:100, in quotes"
    scalar = place.scalar(right)
    match = _COMMUNITY.fullmatch(scalar.text)
    if match is None or not isinstance(scalar.value, str) or max(map(int, match.groups())) > 65535:
        raise Wrong(f"is {scalar}", right)
    if int(match[1]) in _RESERVED:
        right = "begin it with the number of an AS; drain: true asks for the graceful-shutdown community"
        raise Wrong(f"is {scalar}, which is reserved", right)
    return f"{int(match[1])}:{int(match[2])}"


def directory(place: Place) -> str:
    """Path of a directory, from ``/``, at most 90 octets without blanks."""
    found = f.text(place)
    if not found.startswith("/") or len(found.encode()) > _LONGEST_PATH or re.search(r"\s", found):
        raise Wrong(f'is "{found}"', f"write a path such as /run/frr, of {_LONGEST_PATH} octets at most")
    return found.rstrip("/") or "/"


def ipv4(place: Place) -> Address:
    """IPv4 address."""
    found = f.address(place)
    if not isinstance(found, IPv4Address):
        raise Wrong(f"is {found}", "write an IPv4 address such as 10.0.0.1")
    return found


def area(place: Place) -> Address:
    """OSPF area, such as ``0.0.0.0`` or ``7``."""
    right = "write four numbers such as 0.0.0.7, or one such as 7"
    text = place.scalar(right).text
    try:
        return IPv4Address(int(text) if text.isdecimal() and text.isascii() else text)
    except ValueError:
        raise Wrong(f"is {shortened(text)}", right) from None


_communities = each(community, 'write a list: ["65000:100"]')


def read_routes(place: Place) -> Routes:
    """Announcements to routers."""
    r = Record(place, "routes")
    routes = Routes(
        r.get("speakers", things(_read_speaker, "speaker", "[{name: sp1, switch: lb1, ...}]"), ()),
        r.get("vips", things(_read_vip, "announced vip", "[{name: shop}]"), ()),
        r.get("backups", f.flag, Routes.backups),
        r.get("spread", f.choice(Spread), Routes.spread),
        r.get("max_vips", f.whole(1, 100_000), Routes.max_vips),
        r.get("communities", _communities, ()),
        r.get("graceful", _SECONDS, Routes.graceful),
        r.get("preference", _read_preference, NO_ROUTES.preference),
        r.get("bfd", _read_bfd, NO_ROUTES.bfd),
        r.get("dampening", _read_dampening, NO_ROUTES.dampening),
    )
    r.close()
    return r.built(routes)


def _read_speaker(place: Place) -> Speaker | None:
    """One entry of ``speakers``."""
    r = Record(place, "speaker")
    speaker = Speaker(
        r.name("speaker", f.name, "name: sp1"),
        r.need("switch", f.name, "switch: lb1, the lb switch that it is beside"),
        r.need("sockets", directory, "sockets: /run/frr"),
        r.need("router_id", ipv4, "router_id: 10.5.1.100"),
        r.get("engine", f.choice(Engine), Speaker.engine),
        r.get("drain", f.flag, Speaker.drain),
        r.get("bgp", _read_bgp, None),
        r.get("ospf", _read_ospf, None),
    )
    return r.built(speaker) if r.close() else None


def _read_bgp(place: Place) -> Bgp:
    """What a speaker says by BGP."""
    r = Record(place, "bgp")
    asn = r.need("as", _AS, "as: 65010", 1)
    neighbors = things(_read_neighbor, "neighbor", "[{address: 10.5.1.1, as: 65001}]")
    bgp = Bgp(asn, r.need("neighbors", neighbors, "neighbors: [{address: 10.5.1.1, as: 65001}]", ()))
    r.close()
    return r.built(bgp)


def _read_neighbor(place: Place) -> Neighbor | None:
    """One entry of ``neighbors``."""
    r = Record(place, "neighbor")
    neighbor = Neighbor(
        r.need("address", f.address, "address: 10.5.1.1"),
        r.need("as", _AS, "as: 65001"),
        r.get("bfd", f.flag, Neighbor.bfd),
        r.get("password_file", f.text, None),
        r.get("hold", f.whole(3, 65535), Neighbor.hold),
    )
    return r.built(neighbor) if r.close() else None


def _read_ospf(place: Place) -> Ospf:
    """What a speaker says by OSPF."""
    r = Record(place, "ospf")
    example = "[{name: eth0}]"
    interfaces = r.need(
        "interfaces", things(_read_interface, "interface", example), f"interfaces: {example}", ()
    )
    ospf = Ospf(
        interfaces,
        r.get("area", area, _AREA),
        r.get("hello", f.whole(1, 3600), Ospf.hello),
        r.get("dead", f.whole(2, 65535), Ospf.dead),
    )
    r.close()
    return r.built(ospf)


def _read_interface(place: Place) -> OspfInterface | None:
    """One entry of ``interfaces``."""
    r = Record(place, "interface")
    interface = OspfInterface(
        r.need("name", f.interface, "name: eth0"),
        r.get("cost", f.whole(1, 65535), OspfInterface.cost),
        r.get("network", f.choice(Network), OspfInterface.network),
        r.get("bfd", f.flag, OspfInterface.bfd),
    )
    return r.built(interface) if r.close() else None


def _read_vip(place: Place) -> RoutedVip | None:
    """One entry of the ``vips`` of ``routes``."""
    r = Record(place, "announced vip")
    vip = RoutedVip(
        r.name("announced vip", f.name, "name: shop"),
        r.get("med", _MED, None),
        r.get("cost", _COST, None),
        r.get("communities", _communities, ()),
    )
    return r.built(vip) if r.close() else None


def _read_preference(place: Place) -> Preference:
    """What makes one place better than another."""
    r = Record(place, "preference")
    preference = Preference(
        r.get("med", _MED, Preference.med),
        r.get("med_step", _MED, Preference.med_step),
        r.get("cost", _COST, Preference.cost),
        r.get("cost_step", f.whole(0, MOST_COST), Preference.cost_step),
        r.get("prepend", f.whole(0, 5), Preference.prepend),
        r.get("local_pref", f.whole(1, MOST_MED), Preference.local_pref),
        r.get("local_pref_step", f.whole(0, MOST_MED), Preference.local_pref_step),
    )
    r.close()
    return r.built(preference)


def _read_bfd(place: Place) -> Bfd:
    """How fast a dead neighbour is noticed."""
    r = Record(place, "bfd")
    bfd = Bfd(
        r.get("interval", f.duration(0.01, 60), Bfd.interval),
        r.get("multiplier", f.whole(2, 255), Bfd.multiplier),
    )
    r.close()
    return r.built(bfd)


def _read_dampening(place: Place) -> Dampening:
    """When a VIP that comes and goes is kept back."""
    r = Record(place, "dampening")
    dampening = Dampening(
        r.get("flaps", f.whole(1, 100), Dampening.flaps),
        r.get("window", _SECONDS, Dampening.window),
        r.get("hold", _SECONDS, Dampening.hold),
    )
    r.close()
    return r.built(dampening)


def routes(of: Routes) -> dict[str, Any]:
    """The key ``routes`` as plain values, without what has no value."""
    return _given(
        {
            "speakers": [_speaker(one) for one in of.speakers],
            "vips": [_plain(one) for one in of.vips],
            "backups": of.backups,
            "spread": of.spread.value,
            "max_vips": of.max_vips,
            "communities": list(of.communities),
            "graceful": format_duration(of.graceful),
            "preference": _plain(of.preference),
            "bfd": {"interval": format_duration(of.bfd.interval), "multiplier": of.bfd.multiplier},
            "dampening": {
                "flaps": of.dampening.flaps,
                "window": format_duration(of.dampening.window),
                "hold": format_duration(of.dampening.hold),
            },
        }
    )


def _speaker(of: Speaker) -> dict[str, Any]:
    return _given(
        {
            "name": of.name,
            "switch": of.switch,
            "sockets": of.sockets,
            "router_id": str(of.router_id),
            "engine": of.engine.value,
            "drain": of.drain,
            "bgp": None if of.bgp is None else _bgp(of.bgp),
            "ospf": None if of.ospf is None else _ospf(of.ospf),
        }
    )


def _bgp(of: Bgp) -> dict[str, Any]:
    neighbors = [
        _given(
            {
                "address": str(one.address),
                "as": one.asn,
                "bfd": one.bfd,
                "password_file": one.password_file,
                "hold": one.hold,
            }
        )
        for one in of.neighbors
    ]
    return {"as": of.asn, "neighbors": neighbors}


def _ospf(of: Ospf) -> dict[str, Any]:
    interfaces = [_plain(one) for one in of.interfaces]
    return {"interfaces": interfaces, "area": str(of.area), "hello": of.hello, "dead": of.dead}


def _plain(of: RoutedVip | Preference | OspfInterface) -> dict[str, Any]:
    """A record of plain fields, under their names."""
    values = {each.name: getattr(of, each.name) for each in fields(of)}
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    return _given({key: v.value if isinstance(v, Network) else v for key, v in plain.items()})


def _given(values: Mapping[str, object]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None and value != []}
