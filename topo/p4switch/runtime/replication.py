"""Multicast groups and clone sessions over P4Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from finsy.proto import p4r

from topo.p4switch.runtime.errors import invalid, unimplemented
from topo.p4switch.runtime.values import canonical
from topo.p4switch.state import CloneSession, MulticastGroup, Replica, Replication

Held = TypeVar("Held", MulticastGroup, CloneSession)

INSERT, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.DELETE

MAX_PORT = 511
"""v1model's ports have 9 bits."""

MAX_INSTANCE = 0xFFFF
"""egress_rid has 16 bits."""


class ReplicationServer:
    """The packet replication engine. The caller holds ``Switch.lock``."""

    def __init__(self, replication: Replication) -> None:
        """The engine in the data plane."""
        self._held = replication
        self._numbered: set[tuple[str, int]] = set()
        """Groups and sessions that were written with egress_port, which clients older than 1.4 read as well."""

    def write(self, kind: int, entry: p4r.PacketReplicationEngineEntry) -> None:
        """Insert, modify or delete a multicast group or a clone session."""
        which = entry.WhichOneof("type")
        if which == "multicast_group_entry":
            self._write_group(kind, entry.multicast_group_entry)
        elif which == "clone_session_entry":
            self._write_session(kind, entry.clone_session_entry)
        else:
            raise invalid("packet_replication_engine_entry: neither multicast group nor clone session is set")

    def read(self, wanted: p4r.PacketReplicationEngineEntry) -> Iterator[p4r.PacketReplicationEngineEntry]:
        """The group or session that is named; with id 0, all of the kind; with no kind, everything."""
        which = wanted.WhichOneof("type")
        if which != "clone_session_entry":
            for group in _chosen(self._held.groups, wanted.multicast_group_entry.multicast_group_id):
                numbered = ("group", group.id) in self._numbered
                yield p4r.PacketReplicationEngineEntry(multicast_group_entry=_group_message(group, numbered))
        if which != "multicast_group_entry":
            for session in _chosen(self._held.sessions, wanted.clone_session_entry.session_id):
                numbered = ("session", session.id) in self._numbered
                yield p4r.PacketReplicationEngineEntry(
                    clone_session_entry=_session_message(session, numbered)
                )

    def _write_group(self, kind: int, wanted: p4r.MulticastGroupEntry) -> None:
        number = wanted.multicast_group_id
        if number == 0:
            raise invalid("multicast_group_id has to be above 0")
        if kind == DELETE:
            self._held.delete_group(number)
            return
        what = f"multicast group {number}"
        group = MulticastGroup(number, _replicas(wanted.replicas, what), wanted.metadata)
        if kind == INSERT:
            self._held.insert_group(group)
        else:
            self._held.modify_group(group)
        self._note("group", number, wanted.replicas)

    def _write_session(self, kind: int, wanted: p4r.CloneSessionEntry) -> None:
        number = wanted.session_id
        if number == 0:
            raise invalid("clone session: session_id has to be above 0")
        if kind == DELETE:
            self._held.delete_session(number)
            return
        replicas = _replicas(wanted.replicas, f"clone session {number}")
        session = CloneSession(number, replicas, wanted.packet_length_bytes, wanted.class_of_service)
        if kind == INSERT:
            self._held.insert_session(session)
        else:
            self._held.modify_session(session)
        self._note("session", number, wanted.replicas)

    def _note(self, kind: str, number: int, replicas: Iterable[p4r.Replica]) -> None:
        if any(one.WhichOneof("port_kind") == "egress_port" for one in replicas):
            self._numbered.add((kind, number))
        else:
            self._numbered.discard((kind, number))


def _chosen(held: dict[int, Held], number: int) -> list[Held]:
    """What a read with this id selects."""
    if number == 0:
        return list(held.values())
    return [held[number]] if number in held else []


def _replicas(wanted: Iterable[p4r.Replica], what: str) -> tuple[Replica, ...]:
    made = []
    for one in wanted:
        if one.backup_replicas:
            raise unimplemented(f"{what}: backup replicas are not supported")
        port = (
            one.egress_port
            if one.WhichOneof("port_kind") == "egress_port"
            else int.from_bytes(one.port, "big")
        )
        if port > MAX_PORT or one.WhichOneof("port_kind") is None:
            raise invalid(f"{what}: port {port} is not in 0..{MAX_PORT}")
        if one.instance > MAX_INSTANCE:
            raise invalid(f"{what}: instance {one.instance} is above {MAX_INSTANCE}")
        made.append(Replica(port, one.instance))
    if len(set(made)) != len(made):
        raise invalid(f"{what} names the same port and instance twice")
    return tuple(made)


def _messages(replicas: tuple[Replica, ...], numbered: bool) -> list[p4r.Replica]:
    if numbered:
        return [p4r.Replica(egress_port=one.port, instance=one.instance) for one in replicas]
    return [p4r.Replica(port=canonical(one.port), instance=one.instance) for one in replicas]


def _group_message(group: MulticastGroup, numbered: bool) -> p4r.MulticastGroupEntry:
    return p4r.MulticastGroupEntry(
        multicast_group_id=group.id, replicas=_messages(group.replicas, numbered), metadata=group.metadata
    )


def _session_message(session: CloneSession, numbered: bool) -> p4r.CloneSessionEntry:
    return p4r.CloneSessionEntry(
        session_id=session.id,
        replicas=_messages(session.replicas, numbered),
        class_of_service=session.class_of_service,
        packet_length_bytes=session.length,
    )
