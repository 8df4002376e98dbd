"""Raw sockets at the outer ends of a switch's cables, and the frames by which the end of an exchange is known."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping

from tests.conformance.packets import VLAN
from tests.conformance.target import DEADLINE, Wire

_ETH_P_ALL = 3
_SOL_PACKET, _AUXDATA, _IGNORE_OUTGOING = 263, 8, 23
_AUXILIARY = struct.Struct("=IIIHHHH")
_TAGGED = 0x10


def listen(interface: str) -> socket.socket:
    """A socket for every frame that comes in at an interface of this namespace."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    one.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    one.setsockopt(_SOL_PACKET, _AUXDATA, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    one.bind((interface, _ETH_P_ALL))
    one.setblocking(False)
    return one


class RawPorts:
    """All ports of one switch, by their names."""

    def __init__(self, sockets: Mapping[str, socket.socket], is_end: Callable[[bytes], bool]) -> None:
        self._sockets = dict(sockets)
        self._is_end = is_end

    def send(self, wires: Iterable[Wire]) -> None:
        """Send frames."""
        for wire in wires:
            self._sockets[wire.port].send(wire.frame)

    def drain(self, ends: Iterable[Wire], expected: Mapping[str, int]) -> list[Wire]:
        """Send ``ends`` and return what comes out before as many as ``expected`` have come back at each port."""
        self.send(ends)
        found: list[Wire] = []
        missing = dict(expected)
        stop = time.monotonic() + DEADLINE
        while any(count > 0 for count in missing.values()):
            frames, ended = self._take(max(stop - time.monotonic(), 0.0))
            found += frames
            for port in ended:
                missing[port] -= 1
            assert time.monotonic() < stop, f"ends did not come back: {missing}"
        return found

    def receive(self, wait: float) -> list[Wire]:
        """Frames that are there, waiting a little for the first."""
        return self._take(wait)[0]

    def _take(self, wait: float) -> tuple[list[Wire], list[str]]:
        names = {one: name for name, one in self._sockets.items()}
        frames: list[Wire] = []
        ended: list[str] = []
        for one in select.select(list(names), [], [], wait)[0]:
            while True:
                try:
                    data, ancillary, _, _ = one.recvmsg(65536, 64)
                except BlockingIOError:
                    break
                frame = _with_tag(data, ancillary)
                if self._is_end(frame):
                    ended.append(names[one])
                else:
                    frames.append(Wire(names[one], frame))
        return frames, ended

    def close(self) -> None:
        """Close them."""
        for one in self._sockets.values():
            one.close()


def _with_tag(frame: bytes, ancillary: Iterable[tuple[int, int, bytes]]) -> bytes:
    """The frame as it was on the cable: the kernel takes a VLAN tag off and tells it beside."""
    for level, kind, value in ancillary:
        if (level, kind) == (_SOL_PACKET, _AUXDATA):
            status, _, _, _, _, tag, protocol = _AUXILIARY.unpack_from(value)
            if status & _TAGGED:
                return frame[:12] + struct.pack("!HH", protocol or VLAN, tag) + frame[12:]
    return frame
