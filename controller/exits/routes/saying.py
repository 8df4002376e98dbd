"""Says in the journal what a step of ``Holding`` changed."""

from __future__ import annotations

from controller.core.journal import Journal
from controller.exits.routes.holding import Said


def say(journal: Journal, of: Said) -> None:
    """One event."""
    at, vip, prefix, cause = of.slot.speaker, of.slot.vip, of.prefix, of.cause
    if of.event == "route_announced":
        med, cost = of.attributes.med, of.attributes.cost
        journal.event(
            "route_announced", cause, speaker=at, vip=vip, prefix=prefix, med=med, cost=cost, why=of.why
        )
    elif of.event == "route_leaves":
        journal.event(
            "route_leaves", cause, speaker=at, vip=vip, prefix=prefix, seconds=of.seconds, why=of.why
        )
    elif of.event == "route_withdrawn":
        journal.event("route_withdrawn", cause, speaker=at, vip=vip, prefix=prefix, why=of.why)
    else:
        journal.event(
            "route_dampened", cause, speaker=at, vip=vip, prefix=prefix, flaps=of.flaps, seconds=of.seconds
        )
