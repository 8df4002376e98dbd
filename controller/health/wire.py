"""Framing between the prober and its parent: length-prefixed pickles between two processes of one program."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

from controller.health.engine import Record
from controller.health.targets import Probe


@dataclass(frozen=True)
class Change:
    """Parent to prober: the set of probes changes."""

    add: tuple[tuple[int, Probe], ...] = ()
    """(id, probe); ids are never given twice."""
    remove: tuple[int, ...] = ()


@dataclass(frozen=True)
class Beat:
    """Prober to parent, once a second: alive, and how it went since the last one."""

    lateness: dict[int, int] = field(default_factory=dict)
    """Starts by lateness in steps of ``engine.LATENESS_STEP``."""
    dropped: int = 0
    """Results thrown away because the parent did not read."""
    stalled: float = 0.0
    """Seconds that the prober did not get to run."""
    sockets: int = 0
    """Sockets open now."""


Message = Change | Beat | list[Record]


def pack(message: Message) -> bytes:
    """One frame."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(4, "big") + body


class Unpacker:
    """Takes bytes as they come, gives whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now."""
        buffer, messages, at = self._buffer, list[Message](), 0
        buffer += data
        while len(buffer) >= at + 4:
            end = at + 4 + int.from_bytes(buffer[at : at + 4], "big")
            if len(buffer) < end:
                break
            messages.append(pickle.loads(memoryview(buffer)[at + 4 : end].tobytes()))
            at = end
        del buffer[:at]
        return messages
