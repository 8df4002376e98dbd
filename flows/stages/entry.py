"""The entry table: which frames the balancer looks at, so that all of its stages agree.

    untagged, or tagged with a priority alone (VID 0) ─► claimed: the tag is taken off        for no VIP ─► passed by
    of a VLAN                                         ─► none of ours: flows of others

VIPs live where the switch's untagged frames do. A priority tag says nothing of a VLAN (IEEE 802.1Q), so such a frame
belongs there too; as a bridge does, the balancer takes the tag off and sends nothing tagged. A VLAN is another
network, in which the same addresses may be another host's.
"""

from __future__ import annotations

from collections.abc import Sequence

from flows.actions import Action, Set
from flows.entries import Flow, flow
from flows.match import Match
from flows.tables import CLAIMED, Placed, Priority

_VID = 0x0FFF
UNTAGGED = {"vlan_vid": (0, _VID)}
"""No tag, or one that names no VLAN."""
UNTAG = Set("vlan_tci", 0)
"""Take the tag off, if there is one."""


def leave(
    placed: Placed,
    priority: Priority,
    match: Match,
    actions: Sequence[Action] = (),
    *,
    cookie: int,
    hard: int = 0,
) -> Flow:
    """A flow of the entry table that leaves frames as they are; no actions: it drops them."""
    return flow(
        placed.entry, placed.priority(priority), _ours(placed, match), actions, cookie=cookie, hard=hard
    )


def claim(
    placed: Placed,
    priority: Priority,
    match: Match,
    actions: Sequence[Action],
    *,
    cookie: int,
    goto: int | None = None,
    hard: int = 0,
) -> Flow:
    """A flow of the entry table whose frames go on without a tag."""
    return flow(
        placed.entry,
        placed.priority(priority),
        _ours(placed, match),
        (UNTAG, *actions),
        cookie=cookie,
        goto=goto,
        hard=hard,
    )


def _ours(placed: Placed, match: Match) -> Match:
    """What was handed over to flows below ours in the entry table must not meet ours again."""
    again = {} if placed.place.next_table is not None else {CLAIMED: 0}
    return match.plus(**UNTAGGED, **again)
