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
    protocol: Protocol
    hash: str
    """Name of its tuple hash: all lb switches of a pool share one."""
    ports: range
    """Numbers that its ports may have."""
    sees_bfd: bool = False
    """It sees by itself that a neighbour is gone."""
    dialled: bool = False
    """The controller connects to it, so that a refused connection tells that it is gone."""
    tracks: bool = False
    """It remembers connections of tracked slots alone, where they are TCP."""
    spreads: bool = False
    """It can take slots from its datapath's hash, or from bits."""
    ends_pins: bool = False
    """A pin there ends by itself when it is idle, whether a controller hears of that or not."""
    roles: bool = False
    """It holds an election for each role, so that an agent can give it authority beside the controller that leads.

    Open vSwitch has no such roles, and lets several controllers write. ``embedded`` keeps to the P4Runtime
    specification, which its tests show. Stratum, which drives Tofino, keeps an election for each role name too, by its
    source (``SdnControllerManager`` of commit f8f7130). PI, which BMv2's simple_switch_grpc is built on, does not: it
    never looks at the role (``DeviceState`` in pi_server.cpp of commit f96af95), so all streams are in one election."""
    driven: bool = True
    """Whether this version can drive it."""


V1MODEL_PORTS = range(510)
"""The two numbers after these are the controller's and the one that drops."""
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "ovs",
            Protocol.OPENFLOW,
            "ovs-jenkins",
            range(1, 0xFF00),
            sees_bfd=True,
            tracks=True,
            spreads=True,
            ends_pins=True,
        ),
        Kind("bmv2", Protocol.P4RUNTIME, "p4-crc", V1MODEL_PORTS, dialled=True, tracks=True),
        Kind("embedded", Protocol.P4RUNTIME, "p4-crc", V1MODEL_PORTS, dialled=True, tracks=True, roles=True),
        Kind(
            "tofino",
            Protocol.P4RUNTIME,
            "p4-crc",
            V1MODEL_PORTS,
            dialled=True,
            tracks=True,
            roles=True,
            driven=False,
        ),
    )
}


def kinds_of(protocol: Protocol) -> str:
    """Names of the kinds that are driven with a protocol, to choose from: ``bmv2 or embedded``."""
    return " or ".join(kind.name for kind in KINDS.values() if kind.driven and kind.protocol is protocol)


def agents_kinds() -> str:
    """Names of the kinds whose edges agents can give authority, to choose from."""
    found = (each for each in KINDS.values() if each.driven)
    return " or ".join(each.name for each in found if each.roles or each.protocol is Protocol.OPENFLOW)
