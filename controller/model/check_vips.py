"""Checks of VIPs: addresses, virtual MACs, owners, listeners and their guards."""

from __future__ import annotations

from controller.model.check_routes import announced
from controller.model.findings import Findings
from controller.spec.types import Address, Backend, Listener, Protocol, Role, Vip


def check_vips(found: Findings) -> None:
    """Everything that concerns a VIP but not how its packets reach a backend."""
    _check_addresses(found)
    _check_macs(found)
    for vip in found.intent.vips:
        _check_owners(found, vip)
        _check_listeners(found, vip)


def _check_addresses(found: Findings) -> None:
    first: dict[Address, Vip] = {}
    backends: dict[Address, Backend] = {}
    for pool in found.intent.pools:
        for backend in pool.backends:
            for address in backend.addresses:
                backends.setdefault(address, backend)
    for vip in found.intent.vips:
        known = first.setdefault(vip.address, vip)
        if known is not vip:
            message = f'vips "{known.name}" and "{vip.name}" both have the address {vip.address}'
            found.add(vip, "address", message, "put all listeners of an address under one vip")
        if vip.address in backends:
            whose = backends[vip.address].name
            message = f'vip "{vip.name}" has the address {vip.address} of backend "{whose}"'
            found.add(vip, "address", message, "give the VIP an address that no host has")


def _check_macs(found: Findings) -> None:
    """VIPs with one virtual MAC move together, so they need the same owners; no host has such a MAC."""
    hosts = {switch.mac: f'switch "{switch.name}"' for switch in found.intent.switches}
    for switch in found.intent.switches:
        if switch.gateway_mac is not None:
            hosts.setdefault(switch.gateway_mac, f'the gateway of switch "{switch.name}"')
    for pool in found.intent.pools:
        for backend in pool.backends:
            if backend.mac is not None:
                hosts.setdefault(backend.mac, f'backend "{backend.name}"')
    first: dict[str, Vip] = {}
    for vip in found.intent.vips:
        if vip.mac in hosts:
            message = f'vip "{vip.name}" has the mac {vip.mac} of {hosts[vip.mac]}'
            found.add(vip, "mac", message, "choose a virtual MAC that no host has")
        known = first.setdefault(vip.mac, vip)
        if known.owners != vip.owners:
            found.add(
                vip,
                ("owners", "mac"),
                f'vips "{known.name}" and "{vip.name}" share the mac {vip.mac} but not their owners',
                "VIPs of one mac move together: give them the same owners in the same order, or another mac",
                unless=[(known, "owners"), (known, "mac"), (vip, "mac")],
            )


def _check_owners(found: Findings, vip: Vip) -> None:
    serving = {switch.site for switch in found.intent.switches if Role.LB in switch.roles}
    sites = {site.name: site for site in found.intent.sites}
    unsure = [(switch, key) for switch in found.intent.switches for key in ("site", "roles")]
    for index, owner in enumerate(vip.owners):
        site = sites.get(owner)
        if site is None or owner in vip.owners[:index]:
            continue
        if vip.listeners and owner not in serving and "switch" not in found.source.dropped:
            listeners = ", ".join(listener.name for listener in vip.listeners)
            message = f'site "{owner}" owns vip "{vip.name}" but has no lb switch for {listeners}'
            right = f'give a switch of "{owner}" the role lb, or name another owner'
            found.add(vip, (("owners", index),), message, right, unless=unsure)
        prefixes = [prefix for subnet in site.subnets for prefix in subnet.prefixes]
        inside = any(vip.address in prefix for prefix in prefixes)
        if prefixes and not inside and not announced(found.intent, vip, owner):
            known = ", ".join(str(prefix) for prefix in prefixes)
            where = f'the address {vip.address}, which is in no subnet of site "{owner}"'
            right = f"choose one in {known}"
            found.add(vip, "address", f'vip "{vip.name}" has {where}', right, unless=[(site, "subnets")])


def _check_listeners(found: Findings, vip: Vip) -> None:
    first: dict[tuple[str, int], Listener] = {}
    for listener in vip.listeners:
        known = first.setdefault((listener.protocol, listener.port), listener)
        if known is not listener:
            message = f"listener {listener.name} is given twice (first at {found.where(known)})"
            found.add(listener, "port", message, "keep one of the two or change protocol or port")
        _check_guard(found, vip, listener)
        _check_failover(found, listener)


def _check_failover(found: Findings, listener: Listener) -> None:
    """A former writer's connections are reset, which UDP has no way to do."""
    pool = next((pool for pool in found.intent.pools if pool.name == listener.pool), None)
    if pool is not None and pool.failover is not None and listener.protocol is Protocol.UDP:
        found.add(
            listener,
            ("pool", "protocol"),
            f'listener {listener.name} is udp, but pool "{pool.name}" has one writer, whose connections are reset '
            "when another takes over",
            "give the udp listener a pool of its own, without failover",
            unless=[(listener, "protocol"), (pool, "failover")],
        )


def _check_guard(found: Findings, vip: Vip, listener: Listener) -> None:
    prefixes = set()
    for rule in listener.guard.prefixes:
        what = f"guard prefix {rule.prefix} of listener {listener.name}"
        if rule.prefix.version != vip.address.version:
            right = f"write an IPv{vip.address.version} prefix: the VIP is {vip.address}"
            wrong = f"{what} is of the wrong IP version"
            found.add(rule, "prefix", wrong, right, unless=[(vip, "address")])
        if rule.prefix in prefixes:
            message = f"{what} is given twice"
            found.add(rule, "prefix", message, "keep one of the two")
        prefixes.add(rule.prefix)
