"""Checks of access lists: versions, contradictions, lists that block nothing, and their size."""

from __future__ import annotations

from collections.abc import Iterator

from controller.model.findings import Findings
from controller.spec.access import MOST_RULES, Access
from controller.spec.types import Network, Vip


def check_access(found: Findings) -> None:
    """Everything that concerns lists, those of VIPs and those of listeners."""
    for vip in found.intent.vips:
        for access, what, overrides in _lists(vip):
            _check_size(found, access, what)
            _check_prefixes(found, vip, access, what)
            if access.allow and not access.block and not overrides:
                found.add(
                    access,
                    "allow",
                    f"access of {what} allows prefixes but blocks none, so every source is served",
                    f"add the sources to keep out to block, such as {_everything(vip)}: the longest prefix counts",
                    unless=[(access, "block")],
                )


def _lists(vip: Vip) -> Iterator[tuple[Access, str, bool]]:
    """Each list, how messages call what it is of, and whether it stands in the place of another one."""
    yield vip.access, f'vip "{vip.name}"', False
    for listener in vip.listeners:
        if listener.access is not None:
            yield listener.access, f"listener {listener.name}", bool(vip.access)


def _check_size(found: Findings, access: Access, what: str) -> None:
    if len(access) > MOST_RULES:
        found.add(
            access,
            ("block", "allow"),
            f"access of {what} names {len(access)} prefixes, more than {MOST_RULES}",
            "name shorter prefixes that hold several",
        )


def _check_prefixes(found: Findings, vip: Vip, access: Access, what: str) -> None:
    known: dict[Network, str] = {}
    for key, prefixes in (("block", access.block), ("allow", access.allow)):
        for index, prefix in enumerate(prefixes):
            said = f"access of {what} {key}s {prefix}"
            if prefix.version != vip.address.version:
                right = f"write IPv{vip.address.version} prefixes: the VIP is {vip.address}"
                wrong = f"{said}, which is of the wrong IP version"
                found.add(access, ((key, index),), wrong, right, unless=[(vip, "address")])
            elif prefix in known:
                twice = known[prefix] == key
                message = f"{said} twice" if twice else f"{said}, which it {known[prefix]}s as well"
                found.add(access, ((key, index),), message, "keep one of the two")
            known[prefix] = key


def _everything(vip: Vip) -> str:
    return "0.0.0.0/0" if vip.address.version == 4 else "::/0"
