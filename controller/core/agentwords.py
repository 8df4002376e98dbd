"""What servers say of themselves, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from controller.spec.serveragent import Told


@dataclass(frozen=True)
class ServerStatus:
    """A server that is asked about itself."""

    says: str
    """All that it has said and not taken back: a share of its weight, ``drain``, or why it is down; ``ready``:
    nothing."""
    age: float | None
    """Seconds since it answered; null: it has not answered this controller."""
    silent: bool
    """It has not answered for three intervals: what it said last stands, and may be wrong by now."""
    problem: str
    """What was wrong with its last answer, or why there was none; empty: nothing."""
    connections: int | None
    """Live ones, as it counted them ``age`` seconds ago; null: it does not say."""


def words(said: Told) -> str:
    """What a server has said, in its words."""
    parts = [f"{said.percent}%"] if said.percent != 100 else []
    parts += ["drain"] if said.drain else []
    parts += [said.down] if said.down else []
    return ", ".join(parts) or "ready"


def agent_words(shown: ServerStatus) -> str:
    """How it goes with asking a server."""
    parts = [shown.says]
    if shown.connections is not None:
        parts.append(f"{shown.connections} connections")
    if shown.age is None:
        parts.append("not heard yet")
    elif shown.silent:
        parts.append(f"SILENT, heard {shown.age:.0f} s ago")
    if shown.problem and shown.age is not None:
        parts.append(shown.problem)
    return ", ".join(parts)
