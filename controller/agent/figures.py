"""What an agent shows of itself as figures: values that never change, taken in the event loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from controller.agent.edges import Edges
from controller.agent.owning import Owning
from controller.agent.watching import Watching
from controller.metrics.histogram import Distribution
from controller.sites import lease
from controller.sites.heartbeats import Heartbeats
from controller.sites.leasestate import View


class GroupRole(StrEnum):
    """What an agent is to a group of VIPs."""

    HOLDS = "holds"
    """It has the lease, and authority."""
    BEHIND = "behind"
    """Another agent of its site has."""
    AWAY = "away"
    """Another site owns the group."""
    NONE = "none"
    """No site does, as far as it knows."""


@dataclass(frozen=True)
class GroupFigures:
    """One group of VIPs."""

    role: GroupRole
    left: float
    """Seconds of authority."""
    epoch: int


@dataclass(frozen=True)
class EdgeFigures:
    """One edge of the site."""

    connected: bool
    answers: int
    """VIPs for which it may answer."""
    problem: bool


@dataclass(frozen=True)
class FenceFigures:
    """One end of a fence here."""

    up: bool
    """BFD has its neighbour."""
    claim: bool


@dataclass(frozen=True)
class Itself:
    """The agent."""

    name: str
    site: str
    acts: bool
    """For its site."""
    ready: bool
    """It has had all that it needs to act."""
    problem: str
    """Of the store; empty: it answers."""
    renewals: Distribution
    """Seconds until the store acknowledged a lease."""


@dataclass(frozen=True)
class AgentFigures:
    """All of it."""

    itself: Itself
    groups: Mapping[str, GroupFigures]
    """By virtual MAC."""
    paths: Mapping[tuple[str, str], bool]
    """Whether a path is heard, by agent and our address, of those that were heard ever."""
    edges: Mapping[str, EdgeFigures]
    fences: Mapping[tuple[str, str], FenceFigures]
    """By switch and interface."""
    servers: int
    """Servers that it probes."""
    pending: int
    """Of these, those of which nothing is known."""
    controllers: int
    """That are told what it sees."""
    sent: int
    """Messages with which they were told, so far."""


def taken(
    itself: Itself, owning: Owning, beats: Heartbeats, edges: Edges, watching: Watching, now: float
) -> AgentFigures:
    """All of it, now."""
    return AgentFigures(
        itself,
        _groups(owning, now),
        _paths(owning, beats, now),
        _edges(edges),
        _fences(edges),
        watching.servers,
        watching.servers - len(watching.view.verdicts),
        watching.listeners,
        watching.sent,
    )


def _groups(owning: Owning, now: float) -> dict[str, GroupFigures]:
    """All groups that the site may own."""
    found = {}
    for group, view, _ in owning.shown(now):
        left = max(view.until - now, 0.0) if view.until > float("-inf") else 0.0
        epoch = 0 if view.record is None else view.record.epoch
        found[group.mac] = GroupFigures(_role(view, owning.me.site, group.moves, now), left, epoch)
    return found


def _role(view: View, site: str, moves: bool, now: float) -> GroupRole:
    record = view.record
    if not moves or lease.holding(view, now):
        return GroupRole.HOLDS
    if record is None or record.released or not record.site:
        return GroupRole.NONE
    return GroupRole.BEHIND if record.site == site else GroupRole.AWAY


def _paths(owning: Owning, beats: Heartbeats, now: float) -> dict[tuple[str, str], bool]:
    """All that were heard ever."""
    silent = set(beats.silent(owning.times, now))
    return {(each.controller, each.name): each not in silent for each in beats.arrivals}


def _edges(of: Edges) -> dict[str, EdgeFigures]:
    """All of the site."""
    found = {}
    for edge in of:
        here = edge.session is not None
        answers = len(edge.standing) if here and of.answers(edge) else 0
        found[edge.switch.name] = EdgeFigures(here, answers, bool(edge.problem))
    return found


def _fences(of: Edges) -> dict[tuple[str, str], FenceFigures]:
    """Those with an end on this machine."""
    claims = of.claims()
    return {
        (edge.switch.name, end.interface): FenceFigures(claims[end.interface].up, claims[end.interface].claim)
        for edge in of
        for end in edge.switch.fence
        if end.interface in claims
    }
