"""Switches come and go: each that is ours gets a task that keeps it in step; whoever is gone is left out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from controller.core.conntrack import Conntrack
from controller.core.fleet import Member
from controller.southbound.driver import Link
from controller.southbound.openflow.driver import OpenFlowLink
from controller.southbound.openflow.events import Connected, Disconnected
from controller.southbound.openflow.session import Session
from controller.southbound.p4 import events as p4events
from controller.southbound.p4.driver import P4Link
from controller.southbound.p4.session import P4Session
from controller.spec.types import Role, Switch

if TYPE_CHECKING:
    from controller.core.controller import Controller

_RENEWALS = 3
"""Times that a switch's authority is renewed before it would end."""


class Arrivals:
    """The tasks of the switches that are here."""

    def __init__(self, core: Controller) -> None:
        self._core = core
        self._conntrack = Conntrack(core)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def connected(self, event: Connected | p4events.Connected) -> None:
        """A switch is ours."""
        core = self._core
        switch = next((s for s in core.state.intent.switches if s.id == event.session.id), None)
        if switch is None:
            return
        old = self._tasks.pop(switch.name, None)
        if old is not None:
            old.cancel()
            core.members[switch.name].link.abort()
        member = Member(self._link(switch, event.session), core, core.journal, self._renewal)
        core.members[switch.name] = member
        core.rollout.arrived(switch.name)
        core.journal.event("switch_up", switch=switch.name)
        self._tasks[switch.name] = core.spawn(self._serve(member))

    def disconnected(self, event: Disconnected | p4events.Disconnected) -> None:
        """A switch is ours no longer."""
        core = self._core
        member = next((m for m in core.members.values() if m.link.session is event.session), None)
        if member is None:
            return
        name = member.switch.name
        del core.members[name]
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        core.journal.event("switch_down", switch=name)
        self.gone(member.switch)

    def gone(self, switch: Switch) -> None:
        """Nobody may send a switch anything, and others report in its place."""
        core, name = self._core, switch.name
        core.state.miss(core.state.absent | {name})
        if Role.LB in switch.roles:
            heirs = [n for n in core.members if core.is_synced(n) and Role.LB in core.members[n].switch.roles]
            core.state.pins.lost(name, heirs)
            core.admission.bar(name, "control stream lost")
        core.touch()

    def backup(self, event: p4events.Backup) -> None:
        """Another controller is a P4 switch's primary, or was: a switch that lost it waits for a newer term."""
        self._core.journal.event("backup", switch=event.name, primary=event.primary)
        if event.primary is None:
            self._core.renew_term()

    def follow_intent(self) -> None:
        """The intent is another: so may be what is known of the switches that are here."""
        switches = {s.name: s for s in self._core.state.intent.switches}
        for member in self._core.members.values():
            member.link.switch = switches.get(member.switch.name, member.switch)
            self._core.spawn(self._conntrack.follow(member))

    async def _serve(self, member: Member) -> None:
        """One switch's life; whatever goes wrong ends its stream, and it begins anew when it reconnects."""
        try:
            await self._conntrack.tell(member)
            await member.run()
        except Exception as error:
            self._core.journal.failure(error, switch=member.switch.name)
            member.link.abort()

    def _link(self, switch: Switch, session: Session | P4Session) -> Link[Any, Any]:
        if isinstance(session, Session):
            return OpenFlowLink(switch, session, self._core.pool_slots)
        return P4Link(switch, session, self._core.state.secret, self._core.hellos.live)

    def _renewal(self) -> float:
        return min((vip.authority for vip in self._core.state.intent.vips), default=30.0) / _RENEWALS
