"""Events of agents (``evenkeel agent``)."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import WHY, Event, Field, Line
from controller.sites.causes import Cause

_AGENT = Field("agent", str, "Name of an agent.")
_SITE = Field("site", str, "The agent's site.")
_PLACE = Field("place", str, "The agent.")
_POOL = Field("pool", str, "The pool.")

AGENTS: Mapping[str, Event] = {
    "agent_started": Event(
        "An agent begins: switches can connect.",
        (_AGENT, Field("listen", str, "Address and port for OpenFlow.")),
        line=Line("agent {agent} begins", Cause.STARTED),
    ),
    "agent_site": Event(
        "The intent in the store says at which site this agent is.",
        (
            _AGENT,
            Field("site", str | None, "The site; null: the intent names no such agent, which does nothing."),
        ),
        line=Line("agent {agent}[ is of site {site}]", Cause.INTENT),
    ),
    "agent_leads": Event(
        "Which agent acts for this one's site: of those that are ready and heard the first by name.",
        (_SITE, Field("agent", str | None, "That one; null: none is ready.")),
        line=Line("for site {site} acts[ {agent}]", Cause.LED),
    ),
    "lease": Event(
        "What became of the lease of a group of VIPs, as this agent sees it.",
        (
            _SITE,
            Field("mac", str, "The group's virtual MAC."),
            Field("vips", list[str], "Its VIPs."),
            Field("what", str, "What happened, with the values that decide."),
        ),
        line=Line("site {site}, VIP {vips}[: {what}]", Cause.HOME),
    ),
    "lease_damaged": Event(
        "A register of a lease cannot be read: nothing is known of that group's owner, and no site claims it.",
        (WHY,),
        line=Line("a lease cannot be read: {why}", Cause.STORE),
    ),
    "path_silent": Event(
        "Another agent, which was heard on this path, is not any more. It may be on others.",
        (_AGENT, Field("path", str, "Our address that it reached.")),
        line=Line("agent {agent} is silent on {path}", Cause.GONE),
    ),
    "path_heard": Event(
        "Another agent is heard on a path again.",
        (_AGENT, Field("path", str, "Our address that it reaches.")),
        line=Line("agent {agent} is heard on {path}", Cause.CONNECTED),
    ),
    "peer_problem": Event("Other agents cannot reach this one at one of its addresses.", (WHY,)),
    "agents_not_asked": Event(
        "Sites have agents, and this controller goes by its own probes: `run` was given neither `--peer-cert` nor "
        "`--insecure-peers`, with which it would ask them what they see of servers.",
        (Field("agents", int, "How many there are."),),
    ),
    "place_heard": Event(
        "What an agent sees of servers counts, or counts again.",
        (_PLACE, _SITE),
        line=Line("what {place} of {site} sees counts", Cause.CONNECTED),
    ),
    "place_lost": Event(
        "What an agent sees of servers does not count any more.",
        (_PLACE, _SITE, WHY),
        line=Line("what {place} of {site} sees does not count: {why}", Cause.GONE),
    ),
    "place_differs": Event(
        "For 5 s now an agent has seen servers of a pool otherwise than is decided by the pool's `places`.",
        (
            _PLACE,
            _SITE,
            _POOL,
            Field("up", list[str], "Servers that it sees up, 10 at most."),
            Field("down", list[str], "Servers that it sees down, 10 at most."),
            Field("count", int, "How many it sees otherwise."),
            Field("reason", str, "Why it sees those down, of one of them; empty: it sees all of them up."),
        ),
        line=Line(
            "{place} of {site} differs on {count} of {pool}[: sees {up} up][: sees {down} down][, {reason}]",
            Cause.PROBE,
        ),
    ),
    "place_agrees": Event(
        "An agent that differed on servers of a pool does not any more, or its word does not count.",
        (_PLACE, _POOL),
        line=Line("{place} does not differ on {pool} any more", Cause.PROBE),
    ),
    "facts_refused": Event(
        "What the store holds of the intent cannot be read; what was read before counts.", (WHY,)
    ),
    "role_refused": Event(
        "A P4 edge does not let agents have a role of their own: it is given no authority. Asked again every 30 s.",
        (Field("switch", str, "Name of the switch."), WHY),
    ),
    "switch_missed": Event(
        "A P4 switch of the site is not reached any more, or not yet; tried again without end. Once for each reason.",
        (Field("switch", str, "Name of the switch."), WHY),
    ),
    "answers_refused": Event(
        "An edge refused flows that answer for VIPs; tried again every 0.3 s. Usual while the plan has not come. "
        "Of a P4 edge: a packet-out.",
        (
            Field("switch", str, "Name of the switch."),
            Field("count", int, "Messages that it refused."),
            Field("first", str, "One of them, and why."),
        ),
    ),
}
