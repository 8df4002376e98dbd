"""Marks by which it is known that a P4 switch has dealt with all frames: at its ports, and in what it tells.

frames ─► ends, from each port that was used to every port ─► all out ─► mark ─► its digest ─► all told

Frames of one port stay in order, and so do digests; the ingress of v1model is one queue. No time is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from finsy.proto import p4r

from controller.southbound.p4.session import P4Session
from controller.spec.types import Protocol
from p4src.ids import Reason
from p4src.numbers import address
from p4src.target import EntryBody, EntryKey, P4Target, Rate
from tests.conformance.packets import ETHER, SYN, Packet, ethernet
from tests.conformance.scenario import (
    CLIENTS,
    GATEWAY_MAC,
    NEIGHBOURS,
    PORTS,
    SEGMENT,
    SERVER_ADDRESSES,
    SWITCH_MAC,
)
from tests.conformance.target import Wire

LISTENER = 0xFFFF
"""Number of the mark's listener; no pool of that number has slots, so that the mark itself goes nowhere."""
_VIP = ip_address("198.18.0.1")
_CLIENT = CLIENTS["c2"].addresses[4]
_PORT = 9
_END = b"end of the exchange"
_OFTEN = Rate(10_000, 10_000)

_ENTRIES = {
    EntryKey("vip", (address(_VIP),)): EntryBody("claim", (LISTENER, 0, 0, 0)),
    EntryKey("listener", (address(_VIP), Protocol.TCP.number, _PORT)): EntryBody(
        "serve", (LISTENER, LISTENER, LISTENER, 0, 0, 0, 1, 1, 1)
    ),
    EntryKey("pin", (LISTENER, address(_CLIENT), _PORT)): EntryBody("seen", (1,)),
}
"""What makes a switch tell of the mark: a SYN that meets a pin."""

MARK = Wire(
    SEGMENT,
    ethernet(
        SWITCH_MAC,
        GATEWAY_MAC,
        ETHER[4],
        Packet(_CLIENT, _PORT, _VIP, _PORT, Protocol.TCP, flags=SYN).build(),
    ),
)
"""The frame that the switch tells of."""


def marked(target: P4Target) -> P4Target:
    """The same for a switch that is asked and marked as often as packets are sent."""
    limits = {**target.limits, Reason.CLOCK: _OFTEN, Reason.PIN_STALE: _OFTEN}
    return replace(target, entries={**target.entries, **_ENTRIES}, limits=limits)


def ends(used: Iterable[str]) -> list[Wire]:
    """Frames from each of these ports to every port."""
    return [_ENDS[port, to] for port in used for to in PORTS]


def is_end(frame: bytes) -> bool:
    """Whether it is one of these."""
    return _END in frame


def _end(port: str, to: str) -> Wire:
    """A datagram that is routed from one port to another one."""
    packet = Packet(_CLIENT, _PORT, _BEHIND[to], _PORT, Protocol.UDP, _END)
    return Wire(port, ethernet(SWITCH_MAC, GATEWAY_MAC, ETHER[4], packet.build()))


_BEHIND = {
    SEGMENT: CLIENTS["c1"].addresses[4],
    **{name: addresses[4] for name, addresses in SERVER_ADDRESSES.items()},
    **{name: ip_address(f"10.0.0.{number}") for name, number in NEIGHBOURS.items()},
}
"""An address to which packets leave by each port."""
_ENDS = {(port, to): _end(port, to) for port in PORTS for to in PORTS}


async def tell_at_once(session: P4Session) -> None:
    """Have a switch tell of each thing as it happens, again and again, and wait for no acknowledgement.

    Else BMv2 sends a list 100 to 200 ms after the first of it. It holds back what it has told until that is
    acknowledged, and loses acknowledgements that come close on one another: then for up to two seconds.
    """
    request = p4r.WriteRequest(device_id=session.id, election_id=session.election)
    update = request.updates.add(type=p4r.Update.MODIFY)
    update.entity.digest_entry.digest_id = session._pipeline.numbers["report_t"]
    update.entity.digest_entry.config.max_list_size = 1
    refused = await session._channel.write(request.SerializeToString())
    assert not refused, refused
