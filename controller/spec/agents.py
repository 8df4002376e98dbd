"""Agents: programs at each site that own VIPs for it by leases, and give their edges the authority to answer."""

from __future__ import annotations

from dataclasses import dataclass

from controller.spec.leasetimes import LeaseTimes

FENCED = 0.2
"""Seconds from the end of authority until an edge with a fence is silent: it has missed BFD by then. A P4 edge, which
keeps a deadline of its own clock, is so sooner."""
UNFENCED = 2.0
"""The same where some Open vSwitch edge has none: flows time out in whole seconds, and not at once."""
_USABLE = 0.6
"""Seconds of an authority that are left for the switches, unless the intent says otherwise."""


@dataclass(frozen=True)
class Agent:
    """One agent of a site."""

    name: str
    """As it is started (``evenkeel agent --name``)."""
    peers: tuple[str, ...]
    """ADDRESS:PORT where other agents reach it, one for each path between the sites: a controller is taken for silent
    only when it is on all of them."""


@dataclass(frozen=True)
class Lease:
    """How long a site owns a group of VIPs by one renewal."""

    renew: float = LeaseTimes.renew
    """Between two renewals."""
    authority: float | None = None
    """How long one renewal lasts, from when it was sent until the last switch is silent. A site that dies is replaced
    in a little more. Default: 800ms where every edge has a fence or is a P4 one, 2.6s otherwise."""
    drift: float = LeaseTimes.drift
    """By which share the clock of a machine may run too fast or too slow."""
    margin: float = LeaseTimes.margin
    """What another site waits besides."""


USUAL_LEASE = Lease()
"""Unless the intent says otherwise."""


def times_of(lease: Lease, fenced: bool) -> LeaseTimes:
    """What the rules of leases go by. ``fenced``: whether every edge has a fence, or a deadline of its own clock."""
    fence = FENCED if fenced else UNFENCED
    authority = fence + _USABLE if lease.authority is None else lease.authority
    return LeaseTimes(lease.renew, round(authority, 6), lease.drift, lease.margin, fence)
