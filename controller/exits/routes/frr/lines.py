"""What each daemon of FRR should have configured, as trees of lines. Pure.

    staticd   ip route PREFIX Null0 tag T                     what OSPF redistributes: T says which metric
    bgpd      network PREFIX route-map EVENKEEL-DIGEST        its name says what it sets: maps never change
    ospfd     redistribute static route-map EVENKEEL          for each tag its metric
    bfdd      profile evenkeel                                used by all

A map that changes is looked at again by bgpd only seconds later; another name at ``network`` counts at once. The route
to nowhere is never used: its packets are taken by the lb switch before they come to the speaker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_network

from controller.exits.routes.frr.config import Tree
from controller.exits.routes.holding import Announcement
from controller.exits.routes.rules import Attributes
from controller.spec.routes import Bfd, Neighbor, Network, Ospf, OspfInterface, Speaker

NAME = "EVENKEEL"
"""Begins all names that we give."""
PROFILE = "evenkeel"
GRACEFUL = "graceful-shutdown"
"""Community 65535:0 (RFC 8326) as FRR prints it."""
LAST_RESORT = 16_777_214
"""Metric of an external LSA that is leaving: the largest that is a way at all."""
TAGS = 0x45000000
"""Tags of our routes: this and the metric."""
_TAG_END = TAGS + (1 << 24)
_BGP_TIMERS = 3
"""A session that was lost is tried again after this many seconds."""
_BFD_USUAL = (0.3, 3)
_OSPF_USUAL = (10, 40)
_HOLD_USUAL = 180
_LSA_APART_MS = 1000
_ROUTER = re.compile(r"router (bgp \d+|ospf|ospf6)")


def tag_of(cost: int) -> int:
    """The tag of a route with a metric."""
    return TAGS + cost


def is_tag(number: int) -> bool:
    """Whether a tag is one of ours."""
    return TAGS <= number < _TAG_END


def cost_of(said: Announcement) -> int:
    """The metric with which OSPF says it."""
    return LAST_RESORT if said.leaving else said.attributes.cost


def static(routes: Mapping[str, int]) -> Tree:
    """Of staticd: prefixes with their tags' metrics."""
    return {
        f"{_ip(prefix)} route {prefix} Null0 tag {tag_of(cost)}": {}
        for prefix, cost in sorted(routes.items())
    }


def bfd(of: Bfd) -> Tree:
    """Of bfdd: what is as usual is not printed."""
    ms = round(of.interval * 1000)
    lines: Tree = {}
    if of.multiplier != _BFD_USUAL[1]:
        lines[f"detect-multiplier {of.multiplier}"] = {}
    if of.interval != _BFD_USUAL[0]:
        lines[f"transmit-interval {ms}"] = {}
        lines[f"receive-interval {ms}"] = {}
    return {"bfd": {f"profile {PROFILE}": lines}}


def bgp(
    speaker: Speaker,
    prefixes: Iterable[str],
    said: Iterable[Announcement],
    most: int,
    passwords: Mapping[Neighbor, str],
) -> Tree:
    """Of bgpd. ``prefixes``: all that may ever be announced here; nothing else goes out, and nothing is taken in.

    ``passwords``: of neighbours that have one and whose file could be read.
    """
    if speaker.bgp is None:
        return {}
    announced = list(said)
    maps = {map_of(one, speaker.bgp.asn): settings(one, speaker.bgp.asn) for one in announced}
    tree: Tree = {f"ip prefix-list {NAME} {each}": {} for each in _listed(prefixes, 4)}
    tree |= {f"ipv6 prefix-list {NAME} {each}": {} for each in _listed(prefixes, 6)}
    tree |= {f"route-map {name} permit 10": lines for name, lines in sorted(maps.items())}
    tree["bgp route-map delay-timer 1"] = {}
    tree[f"route-map {NAME}-IN deny 10"] = {}
    tree[f"route-map {NAME}-OUT permit 10"] = {f"match ip address prefix-list {NAME}": {}}
    tree[f"route-map {NAME}-OUT permit 20"] = {f"match ipv6 address prefix-list {NAME}": {}}
    tree[f"router bgp {speaker.bgp.asn}"] = _router_bgp(speaker, announced, most, passwords)
    return tree


def _listed(prefixes: Iterable[str], version: int) -> list[str]:
    """Entries of a prefix list; none: one that matches nothing, for an empty list would match all."""
    mine = sorted((p for p in prefixes if ip_network(p).version == version), key=ip_network)
    return [f"seq {5 * index} permit {each}" for index, each in enumerate(mine, 1)] or ["seq 5 deny any"]


def _router_bgp(
    speaker: Speaker, said: list[Announcement], most: int, passwords: Mapping[Neighbor, str]
) -> Tree:
    assert speaker.bgp is not None
    once = (
        f"bgp router-id {speaker.router_id}",
        "no bgp ebgp-requires-policy",
        "no bgp default ipv4-unicast",
        "no bgp network import-check",
    )
    lines: Tree = {line: {} for line in once}
    families: dict[int, Tree] = {4: {}, 6: {}}
    for neighbor in speaker.bgp.neighbors:
        if neighbor.password_file is None or neighbor in passwords:
            lines |= _neighbor(neighbor, passwords.get(neighbor))
            families[neighbor.address.version] |= _activated(neighbor, most)
    for one in said:
        version = ip_network(one.prefix).version
        families[version][f"network {one.prefix} route-map {map_of(one, speaker.bgp.asn)}"] = {}
    lines["address-family ipv4 unicast"], lines["address-family ipv6 unicast"] = families[4], families[6]
    return lines


def _neighbor(of: Neighbor, password: str | None) -> Tree:
    name = f"neighbor {of.address}"
    lines = [f"{name} remote-as {of.asn}"]
    lines += [f"{name} bfd", f"{name} bfd profile {PROFILE}"] if of.bfd else []
    lines += [] if password is None else [f"{name} password {password}"]
    lines += [] if of.hold == _HOLD_USUAL else [f"{name} timers {max(of.hold // 3, 1)} {of.hold}"]
    lines += [f"{name} timers connect {_BGP_TIMERS}"]
    return {line: {} for line in lines}


def _activated(of: Neighbor, most: int) -> Tree:
    name = f"neighbor {of.address}"
    return {
        f"{name} activate": {},
        f"{name} maximum-prefix-out {most}": {},
        f"{name} route-map {NAME}-IN in": {},
        f"{name} route-map {NAME}-OUT out": {},
    }


def settings(said: Announcement, asn: int) -> Tree:
    """What a map sets."""
    of: Attributes = said.attributes
    communities = [*of.communities, *([GRACEFUL] if said.leaving else [])]
    lines = [f"set metric {of.med}"]
    lines += [f"set community {' '.join(communities)}"] if communities else []
    lines += [f"set local-preference {0 if said.leaving else of.local_pref}"]
    lines += [f"set as-path prepend {' '.join([str(asn)] * of.prepend)}"] if of.prepend else []
    return {line: {} for line in lines}


def map_of(said: Announcement, asn: int) -> str:
    """The name of the map that sets an announcement's attributes."""
    return f"{NAME}-{sha256(repr(sorted(settings(said, asn))).encode()).hexdigest()[:10]}"


def ospf(speaker: Speaker, version: int, costs: Iterable[int], in_use: bool = True) -> Tree:
    """Of ospfd (``version`` 4) or ospf6d (6). ``costs``: all metrics that may be said here.

    ``in_use``: the lb switch is. A speaker beside one that is not has no neighbours: these remember what it announced,
    and would send there as soon as it is reached again, before it can take that back.
    """
    if speaker.ospf is None:
        return {}
    tree: Tree = {
        f"interface {each.name}": _ospf_interface(speaker.ospf, version, each)
        for each in (speaker.ospf.interfaces if in_use else ())
    }
    word = "ospf" if version == 4 else "ospf6"
    router: Tree = {f"{word} router-id {speaker.router_id}": {}}
    if version == 4:
        router[f"timers throttle lsa all {_LSA_APART_MS}"] = {}
    router[f"redistribute static route-map {NAME}"] = {}
    tree[f"router {word}"] = router
    for index, cost in enumerate(sorted({*costs, LAST_RESORT}), 1):
        tree[f"route-map {NAME} permit {index}"] = {
            f"match tag {tag_of(cost)}": {},
            f"set metric {cost}": {},
            "set metric-type type-1": {},
        }
    return tree


def _ospf_interface(of: Ospf, version: int, at: OspfInterface) -> Tree:
    """On a segment with several routers a speaker is never the designated one."""
    word = "ip ospf" if version == 4 else "ipv6 ospf6"
    lines = [f"{word} area {of.area}", f"{word} cost {at.cost}"]
    lines += [f"{word} priority 0" if at.network is Network.BROADCAST else f"{word} network {at.network}"]
    lines += [] if of.hello == _OSPF_USUAL[0] else [f"{word} hello-interval {of.hello}"]
    # Of ospfd a dead interval that is not said follows the hello interval.
    usual = _OSPF_USUAL if version == 4 else (of.hello, _OSPF_USUAL[1])
    lines += [] if (of.hello, of.dead) == usual else [f"{word} dead-interval {of.dead}"]
    lines += [f"{word} bfd", f"{word} bfd profile {PROFILE}"] if at.bfd else []
    return {line: {} for line in lines}


def _ip(prefix: str) -> str:
    return "ip" if ip_network(prefix).version == 4 else "ipv6"


def owns(path: tuple[str, ...]) -> bool:
    """Whether a line of the running configuration, with those above it, is ours: we may take it away."""
    top, line = path[0], path[-1]
    if top.startswith("interface "):
        return len(path) == 1 or line.startswith(("ip ospf", "ipv6 ospf6"))
    if top.startswith(("ip route ", "ipv6 route ")):
        tag = line.rpartition(" tag ")[2]
        return tag.isdecimal() and is_tag(int(tag))
    if top.startswith("bfd"):
        return len(path) > 1 and path[1] == f"profile {PROFILE}"
    return top.startswith("bgp route-map delay-timer ") or _is_router(top) or _is_named(top)


def is_foreign(found: Mapping[str, Tree]) -> bool:
    """Whether a daemon has a router configured that is not ours, which must not be taken away."""
    return any(map(_is_router, found)) and not any(map(_is_named, found))


def _is_router(line: str) -> bool:
    """One of the default VRF."""
    return _ROUTER.fullmatch(line) is not None


def _is_named(line: str) -> bool:
    return line.startswith(
        tuple(f"{each} {NAME}" for each in ("route-map", "ip prefix-list", "ipv6 prefix-list"))
    )
