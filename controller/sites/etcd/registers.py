"""Registers in etcd: small values of their own, each one key that is compared and put by its revision.

A value begins with a tag that is new in every commit: a transaction whose answer was lost is known by it when it is
repeated and finds its own value there.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping

from controller.sites.base import (
    ABSENT,
    ANY,
    COMMIT,
    Batch,
    Change,
    Guard,
    GuardFailed,
    Loaded,
    OutcomeUnknown,
    Reset,
    Stored,
    StoreError,
    refuse_unguarded,
)
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.client import Client, Deadline, compare, get
from controller.sites.etcd.layout import FORMAT, OPERATIONS, Keys, after
from controller.sites.etcd.watch import Group, Start, watched

LOAD = 5.0
"""Seconds to read all registers."""
SIZE = 4096
"""Octets of a register, at most."""
COUNT = 10_000
"""Registers, at most."""
DOUBTS = 256
"""Commits of unknown outcome that are remembered."""
_TAG = 9
"""Octets before a value: the format, and the commit that wrote it."""


class Registers:
    """Registers below a prefix."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.name = client.name
        self._client, self._prefix = client, keys.registers
        self._doubts: dict[tuple[str, bytes], int] = {}
        """Commits of ours whose outcome is unknown: register and tag -> revision that each was to follow."""

    async def load(self) -> Loaded:
        """All registers, and etcd's revision. Raises StoreError."""
        return (await self._start()).loaded

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        """Put registers together, each by its revision; also others that the guard names have to be as it says.

        Raises ValueError for a name without revision, GuardFailed, StoreError and OutcomeUnknown.
        """
        refuse_unguarded(self.name, batch, guard)
        if any(len(data or b"") > SIZE for data in batch.values()) or len(guard.keys) > OPERATIONS:
            raise ValueError(f"{self.name}: registers hold {SIZE} octets, and {OPERATIONS} are put together")
        tag = bytes([FORMAT]) + secrets.token_bytes(_TAG - 1)
        deadline = Deadline(self.name, within)
        wanted = dict(guard.keys)
        while True:
            try:
                answer, doubtful = await self._client.txn(self._request(batch, wanted, tag), deadline.left())
            except OutcomeUnknown:
                self._doubt(batch, guard, tag)
                raise
            if answer.succeeded:
                self._trust(batch)
                return answer.header.revision
            kvs = {self._name(kv.key): kv for response in answer.responses for kv in response.range.kvs}
            done = self._done(batch, tag, kvs, answer.header.revision) if doubtful else ABSENT
            if done:
                self._trust(batch)
                return done
            known = self._known(wanted, guard, kvs)
            if known == wanted:
                raise self._failed(guard, kvs, answer.header.revision)
            wanted = known

    def _request(self, batch: Batch, wanted: Mapping[str, int], tag: bytes) -> wire.TxnRequest:
        return wire.TxnRequest(
            compare=[compare(self._key(name), revision) for name, revision in wanted.items()],
            success=[self._op(name, data, tag) for name, data in batch.items()],
            failure=[wire.RequestOp(range=get(self._key(name))) for name in wanted],
        )

    def _doubt(self, batch: Batch, guard: Guard, tag: bytes) -> None:
        for name in batch:
            self._doubts[name, tag] = guard.keys[name]
        while len(self._doubts) > DOUBTS:
            self._doubts.pop(next(iter(self._doubts)))

    def _trust(self, batch: Batch) -> None:
        """Nothing that was sent before can be carried out any more."""
        for name, tag in list(self._doubts):
            if name in batch:
                del self._doubts[name, tag]

    def _known(
        self, wanted: Mapping[str, int], guard: Guard, kvs: Mapping[str, wire.KeyValue]
    ) -> dict[str, int]:
        """Revisions to compare: where a commit of ours was carried out after all, it is no other's."""
        known = dict(wanted)
        for name, kv in kvs.items():
            if self._doubts.get((name, kv.value[:_TAG])) == guard.keys[name]:
                known[name] = kv.mod_revision
        return known

    def watch(self, since: int | None = None) -> AsyncIterator[Change | Reset]:
        """Batches after a revision."""
        return watched(self._client, (self._prefix, after(self._prefix)), self._start, self._change, since)

    async def _start(self) -> Start:
        found = await self._client.range(get(self._prefix, after(self._prefix), limit=COUNT), LOAD)
        if found.more:
            raise StoreError(
                f"{self.name}: more than {COUNT} registers; another program writes below the prefix"
            )
        values = {self._name(kv.key): Stored(self._data(kv), kv.mod_revision) for kv in found.kvs}
        return Start(Loaded(values, found.header.revision), found.header.revision)

    async def _change(self, revision: int, group: Group) -> Change:
        values = {self._name(e.kv.key): self._data(e.kv) if e.kv.version else None for e in group}
        return Change(revision, values)

    def _done(self, batch: Batch, tag: bytes, kvs: Mapping[str, wire.KeyValue], revision: int) -> int:
        """The revision of this very commit, if an earlier attempt has carried it out; ABSENT: it has not.

        Of one that only deletes, the keys are gone, by it or by another: that is what was asked for.
        """
        ours = [kv.mod_revision for kv in kvs.values() if kv.value.startswith(tag)]
        if ours:
            return ours[0]
        only_deletes = all(data is None for data in batch.values())
        return revision if only_deletes and not kvs.keys() & batch.keys() else ABSENT

    def _failed(self, guard: Guard, kvs: Mapping[str, wire.KeyValue], revision: int) -> GuardFailed:
        there = {name: Stored(self._data(kv), kv.mod_revision) for name, kv in kvs.items()}
        wrong: dict[str, Stored | None] = {}
        for name, wanted in guard.keys.items():
            stored = there.get(name)
            if (stored.revision if stored else ABSENT) != wanted:
                wrong[name] = stored
        return GuardFailed(self.name, guard, revision, wrong)

    def _op(self, name: str, data: bytes | None, tag: bytes) -> wire.RequestOp:
        key = self._key(name)
        if data is None:
            return wire.RequestOp(delete_range=wire.DeleteRangeRequest(key=key))
        return wire.RequestOp(put=wire.PutRequest(key=key, value=tag + data))

    def _key(self, name: str) -> bytes:
        return self._prefix + name.encode()

    def _name(self, key: bytes) -> str:
        return key.removeprefix(self._prefix).decode()

    def _data(self, kv: wire.KeyValue) -> bytes:
        if len(kv.value) < _TAG or kv.value[0] != FORMAT:
            raise StoreError(
                f"{self.name}: the register {kv.key!r} is not of format {FORMAT}; another version or program wrote it"
            )
        return kv.value[_TAG:]
