"""What the controller and the speaker say to each other: JSON texts over a SEQPACKET socket in the abstract namespace.

    controller ─► speaker    the deadline of every interface; one that is not named is given up
    speaker ─► controller    what becomes of each, at every change and twice a second

A message is whole, and the last one holds: a lost one is made good by the next.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b

VERSION = 1
"""Of what is said: a speaker of another one is ended by the controller, not used."""
LARGEST = 1 << 16
"""Octets of a message."""
BEAT = 0.5
"""Seconds between messages of the speaker."""
_CREDENTIALS = struct.Struct("iII")


@dataclass(frozen=True)
class PortState:
    """The session behind one interface."""

    up: bool
    """The session is up."""
    claim: bool
    """Authority is claimed."""
    since: float
    """When the session came up last; seconds of the machine's boot clock."""
    until: float
    """The deadline last heard from the controller, by the same clock."""
    why: str
    """Why nothing is claimed; empty: it is."""


def address_of(name: str) -> str:
    """The speaker's address: one for each controller of a network namespace. ``name`` tells controllers apart."""
    return "\0evenkeel-fence/" + blake2b(name.encode(), digest_size=8).hexdigest()


def pack_deadlines(until: Mapping[str, float | None]) -> bytes:
    """Deadline by interface; None: the one that holds is not changed."""
    return json.dumps(dict(until)).encode()


def read_deadlines(message: bytes) -> dict[str, float | None]:
    """The same. Raises ValueError for anything else."""
    found = json.loads(message)
    if not isinstance(found, dict):
        raise ValueError("deadlines are a mapping of interfaces")
    return {str(name): None if until is None else float(until) for name, until in found.items()}


def pack_states(states: Mapping[str, PortState]) -> bytes:
    """State by interface."""
    return json.dumps([VERSION, {name: asdict(state) for name, state in states.items()}]).encode()


def read_states(message: bytes) -> dict[str, PortState]:
    """State by interface. Raises ValueError for a message of another version or of no such form."""
    try:
        version, states = json.loads(message)
        if version != VERSION:
            raise ValueError(f"version {version} of the speaker, not {VERSION}")
        return {str(name): PortState(**state) for name, state in states.items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no states: {error}") from None


def peer(sock: socket.socket) -> tuple[int, int]:
    """Process and user of the other end."""
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(found)
    return pid, user
