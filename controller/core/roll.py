"""Whose turn it is in a rolling push. Pure.

Edges come first, for one that waits cannot be told to leave an lb switch out; then leafs, then lb switches, those that
are in use after the others. A switch that is given up on does not stop the roll, but for this: the last switch of a
role that still serves is not emptied while another one was not synced under the new program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from controller.spec.types import Role, Switch

DISCOVERY_WAIT = 5.0
"""Seconds after the first switch that waits, until all have been heard of and their order is known."""


@dataclass(frozen=True)
class View:
    """What the choice of the next switch depends on."""

    switches: Sequence[Switch]
    """All that the intent names, in its order."""
    waiting: Mapping[int, float]
    """When each of those that run another program may have its turn, by id."""
    serving: frozenset[int]
    """Switches that are used: here, with their entries or their old ones, and lb switches admitted."""
    broken: frozenset[int]
    """Switches that were pushed and are not synced."""
    unheard: bool = False
    """Whether there are P4 switches of which nothing is known yet."""
    since: float = 0.0
    """When the first one began to wait."""


class Choice(NamedTuple):
    """Who is next; None: none is."""

    switch: Switch | None
    held: str = ""
    """Why the one whose turn it is has to wait."""


def choose(view: View, now: float) -> Choice:
    """Who is emptied next. Pure."""
    if view.unheard and now < view.since + DISCOVERY_WAIT:
        return Choice(None)
    ready = [s for s in view.switches if s.id in view.waiting and view.waiting[s.id] <= now]
    first = min(ready, key=lambda s: _rank(s, view.serving), default=None)
    if first is None:
        return Choice(None)
    why = _needed(first, view)
    return Choice(None, f"{first.name} {why}") if why else Choice(first)


def _rank(switch: Switch, serving: frozenset[int]) -> tuple[bool, bool, bool]:
    return Role.LB in switch.roles, Role.EDGE not in switch.roles, switch.id in serving


def _needed(switch: Switch, view: View) -> str:
    """Why a switch must not be emptied now; empty: it may be."""
    if switch.id not in view.serving:
        return ""
    for role in sorted(switch.roles):
        peers = [s for s in view.switches if role in s.roles and s.site == switch.site and s.id != switch.id]
        sick = sorted(s.name for s in peers if s.id in view.broken)
        if sick and not any(s.id in view.serving for s in peers):
            return f"is the last {role} that serves, and {sick[0]} was not synced under the new program"
    return ""
