"""Which VIPs move together: those with one virtual MAC. Pure.

Hosts and switches learn a MAC in one place, so what shares it is owned by one site. A group is one lease.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from controller.spec.types import Intent, Vip

PREFIX = "owner/"
"""Of the keys under which leases are stored."""


class MacGroup(NamedTuple):
    """VIPs of one virtual MAC."""

    mac: str
    """Its name."""
    vips: tuple[str, ...]
    owners: tuple[str, ...]
    """Sites, the preferred one first."""

    @property
    def key(self) -> str:
        """Under which its lease is stored."""
        return PREFIX + self.mac

    @property
    def home(self) -> str:
        """The site that is preferred."""
        return self.owners[0]

    @property
    def moves(self) -> bool:
        """More than one site may own it."""
        return len(self.owners) > 1


class Problem(NamedTuple):
    """What does not go with ownership by groups."""

    vip: str
    key: str
    """The key of the VIP that is to blame."""
    message: str
    right: str
    """What would be right."""


def mac_groups(intent: Intent) -> tuple[MacGroup, ...]:
    """All groups, by MAC. Of VIPs that disagree about owners the first one counts; ``problems`` says so."""
    by_mac: dict[str, list[Vip]] = {}
    for vip in intent.vips:
        by_mac.setdefault(vip.mac, []).append(vip)
    return tuple(
        MacGroup(mac, tuple(vip.name for vip in vips), vips[0].owners) for mac, vips in sorted(by_mac.items())
    )


def find(groups: Sequence[MacGroup], text: str) -> MacGroup:
    """The group that an operator means by its MAC or by one of its VIPs. Raises ValueError naming what there is."""
    wanted = text.strip().lower()
    for group in groups:
        if wanted == group.mac or text in group.vips:
            return group
    known = ", ".join(f"{group.mac} ({', '.join(group.vips)})" for group in groups) or "none"
    raise ValueError(f"no VIP and no virtual MAC is called {text!r}; there are: {known}")


def homes(groups: Sequence[MacGroup]) -> Mapping[str, int]:
    """How many groups each site is the home of: 0 for one that is only a substitute, so that it idles."""
    count = Counter({site: 0 for group in groups for site in group.owners})
    count.update(group.home for group in groups)
    return dict(sorted(count.items()))


def problems(intent: Intent) -> Iterator[Problem]:
    """VIPs of one MAC that do not agree about what a group has once."""
    first: dict[str, Vip] = {}
    for vip in intent.vips:
        known = first.setdefault(vip.mac, vip)
        if known.owners != vip.owners:
            yield Problem(
                vip.name,
                "owners",
                f'vips "{known.name}" and "{vip.name}" share the mac {vip.mac} but not their owners',
                "VIPs of one mac move together: give them the same owners in the same order, or another mac",
            )


def not_moving(groups: Sequence[MacGroup]) -> Iterator[str]:
    """What to say of each group with several owners where the store is of one machine only."""
    for group in groups:
        if group.moves:
            yield (
                f"{', '.join(group.vips)}: stays at {group.home}; without etcd no VIP moves by itself to "
                f"{' or '.join(group.owners[1:])}"
            )


def regrouped(before: Intent, after: Intent) -> Iterator[Problem]:
    """VIPs that would change their group while they are served.

    Each group has an owner of its own, and controllers take an edit at different moments: two sites could answer for
    the VIP in between.
    """
    macs = {vip.name: vip.mac for vip in before.vips if len(vip.owners) > 1}
    for vip in after.vips:
        was = macs.get(vip.name, vip.mac)
        if was != vip.mac:
            yield Problem(
                vip.name,
                "mac",
                f'vip "{vip.name}" would leave the group of mac {was} for {vip.mac}, which may have another owner',
                f"keep mac {was}, or take the VIP out, wait until it has drained, and add it with the other mac",
            )
