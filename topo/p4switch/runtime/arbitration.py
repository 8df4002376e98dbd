"""Who may write: one election per role among the streams of live controllers. Pure: no I/O, no locks.

Rules of the P4Runtime specification, section "Client Arbitration and Controller Replication". Every change says which
streams have to be told what, in which order; the caller sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import grpc
from finsy.proto import U128, p4r

from topo.p4switch.runtime.errors import denied, exhausted, failed_precondition, invalid, not_found, number

MAX_STREAMS = 16
"""Open streams for one role; each holds a thread of the server."""

MAX_ROLES = 16
"""Roles that are remembered, with their highest election ids, for as long as the process lives."""

Stream = TypeVar("Stream")


class RoleKey(NamedTuple):
    """How a role is told from others: by name, or by the number that clients older than 1.4 send."""

    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        return f"role {self.name or self.number!r}" if self.name or self.number else "the default role"


def role_of(message: p4r.MasterArbitrationUpdate) -> RoleKey:
    """The role that an arbitration message is about."""
    return RoleKey(message.role.name, message.role.id)


@dataclass
class _Election(Generic[Stream]):
    """The live streams of one role, in the order in which they came."""

    ids: dict[Stream, int | None] = field(default_factory=dict)
    """None: an unset election id, which never wins."""
    highest: int | None = None
    primary: Stream | None = None


class Arbiter(Generic[Stream]):
    """All elections of one device; a stream is anything hashable that stands for one StreamChannel."""

    def __init__(self, device_id: int) -> None:
        """``device_id``: the only device that this process is."""
        self.device_id = device_id
        self._roles: dict[RoleKey, _Election[Stream]] = {RoleKey(): _Election()}
        self._role_of: dict[Stream, RoleKey] = {}

    def update(
        self, stream: Stream, message: p4r.MasterArbitrationUpdate
    ) -> list[tuple[Stream, p4r.MasterArbitrationUpdate]]:
        """Take one arbitration message; returns who is told what, a new primary last.

        Raises P4Error if the stream has to be ended.
        """
        role = self._admit(stream, message)
        election = self._roles.setdefault(role, _Election())
        wanted = U128.decode(message.election_id) if message.HasField("election_id") else None
        if wanted is not None and any(
            taken == wanted for other, taken in election.ids.items() if other != stream
        ):
            raise invalid(f"election id {wanted} is used by another live controller of {role}")
        self._role_of[stream] = role
        election.ids[stream] = wanted
        if wanted is not None and (election.highest is None or wanted >= election.highest):
            election.highest, election.primary = wanted, stream
            return list(self._notices(role, election))
        if election.primary == stream:
            election.primary = None
            return list(self._notices(role, election))
        return [(stream, self._notice(role, election, stream))]

    def leave(self, stream: Stream) -> list[tuple[Stream, p4r.MasterArbitrationUpdate]]:
        """Forget an ended stream; if it was primary none is, and all others of its role are notified."""
        role = self._role_of.pop(stream, None)
        if role is None:
            return []
        election = self._roles[role]
        del election.ids[stream]
        if election.primary != stream:
            return []
        election.primary = None
        return list(self._notices(role, election))

    def is_primary(self, stream: Stream) -> bool:
        """Whether this stream is its role's primary."""
        role = self._role_of.get(stream)
        return role is not None and self._roles[role].primary == stream

    def primaries(self) -> list[Stream]:
        """The primary of every role that has one: who hears of packets, digests and idle entries."""
        return [election.primary for election in self._roles.values() if election.primary is not None]

    def require_primary(self, role: RoleKey, election_id: int | None) -> None:
        """Raises P4Error unless ``election_id`` is that of the role's primary."""
        election = self._roles.get(role)
        if election is None:
            raise not_found(f"no controller has ever claimed {role}")
        if election.primary is None:
            raise denied(f"{role} has no primary: claim it with an arbitration message first")
        if election_id != election.highest:
            raise denied(f"election id {election_id} is not the primary's, which is {election.highest}")

    def _admit(self, stream: Stream, message: p4r.MasterArbitrationUpdate) -> RoleKey:
        """The role of a message that this stream may send, before its election id is looked at."""
        role, current = role_of(message), self._role_of.get(stream)
        if current is None:
            if message.device_id != self.device_id:
                raise not_found(f"device {message.device_id} is not here: this is device {self.device_id}")
            self._check_room(role)
        elif message.device_id != self.device_id:
            raise failed_precondition(
                f"this stream is for device {self.device_id}; open another one for {message.device_id}"
            )
        elif role != current:
            raise failed_precondition(f"this stream is for {current}; open another one for {role}")
        if message.role.HasField("config"):
            raise invalid(
                f"role.config ({message.role.config.type_url}): no role scheme was agreed on; leave it unset"
            )
        return role

    def _check_room(self, role: RoleKey) -> None:
        election = self._roles.get(role)
        if election is None and len(self._roles) >= MAX_ROLES:
            raise exhausted(f"{MAX_ROLES} roles are known already")
        if election is not None and len(election.ids) >= MAX_STREAMS:
            raise exhausted(f"{role} has {MAX_STREAMS} open streams already")

    def _notices(
        self, role: RoleKey, election: _Election[Stream]
    ) -> Iterator[tuple[Stream, p4r.MasterArbitrationUpdate]]:
        """What everyone of a role is told, backups before the primary."""
        for stream in sorted(election.ids, key=lambda one: one == election.primary):
            yield stream, self._notice(role, election, stream)

    def _notice(
        self, role: RoleKey, election: _Election[Stream], stream: Stream
    ) -> p4r.MasterArbitrationUpdate:
        notice = p4r.MasterArbitrationUpdate(device_id=self.device_id)
        if role != RoleKey():
            notice.role.name, notice.role.id = role
        if election.highest is not None:
            notice.election_id.CopyFrom(U128.encode(election.highest))
        if election.primary == stream:
            notice.status.code, notice.status.message = number(grpc.StatusCode.OK), "you are the primary"
        elif election.primary is not None:
            code, text = grpc.StatusCode.ALREADY_EXISTS, "you are a backup; there is a primary"
            notice.status.code, notice.status.message = number(code), text
        else:
            code, text = grpc.StatusCode.NOT_FOUND, "you are a backup; there is no primary"
            notice.status.code, notice.status.message = number(code), text
        return notice
