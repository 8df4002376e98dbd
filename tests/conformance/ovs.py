"""Open vSwitch as a target: one real switch in a lab of its own, frames through raw sockets behind its ports.

    raw socket ── veth ── sw1 ── veth ── raw socket, one for each server         no kernel answers: no addresses

What is written is what the controller would write (duty, pipeline, diff), over a stream without a controller process.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from pyroute2 import IPRoute

from controller.plan.duty import duty
from controller.spec.spread import Spread
from controller.spec.switch import VipSpec
from controller.spec.types import FenceEnd
from flows.diff import diff, leases
from flows.entries import Target as Flows
from flows.pipeline import Builder
from flows.tables import FOUND, Cookie, Kind, Placed, Stage
from flows.zones import Zones, of_vip
from tests.conformance.held import Held
from tests.conformance.moment import Moment
from tests.conformance.ofstream import Appctl, Stream, Told
from tests.conformance.ovs_controller import Answering
from tests.conformance.packets import ether_type
from tests.conformance.plant import EMBRYONIC
from tests.conformance.rawports import RawPorts, listen
from tests.conformance.scenario import (
    FAR,
    NEAR,
    NEIGHBOURS,
    PORTS,
    SEGMENT,
    SERVER_MACS,
    SWITCH_MAC,
    switch_of,
)
from tests.conformance.target import DEADLINE, Can, Counts, Damage, Heard, Reason, Wire
from topo import netns, ovs, state
from topo.lab import Lab
from topo.model import HostSpec, SubnetSpec, SwitchSpec, Topology
from topo.plan import TUNNEL_PORT, UNDERLAY_TABLE
from topo.underlay import COOKIE
from topo.wires import HOST_INTERFACE

_SWITCH, _CLIENT = "sw1", "c1"
_END = 0x88B5
"""EtherType (for local experiments) of frames that go to every port: what was sent before them has been dealt with."""
_END_FRAME = bytes.fromhex(SWITCH_MAC.replace(":", "")) * 2 + _END.to_bytes(2, "big") + bytes(46)
_BATCH = 64
"""Frames on their way at once: no queue between the sockets may overflow."""
_ROUNDS = 8
"""Of answers by the controller to packets that are answers by the controller."""
_NAMES = {Spread.DATAPATH: "ovs", Spread.BITS: "ovs-bits", Spread.OWN: "ovs-own"}
_REASONS = {
    Kind.EXCEPTION: Reason.EXCEPTION,
    Kind.BASE: Reason.FOUND,
    Kind.FORMER: Reason.EXCEPTION,
    Kind.AGED: Reason.EXCEPTION,
    Kind.YOUNG: Reason.YOUNG,
    Kind.PIN_SEEN: Reason.PIN_SEEN,
    Kind.PIN_STALE: Reason.PIN_STALE,
    Kind.RESET: Reason.RESET,
    Kind.FRAGMENT_UNKNOWN: Reason.FRAGMENT,
    Kind.TOO_BIG: Reason.TOO_BIG,
    Kind.CONFLICT: Reason.CONFLICT,
    Kind.ICMP_KNOWN: Reason.ICMP,
    Kind.ICMP_UNKNOWN: Reason.ICMP,
}
TOPOLOGY = Topology(
    name="conform",
    subnets=(
        SubnetSpec.model_validate({"name": "front", "prefixes": ["10.0.0.0/24", "fd00::/64"]}),
        SubnetSpec.model_validate({"name": "rack1", "prefixes": ["10.1.0.0/24", "fd00:0:0:1::/64"]}),
        SubnetSpec.model_validate({"name": "rack2", "prefixes": ["10.2.0.0/24", "fd00:0:0:2::/64"]}),
    ),
    switches=(SwitchSpec(name=_SWITCH, roles=("edge", "lb", "leaf"), id=0x21),),
    hosts=(
        HostSpec(name=_CLIENT, attach=_SWITCH, subnet="front"),
        *(HostSpec(name=name, attach=_SWITCH, subnet="rack1") for name in NEAR),
        HostSpec(name=FAR, attach=_SWITCH, subnet="rack2", number=15),
        *(HostSpec(name=name, attach=_SWITCH, subnet="front", number=n) for name, n in NEIGHBOURS.items()),
    ),
)
_PURGES = 50
_COUNTER = re.compile(r"cookie=(0x[0-9a-f]+).* n_packets=([0-9]+)")
Mutation = Callable[[Flows], Flows]
"""What a broken pipeline does to the flows; see ``mutations.py``."""


def why_not() -> str | None:
    """Why this target cannot be here, and what would bring it; None if it can."""
    if os.geteuid() != 0:
        return "Open vSwitch needs network namespaces: run as root"
    return ovs.missing()


class OpenVSwitch:
    """Implements ``Target``."""

    def __init__(
        self,
        name: str = "conform",
        *,
        below: bool = False,
        spread: Spread = Spread.DATAPATH,
        fence: tuple[FenceEnd, ...] = (),
    ) -> None:
        """``below``: the flows of others stand in our entry table, below ours. ``fence``: any ports."""
        self.name = _NAMES[spread]
        self.spread = spread
        self.reasons = frozenset(Reason) - {Reason.OVERFLOW, Reason.YOUNG}
        self.switch = switch_of("ovs", TUNNEL_PORT)
        if below:
            placement = replace(self.switch.placement, next_table=None)
            self.switch = replace(self.switch, placement=placement)
        self.switch = replace(self.switch, fence=fence)
        self.mutation: Mutation | None = None
        self.damage: Damage | None = None
        self._stack = ExitStack()
        self._lab = Lab.up(TOPOLOGY, name=f"{name[:6]}{os.getpid() % 100_000}", temporary=True)
        self._stack.callback(state.remove, self._lab.name)
        try:
            self._check_plan()
            self._ports = RawPorts({port: self._open(port) for port in PORTS}, _is_end)
            self._stack.callback(self._ports.close)
            self._underlay()
            directory = self._lab.switches[_SWITCH].directory
            pid = (directory / "ovs-vswitchd.pid").read_text().strip()
            self._appctl = Appctl(directory / f"ovs-vswitchd.{pid}.ctl")
            self._stack.callback(self._appctl.close)
            self._stream = Stream(directory / "br0.mgmt")
            self._stack.callback(self._stream.close)
        except BaseException:
            self._stack.close()
            raise
        self._placed = Placed(self.switch.placement)
        self._builder = Builder()
        self._have = Flows()
        self._zones: dict[int, Zones] = {}
        self._now = 0.0
        self._answering: Answering | None = None
        self._held = Held()

    @property
    def stream(self) -> Stream:
        """The control stream."""
        return self._stream

    def command(self, method: str, *params: str) -> str:
        """``ovs-appctl`` on the switch."""
        return self._appctl(method, *params)

    def ofctl(self, *arguments: str) -> str:
        """``ovs-ofctl`` on the switch."""
        return self._lab.ofctl(_SWITCH, *arguments)

    def send(self, wires: Sequence[Wire]) -> None:
        """Send frames, and wait for nothing."""
        self._ports.send(wires)

    def told(self, count: int) -> list[Told]:
        """So many reports, or what came of them in time."""
        found: list[Told] = []
        end = time.monotonic() + DEADLINE
        while len(found) < count and time.monotonic() < end:
            found += self._stream.hear(0.1)
        return found

    def has(self, what: Can) -> bool:
        """See ``Target``."""
        return what not in (Can.SERVER_ERRORS, Can.FORWARDS, Can.QUESTION_SUMS)

    def apply(self, world: Moment) -> None:
        """See ``Target``."""
        for _ in self.steps(world):
            pass

    def steps(self, world: Moment) -> Iterator[None]:
        """The same, step by step: it comes back after each, with the cache as it may be."""
        made = duty(world, self.switch)
        want = self._builder.target(made)
        if self.mutation is not None:
            want = self.mutation(want)
        if self.damage is not None:
            want = replace(want, slots={pool: self.damage(table) for pool, table in want.slots.items()})
        for phase in diff(self._placed, self._have, want).phases:
            self._stream.write([phase])
            yield
        self._stream.write(leases(want).phases)
        self._have = want
        for vip in made.vips:
            self._turn(vip, world.now - self._now)
        self._now = world.now
        # A switch goes on by what it has cached for a moment.
        self._purge()
        self._answering = Answering(world, self.switch, self._stream)

    def _turn(self, vip: VipSpec, passed: float) -> None:
        """Empty the zones that conntrack's own timers would have emptied while the suite's clock went on."""
        zones = of_vip(self._placed, vip)
        old = self._zones.get(vip.id, zones)
        over = {zones.now, zones.before} - {old.now} if old != zones else set()
        if passed >= EMBRYONIC:
            over.add(zones.new)
        for zone in over:
            self._appctl("dpctl/flush-conntrack", f"zone={zone}")
        self._zones[vip.id] = zones

    def exchange(
        self, sent: Sequence[Wire], done: Callable[[Heard], bool], within: float = DEADLINE
    ) -> Heard:
        """See ``Target``."""
        heard = Heard()
        for at in range(0, len(sent), _BATCH):
            self._send(sent[at : at + _BATCH], heard)
        end = time.monotonic() + within
        while not done(heard) and time.monotonic() < end:
            self._listen(heard, 0.0)
            heard.frames += self._of_this_row(self._ports.receive(0.02))
        return heard

    def counts(self) -> dict[tuple[int, int], Counts]:
        """See ``Target``."""
        table = self._placed.table(Stage.BACKEND)
        shown = self.ofctl("-O", "OpenFlow13", "dump-flows", "br0", f"table={table}")
        found: dict[tuple[int, int], Counts] = {}
        for cookie, packets in _COUNTER.findall(shown):
            parsed, count = Cookie.parse(int(cookie, 16)), int(packets)
            if parsed is None or parsed.kind not in (Kind.BACKEND, Kind.OPENS, Kind.ENDS):
                continue
            pair = parsed.id >> 16, parsed.id & 0xFFFF
            before = found.get(pair, Counts())
            found[pair] = Counts(
                before.packets + count,
                before.opened + count * (parsed.kind is Kind.OPENS),
                before.ended + count * (parsed.kind is Kind.ENDS),
            )
        return found

    def count_all(self) -> None:
        """A revalidator may still be adding up what it took from a decision that is gone: all of them have to stop."""
        self._appctl("revalidator/pause")
        self._appctl("revalidator/resume")

    def forget(self) -> None:
        """See ``Target``."""
        self._stream.empty(self._placed.table(Stage.PIN_RETRACTED))
        self._appctl("dpctl/flush-conntrack")
        self._purge()
        self._zones.clear()
        self._held.next_row()

    def _purge(self) -> None:
        """Empty the cache. A purge leaves what a revalidator is looking at: it is repeated until nothing is left."""
        for _ in range(_PURGES):
            self._appctl("revalidator/purge")
            if "recirc_id" not in self._appctl("dpctl/dump-flows"):
                return
        raise RuntimeError(f"the cache is not empty after {_PURGES} purges")

    def close(self) -> None:
        """See ``Target``."""
        self._stack.close()

    # -- frames

    def _send(self, sent: Sequence[Wire], heard: Heard) -> None:
        self._held.sent(sent)
        self._ports.send(sent)
        for _ in range(_ROUNDS):
            self._drain({wire.port for wire in sent}, heard)
            if not self._listen(heard, 0.0):
                break

    def _drain(self, ports: set[str], heard: Heard) -> None:
        """Wait until all that was sent so far is dealt with.

        A switch reorders packets within a burst. When the first end has come back, what was sent before it has been
        received; when the second has, what was received with the first has been carried out.
        """
        ends = [Wire(port, _END_FRAME) for port in ports or {SEGMENT}]
        for _ in range(2):
            heard.frames += self._of_this_row(self._ports.drain(ends, dict.fromkeys(PORTS, len(ends))))
        self._stream.write([])

    def _of_this_row(self, frames: Iterable[Wire]) -> list[Wire]:
        return [wire for wire in frames if not self._held.late(wire.frame)]

    def _open(self, port: str) -> socket.socket:
        with self._lab.namespace(_CLIENT if port == SEGMENT else port):
            _silence()
            return listen(HOST_INTERFACE)

    # -- reports

    def _listen(self, heard: Heard, wait: float) -> bool:
        """Take reports; what the controller would answer is sent. Returns whether something was."""
        answered = False
        for told in list(self._stream.hear(wait)):
            reason = _REASONS.get(told.cookie.kind)
            found = told.fields.get("ct_label", 0) >> FOUND[0] & 1
            if found and reason in (Reason.EXCEPTION, Reason.YOUNG):
                reason = Reason.FOUND
            if reason is None or self._held.late(told.frame):
                continue
            assert self._answering is not None
            heard.reports.append(self._answering.report(reason, told))
            answered |= self._answer(told)
        return answered

    def _answer(self, told: Told) -> bool:
        assert self._answering is not None
        return self._answering.answer(told)

    # -- the lab

    def _check_plan(self) -> None:
        """The lab's numbers are the scenario's."""
        hosts, switch = self._lab.fabric.hosts, self._lab.fabric.switches[_SWITCH]
        assert switch.mac == SWITCH_MAC
        assert {name: hosts[name].mac for name in SERVER_MACS} == SERVER_MACS
        assert {port.to: port.number for port in switch.ports} == {
            _CLIENT if name == SEGMENT else name: number for name, number in PORTS.items()
        }

    def _underlay(self) -> None:
        """What is for no server goes to the segment; and the frames by which the end of an exchange is known.

        What comes from the segment for an unknown host is flooded, as by the NORMAL action of a switch in service.
        """
        everywhere = ",".join(str(number) for number in PORTS.values())
        beside = {PORTS[name] for name in (SEGMENT, *NEIGHBOURS)}
        floods = {port: ",".join(f"output:{other}" for other in sorted(beside - {port})) for port in beside}
        for flow in (
            *(
                f"table={UNDERLAY_TABLE},priority=1,in_port={port},actions={to}"
                for port, to in floods.items()
            ),
            f"table={UNDERLAY_TABLE},priority=0,actions=output:{PORTS[SEGMENT]}",
            f"table=0,priority=65535,dl_type={_END:#x},actions={everywhere},in_port",
        ):
            self._lab.ofctl(_SWITCH, "add-flow", "br0", f"cookie={COOKIE:#x},{flow}")


def _is_end(frame: bytes) -> bool:
    return ether_type(frame) == _END


def _silence() -> None:
    """Take a host's addresses away, so that its kernel has nothing to say."""
    netns.sysctl(f"net/ipv6/conf/{HOST_INTERFACE}/disable_ipv6", "1")
    with IPRoute() as route:
        route.flush_addr(index=route.link_lookup(ifname=HOST_INTERFACE)[0])
