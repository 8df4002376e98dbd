"""Checks of P4 switches: where they listen, their ports, routes, and the local addresses they serve from."""

from __future__ import annotations

from typing import NamedTuple

from controller.model.findings import Findings, Use
from controller.spec.kinds import Protocol as Speaks
from controller.spec.kinds import kinds_of
from controller.spec.types import Backend, Mode, Switch

LOCAL_ADDRESSES = 8
"""Four addresses after the first four, which stay clear of a network's own."""


def check_p4(found: Findings, switch: Switch) -> None:
    """Everything that concerns only P4 switches."""
    name = f'switch "{switch.name}"'
    kind = switch.of_kind
    if not kind.driven:
        message = f"{name} is a {kind.name}, for which there is no program yet"
        found.add(switch, "kind", message, f"use {kinds_of(kind.protocol)}")
    if switch.p4runtime is None:
        found.add(
            switch, "p4runtime", f"{name} does not say where it listens", "give it p4runtime: HOST:PORT"
        )
    if switch.id >= 1 << 63:
        message = f"{name} has the id {switch.id}"
        found.add(switch, "id", message, "P4Runtime device ids end at 2^63 - 1")
    end = kind.ports.stop
    for port in switch.ports:
        if port.number not in kind.ports:
            message = f"port {port.number} of {name} is no port of a v1model switch"
            found.add(port, (), message, f"use 0 to {end - 1}: {end} is the controller, {end + 1} drops")
    _check_routes(found, switch, name)
    for index, network in enumerate(switch.local):
        if network.num_addresses < LOCAL_ADDRESSES:
            message = f"local prefix {network} of {name} is too small"
            found.add(
                switch,
                (("local", index),),
                message,
                f"a P4 switch needs {LOCAL_ADDRESSES} addresses a family",
            )


def check_p4_local(found: Findings) -> None:
    """Fullnat and tunnels begin at an address of the switch: without a local prefix of the family nothing is served."""
    said: set[tuple[str, int]] = set()
    for use in found.uses:
        for switch in (each for each in found.lbs(use.vip) if each.of_kind.protocol is Speaks.P4RUNTIME):
            lack = _lacking(switch, use)
            if lack is not None and (switch.name, lack.version) not in said:
                said.add((switch.name, lack.version))
                _refuse(found, switch, use, lack)


class _Lack(NamedTuple):
    """An IP version of which a switch has no local prefix, and the backend that is not served for it (None: all)."""

    version: int
    backend: Backend | None = None


def _lacking(switch: Switch, use: Use) -> _Lack | None:
    has = {network.version for network in switch.local}
    if use.listener.mode is Mode.FULLNAT:
        version = use.vip.address.version
        return None if version in has else _Lack(version)
    if use.listener.mode is Mode.TUN:
        # A tunnel takes the first family that both its ends have.
        for backend in use.pool.backends:
            versions = sorted(address.version for address in backend.addresses)
            if versions and not has.intersection(versions):
                return _Lack(versions[0], backend)
    return None


def _refuse(found: Findings, switch: Switch, use: Use, lack: _Lack) -> None:
    what = f"listener {use.listener.name} ({use.listener.mode})"
    if lack.backend is None:
        need = f"which {what} sends from"
    else:
        need = f'which {what} of pool "{use.pool.name}" tunnels from to backend "{lack.backend.name}"'
    example = "10.3.1.0/28" if lack.version == 4 else "fd00:0:0:3:1::/80"
    found.add(
        switch,
        "local",
        f'lb switch "{switch.name}" has no local IPv{lack.version} prefix, {need}',
        f"add a prefix of its own to local, of {LOCAL_ADDRESSES} addresses or more, e.g. {example}",
    )


def _check_routes(found: Findings, switch: Switch, name: str) -> None:
    known = {port.to for port in switch.ports}
    near = ", ".join(sorted(known)) or "none"
    for route in switch.routes:
        for index, via in enumerate(route.via):
            if via not in known:
                message = f'{name} has no port to "{via}"'
                found.add(route, (("via", index),), message, f"its neighbours: {near}")
        if route.mac is not None and len(route.via) != 1:
            message = f"the host {route.to} of {name} is behind {len(route.via)} ports"
            found.add(route, "via", message, "name one")
        if route.mac is not None and switch.gateway_mac is None:
            message = f"{name} delivers to {route.to}, but has no gateway_mac to send from"
            found.add(route, "mac", message, "give the switch a gateway_mac")
