"""One verdict on a server from those of several places, and what its history means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from controller.health.places import Seen, Vote, decided, reasons
from controller.plan.pool import UNCONFIRMED, Health
from controller.spec.health import PlaceRule


class Ballot(NamedTuple):
    """What is said of one server."""

    rule: PlaceRule
    seen: Mapping[str, Seen]
    """By place that has a verdict which counts."""
    near: frozenset[str] = frozenset()
    """Places of the server's site."""

    @property
    def up(self) -> bool | None:
        """By the rule; None: it does not say."""
        return decided(self.rule, [Vote(seen.up, place in self.near) for place, seen in self.seen.items()])


def merged(before: Health | None, ballot: Ballot, now: float) -> Health | None:
    """The verdict from now on; the same object if nothing changes it.

    A server that is remembered as down is so for sure (``confirmed``) once those who see it now find it down.
    """
    up = ballot.up
    if up is None:
        return before
    if before is None or before.up is not up:
        given = {place: seen.reason for place, seen in ballot.seen.items() if seen.up is up}
        return Health(up, now, reasons(given))
    if not up and before.confirmed == UNCONFIRMED:
        return replace(before, confirmed=now)
    return before
