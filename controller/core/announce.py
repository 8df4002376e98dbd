"""Say where the VIPs are: gratuitous ARP and unsolicited neighbour advertisements from the virtual MAC.

At once when a responder is ready, then again and again: forwarding entries on the way to the clients age, and may age
before the clients' own ARP entries do.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from controller.core.fleet import Member
from controller.frames import gratuitous_arp, unsolicited_na
from controller.model.types import Role, Switch, Vip
from controller.plan.duty import vips_of
from controller.plan.segments import segment_ports
from controller.southbound.errors import SwitchError

if TYPE_CHECKING:
    from controller.core.controller import Controller

PERIOD = 30.0
"""Seconds between announcements; forwarding entries commonly live for 300 s."""


def frame(vip: Vip) -> bytes:
    """The announcement of one VIP."""
    if isinstance(vip.address, IPv4Address):
        return gratuitous_arp(vip.address, vip.mac)
    return unsolicited_na(vip.address, vip.mac)


async def announce(core: Controller, member: Member) -> None:
    """Send every VIP that this switch answers for to clients, routers and the other site."""
    switch = member.switch
    ports = segment_ports(core.state.intent, switch)
    if Role.EDGE not in switch.roles or not ports or not member.synced:
        return
    for vip in _owned(core, switch):
        if member.link.alive:
            await member.link.send(frame(vip), ports)


async def keep(core: Controller) -> None:
    """Announce from every responder, again and again."""
    while True:
        for member in list(core.members.values()):
            try:
                await announce(core, member)
            except SwitchError as error:
                core.journal.event("switch_error", switch=member.switch.name, error=str(error))
        await asyncio.sleep(PERIOD)


def _owned(core: Controller, switch: Switch) -> list[Vip]:
    owners = core.state.owners()
    return [vip for vip in vips_of(core.state.world(0.0), switch) if owners[vip.name] == switch.site]
