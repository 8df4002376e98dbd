"""Multicast groups, clone sessions and port states: where copies of a packet go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from topo.p4switch.errors import AlreadyExists, InvalidArgument, NotFound

DROP_PORT = 511


class Ports:
    """Which ports exist and whether their links are up. A port that was not added is down."""

    def __init__(self) -> None:
        """No port."""
        self._up: dict[int, bool] = {}
        self._watchers: list[Callable[[int, bool], None]] = []

    def watch(self, callback: Callable[[int, bool], None]) -> None:
        """Call `callback(port, up)` after every change."""
        self._watchers.append(callback)

    def unwatch(self, callback: Callable[[int, bool], None]) -> None:
        """Stop calling `callback`."""
        self._watchers.remove(callback)

    def set(self, port: int, up: bool) -> None:
        """Add a port, or change its link's state."""
        if self._up.get(port) == up:
            return
        self._up[port] = up
        for callback in self._watchers:
            callback(port, up)

    def remove(self, port: int) -> None:
        """Forget a port; those who watch it see it go down."""
        self.set(port, False)
        self._up.pop(port, None)

    def is_up(self, port: int) -> bool:
        """Whether the port is there and its link is up."""
        return self._up.get(port, False)

    def all(self) -> dict[int, bool]:
        """Every port with its state."""
        return dict(self._up)


@dataclass(frozen=True)
class Replica:
    """One copy: out of `port` with egress_rid `instance`; a down port yields to the first live backup."""

    port: int
    instance: int = 0
    backups: tuple[int, ...] = ()


@dataclass(frozen=True)
class MulticastGroup:
    """A multicast group; `metadata` is the control plane's own."""

    id: int
    replicas: tuple[Replica, ...]
    metadata: bytes = b""


@dataclass(frozen=True)
class CloneSession:
    """Where a clone goes; `length` cuts the copy to that many bytes, 0 does not."""

    id: int
    replicas: tuple[Replica, ...]
    length: int = 0
    class_of_service: int = 0


class Replication:
    """Multicast groups and clone sessions. The caller holds `Switch.lock` around every method."""

    def __init__(self, ports: Ports) -> None:
        """No group and no session."""
        self.groups: dict[int, MulticastGroup] = {}
        self.sessions: dict[int, CloneSession] = {}
        self._ports = ports

    def insert_group(self, group: MulticastGroup) -> None:
        """Add a group; AlreadyExists, InvalidArgument (id 0, the same replica twice)."""
        if group.id in self.groups:
            raise AlreadyExists(f"multicast group {group.id} is there already")
        self._check("multicast group", group.id, group.replicas)
        self.groups[group.id] = group

    def modify_group(self, group: MulticastGroup) -> None:
        """Replace a group; NotFound, InvalidArgument."""
        if group.id not in self.groups:
            raise NotFound(f"multicast group {group.id} is not there")
        self._check("multicast group", group.id, group.replicas)
        self.groups[group.id] = group

    def delete_group(self, group_id: int) -> None:
        """Remove a group; NotFound."""
        if self.groups.pop(group_id, None) is None:
            raise NotFound(f"multicast group {group_id} is not there")

    def insert_session(self, session: CloneSession) -> None:
        """Add a clone session; AlreadyExists, InvalidArgument."""
        if session.id in self.sessions:
            raise AlreadyExists(f"clone session {session.id} is there already")
        self._check_session(session)
        self.sessions[session.id] = session

    def modify_session(self, session: CloneSession) -> None:
        """Replace a clone session; NotFound, InvalidArgument."""
        if session.id not in self.sessions:
            raise NotFound(f"clone session {session.id} is not there")
        self._check_session(session)
        self.sessions[session.id] = session

    def delete_session(self, session_id: int) -> None:
        """Remove a clone session; NotFound."""
        if self.sessions.pop(session_id, None) is None:
            raise NotFound(f"clone session {session_id} is not there")

    def copies(self, replicas: tuple[Replica, ...]) -> list[tuple[int, int]]:
        """(port, instance) of each copy, backups chosen by the ports' states."""
        out = []
        for replica in replicas:
            port = replica.port
            if replica.backups and not self._ports.is_up(port):
                port = next((b for b in replica.backups if self._ports.is_up(b)), port)
            out.append((port, replica.instance))
        return out

    def _check_session(self, session: CloneSession) -> None:
        if session.length < 0:
            raise InvalidArgument(f"clone session {session.id}: length {session.length} is negative")
        self._check("clone session", session.id, session.replicas)

    def _check(self, what: str, number: int, replicas: tuple[Replica, ...]) -> None:
        if number <= 0 or number >> 16:
            raise InvalidArgument(f"{what} id {number} is not in 1..65535")
        places = [(r.port, r.instance) for r in replicas]
        if len(set(places)) != len(places):
            raise InvalidArgument(f"{what} {number} names the same port and instance twice")
