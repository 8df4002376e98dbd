"""Registers in etcd: small values of their own, each one key that is compared and put by its revision; the log too.

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
    Reset,
    Stored,
    StoreError,
    refuse_unguarded,
)
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.client import Client, compare, get
from controller.sites.etcd.layout import FORMAT, OPERATIONS, after
from controller.sites.etcd.watch import Group, Start, watched

LOAD = 5.0
"""Seconds to read all registers."""
SIZE = 4096
"""Octets of a register, at most."""
COUNT = 10_000
"""Registers, at most."""
_TAG = 9
"""Octets before a value: the format, and the commit that wrote it."""


class Registers:
    """Registers below a prefix."""

    def __init__(self, client: Client, prefix: bytes, size: int = SIZE) -> None:
        """``prefix``: what their keys begin with; ``size``: octets of one, at most."""
        self.name = client.name
        self._client, self._prefix, self._size = client, prefix, size

    async def load(self) -> Loaded:
        """All registers, and etcd's revision. Raises StoreError."""
        return (await self._start()).loaded

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        """Put registers together, each by its revision; also others that the guard names have to be as it says.

        Raises ValueError for a name without revision, GuardFailed, StoreError and OutcomeUnknown.
        """
        refuse_unguarded(self.name, batch, guard)
        if any(len(data or b"") > self._size for data in batch.values()) or len(guard.keys) > OPERATIONS:
            raise ValueError(
                f"{self.name}: registers hold {self._size} octets, and {OPERATIONS} are put together"
            )
        tag = bytes([FORMAT]) + secrets.token_bytes(_TAG - 1)
        request = wire.TxnRequest(
            compare=[compare(self._key(name), revision) for name, revision in guard.keys.items()],
            success=[self._op(name, data, tag) for name, data in batch.items()],
            failure=[wire.RequestOp(range=get(self._key(name))) for name in guard.keys],
        )
        answer, doubtful = await self._client.txn(request, within)
        revision = answer.header.revision
        if answer.succeeded:
            return revision
        kvs = {self._name(kv.key): kv for response in answer.responses for kv in response.range.kvs}
        done = self._done(batch, tag, kvs, revision) if doubtful else ABSENT
        if not done:
            raise self._failed(guard, kvs, revision)
        return done

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
        only_deletes = bool(batch) and all(data is None for data in batch.values())
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
