"""Links to real interfaces: AF_PACKET sockets, with what offloads leave undone, and link states by netlink."""

from __future__ import annotations

import errno
import fcntl
import logging
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from topo.p4switch.errors import P4SwitchError
from topo.p4switch.hashes import csum16

log = logging.getLogger(__name__)

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_AUXDATA = 8
_PACKET_VNET_HDR = 15
_PACKET_QDISC_BYPASS = 20
_PACKET_IGNORE_OUTGOING = 23
_MR_PROMISC = 1
_STATUS_VLAN_VALID = 0x10
_STATUS_TPID_VALID = 0x40
_AUXDATA = struct.Struct("=IIIHHHH")
_VNET = struct.Struct("=BBHHHH")
_NEEDS_CHECKSUM = 1
_PLAIN = bytes(_VNET.size)
_LARGEST = 65536 + _VNET.size + 18
_BUFFER = 4 << 20
_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_RTMGRP_LINK = 1


class LinkError(P4SwitchError):
    """An interface cannot be used; the text names it and why."""


class Link(Protocol):
    """What a port of the switch is attached to. `send` may be called from any thread."""

    def fileno(self) -> int:
        """A descriptor that is readable while frames wait."""

    def receive(self, limit: int) -> list[bytes]:
        """At most `limit` waiting frames; never blocks."""

    def send(self, frame: bytes) -> None:
        """Transmit a frame, or drop and count it when the link cannot take it; never blocks."""

    def close(self) -> None:
        """Give the link back."""


class PacketLink:
    """A network interface, promiscuous, through an AF_PACKET socket (needs CAP_NET_RAW).

    Frames sent by this machine's own stack are not seen. A VLAN tag the kernel took off is put back. A
    checksum that the sender left to its hardware (as veth pairs do) is filled in. Frames that a sender left
    to be segmented come as one: turn TCP segmentation off at the sender (`ethtool -K IFACE tso off gso off`),
    else they are too large to be sent on, which is counted in `dropped` and logged once.
    """

    def __init__(self, interface: str) -> None:
        """Open the interface; LinkError when it is not there or may not be opened."""
        self.interface = interface
        self.dropped = 0
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise LinkError(f"interface {interface}: opening it needs CAP_NET_RAW (run as root)") from error
        try:
            self._configure(interface)
        except OSError as error:
            self._socket.close()
            raise LinkError(f"interface {interface}: {error.strerror or error}") from error

    def fileno(self) -> int:
        """The socket."""
        return self._socket.fileno()

    def receive(self, limit: int) -> list[bytes]:
        """Waiting frames."""
        frames = []
        receive = self._socket.recvmsg
        for _ in range(limit):
            try:
                data, ancillary, _, _ = receive(_LARGEST, 64)
            except BlockingIOError:
                break
            except OSError as error:
                # ENETDOWN is told once by the socket when the interface goes down.
                if error.errno != errno.ENETDOWN:
                    log.warning("interface %s: %s", self.interface, error)
                break
            frames.append(_restore(data, ancillary))
        return frames

    def send(self, frame: bytes) -> None:
        """Transmit; a frame the interface does not take is dropped and counted."""
        try:
            self._socket.send(_PLAIN + frame)
        except OSError as error:
            self.dropped += 1
            if error.errno == errno.EMSGSIZE and self.dropped == 1:
                log.warning(
                    "interface %s: a frame of %d bytes is larger than its MTU and was dropped; "
                    "if it was not segmented yet, turn tso and gso off at its sender",
                    self.interface,
                    len(frame),
                )

    def is_up(self) -> bool:
        """Whether the interface is up and has a carrier now."""
        request = struct.pack("16sH14x", self.interface.encode(), 0)
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFFLAGS, request)
        except OSError:
            return False
        flags: int = struct.unpack_from("H", answer, 16)[0]
        return flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _configure(self, interface: str) -> None:
        sock = self._socket
        sock.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        sock.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.bind((interface, _ETH_P_ALL))
        index = socket.if_nametoindex(interface)
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, struct.pack("=IHH8x", index, _MR_PROMISC, 0))
        sock.setblocking(False)


def _restore(data: bytes, ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """A frame as it would be on a cable: checksum filled in, VLAN tag in its place."""
    flags, _, _, _, start, offset = _VNET.unpack_from(data)
    frame = data[_VNET.size :]
    if flags & _NEEDS_CHECKSUM:
        frame = complete_checksum(frame, start, offset)
    for level, kind, value in ancillary:
        if level == _SOL_PACKET and kind == _PACKET_AUXDATA and len(value) >= _AUXDATA.size:
            status, _, _, _, _, tag, tpid = _AUXDATA.unpack_from(value)
            if status & _STATUS_VLAN_VALID:
                tpid = tpid if status & _STATUS_TPID_VALID else 0x8100
                frame = frame[:12] + struct.pack("!HH", tpid, tag) + frame[12:]
    return frame


def complete_checksum(frame: bytes, start: int, offset: int) -> bytes:
    """The frame with the checksum at `start` + `offset` computed over everything from `start` on.

    The kernel leaves the sum of the pseudo-header in the field.
    """
    place = start + offset
    if place + 2 > len(frame):
        return frame
    # UDP sends a computed 0 as all ones, which one's complement arithmetic takes for the same.
    value = csum16(frame[start:]) or 0xFFFF
    return frame[:place] + value.to_bytes(2, "big") + frame[place + 2 :]


class LinkWatch:
    """Tells when interfaces of this namespace go up or down, from the kernel's link events."""

    def __init__(self, changed: Callable[[str, bool], None]) -> None:
        """Listen; `changed(interface, up)` is called from `receive`."""
        self._changed = changed
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Readable while events wait."""
        return self._socket.fileno()

    def receive(self) -> None:
        """Report the events that wait."""
        while True:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # ENOBUFS: events were lost; the next one of an interface says its state again.
                log.warning("link events: %s", error)
                return
            for name, up in link_events(data):
                self._changed(name, up)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def link_events(data: bytes) -> list[tuple[str, bool]]:
    """(interface, up) of each link message in a netlink datagram."""
    out = []
    offset = 0
    while offset + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        if length < 16:
            break
        if kind in (_RTM_NEWLINK, _RTM_DELLINK):
            flags = struct.unpack_from("=I", data, offset + 24)[0]
            name = _interface_name(data[offset + 32 : offset + length])
            running = flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING
            if name:
                out.append((name, kind == _RTM_NEWLINK and running))
        offset += (length + 3) & ~3
    return out


def _interface_name(attributes: bytes) -> str:
    """IFLA_IFNAME among a link message's attributes."""
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, offset)
        if length < 4:
            break
        if kind == 3:
            return attributes[offset + 4 : offset + length].rstrip(b"\0").decode(errors="replace")
        offset += (length + 3) & ~3
    return ""
