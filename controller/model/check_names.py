"""Checks of names: references that lead nowhere, and one name for two hosts."""

from __future__ import annotations

from difflib import get_close_matches

from controller.model.findings import Findings
from controller.spec.types import SEGMENT, Backend, Pool, Port, Vip, is_segment


def check_names(found: Findings) -> None:
    """References to sites, switches and pools; names and addresses of backends."""
    _check_references(found)
    _check_ports(found)
    _check_hosts(found)
    for pool in found.intent.pools:
        _check_addresses_differ(found, pool)


def _check_references(found: Findings) -> None:
    for switch in found.intent.switches:
        if switch.site not in found.names("site"):
            found.dangling(switch, "site", switch.site, "site", f'switch "{switch.name}"')
    for pool in found.intent.pools:
        for backend in pool.own:
            if backend.at is not None and backend.at not in found.names("switch"):
                found.dangling(backend, "at", backend.at, "switch", f'backend "{backend.name}"')
    for vip in found.intent.vips:
        _check_vip_references(found, vip)


def _check_vip_references(found: Findings, vip: Vip) -> None:
    for index, owner in enumerate(vip.owners):
        place = ("owners", index)
        if owner in vip.owners[:index]:
            found.add(vip, (place,), f'vip "{vip.name}" has the owner "{owner}" twice', "name each site once")
        elif owner not in found.names("site"):
            found.dangling(vip, (place,), owner, "site", f'vip "{vip.name}"')
    for listener in vip.listeners:
        if listener.pool not in found.names("pool"):
            found.dangling(listener, "pool", listener.pool, "pool", f"listener {listener.name}")


def _check_misspelt(found: Findings, port: Port, what: str) -> None:
    """A host that is no backend now may become one again; but a name like a switch's is a slip of the pen."""
    near = get_close_matches(port.to, sorted(found.names("switch") | {SEGMENT}), 1, 0.66)
    if near:
        found.add(
            port, (), f'{what} leads to "{port.to}", which does not exist', f'did you mean "{near[0]}"?'
        )


def _check_ports(found: Findings) -> None:
    hosts = found.names("switch") | found.names("backend") | {SEGMENT}
    for switch in found.intent.switches:
        meant = hosts | {name for route in switch.routes if route.mac is not None for name in route.via}
        for port in switch.ports:
            what = f'port {port.number} of switch "{switch.name}"'
            if port.to == switch.name:
                found.add(port, (), f"{what} leads to the switch itself", "name what is behind the port")
            elif port.to not in meant and not is_segment(port.to):
                _check_misspelt(found, port, what)
        if is_segment(switch.name):
            message = f'"{switch.name}" is what ports call where clients are, not a switch'
            found.add(switch, "name", message, "choose another name")


def _check_hosts(found: Findings) -> None:
    """A backend's name is a host's identity in all pools."""
    first: dict[str, tuple[Backend, Pool]] = {}
    for pool in found.intent.pools:
        for backend in pool.own:
            if backend.name in found.names("switch") or is_segment(backend.name):
                what = (
                    "is what ports call where clients are" if is_segment(backend.name) else "names a switch"
                )
                found.add(backend, "name", f'"{backend.name}" {what}, not a backend', "choose another name")
            known, home = first.setdefault(backend.name, (backend, pool))
            if home.name != pool.name:
                _check_same_host(found, backend, known, home)


def _check_same_host(found: Findings, backend: Backend, known: Backend, home: Pool) -> None:
    hint = "a backend's name is one host in all pools: give the same values or choose another name"
    rows = (
        (("address", "addresses"), "address", _text(*backend.addresses), _text(*known.addresses)),
        (("mac",), "mac", _text(backend.mac), _text(known.mac)),
        (("at",), "place", _text(backend.at), _text(known.at)),
    )
    for keys, what, here, there in rows:
        if here != there:
            found.add(
                backend,
                keys,
                f'backend "{backend.name}" has the {what} {here} here but {there} in pool "{home.name}"',
                hint,
                unless=[(known, key) for key in keys],
            )


def _text(*values: object) -> str:
    return " and ".join(sorted(str(v) for v in values if v is not None)) or "none"


def _check_addresses_differ(found: Findings, pool: Pool) -> None:
    first: dict[object, Backend] = {}
    for backend in pool.backends:
        for address in backend.addresses:
            known = first.setdefault(address, backend)
            if known is not backend and known.name != backend.name:
                found.add(
                    backend,
                    ("address", "addresses"),
                    f'backends "{known.name}" and "{backend.name}" of pool "{pool.name}" both have '
                    f"the address {address}",
                    "keep one of them and give it the weight of both",
                )
