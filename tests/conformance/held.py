"""Fragments that Open vSwitch still holds from rows before.

Up to 3.5 its userspace datapath lets a fragment whose datagram never got whole out after 15 s, among the packets that
happen to pass conntrack then, and by their actions ("ipf: Don't send expired frags", in 3.6.0). So a fragment of one
row comes out in a later one, at any port.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.conformance.packets import read_frame
from tests.conformance.target import Wire

_TAIL = 64
"""Octets at the end that tell a fragment, beside its identification: no mode changes either."""
_HEADERS = {4: 20 + 24, 6: 40 + 8 + 24}
"""Octets in front that actions change, which were meant for a packet of another kind: addresses, ports, checksums."""


class Held:
    """The fragments that were sent, and which of them can no longer be of the row that is played."""

    def __init__(self) -> None:
        self._now: set[tuple[bytes, bytes]] = set()
        self._before: set[tuple[bytes, bytes]] = set()

    def sent(self, wires: Iterable[Wire]) -> None:
        """Remember the fragments among these frames."""
        for wire in wires:
            packet = read_frame(wire.frame)
            if packet is not None and packet.fragment:
                whole = packet.whole
                tail = whole[_HEADERS[packet.version] :][-_TAIL:]
                self._now.add((whole[4:8] if packet.version == 4 else whole[42:48], tail))

    def next_row(self) -> None:
        """What was sent until now is of a row before."""
        self._before |= self._now
        self._now.clear()

    def late(self, frame: bytes) -> bool:
        """Whether it is a fragment of a row before, in whatever it is wrapped."""
        return any(frame.endswith(tail) and number in frame for number, tail in self._before)
