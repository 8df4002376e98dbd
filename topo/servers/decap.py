"""The lab's end of IPIP tunnels: packets that came inside IPv4 or IPv6 go on to the kernel through a tun device.

Run as a script in a server's namespace, until it is killed; it imports nothing but the standard library. It stands for
the kernel's ipip, sit and ip6_tunnel modules, which not every kernel has. Answers do not pass here.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
import struct
import sys

_SET_INTERFACE = 0x400454CA
_TUN, _BARE = 0x0001, 0x1000
"""Flags of a tun device: whole IP packets, nothing before them."""
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_BUFFER = 1 << 22
_AT_ONCE = 64
"""Packets taken from one socket before the others have their turn."""
_INSIDE = {4: socket.IPPROTO_IPIP, 6: socket.IPPROTO_IPV6}
"""IP version of the packet inside -> protocol of the one outside."""


class Inlet:
    """Tunnelled packets of one outer and one inner IP version."""

    def __init__(self, outer: socket.AddressFamily, version: int) -> None:
        self._headed = outer == socket.AF_INET
        self._version = version
        self.socket = socket.socket(outer, socket.SOCK_RAW, _INSIDE[version])
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)

    def forward(self, out: int) -> None:
        """Give what has arrived to the tun device ``out``; what is no packet of the version is dropped."""
        for _ in range(_AT_ONCE):
            try:
                packet = self.socket.recv(65536)
                inside = packet[4 * (packet[0] & 15) :] if self._headed else packet
                if inside and inside[0] >> 4 == self._version:
                    os.write(out, inside)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error, or a packet that the kernel finds malformed


def device(name: str) -> int:
    """A file that is the tun device of that name, made and set up. Raises OSError."""
    opened = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(opened, _SET_INTERFACE, struct.pack("16sH22x", name.encode(), _TUN | _BARE))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _GET_FLAGS, struct.pack("16sH22x", name.encode(), 0))
        (flags,) = struct.unpack_from("H", answer, 16)
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH22x", name.encode(), flags | _UP))
    return opened


def main(name: str) -> None:
    """Open all sockets, then the device: who sees its carrier knows that nothing is lost any more."""
    inlets = [Inlet(outer, version) for outer in (socket.AF_INET, socket.AF_INET6) for version in _INSIDE]
    out = device(name)
    with selectors.DefaultSelector() as ready:
        for inlet in inlets:
            ready.register(inlet.socket, selectors.EVENT_READ, inlet)
        while True:
            for key, _ in ready.select():
                key.data.forward(out)


if __name__ == "__main__":
    main(sys.argv[1])
