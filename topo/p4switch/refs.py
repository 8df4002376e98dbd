"""What an entry may refer to: an action, a member or group of an action profile, or an action set of its own."""

from __future__ import annotations

from dataclasses import dataclass

from topo.p4switch.program.model import ActionCall


@dataclass(frozen=True)
class MemberRef:
    """An entry of an indirect table that points at one member of its action profile."""

    member: int


@dataclass(frozen=True)
class GroupRef:
    """An entry of an indirect table that points at a group of its selector."""

    group: int


@dataclass(frozen=True)
class WeightedAction:
    """One choice of a one-shot action set; `watch_port` None is always live."""

    call: ActionCall
    weight: int = 1
    watch_port: int | None = None


@dataclass(frozen=True)
class OneShot:
    """An action set programmed with the entry itself (P4Runtime's one-shot programming)."""

    actions: tuple[WeightedAction, ...]


ActionRef = ActionCall | MemberRef | GroupRef | OneShot

NO_ACTION = ActionCall(-1, ())
"""What a table without a default action does on a miss: nothing."""
