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
    waiting: Mapping[str, float]
    """When each of those that run another program may have its turn."""
    serving: frozenset[str]
    """Switches that are used: here, with their entries or their old ones, and lb switches admitted."""
    broken: frozenset[str]
    """Switches that were pushed and are not synced."""
    unheard: bool = False
    """Whether there are P4 switches of which nothing is known yet."""
    since: float = 0.0
    """When the first one began to wait."""


class Choice(NamedTuple):
    """Who is next; None: none is."""

    name: str | None
    held: str = ""
    """Why the one whose turn it is has to wait."""


def choose(view: View, now: float) -> Choice:
    """Who is emptied next. Pure."""
    if view.unheard and now < view.since + DISCOVERY_WAIT:
        return Choice(None)
    ready = [s for s in view.switches if s.name in view.waiting and view.waiting[s.name] <= now]
    first = min(ready, key=lambda s: _rank(s, view.serving), default=None)
    if first is None:
        return Choice(None)
    why = _needed(first, view)
    return Choice(None, f"{first.name} {why}") if why else Choice(first.name)


def _rank(switch: Switch, serving: frozenset[str]) -> tuple[bool, bool, bool]:
    return Role.LB in switch.roles, Role.EDGE not in switch.roles, switch.name in serving


def _needed(switch: Switch, view: View) -> str:
    """Why a switch must not be emptied now; empty: it may be."""
    if switch.name not in view.serving:
        return ""
    for role in sorted(switch.roles):
        peers = {s.name for s in view.switches if role in s.roles and s.site == switch.site} - {switch.name}
        sick = sorted(peers & view.broken)
        if sick and not peers & view.serving:
            return f"is the last {role} that serves, and {sick[0]} was not synced under the new program"
    return ""
