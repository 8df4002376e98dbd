"""A live switch with evenkeel's flows and no controller, which says of each packet what it decided.

    in ──► entry ─ pin ─ memory ─ fate ─ hash ─ spread ─ slot ─ commit ──► told in the destination MAC ──► out

Only the end is the test's own: two flows that stand before the backend stage, where all ways meet.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from controller.lbstate import Packet
from flows import messages
from flows.actions import Bits, Load, Move, Output
from flows.diff import diff
from flows.entries import Flow, Target, flow
from flows.match import Match
from flows.spec import Here
from flows.tables import BACKEND, NO_SLOT, SLOT, SLOT_IN_MARK, Stage
from tests.lab.frames import number_of, whole
from topo.lab import Lab
from topo.model import HostSpec, SubnetSpec, SwitchSpec, Topology
from topo.wires import HOST_INTERFACE

SWITCH, INWARD, OUTWARD = "sw1", "c1", "c2"
TOPOLOGY = Topology(
    name="bare",
    subnets=(SubnetSpec.model_validate({"name": "front", "prefixes": ["10.0.0.0/24", "fd00::/64"]}),),
    switches=(SwitchSpec(name=SWITCH, roles=("lb",)),),
    hosts=tuple(HostSpec(name=name, attach=SWITCH, subnet="front") for name in (INWARD, OUTWARD)),
)
DEADLINE = 10.0
_TOLD = 0x02EC
"""Upper 16 bits of the MAC by which a packet tells; the lowest one more if the slot is ``NO_SLOT``."""
_ETH_P_ALL = 3
_HELLO, _ERROR, _ECHO_REQUEST, _ECHO_REPLY = 0, 1, 2, 3
_BATCH = 100
"""Packets on their way at once: no queue between the hosts may overflow."""
_BURST = 32
"""Packets that a port of Open vSwitch receives at once."""
_END = 1 << 31
"""Numbers from here on are those of packets that end a batch."""


class Told(NamedTuple):
    """What the switch decided for a packet."""

    backend: int
    slot: int
    """``NO_SLOT`` after a pin."""


class BareSwitch:
    """The switch of a lab made from ``TOPOLOGY``."""

    def __init__(self, lab: Lab, here: Here) -> None:
        self.lab = lab
        self.here = here
        self.have = Target()
        remembered = Match.of(**{SLOT: SLOT_IN_MARK})
        self._tell = [self._telling(100, Match(), SLOT), self._telling(101, remembered, "ct_mark")]

    def _telling(self, priority: int, match: Match, slot: str) -> Flow:
        """The test's own flow, which finds the slot's number in the lower half of ``slot``."""
        actions = (
            Load(_TOLD, Bits("eth_dst", 32, 16)),
            Move(Bits(SLOT, 16, 1), Bits("eth_dst", 32, 1)),
            Move(Bits(BACKEND, 0, 16), Bits("eth_dst", 16, 16)),
            Move(Bits(slot, 0, 16), Bits("eth_dst", 0, 16)),
            Output(self.lab.fabric.switches[SWITCH].port(OUTWARD)),
        )
        return flow(self.here.placed.table(Stage.BACKEND), priority, match, actions, cookie=0)

    def hold(self, want: Target) -> None:
        """Make the switch hold ``want``, and decide by nothing older. Raises RuntimeError when it refuses."""
        # What the switch learned hides pins of the scene before.
        self.lab.ofctl(SWITCH, "del-flows", "br0", f"table={self.here.placed.table(Stage.PIN_RETRACTED)}")
        phases = diff(self.here.placed, self.have, want).phases
        with self._openflow() as stream:
            for phase in phases:
                rows = b"".join(each.tobytes() for each in phase.bulk)
                _write(stream, b"".join(phase.messages) + rows)
            _write(stream, b"".join(messages.flow_mod(each) for each in self._tell))
        self.have = want
        self.lab.appctl(SWITCH, "revalidator/purge")

    def packets(self, cookie: int) -> int:
        """Packets that the flows with this cookie have seen."""
        self.lab.appctl(SWITCH, "revalidator/purge")
        reply = self.lab.ofctl(SWITCH, "dump-aggregate", "br0", f"cookie={cookie:#x}/-1")
        return int(reply.partition("packet_count=")[2].split()[0])

    def ask(self, frames: Sequence[bytes], end: Packet) -> dict[int, Told]:
        """Send frames; what was told, by the frames' numbers. ``end`` is a packet that no stage drops."""
        found: dict[int, Told] = {}
        # A switch reorders packets within a burst: the last of these is behind whatever was sent before.
        ends = [whole(end, _END + n) for n in range(_BURST + 1)]
        with self._raw(INWARD) as inward, self._raw(OUTWARD) as outward:
            for at in range(0, len(frames), _BATCH):
                for frame in (*frames[at : at + _BATCH], *ends):
                    inward.send(frame)
                found |= _collect(outward)
        return found

    @contextmanager
    def _raw(self, host: str) -> Iterator[socket.socket]:
        with self.lab.namespace(host):
            port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        with port:
            port.bind((HOST_INTERFACE, _ETH_P_ALL))
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            yield port

    @contextmanager
    def _openflow(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(DEADLINE)
            stream.connect(str(self.lab.switches[SWITCH].directory / "br0.mgmt"))
            stream.sendall(messages.message(_HELLO, b""))
            yield stream


def _collect(port: socket.socket) -> dict[int, Told]:
    """What comes out before the last of the packets that end a batch."""
    found: dict[int, Told] = {}
    stop = time.monotonic() + DEADLINE
    while _END + _BURST not in found:
        ready, _, _ = select.select([port], [], [], max(0.0, stop - time.monotonic()))
        assert ready, f"the packet that ends a batch did not come through; {len(found)} others did"
        frame = port.recv(65536)
        mark, backend, slot = struct.unpack("!HHH", frame[:6])
        if mark & ~1 == _TOLD:
            found[number_of(frame)] = Told(backend, NO_SLOT if mark & 1 else slot)
    return {number: told for number, told in found.items() if number < _END}


def _write(stream: socket.socket, data: bytes) -> None:
    """Send messages and wait until the switch has carried them out. Raises RuntimeError for an error."""
    stream.sendall(data + messages.barrier())
    for kind, body in _replies(stream):
        if kind == _ERROR:
            error, code = struct.unpack_from("!HH", body)
            raise RuntimeError(f"the switch refused: error {error}, code {code}, to {body[4:].hex()}")
        if kind == _ECHO_REQUEST:
            stream.sendall(messages.message(_ECHO_REPLY, body))
        if kind == messages.BARRIER_REPLY:
            return


def _replies(stream: socket.socket) -> Iterable[tuple[int, bytes]]:
    while True:
        _, kind, length, _ = struct.unpack("!BBHI", _exactly(stream, 8))
        yield kind, _exactly(stream, length - 8)


def _exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            raise RuntimeError("the switch closed the OpenFlow connection")
        data += part
    return data
