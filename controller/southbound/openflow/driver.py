"""An Open vSwitch as the core sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from controller.plan.duty import World, duty
from controller.southbound.driver import FoundPin, Link
from controller.southbound.openflow.session import Session
from controller.spec.types import Address, Role, Switch
from flows.actions import CONTROLLER, Output, pack_all
from flows.diff import Changes, describe, diff, leases
from flows.entries import FlowKey, Target
from flows.fields import FIELDS
from flows.pipeline import Builder
from flows.tables import BACKEND, LISTENER, Cookie, Kind, Meters, Placed, Stage


class OpenFlowLink(Link[Target, Changes]):
    """Flows, groups and meters, our own among those of others."""

    def __init__(self, switch: Switch, session: Session, pool_slots: Callable[[], dict[int, int]]) -> None:
        """``pool_slots``: number of slots by pool number."""
        super().__init__(switch)
        self._session = session
        self._pool_slots = pool_slots
        self._builder = Builder()
        self._foreign: frozenset[FlowKey] = frozenset()
        self._meter_drops: dict[int, int] = {}

    @property
    def session(self) -> Session:
        """The stream."""
        return self._session

    @property
    def placed(self) -> Placed:
        """The pipeline as placed on this switch."""
        return Placed(self.switch.placement)

    @property
    def alive(self) -> bool:
        """Whether the stream is up."""
        return self._session.alive

    def abort(self) -> None:
        """Cut the stream."""
        self._session.abort()

    async def read(self) -> Target:
        """Everything in our tables, all groups and meters, and the counters on the way."""
        if Role.LB in self.switch.roles:
            self._meter_drops = await self._session.meter_drops()
        found = await self._session.read(self.placed, self._pool_slots())
        self._foreign = found.foreign
        parsed = ((Cookie.parse(value), counts) for value, counts in found.packets.items())
        self.packets = {
            (cookie.id >> 16, cookie.id & 0xFFFF): counts
            for cookie, counts in parsed
            if cookie is not None and cookie.kind is Kind.BACKEND
        }
        return found.target

    def plan(self, world: World) -> Target:
        """What the switch should hold."""
        return self._builder.target(duty(world, self.switch))

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
        return replace(
            want, flows={key: body for key, body in want.flows.items() if key not in delta.conflicts}
        )

    def lost_all(self, have: Target, want: Target) -> bool:
        """Whether it claims no VIP traffic, although it should."""
        entry = self.placed.entry
        claims = [key for key, body in want.flows.items() if key.table == entry and not body.hard]
        return bool(claims) and not any(key in have.flows for key in claims)

    def pins(self, have: Target) -> Iterator[FoundPin]:
        """Pins among its flows."""
        table = self.placed.table(Stage.PIN)
        for key, body in have.flows.items():
            cookie = Cookie.parse(body.cookie)
            if key.table != table or cookie is None or cookie.kind not in (Kind.PIN, Kind.PIN_SEEN):
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

    async def renew(self, want: Target) -> None:
        """Write every flow with a hard timeout again."""
        await self._session.write(leases(want, self._foreign), self.switch.name)

    async def live_ports(self) -> set[int]:
        """Ports that are up and, where BFD runs, whose neighbour is alive."""
        return await self._session.live_ports()

    async def send(self, frame: bytes, ports: Sequence[int]) -> None:
        """Send a frame of ours out of ports."""
        await self._session.send_packet(frame, pack_all([Output(port) for port in ports]), CONTROLLER)

    def guard_drops(self, number: int) -> int:
        """Packets that one guard's meter dropped."""
        return self._meter_drops.get(self.placed.meter(Meters.GUARDS + number), 0)


def _source(match: dict[str, int]) -> Address | None:
    if "ipv4_src" in match:
        return IPv4Address(match["ipv4_src"])
    return IPv6Address(match["ipv6_src"]) if "ipv6_src" in match else None


def _loaded(instructions: bytes, register: str) -> int | None:
    """The constant that a flow's first set_field of ``register`` writes."""
    header = FIELDS[register].header
    at = instructions.find(header)
    return None if at < 0 else int.from_bytes(instructions[at + 4 : at + 8], "big")
