"""Sources that an edit of access lists shuts out, whose established connections end at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.spec.access import Access, Rule
from controller.spec.types import Intent, Network, Vip

SAID = 10
"""Prefixes of one listener that are named; more are only counted."""
_Rules = Mapping[tuple[int, int], Rule]
"""By the prefix's length and its leading bits."""


def shut_out(old: Intent, new: Intent) -> Iterator[str]:
    """One sentence for each listener that there was, and that newly blocks sources."""
    before = {vip.address: vip for vip in old.vips}
    for vip in new.vips:
        former = before.get(vip.address)
        if former is not None:
            yield from _of_vip(former, vip)


def _of_vip(former: Vip, vip: Vip) -> Iterator[str]:
    was = {(item.protocol, item.port): former.access_of(item) for item in former.listeners}
    for item in vip.listeners:
        had, has = was.get((item.protocol, item.port)), vip.access_of(item)
        if had is None or had == has:
            continue
        found = [str(rule.prefix) for rule in newly_blocked(had, has)]
        if found:
            more = f" and {len(found) - SAID} prefixes more" if len(found) > SAID else ""
            yield (
                f"listener {item.name} blocks {', '.join(found[:SAID])}{more}: established connections from there "
                "are cut"
            )


def newly_blocked(before: Access, after: Access) -> list[Rule]:
    """Rules of ``after`` that block sources which ``before`` served, but for what longer prefixes say.

    A prefix that longer ones of a list cover altogether counts like any other.
    """
    had, has = _by_bits(before), _by_bits(after)
    found = dict[Rule, None]()
    for prefix in dict.fromkeys([*after.block, *after.allow, *before.allow, *before.block]):
        was, now = _covering(had, prefix), _covering(has, prefix)
        if now is not None and not now.allows and (was is None or was.allows):
            found[now] = None
    return list(found)


def _by_bits(access: Access) -> _Rules:
    return {_key(rule.prefix, rule.prefix.prefixlen): rule for rule in access.rules}


def _covering(rules: _Rules, prefix: Network) -> Rule | None:
    """The longest that holds all of a prefix."""
    keys = (_key(prefix, length) for length in range(prefix.prefixlen, -1, -1))
    return next((rules[key] for key in keys if key in rules), None)


def _key(prefix: Network, length: int) -> tuple[int, int]:
    return length, int(prefix.network_address) >> prefix.max_prefixlen - length
