"""A P4 switch as the core sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from controller.plan.duties import Duties
from controller.plan.duty import PlanInput
from controller.plan.p4needs import Needs
from controller.plan.p4plan import P4Plan
from controller.southbound.aside import aside
from controller.southbound.driver import (
    Counts,
    Driver,
    FoundPin,
    FramePacket,
    HoldsPins,
    Leases,
    Looks,
    Packet,
    Ports,
    SeenEntry,
    Spot,
)
from controller.southbound.p4.look import look
from controller.southbound.p4.session import P4Session, pin_place
from controller.spec.types import Switch
from p4src.diff import diff, share
from p4src.ids import Drop, Op, Reason
from p4src.spec import Secret
from p4src.target import Changes, P4Target

_AWAITED = (Reason.EXCEPTION, Reason.FOUND, Reason.OVERFLOW)
"""Reports for want of which a connection is at risk once its slot has settled; a young one is so anyway."""


@dataclass(frozen=True)
class P4Packet(Packet):
    """A packet with an order for the pipeline."""

    op: Op
    port: int


class P4Driver(
    Driver[P4Target, Changes], HoldsPins[P4Target], Leases[P4Target], Looks[P4Target], Ports, Counts
):
    """Table entries, meters and a configuration, all of them ours."""

    def __init__(
        self, switch: Switch, session: P4Session, secret: Secret, live: Callable[[Switch], set[int]]
    ) -> None:
        """``live``: numbers of the ports that can be used, as far as hellos tell."""
        super().__init__(switch)
        self.packets = {}
        self.sessions = {}
        self.denied = {}
        self.drops = {}
        self._over: Mapping[int, int] = {}
        """Packets by guard."""
        self._session = session
        self._secret = secret
        self._live = live
        self._plan = P4Plan()
        self._duties = Duties()
        self._needs = Needs()
        self._authority: dict[int, float] = {}
        """Seconds for which this switch may answer, by VIP number; 0 for a VIP that another one answers for by now."""
        self._authorizing = asyncio.Lock()
        self._given: dict[int, float] = {}
        """As it was told last."""

    @property
    def session(self) -> P4Session:
        """The stream."""
        return self._session

    async def read(self) -> P4Target:
        """Every table and meter, and the counters on the way.

        It shares with the plan whatever is as planned: what is compared with it later is compared fast.
        """
        found = await self._session.read()
        self.packets = found.packets
        self.sessions = found.sessions
        self.denied = found.denied
        self._over = found.over
        self.drops = {drop.name.lower(): found.drops.get(drop, 0) for drop in Drop}
        self.unreported = self._session.missed + sum(found.lost.get(reason, 0) for reason in _AWAITED)
        made = self._plan.made
        return found.target if made is None else await aside(share, found.target, made)

    def plan(self, world: PlanInput) -> P4Target:
        """What the switch should hold."""
        what = self._duties.of(world, self.switch)
        held = {vip.id: float(vip.authority) for vip in what.vips if what.responder and vip.authority}
        if world.intent.by_agents:  # authority is theirs, to give and to end
            self._given = {}
        self._authority = {**dict.fromkeys(self._given, 0.0), **held}
        return self._plan.target(world, what, self._needs.of(world, self.switch, what, self._secret))

    def empty(self) -> P4Target:
        """Nothing."""
        return P4Target()

    def with_pins(self, world: PlanInput) -> P4Target:
        """The last plan with the pins of now, in a time that does not grow with their number."""
        return self._plan.with_pins(world)

    def diff(self, have: P4Target, want: P4Target) -> Changes:
        """What to write."""
        return diff(have, want)

    async def write(self, delta: Changes, want: P4Target) -> P4Target:
        """Write it, in the order of dependency."""
        await self._session.write(delta)
        return want

    def lost_all(self, have: P4Target, want: P4Target) -> bool:
        """Whether it claims no VIP traffic, although it should."""
        claims = [key for key in want.entries if key.table == "vip"]
        return bool(claims) and not any(key in have.entries for key in claims)

    def pins(self, have: P4Target) -> Iterator[FoundPin]:
        """Entries of table ``pin``."""
        return pins_in(have)

    def size(self, have: P4Target) -> int:
        """Entries."""
        return len(have.entries)

    async def look(self, want: P4Target, spot: Spot) -> list[SeenEntry]:
        """The entries of a connection's slot and pin."""
        return await look(self._session, want, spot)

    async def apply_leases(self, left: Mapping[int, float]) -> None:
        """Authority is no entry: it is given, or taken back, as soon as it changes."""
        changed = {vip for vip, seconds in self._authority.items() if self._given.get(vip) != seconds}
        taken = any(not self._authority[vip] for vip in changed)
        await self._authorize({vip: min(self._authority[vip], left.get(vip, 0.0)) for vip in changed})
        if taken:
            # A packet-out is not acknowledged; the one that follows it comes back.
            await self._session.clock()

    async def renew(self, want: P4Target, left: Mapping[int, float]) -> None:
        """Let the switch answer for its VIPs until a new deadline of its own clock."""
        await self._authorize(
            {vip: min(seconds, left.get(vip, 0.0)) for vip, seconds in self._authority.items() if seconds}
        )

    def allowed(self, want: P4Target, left: Mapping[int, float]) -> P4Target:
        """No entry of a table answers: see ``apply_leases``."""
        return want

    async def _authorize(self, vips: Mapping[int, float]) -> None:
        async with self._authorizing:
            for vip, seconds in sorted(vips.items()):
                # What was taken back while others were told is not given again.
                await self._session.authorize(vip, min(seconds, self._authority.get(vip, 0.0)))
                self._given[vip] = self._authority.get(vip, 0.0)

    async def live_ports(self) -> set[int]:
        """v1model tells nothing of ports: those are dead that lead to a P4 switch whose hellos do not come through."""
        return self._live(self.switch)

    async def transmit(self, packet: Packet) -> None:
        """Send a packet of ours."""
        if isinstance(packet, FramePacket):
            for port in packet.ports:
                await self._session.packet_out(packet.frame, op=Op.SEND, port=port)
            return
        assert isinstance(packet, P4Packet), f"{type(packet).__name__} is no packet for P4Runtime"
        await self._session.packet_out(packet.frame, op=packet.op, port=packet.port)

    def guard_drops(self, number: int) -> int:
        """Packets over the rate of one guard."""
        return self._over.get(number, 0)


def pins_in(have: P4Target) -> Iterator[FoundPin]:
    """The pins among entries."""
    for key, body in have.entries.items():
        if key.table == "pin" and body.action in ("pinned", "seen"):
            listener, client, port = pin_place(key)
            yield FoundPin(None, listener, client, port, body.params[0], body.action == "pinned")
