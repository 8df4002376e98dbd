"""Checks of sites' agents and of the lease by which they own VIPs."""

from __future__ import annotations

from controller.model.findings import Findings
from controller.spec.agents import Agent
from controller.spec.kinds import Protocol, agents_kinds
from controller.spec.leasetimes import check
from controller.spec.types import Role, Site

MOST = 8
"""Agents of all sites together: each hears every other one."""


def check_agents(found: Findings) -> None:
    """Agents of every site that may own VIPs, edges that they can give authority to, times that go together."""
    intent = found.intent
    if not intent.by_agents:
        if found.given(intent, "lease"):
            message = "there is a lease, but no site has agents, which would hold it"
            found.add(intent, "lease", message, "leave lease out, or give every site agents")
        return
    _check_names(found)
    owners = {owner for vip in intent.vips for owner in vip.owners}
    for site in intent.sites:
        if not site.agents and site.name in owners:
            right = f'add agents: [{{name: {site.name}-a, peers: ["192.0.2.1:7654"]}}], or leave them out everywhere'
            message = f'site "{site.name}" has no agents, and other sites have'
            found.add(site, "agents", message, right)
    for switch in intent.switches:
        kind = switch.of_kind
        if Role.EDGE in switch.roles and kind.protocol is not Protocol.OPENFLOW and not kind.roles:
            message = (
                f'the {switch.kind} edge "{switch.name}" cannot be given authority by an agent: its P4Runtime server '
                "has one election for all roles, so that only one controller may send packets"
            )
            right = f"leave agents out, or use kind {agents_kinds()} for edges"
            found.add(switch, "kind", message, right)
    for wrong in check(intent.lease_times):
        found.add(intent, (("lease", wrong.key), "lease", "sites"), wrong.message, wrong.right)


def _check_names(found: Findings) -> None:
    names: dict[str, Agent] = {}
    places: dict[str, Agent] = {}
    agents = [(site, agent) for site in found.intent.sites for agent in site.agents]
    for _, agent in agents:
        if names.setdefault(agent.name, agent) is not agent:
            message = f'two agents are called "{agent.name}"'
            found.add(agent, "name", message, "give each a name of its own among all sites")
        if not agent.peers:
            message = f'agent "{agent.name}" has no address where others reach it'
            found.add(agent, "peers", message, "peers: [192.0.2.1:7654]")
        for peer in agent.peers:
            other = places.setdefault(peer, agent)
            if other is not agent or agent.peers.count(peer) > 1:
                message = (
                    f'{peer} is given for agent "{other.name}" of site "{_site_of(agents, other)}" already'
                )
                found.add(agent, "peers", message, "give each path an address and port of its own")
                break
    if len(agents) > MOST:
        message = f"there are {len(agents)} agents"
        found.add(agents[MOST][1], "name", message, f"use {MOST} at most: two at each site are enough")


def _site_of(agents: list[tuple[Site, Agent]], agent: Agent) -> str:
    return next(site.name for site, each in agents if each is agent)
