"""How what several places see of a server becomes one verdict. Pure.

A place has a vote on a server if it is heard, does not doubt itself, and has a verdict of its own: earned by ``rise``
passes or ``fall`` failures in a row. No vote, or as many for as against, change nothing: a server stays what it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.health.targets import BackendRef
from controller.spec.health import PlaceRule


class Seen(NamedTuple):
    """What one place says of a server."""

    up: bool
    reason: str = ""


@dataclass(frozen=True)
class View:
    """All that one place says."""

    verdicts: Mapping[BackendRef, Seen] = field(default_factory=dict)
    """Of servers of which it has a verdict."""
    doubt: str = ""
    """Why none of it counts at present; empty: it does."""


class Vote(NamedTuple):
    """One place on one server."""

    up: bool
    near: bool
    """It is of the server's own site."""


def decided(rule: PlaceRule, votes: Collection[Vote]) -> bool | None:
    """Whether a server is up, by those who have a verdict; None: they do not say."""
    if not votes:
        return None
    match rule:
        case PlaceRule.ANY:
            return any(vote.up for vote in votes)
        case PlaceRule.MAJORITY:
            return _majority(votes)
        case PlaceRule.SITE_LOCAL:
            return _majority([vote for vote in votes if vote.near] or votes)


def _majority(votes: Collection[Vote]) -> bool | None:
    """None: as many say that it is up as that it is down."""
    up = sum(vote.up for vote in votes)
    down = len(votes) - up
    return None if up == down else up > down


def reasons(down: Mapping[str, str]) -> str:
    """Why a server is down, of places that see it so: each reason with those that give it, by name."""
    places: dict[str, list[str]] = {}
    for place, reason in sorted(down.items()):
        places.setdefault(reason or "failed", []).append(place)
    return "; ".join(f"{reason} ({', '.join(names)})" for reason, names in places.items())
