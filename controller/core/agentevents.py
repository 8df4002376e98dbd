"""Events of agents (``evenkeel agent``)."""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.eventtypes import WHY, Event, Field, Line
from controller.sites.causes import Cause

_AGENT = Field("agent", str, "Name of an agent.")
_SITE = Field("site", str, "The agent's site.")

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
    "facts_refused": Event(
        "What the store holds of the intent cannot be read; what was read before counts.", (WHY,)
    ),
    "answers_refused": Event(
        "An edge refused flows that answer for VIPs; tried again every 0.3 s. Usual while the plan has not come.",
        (
            Field("switch", str, "Name of the switch."),
            Field("count", int, "Messages that it refused."),
            Field("first", str, "One of them, and why."),
        ),
    ),
}
