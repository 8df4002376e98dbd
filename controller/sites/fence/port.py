"""The socket of one interface on which BFD is spoken: raw frames, and of what comes in those of BFD alone."""

from __future__ import annotations

import ctypes
import secrets
import socket
import struct
from contextlib import suppress

from controller.frames.bfd import PORT, BfdPacket, bfd_frame, read_bfd
from controller.frames.packet import UDP

_ETH_IP = 0x0800
_TO = bytes.fromhex("002320000001")
"""Where Open vSwitch sends BFD, and expects it from."""
_SOURCE, _DESTINATION = bytes((169, 254, 1, 1)), bytes((169, 254, 1, 0))
_SOL_PACKET, _ADD_MEMBERSHIP, _UNICAST = 263, 1, 3
_SO_ATTACH_FILTER = 26
_FIRST_PORT, _PORTS = 49152, 16384
_FILTER = (
    # Loads and jumps of the classic packet filter: UDP, not a later fragment, to the port of BFD.
    (0x30, 0, 0, 23), (0x15, 0, 6, UDP),
    (0x28, 0, 0, 20), (0x45, 4, 0, 0x1FFF),
    (0xB1, 0, 0, 14), (0x48, 0, 0, 16), (0x15, 0, 1, PORT),
    (0x06, 0, 0, 256), (0x06, 0, 0, 0),
)  # fmt: skip


class PortSocket:
    """Opened at once. Raises OSError: no such interface, or no right to (CAP_NET_RAW)."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._filter()
            self._socket.bind((interface, _ETH_IP))
            index = socket.if_nametoindex(interface)
            accept = struct.pack("iHH8s", index, _UNICAST, len(_TO), _TO)
            self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, accept)
            self._macs = _TO + self._socket.getsockname()[4]
        except BaseException:
            self._socket.close()
            raise
        self._port = _FIRST_PORT + secrets.randbelow(_PORTS)

    def _filter(self) -> None:
        code = b"".join(struct.pack("HBBI", *one) for one in _FILTER)
        kept = ctypes.create_string_buffer(code)
        program = struct.pack("HP", len(_FILTER), ctypes.addressof(kept))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def fileno(self) -> int:
        """Of the socket."""
        return self._socket.fileno()

    def read(self) -> BfdPacket | None:
        """The next packet that is one of BFD; None: there is none. Raises OSError when the interface is gone."""
        while True:
            try:
                packet = read_bfd(self._socket.recv(2048))
            except BlockingIOError:
                return None
            if packet is not None:
                return packet

    def send(self, packet: BfdPacket) -> None:
        """Raises OSError when the interface is gone or down; a full queue loses the packet."""
        with suppress(BlockingIOError):
            self._socket.send(bfd_frame(packet, self._macs, _SOURCE, _DESTINATION, self._port))

    def close(self) -> None:
        """Close it."""
        self._socket.close()
