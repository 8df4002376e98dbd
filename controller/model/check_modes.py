"""Checks of modes: whether the lb switches of a VIP can bring its packets to the pool's backends and back."""

from __future__ import annotations

from collections import defaultdict

from controller.model.check_p4 import check_p4_local
from controller.model.check_switches import local_capacity
from controller.model.findings import Findings, Use, member
from controller.spec.kinds import Protocol as Speaks
from controller.spec.spread import PoolSpread
from controller.spec.types import Address, Backend, Listener, Mode, Network, Pool, Protocol, Switch

_BY_MAC = (Mode.NAT, Mode.FULLNAT)
_SAME_PORT = (Mode.DR, Mode.TUN)


def check_modes(found: Findings) -> None:
    """Everything that depends on a listener's mode, and the one hash of a pool."""
    for use in found.uses:
        if use.listener.mode in _SAME_PORT:
            _check_same_port(found, use.listener)
        if use.listener.mode is Mode.DR:
            _check_dr(found, use)
        if use.listener.mode in _BY_MAC:
            _check_addresses(found, use)
            _check_next_hop(found, use)
        if use.listener.mode is Mode.TUN:
            _check_tunnel(found, use)
    _check_local(found)
    check_p4_local(found)
    _check_nat_answers(found)
    for pool in found.intent.pools:
        _check_hash(found, pool)
        _check_spread(found, pool)


def _check_same_port(found: Findings, listener: Listener) -> None:
    if listener.backend_port != listener.port:
        found.add(
            listener,
            "backend_port",
            f"listener {listener.name} has backend_port {listener.backend_port}, "
            f"but mode {listener.mode} changes no port",
            f"write {listener.port}, leave it out, or use nat or fullnat",
        )


def _check_dr(found: Findings, use: Use) -> None:
    sites = [site for site in found.intent.sites if site.name in use.vip.owners]
    prefixes: list[Network] = [p for site in sites for subnet in site.subnets for p in subnet.prefixes]
    names = ", ".join(site.name for site in sites)
    for backend in use.pool.backends:
        what = member(backend, use.pool)
        if backend.mac is None:
            found.add(backend, "mac", f"{what} has no mac, which mode dr needs", "add its mac")
        address = _layer2_address(backend, use.vip.address.version)
        if address is None:
            continue
        # Sites that declare no subnet are taken for one flat segment.
        if prefixes and not any(address in prefix for prefix in prefixes):
            found.add(
                backend,
                ("address", "addresses"),
                f"{what} has the address {address}, which is in no subnet of site {names}",
                "move it into one of theirs, as mode dr needs, or use nat, fullnat or tun",
                unless=[(site, "subnets") for site in sites],
            )


def _layer2_address(backend: Backend, version: int) -> Address | None:
    """The address that says where a server is; dr does not need one of the VIP's own version."""
    return backend.address(version) or next(iter(backend.addresses), None)


def _check_addresses(found: Findings, use: Use) -> None:
    version = use.vip.address.version
    for backend in use.pool.backends:
        if backend.address(version) is None:
            found.add(
                backend,
                ("addresses", "address"),
                f"{member(backend, use.pool)} has no IPv{version} address, which mode "
                f"{use.listener.mode} of vip {use.vip.address} needs",
                f"add one to addresses, or give the IPv{version} VIP a pool of its own",
            )


def _check_next_hop(found: Findings, use: Use) -> None:
    blind = [switch for switch in found.lbs(use.vip) if switch.gateway_mac is None]
    if not blind:
        return
    names = ", ".join(switch.name for switch in blind)
    for backend in use.pool.backends:
        if backend.mac is None:
            found.add(
                backend,
                "mac",
                f"{member(backend, use.pool)} has no mac and lb switch {names} no "
                f"gateway_mac, so mode {use.listener.mode} has no destination MAC",
                "add its mac if it is on layer 2, or gateway_mac to the switch if a router is between",
                unless=[(switch, "gateway_mac") for switch in blind],
            )


def _check_tunnel(found: Findings, use: Use) -> None:
    if all(switch.of_kind.protocol is not Speaks.OPENFLOW for switch in found.lbs(use.vip)):
        return
    for backend in use.pool.backends:
        if backend.address(4) is None:
            found.add(
                backend,
                ("addresses", "address"),
                f"{member(backend, use.pool)} has no IPv4 address, which the tunnel of "
                f"listener {use.listener.name} leads to",
                "add one to addresses",
            )
    for switch in found.lbs(use.vip):
        # P4 switches encapsulate in their own pipeline; only Open vSwitch has a port for it.
        if switch.of_kind.protocol is Speaks.OPENFLOW and switch.tunnel_port is None:
            found.add(
                switch,
                "tunnel_port",
                f'lb switch "{switch.name}" has no tunnel_port, which mode tun needs',
                "add tunnel_port: the OpenFlow number of its VXLAN port",
            )


def _check_local(found: Findings) -> None:
    """One local address serves one fullnat listener."""
    wanted: dict[tuple[str, int], list[Use]] = defaultdict(list)
    for use in found.uses:
        if use.listener.mode is Mode.FULLNAT:
            # A P4 switch shares four addresses among all listeners: a port stands for a connection there.
            for switch in (each for each in found.lbs(use.vip) if each.of_kind.protocol is Speaks.OPENFLOW):
                wanted[switch.name, use.vip.address.version].append(use)
    switches = {switch.name: switch for switch in reversed(found.intent.switches)}
    for (name, version), uses in wanted.items():
        _check_capacity(found, switches[name], version, uses)


def _check_capacity(found: Findings, switch: Switch, version: int, uses: list[Use]) -> None:
    have = local_capacity(switch)[version]
    if have >= len(uses):
        return
    addresses = f"local IPv{version} address{'es' if have > 1 else ''}"
    what = f'lb switch "{switch.name}" has {have or "no"} {addresses}'
    need = f"listener {uses[0].listener.name} (fullnat) needs one"
    if len(uses) > 1:
        need = f"{len(uses)} fullnat listeners need one each"
    example = "10.3.1.0/28" if version == 4 else "fd00:0:0:3:1::/80"
    found.add(switch, "local", f"{what}, but {need}", f"add a prefix of its own to local, e.g. {example}")


def _check_nat_answers(found: Findings) -> None:
    """nat is undone statelessly by (server, port), so one server port leads back to one listener."""
    first: dict[tuple[Address, Protocol, int], Use] = {}
    reported: set[tuple[str, str]] = set()
    for use in found.uses:
        if use.listener.mode is not Mode.NAT:
            continue
        for backend in use.pool.backends:
            address = backend.address(use.vip.address.version)
            if address is None:
                continue
            known = first.setdefault((address, use.listener.protocol, use.listener.backend_port), use)
            pair = (known.listener.name, use.listener.name)
            if known is use or pair[0] == pair[1] or pair in reported:
                continue
            reported.add(pair)
            found.add(
                use.listener,
                ("backend_port", "port"),
                f"listeners {pair[0]} and {pair[1]} both lead by nat to port {use.listener.backend_port} "
                f'of backend "{backend.name}" ({address})',
                "its answers can be undone for one of them only: use another backend_port, or fullnat",
                unless=[(known.listener, "backend_port")],
            )


def _check_spread(found: Findings, pool: Pool) -> None:
    """Only Open vSwitch takes slots from bits."""
    if pool.spread is PoolSpread.HASH:
        return
    lbs = {switch.name: switch for use in found.uses if use.pool is pool for switch in found.lbs(use.vip)}
    for switch in (each for each in lbs.values() if not each.of_kind.spreads):
        found.add(
            pool,
            "spread",
            f'pool "{pool.name}" has spread: {pool.spread}, which lb switch "{switch.name}" of kind {switch.kind} '
            "cannot do",
            "leave spread out, or give it spread: hash",
            unless=[(switch, "kind")],
        )


def _check_hash(found: Findings, pool: Pool) -> None:
    by_hash: dict[str, list[str]] = defaultdict(list)
    for use in found.uses:
        if use.pool is pool:
            for switch in found.lbs(use.vip):
                if switch.name not in by_hash[switch.hash_name]:
                    by_hash[switch.hash_name].append(switch.name)
    if len(by_hash) > 1:
        which = "; ".join(f"{hash_name} on {', '.join(names)}" for hash_name, names in by_hash.items())
        found.add(
            pool,
            "name",
            f'pool "{pool.name}" spans two hashes ({which})',
            "give each kind of switch a pool of its own: its lb switches must agree on every tuple",
            unless=[(switch, "kind") for switch in found.intent.switches],
        )
