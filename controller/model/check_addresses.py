"""Checks of addresses against subnets: none of a VIP or backend may be the subnet's own."""

from __future__ import annotations

from collections.abc import Iterator

from controller.model.findings import Findings, Keys
from controller.spec.types import Address


def check_addresses(found: Findings) -> None:
    """Addresses of VIPs and backends that name a whole subnet of a site."""
    own = dict(_own_addresses(found))
    for vip in found.intent.vips:
        _check(found, vip, ("address",), f'vip "{vip.name}"', vip.address, own)
    for pool in found.intent.pools:
        for backend in pool.own:
            for address in backend.addresses:
                what = f'backend "{backend.name}" of pool "{pool.name}"'
                _check(found, backend, ("address", "addresses"), what, address, own)


def _own_addresses(found: Findings) -> Iterator[tuple[Address, str]]:
    """Addresses that no host of a subnet can have, and what they are."""
    for site in found.intent.sites:
        for prefix in (prefix for subnet in site.subnets for prefix in subnet.prefixes):
            if prefix.max_prefixlen - prefix.prefixlen < 2:
                continue  # of two addresses or one, each is a host's (RFC 3021, RFC 6164)
            yield prefix.network_address, f"the address of subnet {prefix} itself"
            if prefix.version == 4:
                yield prefix.broadcast_address, f"the broadcast address of subnet {prefix}"


def _check(
    found: Findings, thing: object, keys: Keys, what: str, address: Address, own: dict[Address, str]
) -> None:
    if address in own:
        message = f"{what} has the address {address}, {own[address]}"
        found.add(thing, keys, message, "give it one of a host")
