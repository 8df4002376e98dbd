"""What operators ask of ownership, and where groups belong by that. Pure.

A controller whose store is of one machine moves no group by itself: a group is at its home, or at the next site of its
list while its home is drained, or where it was moved by hand. Controllers that share a store also ask how fit the sites
are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.sites.fitness import Condition, Fitness, Name
from controller.sites.groups import MacGroup, find, mac_groups
from controller.sites.placement import (
    UNKNOWN,
    Decision,
    Order,
    OrderKind,
    SiteState,
    Situation,
    Waiting,
    decide,
)
from controller.spec.moves import Moves
from controller.spec.types import Intent

_FIT = Fitness((Condition(Name.CONTROLLER, met=True, value="one for all sites"),), since=0.0)
_AT_ONCE = Moves(hold=0.0)


class OrderRefused(ValueError):
    """An order that is not carried out; the message says why, and what would be right."""


@dataclass(frozen=True)
class Orders:
    """What holds until it is withdrawn."""

    moved: Mapping[str, str] = field(default_factory=dict)
    """MAC of a group -> the site where it belongs."""
    drained: frozenset[str] = frozenset()
    """Sites that should own nothing."""


def place(group: MacGroup, orders: Orders, owner: str) -> Decision:
    """Where a group belongs, by orders alone. ``owner``: the site that owns it; empty: none does."""
    sites = dict.fromkeys(group.owners, SiteState(_FIT))
    return decide(situation(group, orders, owner, sites, _AT_ONCE), now=0.0)


def situation(
    group: MacGroup,
    orders: Orders,
    owner: str,
    sites: Mapping[str, SiteState],
    policy: Moves,
    waiting: Waiting | None = None,
) -> Situation:
    """What placement decides from. ``sites``: as they are, but for orders; ``waiting``: of the decision before."""
    at = orders.moved.get(group.mac)
    order = None if at is None else Order(OrderKind.MOVE, at)
    known = {site: sites.get(site, UNKNOWN)._replace(drained=site in orders.drained) for site in group.owners}
    return Situation(group, owner, known, policy, order, waiting)


def moved(orders: Orders, intent: Intent, name: str, site: str) -> tuple[Orders, MacGroup]:
    """The orders with a group at a site, found by its MAC or one of its VIPs. Raises OrderRefused."""
    group = _group(intent, name)
    if site not in group.owners:
        raise OrderRefused(
            f'{_names(group)} may be at {" or ".join(group.owners)}, not at "{site}": add it to their owners first'
        )
    if site in orders.drained:
        raise OrderRefused(f"site {site} is drained; first: evenkeel site undrain {site}")
    return replace(orders, moved={**_known(orders, intent), group.mac: site}), group


def home(orders: Orders, intent: Intent, name: str) -> tuple[Orders, MacGroup]:
    """The orders without one for a group. Raises OrderRefused."""
    group = _group(intent, name)
    kept = {mac: site for mac, site in _known(orders, intent).items() if mac != group.mac}
    return replace(orders, moved=kept), group


def drained(orders: Orders, intent: Intent, site: str) -> Orders:
    """The orders with a site that should own nothing. Raises OrderRefused: a group would belong nowhere."""
    _check_site(intent, site)
    made = Orders(
        {mac: at for mac, at in _known(orders, intent).items() if at != site}, orders.drained | {site}
    )
    for group in mac_groups(intent):
        if all(each in made.drained for each in group.owners):
            others = ", ".join(sorted(made.drained - {site})) or "none"
            raise OrderRefused(
                f"{_names(group)} would belong to no site: owners {', '.join(group.owners)}, drained already: {others}"
            )
    return made


def undrained(orders: Orders, intent: Intent, site: str) -> Orders:
    """The orders with a site that may own groups again. Raises OrderRefused."""
    if site not in orders.drained:
        _check_site(intent, site)
        raise OrderRefused(
            f"site {site} is not drained; drained: {', '.join(sorted(orders.drained)) or 'none'}"
        )
    return replace(orders, drained=orders.drained - {site})


def _group(intent: Intent, name: str) -> MacGroup:
    try:
        return find(mac_groups(intent), name)
    except ValueError as error:
        raise OrderRefused(str(error)) from error


def _known(orders: Orders, intent: Intent) -> dict[str, str]:
    """Orders for groups that there are, at sites that may still own them."""
    owners = {group.mac: group.owners for group in mac_groups(intent)}
    return {mac: site for mac, site in orders.moved.items() if site in owners.get(mac, ())}


def _check_site(intent: Intent, site: str) -> None:
    names = [each.name for each in intent.sites]
    if site not in names:
        raise OrderRefused(f'there is no site "{site}"; sites: {", ".join(names)}')


def _names(group: MacGroup) -> str:
    return f"{', '.join(group.vips)} ({group.mac})"
