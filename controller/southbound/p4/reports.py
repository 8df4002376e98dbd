"""What comes in a P4 switch's session: digests, packets, pins that ended, messages that it refused."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol


class SessionRef(Protocol):
    """The session that a report came in, which the report need not know more of. Told apart by identity."""

    @property
    def id(self) -> int:
        """P4Runtime device id of the switch."""
        ...


@dataclass(frozen=True)
class Report:
    """One digest entry: something about a connection."""

    session: SessionRef
    reason: int
    """``p4src.ids.Reason``."""
    listener: int
    client: IPv4Address | IPv6Address
    port: int
    """The client's; 0 where all of a source's connections count as one."""
    backend: int


@dataclass(frozen=True)
class Punted:
    """A packet that needs the controller's answer."""

    session: SessionRef
    reason: int
    """``p4src.ids.Reason``."""
    port: int
    """Where it came in."""
    listener: int
    backend: int
    frame: bytes


@dataclass(frozen=True)
class PinEnded:
    """A pin with an idle timeout was not used for that long. It is still there."""

    session: SessionRef
    listener: int
    client: IPv4Address | IPv6Address
    port: int


@dataclass(frozen=True)
class Refused:
    """The switch refused a message on the stream, which answers no request."""

    session: SessionRef
    what: str


SessionEvent = Report | Punted | PinEnded | Refused
