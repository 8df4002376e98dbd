"""What an Open vSwitch tells the controller: how its stream fares, and what its flows report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.southbound.openflow.session import Session
from flows.tables import Cookie


@dataclass(frozen=True)
class Connected:
    """A switch's control stream is up."""

    session: Session


@dataclass(frozen=True)
class Disconnected:
    """A switch's control stream is gone."""

    session: Session


@dataclass(frozen=True)
class PacketIn:
    """A packet that one of our flows reported."""

    session: Session
    cookie: Cookie
    fields: Mapping[str, int]
    """Registers and ct_* fields at the time of the report, by field name."""
    frame: bytes


@dataclass(frozen=True)
class FlowEnded:
    """A flow of ours with an idle or hard timeout ended."""

    session: Session
    cookie: Cookie
    idle: bool


@dataclass(frozen=True)
class PortsChanged:
    """Something changed about a switch's ports; what, it says when it is asked."""

    session: Session


@dataclass(frozen=True)
class Refused:
    """The switch refused a message of ours whose answer is no longer awaited."""

    session: Session
    what: str


@dataclass(frozen=True)
class Stranger:
    """A switch that is not ours connected, or went away."""

    id: int
    """Its datapath id."""
    address: str
    """Where it connects from."""
    here: bool


Event = Stranger | Connected | Disconnected | PacketIn | FlowEnded | PortsChanged | Refused
