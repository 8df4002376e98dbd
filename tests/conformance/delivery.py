"""Whether a packet reached one server as its mode demands: frame, addresses, ports, TTL, checksums, tunnel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.spec.types import Mode
from tests.conformance.packets import (
    IPIP,
    IPV6_IN_IP,
    UDP,
    Packet,
    Read,
    header_is_right,
    mac,
    read,
    read_frame,
    reassembled,
)
from tests.conformance.says import Delivered, FromClient, Log, Say
from tests.conformance.scenario import (
    FRAME_TO,
    LOCAL,
    SEGMENT,
    SERVER_ADDRESSES,
    SERVERS,
    SWITCH_MAC,
)
from tests.conformance.target import Wire

_VXLAN_PORT, _VXLAN_HEADERS = 4789, 16
_FIRST_LOCAL_PORT = 1024


@dataclass
class Got:
    """Something that was sent, and the frames that came of it."""

    say: Say
    mark: bytes
    frames: list[Wire]
    sent: tuple[Wire, ...]
    """The frames that it was, tag and all."""


class Wrong(Exception):
    """What came out is not what should; the text says how it differs."""


def delivered(got: Got, log: Log) -> Delivered:
    """The server that got a client's packet. Raises Wrong unless it is exactly one, and got it as it should."""
    assert isinstance(got.say, FromClient)
    sent = got.say.packet(got.mark)
    backend = _one_server(got.frames)
    if not log.exact:
        return Delivered(backend, sent)
    service = got.say.connection.service
    if service.mode is Mode.TUN:
        inner = [_inside(wire, backend) for wire in got.frames]
        found = whole(inner)
        _compare_tunnelled(found, sent)
        return Delivered(backend, sent)
    for wire in got.frames:
        _macs(wire.frame, backend)
    found = whole([_ip(wire.frame) for wire in got.frames])
    wanted = sent
    if service.mode in (Mode.NAT, Mode.FULLNAT):
        address = SERVER_ADDRESSES[backend][service.version]
        wanted = replace(sent, destination=address, destination_port=service.backend_port, ttl=sent.ttl - 1)
    if service.mode is Mode.FULLNAT:
        wanted = _from_local(found, wanted)
        before = log.last.get(got.say.connection)
        known = got.say.connection in log.translated
        if (
            known
            and before is not None
            and before.backend == backend
            and before.packet.source_port != found.port(0)
        ):
            raise Wrong(f"the connection's local port was {before.packet.source_port}, is {found.port(0)}")
    compare(found, wanted)
    return Delivered(backend, wanted)


def _one_server(frames: Sequence[Wire]) -> str:
    ports = sorted({wire.port for wire in frames})
    if not ports:
        raise Wrong("nothing came out")
    if len(ports) > 1 or ports[0] not in SERVERS:
        raise Wrong(f"it came out at {', '.join(ports)}; wanted is one server's port")
    return ports[0]


def _macs(frame: bytes, backend: str) -> None:
    if frame[:6] != mac(FRAME_TO[backend]):
        raise Wrong(f"destination MAC {frame[:6].hex(':')}, wanted {FRAME_TO[backend]}")
    if frame[6:12] != mac(SWITCH_MAC):
        raise Wrong(f"source MAC {frame[6:12].hex(':')}, wanted the switch's, {SWITCH_MAC}")


def _ip(frame: bytes) -> Read:
    found = read_frame(frame)
    if found is None:
        raise Wrong(f"no IP packet: {frame.hex()}")
    return found


def whole(found: Sequence[Read | None]) -> Read:
    """The one packet, or the datagram that the fragments make. Raises Wrong."""
    parts = [part for part in found if part is not None]
    if not all(header_is_right(part.whole) for part in parts):
        raise Wrong("an IP header's checksum is wrong")
    if len(parts) == 1 and not parts[0].fragment:
        return parts[0]
    datagram = reassembled(parts)
    if datagram is None:
        raise Wrong(f"{len(parts)} frames came out, which do not make one packet")
    return datagram


def compare(found: Read, wanted: Packet, ttls: Sequence[int] = ()) -> None:
    """Raise Wrong unless it is this packet to the last bit; ``ttls``: hop counts that are as good as its own."""
    if found.ttl in ttls:
        wanted = replace(wanted, ttl=found.ttl)
    ip = wanted.ip
    for what, is_, should in (
        ("source", found.source, ip.source),
        ("destination", found.destination, ip.destination),
        ("protocol", found.protocol, ip.protocol),
        ("TTL", found.ttl, ip.ttl),
        ("ports", found.payload[:4].hex(), ip.payload[:4].hex()),
        ("transport", found.payload.hex(), ip.payload.hex()),
    ):
        if is_ != should:
            raise Wrong(f"{what} {is_}, wanted {should}")
    whole = ip.build()
    if not _was_fragmented(found) and found.whole != whole:
        raise Wrong(f"packet {found.whole.hex()}, wanted {whole.hex()}")


def _was_fragmented(found: Read) -> bool:
    """Put together again: then ``whole`` is that of the first part."""
    return len(found.whole) < (20 if found.version == 4 else 40) + len(found.payload)


def _from_local(found: Read, wanted: Packet) -> Packet:
    """Fullnat's source is the switch's choice: any port of its local addresses."""
    version = wanted.destination.version
    if found.source not in LOCAL[version]:
        raise Wrong(f"source {found.source} is not in the switch's local range {LOCAL[version]}")
    if found.port(0) < _FIRST_LOCAL_PORT:
        raise Wrong(f"local port {found.port(0)}, wanted one from {_FIRST_LOCAL_PORT}")
    return replace(wanted, source=found.source, source_port=found.port(0))


def _inside(wire: Wire, backend: str) -> Read:
    """The packet in a tunnel to a server: VXLAN, or IP in IP."""
    outer = _ip(wire.frame)
    if outer.destination not in SERVER_ADDRESSES[backend].values():
        raise Wrong(f"tunnelled to {outer.destination}, which is not {backend}")
    if not header_is_right(outer.whole):
        raise Wrong("the outer header's checksum is wrong")
    if outer.protocol in (IPIP, IPV6_IN_IP):
        inner = read(outer.payload)
    elif outer.protocol == UDP and outer.port(1) == _VXLAN_PORT:
        frame = outer.payload[_VXLAN_HEADERS:]
        if frame[:6] != mac(FRAME_TO[backend]):
            raise Wrong(f"destination MAC inside the tunnel {frame[:6].hex(':')}, wanted {FRAME_TO[backend]}")
        inner = read_frame(frame)
    else:
        raise Wrong(f"protocol {outer.protocol} is no tunnel")
    if inner is None:
        raise Wrong("no IP packet in the tunnel")
    return inner


def _compare_tunnelled(found: Read, sent: Packet) -> None:
    # Who puts a packet into a tunnel may count that as a hop (RFC 2003) or not.
    compare(found, sent, ttls=(sent.ttl, sent.ttl - 1))


def marked(mark: bytes, frames: Sequence[Wire]) -> list[Wire]:
    """The frames with this mark in them."""
    return [wire for wire in frames if mark in wire.frame]


def at_segment(frames: Sequence[Wire]) -> list[Wire]:
    """The frames towards clients."""
    return [wire for wire in frames if wire.port == SEGMENT]
