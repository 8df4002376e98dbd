"""Say where the VIPs are: gratuitous ARP and unsolicited neighbour advertisements from the virtual MAC.

At once when a responder is ready, or answers for more than before, then again and again: forwarding entries on the way
to the clients age, and may age before the clients' own ARP entries do.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from controller.core.fleet import Member
from controller.frames import gratuitous_arp, unsolicited_na
from controller.plan.segments import announced_on
from controller.southbound.errors import SwitchError
from controller.spec.types import Vip

if TYPE_CHECKING:
    from controller.core.controller import Controller

PERIOD = 30.0
"""Seconds between announcements; forwarding entries commonly live for 300 s."""
LOOK = 1.0
"""Seconds within which a switch that begins to answer announces."""


def frame(vip: Vip) -> bytes:
    """The announcement of one VIP."""
    if isinstance(vip.address, IPv4Address):
        return gratuitous_arp(vip.address, vip.mac)
    return unsolicited_na(vip.address, vip.mac)


async def announce(core: Controller, member: Member) -> None:
    """Send every VIP that this switch answers for to clients, routers and the other site."""
    await _say(core, member, _answered(core, member))


async def keep(core: Controller) -> None:
    """Announce from every responder: at once what it has begun to answer for, and all of it again and again."""
    loop = asyncio.get_running_loop()
    known: dict[str, list[Vip]] = {}
    due = 0.0
    while True:
        again = loop.time() >= due
        due = loop.time() + PERIOD if again else due
        members = dict(core.members)
        now = {name: _answered(core, member) for name, member in members.items()}
        for name, vips in now.items():
            before = [] if again else known.get(name, vips)
            try:
                await _say(core, members[name], [vip for vip in vips if vip not in before])
            except SwitchError as error:
                core.journal.event("switch_error", switch=name, error=str(error))
        known = now
        await asyncio.sleep(LOOK)


def _answered(core: Controller, member: Member) -> list[Vip]:
    """VIPs that a switch answers for."""
    switch, intent = member.switch, core.state.intent
    if not member.synced or not announced_on(intent, switch, core.state.absent):
        return []
    owners = core.state.owners()
    return [vip for vip in intent.vips if switch.site in vip.owners and owners[vip.name] == switch.site]


async def _say(core: Controller, member: Member, vips: list[Vip]) -> None:
    ports = announced_on(core.state.intent, member.switch, core.state.absent)
    for vip in vips:
        if member.link.alive and ports:
            await member.link.send(frame(vip), ports)
