"""Kinds of switches: all that differs between them and is known beforehand, one row each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Protocol(StrEnum):
    """What a kind of switch is driven with."""

    OPENFLOW = "openflow"
    P4RUNTIME = "p4runtime"


@dataclass(frozen=True)
class Kind:
    """One kind of switch."""

    name: str
    """As the intent writes it."""
    words: str
    """What to call it in messages."""
    protocol: Protocol
    hash: str
    """Name of its tuple hash: all lb switches of a pool share one."""
    needs_routes: bool = False
    """It has no forwarding but ours."""
    sees_bfd: bool = False
    """It sees by itself that a neighbour is gone."""
    dialled: bool = False
    """The controller connects to it, so that a refused connection tells that it is gone."""
    driven: bool = True
    """Whether this version can drive it."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ovs", "Open vSwitch", Protocol.OPENFLOW, "ovs-jenkins", sees_bfd=True),
        Kind("bmv2", "BMv2", Protocol.P4RUNTIME, "p4-crc", needs_routes=True, dialled=True),
        Kind("embedded", "embedded P4", Protocol.P4RUNTIME, "p4-crc", needs_routes=True, dialled=True),
        Kind("tofino", "Tofino", Protocol.P4RUNTIME, "p4-crc", needs_routes=True, dialled=True, driven=False),
    )
}
