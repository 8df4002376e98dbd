"""The order in which changes are written to a switch: the only place that decides it.

    MAKE    meters, groups
    STAGES  what is new or different behind the entry; among it that a backend gives its connections away
    SHIELD  transitions and watches; that a backend gives its connections away no longer; what access lists block
    SLOTS   slots
    CLAIM   what claims packets, but no SYN, and says which pool serves them
    SYN     what claims SYNs
    LEAVE   packets that are no longer claimed
    REST    whatever else is deleted, transitions that are over
    FORGET  which backends of a pool keep their connections, of those that no longer do; what access lists allowed
    UNMAKE  meters, groups

A barrier stands between the steps. Within one there is no order, and a switch may be left after any part of it, for as
long as no controller runs. What holds at every moment: a connection that is opened then keeps the backend that its SYN
was given, and so does every established one, unless its backend gives it away.

- A backend that returns gets SYNs by its slots. So what it did while it was down or drained goes first, or the
  connections opened since would be moved or reset.
- A backend that leaves gives its connections away before others get its slots: of a pool with one writer, the former
  one is cut off before the next one serves.
- A listener that goes to a table of another number finds all of it there. Whatever a SYN was given by the former table,
  the next one keeps, but not the reverse: the packets that follow go over before the SYNs do.
- What is under way with the former number, and what the switch's cache still sends by it, is kept or dropped, but never
  decided again: who keeps what is forgotten when no slot of that number is left.
- An access list allows before it blocks, and blocks until it no longer does: no source is shut out that both versions
  of the list serve, and none served that both shut out.
"""

from __future__ import annotations

from collections.abc import Container
from enum import IntEnum

from flows.entries import FlowBody, FlowKey
from flows.match import Match
from flows.tables import BACKEND, POOL, Kind, Placed, Priority, Stage


class Step(IntEnum):
    """When a change is written."""

    MAKE = 0
    STAGES = 1
    SHIELD = 2
    SLOTS = 3
    CLAIM = 4
    SYN = 5
    LEAVE = 6
    REST = 7
    FORGET = 8
    UNMAKE = 9


KEEPS = 10
"""Priority in table ``fate`` of what a backend keeps; what it gives away has higher ones."""
GIVES_AWAY = 30
"""Lowest priority in table ``fate`` of what a backend gives away."""


def of_put(placed: Placed, key: FlowKey, body: FlowBody) -> Step:
    """When a flow that is new or different is written."""
    if key.table == placed.entry:
        return Step.SYN if key.priority == placed.priority(Priority.SYN) else Step.CLAIM
    if _kind(body) == Kind.BLOCK:
        return Step.SHIELD
    return Step.CLAIM if _claims(body) else Step.STAGES


def of_deletion(placed: Placed, key: FlowKey, body: FlowBody, want: Container[FlowKey]) -> Step:
    """When a flow is deleted. ``want``: places of all flows that the switch should hold."""
    if key.table == placed.entry or _claims(body):
        return Step.LEAVE
    if key.table != placed.table(Stage.FATE):
        return Step.FORGET if _kind(body) == Kind.ALLOW else Step.REST
    if key.priority == KEEPS:
        return Step.FORGET
    # Of a backend that leaves the pool altogether nothing is wanted: it keeps none until its pool is over.
    returns = key.priority >= GIVES_AWAY and _kept(key) in want
    return Step.SHIELD if returns else Step.REST


def _claims(body: FlowBody) -> bool:
    """Whether a flow says which pool serves a listener."""
    return _kind(body) == Kind.LISTENER


def _kind(body: FlowBody) -> int:
    return body.cookie >> 40 & 0xFF


def _kept(key: FlowKey) -> FlowKey:
    """Where it stands that the backend that a fate is about keeps its connections."""
    about = [item for item in key.match if item[0] in (POOL, BACKEND)]
    return FlowKey(key.table, KEEPS, Match(about))
