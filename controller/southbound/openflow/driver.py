"""An Open vSwitch as the core sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from controller.plan.duty import PlanInput
from controller.plan.flowplan import FlowPlan
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
from controller.southbound.openflow.look import look
from controller.southbound.openflow.session import Session
from controller.southbound.ovsdb import backoff, links, timeouts
from controller.southbound.ovsdb.client import Files, Ovsdb, OvsdbError
from controller.spec.switch import Timeouts
from controller.spec.types import Address, Role, Switch
from flows.actions import CONTROLLER, Output, pack_all
from flows.diff import Changes, describe, diff, leases
from flows.entries import FlowBody, FlowKey, Target
from flows.fields import FIELDS
from flows.spec import Here
from flows.stages import slotted
from flows.tables import BACKEND, LISTENER, Cookie, Kind, Meters, Placed, Stage

ROUNDING = 0.5
"""Seconds by which a lease may exceed what is left: OpenFlow counts whole ones, and a renewal is on its way."""


@dataclass(frozen=True)
class OpenFlowPacket(Packet):
    """A packet that goes through actions."""

    actions: bytes


class OpenFlowDriver(
    Driver[Target, Changes], HoldsPins[Target], Leases[Target], Looks[Target], Ports, Counts
):
    """Flows, groups and meters, our own among those of others."""

    def __init__(
        self,
        switch: Switch,
        session: Session,
        pool_slots: Callable[[], dict[int, int]],
        of_agents: Callable[[], bool] = lambda: False,
        files: Files | None = None,
    ) -> None:
        """``pool_slots``: number of slots by pool number. ``of_agents``: whether the flows that answer for VIPs are
        the agents'. ``files``: for an OVSDB that is asked by TLS."""
        super().__init__(switch)
        self._files = files
        self.packets = {}
        self.sessions = {}
        self.denied = {}
        self.drops = {}
        self._session = session
        self._pool_slots = pool_slots
        self._of_agents = of_agents
        self._plan = FlowPlan()
        self._foreign: frozenset[FlowKey] = frozenset()
        self._meter_drops: dict[int, int] = {}
        self._answers: tuple[Mapping[FlowKey, FlowBody] | None, frozenset[int]] = None, frozenset()

    @property
    def session(self) -> Session:
        """The stream."""
        return self._session

    @property
    def _ovsdb(self) -> Ovsdb | None:
        address = self.switch.ovsdb
        return None if address is None else Ovsdb(address, self._files)

    @property
    def placed(self) -> Placed:
        """The pipeline as placed on this switch."""
        return Placed(self.switch.placement)

    async def read(self) -> Target:
        """Everything in our tables, all groups and meters, and the counters on the way.

        It shares with the plan whatever is as planned: what is compared with it later is compared fast.
        """
        if Role.LB in self.switch.roles:
            self._meter_drops = await self._session.meter_drops()
            self.unreported = self._meter_drops.get(self.placed.meter(Meters.REPORTS), 0)
        made, agents = self._plan.made, self._of_agents()
        found = await self._session.read(self.placed, self._pool_slots(), made, agents)
        self._foreign = found.foreign
        self.packets = found.packets
        self.sessions = found.sessions
        self.denied = found.denied
        return found.target

    def plan(self, world: PlanInput) -> Target:
        """What the switch should hold."""
        return self._plan.target(world, self.switch)

    def with_pins(self, world: PlanInput) -> Target:
        """The last plan with the pins of now, in a time that does not grow with their number."""
        return self._plan.with_pins(world)

    def empty(self) -> Target:
        """Nothing of ours."""
        return Target()

    def diff(self, have: Target, want: Target) -> Changes:
        """What to write; places that others hold in tables that are not ours are left to them."""
        changes = diff(self.placed, have, want, self._foreign)
        self.conflicts = [describe(key) for key in changes.conflicts]
        return changes

    async def write(self, delta: Changes, want: Target) -> Target:
        """Write it, phase by phase."""
        await self._session.write(delta, self.switch.name)
        if not delta.conflicts:
            return want
        return want.without(delta.conflicts)

    def lost_all(self, have: Target, want: Target) -> bool:
        """Whether it claims no VIP traffic, although it should."""
        claims = [key for key, body in want.in_table(self.placed.entry).items() if not body.hard]
        return bool(claims) and not any(key in have.flows for key in claims)

    def pins(self, have: Target) -> Iterator[FoundPin]:
        """Pins among its flows."""
        table = self.placed.table(Stage.PIN)
        for key, body in have.flows.items():
            cookie = Cookie.parse(body.cookie) if key.table == table else None
            if cookie is None or cookie.kind not in (Kind.PIN, Kind.PIN_SEEN):
                continue
            match = {name: value for name, value, _ in key.match}
            source, backend = _source(match), _loaded(body.instructions, BACKEND)
            if source is not None and backend is not None:
                port = match.get("tcp_src", match.get("udp_src", 0))
                timed = cookie.kind is Kind.PIN
                yield FoundPin(cookie.id, match.get(LISTENER, 0), source, port, backend, timed)

    def size(self, have: Target) -> int:
        """Flows."""
        return len(have.flows)

    async def look(self, want: Target, spot: Spot) -> list[SeenEntry]:
        """The flows of a connection's slot and pin."""
        return await look(self._session, Here.of(self.switch), want, spot)

    async def renew(self, want: Target, left: Mapping[int, float]) -> None:
        """Write every flow with a hard timeout again that may run in full: what has less time left runs out.

        Behind a fence it may have less: the claim ends with the authority, and the timeout comes after it.
        """
        claims = want.in_table(self.placed.entry)
        covered = _has_some if self.switch.fence else _covered
        short = (key for key, body in claims.items() if body.hard and not covered(body, left))
        await self._session.write(leases(want, self._foreign.union(short)), self.switch.name)

    def answers(self, held: Target) -> frozenset[int]:
        """VIPs of which flows with a hard timeout are there."""
        entries = held.in_table(self.placed.entry)
        if entries is not self._answers[0]:
            cookies = (Cookie.parse(body.cookie) for body in entries.values() if body.hard)
            vips = frozenset(c.id for c in cookies if c is not None and c.kind is Kind.RESPOND)
            self._answers = entries, vips
        return self._answers[1]

    async def watch_fence(self) -> str:
        """Have BFD run on the ports of the fence, by the switch's OVSDB; why that failed. Raises SwitchError."""
        if self._ovsdb is None or not self.switch.fence:
            return ""
        names = await self._session.port_names()
        lacking = [end.port for end in self.switch.fence if end.port not in names]
        if lacking:
            return f"there is no port {lacking[0]}, which the fence names"
        try:
            await links.watch(self._ovsdb, [names[end.port] for end in self.switch.fence])
        except OvsdbError as error:
            return str(error)
        return ""

    async def apply_leases(self, left: Mapping[int, float]) -> None:
        """Answers are flows: the plan has them."""

    def allowed(self, want: Target, left: Mapping[int, float]) -> Target:
        """Without the flows that answer for other VIPs."""
        claims = want.in_table(self.placed.entry)
        lapsed = [key for key, body in claims.items() if body.hard and not _has_some(body, left)]
        return want.without(lapsed) if lapsed else want

    async def live_ports(self) -> set[int]:
        """Ports that are up and, where BFD runs, whose neighbour is alive."""
        return await self._session.live_ports()

    async def transmit(self, packet: Packet) -> None:
        """Send a packet of ours."""
        if isinstance(packet, FramePacket):
            actions = pack_all([Output(port) for port in packet.ports])
        else:
            assert isinstance(packet, OpenFlowPacket), f"{type(packet).__name__} is no packet for OpenFlow"
            actions = packet.actions
        await self._session.send_packet(packet.frame, actions, CONTROLLER)

    def hash_question(self, frame: bytes) -> Packet:
        """A packet that comes back as a report, with its hash."""
        return OpenFlowPacket(frame, pack_all(slotted.question(self.placed)))

    async def open_links(self, ports: Set[int]) -> None:
        """Let edges behind these ports send, by the switch's OVSDB. Raises OvsdbError, SwitchError."""
        if self._ovsdb is None:
            return
        names = await self._session.port_names()
        await links.open_links(self._ovsdb, sorted(names[n] for n in ports if n in names))

    async def redial_soon(self) -> None:
        """Have it heed ``max_backoff``, by its OVSDB. Raises OvsdbError."""
        if self._ovsdb is not None:
            await backoff.heed(self._ovsdb, self.switch.id)

    async def remember(self, wanted: Sequence[Timeouts]) -> int:
        """Tell its conntrack how long to remember, by its OVSDB. Raises OvsdbError."""
        if self._ovsdb is None:
            return 0
        return await timeouts.ensure(self._ovsdb, wanted)

    def guard_drops(self, number: int) -> int:
        """Packets that one guard's meter dropped."""
        return self._meter_drops.get(self.placed.meter(Meters.GUARDS + number), 0)


def _covered(body: FlowBody, left: Mapping[int, float]) -> bool:
    cookie = Cookie.parse(body.cookie)
    return cookie is not None and body.hard <= left.get(cookie.id, 0.0) + ROUNDING


def _has_some(body: FlowBody, left: Mapping[int, float]) -> bool:
    cookie = Cookie.parse(body.cookie)
    return cookie is not None and left.get(cookie.id, 0.0) > 0


def _source(match: dict[str, int]) -> Address | None:
    if "ipv4_src" in match:
        return IPv4Address(match["ipv4_src"])
    return IPv6Address(match["ipv6_src"]) if "ipv6_src" in match else None


def _loaded(instructions: bytes, register: str) -> int | None:
    """The constant that a flow's first set_field of ``register`` writes."""
    header = FIELDS[register].header
    at = instructions.find(header)
    return None if at < 0 else int.from_bytes(instructions[at + 4 : at + 8], "big")
