"""What the demo does to two sites, one entry an event: what is done and undone, and what must hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from topo.model import SwitchKind


class Verb(StrEnum):
    """What can be done."""

    MOVE = "move"
    """``evenkeel move VIP SITE``."""
    HOME = "home"
    """``evenkeel move VIP``: the move is withdrawn."""
    DRAIN = "drain"
    UNDRAIN = "undrain"
    FAIL = "fail"
    """``evenkeel lab fail``."""
    HEAL = "heal"
    STOP = "stop"
    """SIGSTOP."""
    RESUME = "resume"
    KILL = "kill"
    """SIGKILL."""
    START = "start"


class Whom(StrEnum):
    """To whom; who plays the part is found when the event begins."""

    GROUP = "a MAC group's VIPs"
    SITE = "the site"
    LINK = "the first stretch link"
    LINKS = "all stretch links"
    LEADER = "the leading controller"
    AGENT = "the agent that acts for the site"
    MEMBER = "the leading member of the store"
    SERVERS = "the site's servers"
    LBS = "the site's lb switches"


class Where(StrEnum):
    """The site of an event."""

    NEAR = "near"
    """That of the leading controller."""
    FAR = "far"
    """The other one."""


@dataclass(frozen=True)
class Act:
    """One deed."""

    verb: Verb
    whom: Whom


@dataclass(frozen=True)
class Bounds:
    """What is promised, in milliseconds; None: nothing, and the figure is shown all the same."""

    gap: float | None = None
    """For so long no new connection to some listener succeeds, at the sites whose clients are not cut off."""
    repair: float | None = None
    """From the event until no new connection goes wrong, there."""
    unowned: float | None = None
    """For so long no site claims a VIP."""


@dataclass(frozen=True)
class Event:
    """One event, followed by a return to health."""

    name: str
    title: str
    do: tuple[Act, ...]
    undo: tuple[Act, ...]
    lasts: float
    """Seconds from one to the other."""
    where: Where = Where.FAR
    blind: tuple[Where, ...] = ()
    """Sites whose clients nothing is promised until the fabric is healthy again, e.g. because their edge is dead."""
    lbs_die: bool = False
    """So do the site's lb switches, fullnat connections through them, and maybe what no other switch has heard."""
    servers_die: bool = False
    """So do servers of the site and their connections."""


@dataclass(frozen=True)
class Scale:
    """What fits a kind of switch, and what it promises for a round trip of 3 ms between the sites."""

    switch: SwitchKind
    connections: int
    """Long-lived ones over all clients and listeners."""
    rate: float
    """Short requests a second and client."""
    cut_ms: float
    """Until what crossed a stretch link that is cut crosses the other one. Who sent a SYN meanwhile repeats it a
    second later."""
    verdict_ms: float
    """What writing the switches may add to a health verdict."""
    gone_ms: float
    """From the death of a site to the first answer of the other one for its VIPs: the control streams' end, a second
    of grace, the authority that was given last, and the wait after it (docs/two-sites.md)."""

    agents: bool = False
    """Agents own the VIPs, not the controller that leads."""


SCALES = (
    Scale("ovs", 40, 20.0, 600.0, 500.0, 1000.0, agents=True),
    Scale("ovs", 40, 20.0, 600.0, 500.0, 9500.0),
    Scale("bmv2", 40, 10.0, 1500.0, 1500.0, 8000.0),
    Scale("embedded", 30, 8.0, 2000.0, 2500.0, 1500.0, agents=True),
    Scale("embedded", 30, 8.0, 2000.0, 2500.0, 8000.0),
)
LBS_AWAY_MS = 2500.0
"""From the death of a site's lb switches until their streams have ended, and a second of grace is over."""
TAKEOVER_MS = 4500.0
"""From the end of a leading controller until another one has given all edges authority, less what these have left."""
READY_MS = 1000.0
"""What a takeover adds to a verdict: the next controller has probed as well, and leads before it has the verdict."""
DISCOVERY_MS = 9000.0
"""For so long a controller that has just begun to lead waits for switches that it has not heard of."""
ASKED = 200.0
"""Milliseconds between two requests of a client to one listener, or two questions to an owner, and what a busy machine
adds:
nothing shorter can be seen."""
MOVE_MS = 200.0
"""A planned move leaves a VIP without an owner for so long at most."""
SILENT = (7.0, 9.0)
"""Seconds between the echoes of a silent connection."""
HOLD = 3.0
"""Seconds that a site must be fit for until it owns again what is at home there: ``moves.hold`` in the demo."""
TRANSITION = 3.0
"""Seconds that a slot is in transition for: of the pools' ``transition`` in the demo."""

MOVE = Event(
    "move",
    "a MAC group is moved to the other site by hand, and back",
    (Act(Verb.MOVE, Whom.GROUP),),
    (Act(Verb.HOME, Whom.GROUP),),
    3.0,
)
DRAIN = Event(
    "site_drain",
    "a site is drained, and takes part again",
    (Act(Verb.DRAIN, Whom.SITE),),
    (Act(Verb.UNDRAIN, Whom.SITE),),
    3.0,
)
LINK = Event(
    "link_cut",
    "one stretch link is cut, and healed",
    (Act(Verb.FAIL, Whom.LINK),),
    (Act(Verb.HEAL, Whom.LINK),),
    4.0,
)
LINKS = Event(
    "links_cut",
    "both stretch links are cut, and healed",
    (Act(Verb.FAIL, Whom.LINKS),),
    (Act(Verb.HEAL, Whom.LINKS),),
    4.0,
    blind=(Where.FAR,),
)
STOPPED = Event(
    "leader_stopped",
    "the leading controller is stopped (SIGSTOP), and resumed",
    (Act(Verb.STOP, Whom.LEADER),),
    (Act(Verb.RESUME, Whom.LEADER),),
    7.0,
)
KILLED = Event(
    "leader_killed",
    "the leading controller is killed, and started again",
    (Act(Verb.KILL, Whom.LEADER),),
    (Act(Verb.START, Whom.LEADER),),
    5.0,
)
MEMBER = Event(
    "store_leader_killed",
    "the leading member of the store is killed, and started again",
    (Act(Verb.FAIL, Whom.MEMBER),),
    (Act(Verb.HEAL, Whom.MEMBER),),
    4.0,
)
SERVERS = Event(
    "servers_die",
    "all servers of a site die, and come back",
    (Act(Verb.FAIL, Whom.SERVERS),),
    (Act(Verb.HEAL, Whom.SERVERS),),
    6.0,
    servers_die=True,
)
LBS = Event(
    "lbs_die",
    "all lb switches of a site die, and come back",
    (Act(Verb.FAIL, Whom.LBS),),
    (Act(Verb.HEAL, Whom.LBS),),
    6.0,
    blind=(Where.FAR,),
    lbs_die=True,
)
FAR_DIES = Event(
    "site_dies",
    "the site without the leading controller dies whole, and comes back",
    (Act(Verb.FAIL, Whom.SITE),),
    (Act(Verb.HEAL, Whom.SITE),),
    7.0,
    blind=(Where.FAR,),
    lbs_die=True,
    servers_die=True,
)
NEAR_DIES = Event(
    "leading_site_dies",
    "the site of the leading controller dies whole, and comes back",
    (Act(Verb.FAIL, Whom.SITE),),
    (Act(Verb.HEAL, Whom.SITE),),
    9.0,
    Where.NEAR,
    blind=(Where.NEAR,),
    lbs_die=True,
    servers_die=True,
)
AGENT_STOPPED = Event(
    "agent_stopped",
    "the agent that acts for a site is stopped (SIGSTOP), and resumed",
    (Act(Verb.STOP, Whom.AGENT),),
    (Act(Verb.RESUME, Whom.AGENT),),
    3.0,
)
AGENT_KILLED = Event(
    "agent_killed",
    "the agent that acts for a site is killed, and started again",
    (Act(Verb.KILL, Whom.AGENT),),
    (Act(Verb.START, Whom.AGENT),),
    3.0,
)
FULL = (MOVE, DRAIN, LINK, LINKS, STOPPED, KILLED, MEMBER, LBS, SERVERS, FAR_DIES, NEAR_DIES)
SHORT = (MOVE, LINK, KILLED, NEAR_DIES)
"""What shows in a minute and a half."""


def full(scale: Scale) -> tuple[Event, ...]:
    """All events that there are where agents own VIPs, or do not."""
    return (*FULL[:-2], AGENT_STOPPED, AGENT_KILLED, *FULL[-2:]) if scale.agents else FULL


def bounds(event: Event, scale: Scale, verdict_seconds: float) -> Bounds:
    """What is promised of an event. ``verdict_seconds``: interval x fall + timeout of the health check."""
    verdict = 1000.0 * verdict_seconds + scale.verdict_ms
    if event in (MOVE, DRAIN):
        return Bounds(0.0, 0.0, MOVE_MS + ASKED)
    if event == LINK:
        return Bounds(scale.cut_ms + ASKED, scale.cut_ms, scale.cut_ms)
    if event == LINKS:  # half of the servers are out of reach until they are healed and found up
        return Bounds(None, 1000.0 * event.lasts + verdict, None)
    if event == SERVERS:
        return Bounds(None, verdict, ASKED)
    if event in (STOPPED, KILLED, AGENT_STOPPED, AGENT_KILLED) and scale.agents:
        return Bounds(0.0, 0.0, ASKED)
    if event in (STOPPED, KILLED):
        return Bounds(0.0, 0.0, TAKEOVER_MS)
    if event == LBS:
        return Bounds(0.0, 0.0, (LBS_AWAY_MS if scale.agents else 0.0) + scale.gone_ms)
    if event == FAR_DIES or (event == NEAR_DIES and scale.agents):
        late = READY_MS if event == NEAR_DIES else 0.0
        return Bounds(None, max(verdict + late, scale.gone_ms), scale.gone_ms + ASKED)
    if event == NEAR_DIES:
        late = TAKEOVER_MS + DISCOVERY_MS
        return Bounds(None, late + scale.gone_ms, late + scale.gone_ms)
    return Bounds(0.0, 0.0, ASKED)


@dataclass(frozen=True)
class Cast:
    """Who plays which part in an event."""

    site: str
    """The event's."""
    sites: Mapping[Where, str]
    leader: str
    """Node of the leading controller."""
    agent: str
    """Node of the agent that acts for the event's site; empty: there is none."""
    member: str
    """Node of the leading member of the store."""
    group: tuple[str, str]
    """A VIP of the group, and the site that it is moved to."""
    links: Sequence[str]
    servers: Sequence[str]
    """Of the site."""
    lbs: Sequence[str]

    def names(self, whom: Whom) -> tuple[str, ...]:
        """Those whom an act is done to."""
        parts: dict[Whom, Sequence[str]] = {
            Whom.GROUP: self.group,
            Whom.SITE: (self.site,),
            Whom.LINK: self.links[:1],
            Whom.LINKS: self.links,
            Whom.LEADER: (self.leader,),
            Whom.AGENT: (self.agent,),
            Whom.MEMBER: (self.member,),
            Whom.SERVERS: self.servers,
            Whom.LBS: self.lbs,
        }
        return tuple(parts[whom])


@dataclass(frozen=True)
class Happened:
    """An event that took place. Times are CLOCK_MONOTONIC seconds."""

    event: Event
    cast: Cast
    begin: float
    """Read just before the first act."""
    undone: float
    """Read just before it was undone."""
    healthy: float | None
    """When the fabric was seen to be healthy again; None: it was not, in time."""
    end: float
    """When the next one began, or the run ended."""
    why: str = ""
    """What was not healthy."""
    parts: tuple[Happened, ...] = ()
    """What it was made of, each with its own times and cast, by which connections are judged; none: itself."""
    bounds: Bounds | None = None
    """What is promised; None: what ``bounds`` says of the event."""
