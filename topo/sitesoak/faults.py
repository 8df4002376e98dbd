"""What a soak of two sites breaks: kinds of faults, whom they are done to, what they cost at most. Pure.

Whom a fault is done to is a name, or a part that somebody plays when its turn comes: ``leader``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from topo import wires
from topo.plan import Fabric
from topo.relay import BACK, FORTH
from topo.sitedemo.events import ASKED, DISCOVERY_MS, LBS_AWAY_MS, TAKEOVER_MS, Scale
from topo.sitedemo.stage import Stage

LEADER = "leader"
"""The leading controller, or the leading member of the store."""
BOTH = "both"
"""Ways of a path that is cut."""
ELECTION_MS = 1000.0
"""For so long a store has no leader after its own died, with what a controller takes to ask another member."""
HOUR = 3600


class Kind(StrEnum):
    """Kinds of faults; what ``--only`` and ``--without`` choose from."""

    LINK = "link"
    LINKS = "links"
    WAN = "wan"
    SITE_CUT = "site_cut"
    KILLED = "controller_killed"
    STOPPED = "controller_stopped"
    RESTARTED = "controller_restarted"
    AGENT_KILLED = "agent_killed"
    AGENT_STOPPED = "agent_stopped"
    CLOCK = "clock"
    MEMBER = "member"
    MEMBERS = "members"
    MEMBER_FULL = "member_full"
    SERVER = "server"
    SERVERS = "servers"
    LB = "lb"
    LBS = "lbs"
    EDGES = "edges"
    SITE = "site"


LASTS: Mapping[Kind, tuple[float, float]] = {
    Kind.LINK: (2.0, 6.0),
    Kind.LINKS: (2.0, 6.0),
    Kind.WAN: (2.0, 6.0),
    Kind.SITE_CUT: (4.0, 9.0),
    Kind.KILLED: (1.5, 6.0),
    Kind.STOPPED: (1.0, 8.0),
    Kind.RESTARTED: (1.0, 4.0),
    Kind.AGENT_KILLED: (1.5, 6.0),
    Kind.AGENT_STOPPED: (1.0, 6.0),
    Kind.CLOCK: (2.0, 5.0),
    Kind.MEMBER: (1.5, 6.0),
    Kind.MEMBERS: (2.0, 6.0),
    Kind.MEMBER_FULL: (2.0, 6.0),
    Kind.SERVER: (3.0, 8.0),
    Kind.SERVERS: (4.0, 8.0),
    Kind.LB: (3.0, 8.0),
    Kind.LBS: (4.0, 8.0),
    Kind.EDGES: (3.0, 7.0),
    Kind.SITE: (6.0, 10.0),
}
"""Seconds until a fault is undone; cuts are mended before connections of servers behind them are given up."""
CONTROLLERS = (Kind.KILLED, Kind.STOPPED, Kind.RESTARTED)
OF_AGENTS = (Kind.AGENT_KILLED, Kind.AGENT_STOPPED)
OF_MEMBERS = (Kind.MEMBER, Kind.MEMBERS, Kind.MEMBER_FULL)
OF_SITES = (Kind.SITE, Kind.SITE_CUT)
"""A whole site is away from the other one."""
BLINDING = (*OF_SITES, Kind.LBS, Kind.EDGES)
"""Clients of the site are cut off from VIPs, or from their owner."""


@dataclass(frozen=True)
class Fault:
    """One fault."""

    kind: Kind
    target: str = ""
    """A site, a link, a path, a controller, a member, a server or an lb switch; ``leader``; empty where there is no
    choice. Of ``members``: the one that stays. Of agents: a node, or a site: the one that acts for it."""
    value: str = ""
    """Of a path: ``both`` ways are cut, ``forth`` or ``back``. Of a clock: seconds."""
    starts: float = 0.0
    """Seconds after its episode began."""
    lasts: float = 4.0

    @property
    def title(self) -> str:
        """For people."""
        way = "" if self.value == BOTH else f", {self.value} alone"
        words = {
            Kind.LINK: f"stretch link {self.target} cut{way}",
            Kind.LINKS: "all stretch links cut",
            Kind.WAN: f"control path {self.target} cut{way}",
            Kind.SITE_CUT: f"site {self.target} cut off",
            Kind.KILLED: f"controller {self.target} killed",
            Kind.STOPPED: f"controller {self.target} stopped",
            Kind.RESTARTED: f"controller {self.target} ended by SIGTERM",
            Kind.AGENT_KILLED: f"agent of {self.target} killed",
            Kind.AGENT_STOPPED: f"agent of {self.target} stopped",
            Kind.CLOCK: f"clock of controller {self.target} stepped by {self.value} s",
            Kind.MEMBER: f"member {self.target} of the store killed",
            Kind.MEMBERS: f"all members of the store but {self.target} killed",
            Kind.MEMBER_FULL: f"disk of member {self.target} of the store full",
            Kind.SERVER: f"server {self.target} killed",
            Kind.SERVERS: f"all servers of {self.target} killed",
            Kind.LB: f"lb switch {self.target} killed",
            Kind.LBS: f"all lb switches of {self.target} killed",
            Kind.EDGES: f"all edges of {self.target} killed",
            Kind.SITE: f"site {self.target} dies whole",
        }
        return words[self.kind]

    @property
    def name(self) -> str:
        """Short, for the report."""
        return ":".join(part for part in (self.kind, self.target, self.value) if part)

    def report(self) -> dict[str, Any]:
        """For ``report.json`` and ``--plan --json``."""
        return {**asdict(self), "title": self.title}


@dataclass(frozen=True)
class Episode:
    """A fault, or a pair of them; a return to health follows."""

    faults: tuple[Fault, ...]
    calm: float = 0.0
    """Seconds from the return to health until the next one."""

    @property
    def name(self) -> str:
        """Of all."""
        return "+".join(one.name for one in self.faults)

    @property
    def title(self) -> str:
        """For people."""
        return " and ".join(one.title for one in self.faults)

    @property
    def lasts(self) -> float:
        """Seconds until the last one is undone."""
        return max(one.starts + one.lasts for one in self.faults)

    def report(self) -> dict[str, Any]:
        """For ``--plan --json``."""
        return {"name": self.name, "calm": self.calm, "faults": [one.report() for one in self.faults]}


@dataclass(frozen=True)
class Setting:
    """Names of a fabric's parts, by site."""

    sites: tuple[str, ...]
    links: tuple[str, ...]
    wans: Mapping[str, tuple[str, str]]
    """Control paths, and which two places each joins."""
    controllers: Mapping[str, str]
    """Node: its site."""
    members: Mapping[str, str]
    """Member of the store: its place."""
    servers: Mapping[str, str]
    lbs: Mapping[str, str]
    edges: Mapping[str, str]
    agents: Mapping[str, str]
    """Node: its site. None where the controller that leads owns the VIPs."""

    @staticmethod
    def of(fabric: Fabric, stage: Stage, nodes: Sequence[str]) -> Setting:
        """``nodes``: where controllers run."""
        return Setting(
            stage.sites,
            stage.links,
            wires.control_paths(fabric),
            {node: fabric.site_of(node) for node in nodes},
            {name: fabric.site_of(name) for name in fabric.members},
            stage.servers,
            stage.lbs,
            {one.name: one.site for one in fabric.switches.values() if "edge" in one.roles},
            {node: fabric.site_of(node) for node in nodes} if fabric.topology.agents else {},
        )

    def kinds(self, chosen: Collection[Kind] = tuple(Kind)) -> tuple[Kind, ...]:
        """Those of the chosen kinds that there is something for."""
        return tuple(kind for kind in Kind if kind in chosen and (self.agents or kind not in OF_AGENTS))

    def targets(self, kind: Kind) -> tuple[str, ...]:
        """Whom a fault of a kind can be done to."""
        named: dict[Kind, Sequence[str]] = {
            Kind.LINK: self.links,
            Kind.LINKS: ("",),
            Kind.WAN: tuple(self.wans),
            Kind.SERVER: tuple(self.servers),
            Kind.LB: tuple(self.lbs),
            Kind.CLOCK: (LEADER, *self.controllers),
            Kind.MEMBERS: tuple(self.members),
        }
        if kind in CONTROLLERS:
            # Most of what can go wrong goes wrong with the one that leads.
            return (LEADER, LEADER, *self.controllers)
        if kind in OF_MEMBERS and kind is not Kind.MEMBERS:
            return (LEADER, *self.members)
        return tuple(named.get(kind, self.sites))

    @staticmethod
    def values(kind: Kind) -> tuple[str, ...]:
        """What a fault of a kind can be done with."""
        if kind in (Kind.LINK, Kind.WAN):
            return (BOTH, FORTH, BACK)
        return (f"{HOUR}", f"-{HOUR}") if kind is Kind.CLOCK else ("",)


def unowned_ms(fault: Fault, leads: bool, scale: Scale, alone: bool = False) -> float:
    """For so long no site claims a VIP because of one fault, at most.

    ``leads``: it met the leading controller, or the site of it. ``alone``: it met the only agent of a site.
    """
    leads = leads and not scale.agents  # agents own the VIPs, whoever leads
    if fault.kind in (Kind.LINK, Kind.LINKS):
        return scale.cut_ms + ASKED
    if fault.kind in CONTROLLERS:
        return TAKEOVER_MS if leads else ASKED
    if fault.kind in OF_MEMBERS or fault.kind is Kind.WAN:
        return ELECTION_MS + ASKED
    if fault.kind in OF_SITES or (fault.kind in OF_AGENTS and alone):
        return scale.gone_ms + ASKED + (TAKEOVER_MS + DISCOVERY_MS if leads else 0.0)
    if fault.kind in BLINDING:
        return scale.gone_ms + (LBS_AWAY_MS if scale.agents else 0.0)
    return ASKED
