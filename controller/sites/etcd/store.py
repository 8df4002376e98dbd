"""The store in etcd: whole batches of any size, one writer at a time by the revision of the last batch."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from controller.sites.base import (
    ANY,
    COMMIT,
    LOG_SIZE,
    Batch,
    Change,
    Guard,
    Loaded,
    OutcomeUnknown,
    Reset,
    Stored,
    StoreError,
    applied,
    require,
)
from controller.sites.etcd import layout
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.client import Answer, Client, Compacted, Deadline, compare, get
from controller.sites.etcd.layout import Damaged, Head, Keys, KeyValue, Op
from controller.sites.etcd.registers import Registers
from controller.sites.etcd.watch import Group, Start, watched

LOAD = 10.0
"""Seconds to read all values."""
PAGE = 32
"""Keys in one answer: each holds 1 MiB at most."""


NOTHING: Mapping[bytes, int] = MappingProxyType({})


class _HeadMoved(Exception):
    """Another batch than we knew is the last one."""

    def __init__(self, head: Head) -> None:
        self.head = head


class EtcdStore:
    """Named values below a prefix. Belongs to the event loop in which it is first used."""

    def __init__(self, client: Client, prefix: str, writer: str = "") -> None:
        """``writer``: what others are told of us; by default machine and process."""
        self.name = client.name
        self._client = client
        self._keys = Keys(prefix)
        self._writer = writer or f"{socket.gethostname()}, process {os.getpid()}"
        self.registers = Registers(client, self._keys.registers)
        self.log = Registers(client, self._keys.log, LOG_SIZE)
        self._busy = asyncio.Lock()
        self._head: Head | None = None
        """The last batch as we know it; None: not yet."""
        self._chunks: dict[str, int] = {}
        """In how many keys a value lies, of those that need several."""
        self._carried: str | None = None
        """The last generation of parts that is known to be in the values."""
        self._swept = False
        """What writers left that were killed, or gave a batch up, is gone."""
        self._doubts: dict[str, int] = {}
        """Batches of ours whose outcome is unknown: what each is called -> revision that it was to follow."""

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    # -- reading ----------------------------------------------------------------------------------------------

    async def load(self) -> Loaded:
        """All values at one moment. Raises StoreError."""
        async with self._busy:
            return (await self._load()).loaded

    def watch(self, since: int | None = None) -> AsyncIterator[Change | Reset]:
        """Batches after a revision."""
        span = (self._keys.head, layout.after(self._keys.values))
        return watched(self._client, span, self._start, self._change, since)

    async def _start(self) -> Start:
        async with self._busy:
            return await self._load()

    async def _load(self) -> Start:
        """All values, in pages of one revision; again from the first if that was compacted meanwhile."""
        deadline = Deadline(self.name, LOAD)
        while True:
            try:
                found, seen = await self._pages(self._keys.base, deadline)
            except Compacted:
                deadline.left()
                continue
            return Start(self._read(found), seen)

    async def _pages(self, prefix: bytes, deadline: Deadline, at: int = 0) -> tuple[list[KeyValue], int]:
        """All keys below a prefix, at a revision (0: now)."""
        found: list[KeyValue] = []
        key, more = prefix, True
        while more:
            request = get(key, layout.after(prefix), limit=PAGE, revision=at)
            page = await self._client.range(request, deadline.left())
            at = at or page.header.revision
            found += map(_plain, page.kvs)
            more = page.more
            key = found[-1].key + b"\0" if found else key
        return found, at

    def _read(self, found: Sequence[KeyValue]) -> Loaded:
        """Values of keys, those of a batch in parts in place of older ones. What was learnt serves the next commit."""
        keys = self._keys
        try:
            head = Head.load(next((each for each in found if each.key == keys.head), None))
            parts = {each.key: each.data for each in found if each.key.startswith(keys.batches)}
            batch = layout.joined(head, parts, keys)
            plain = [each for each in found if each.key.startswith(keys.values)]
            values, chunks = layout.values(plain, keys, batch or ())
        except Damaged as error:
            raise self._damaged(error) from error
        self._head = head
        self._chunks = {name: count for name, count in chunks.items() if count > 1}
        self._carried = head.parts.generation if head.parts and batch is None else None
        return Loaded(applied(values, batch or {}, head.revision), head.revision)

    async def _change(self, revision: int, group: Group) -> Change | None:
        """What a batch changed; None: events that only carry a batch in parts over to the values."""
        keys = self._keys
        head = next((event for event in group if event.kv.key == keys.head), None)
        if head is None:
            return None
        try:
            told = Head.load(_plain(head.kv) if head.kv.version else None)
            if told.parts is not None:
                return Change(revision, await self._parts(told))
            values: dict[str, bytes | None] = {}
            for event in group:
                if event.kv.key.startswith(keys.values):
                    name, chunk = keys.name(event.kv.key)
                    if not event.kv.version:
                        values.setdefault(name, None)
                    elif not chunk:
                        values[name] = layout.value(name, {0: _plain(event.kv)}).data
        except Damaged as error:
            raise self._damaged(error) from error
        return Change(revision, values)

    async def _parts(self, head: Head) -> dict[str, bytes | None]:
        """A batch in parts as it was when it became visible."""
        found, _ = await self._pages(self._keys.batches, Deadline(self.name, LOAD), head.revision)
        batch = layout.joined(head, {each.key: each.data for each in found}, self._keys)
        if batch is None:
            raise Damaged(f"the batch at revision {head.revision} has no parts")
        return batch

    def _damaged(self, error: Damaged) -> StoreError:
        return StoreError(f"{self.name}: {error}; restore it from a snapshot, or give another prefix")

    # -- writing ----------------------------------------------------------------------------------------------

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        """Write a batch as a whole. Raises GuardFailed, StoreError and OutcomeUnknown."""
        if any("\0" in name for name in batch):
            raise StoreError(f"{self.name}: no value may have a NUL in its name")
        batch, mine = dict(batch), secrets.token_hex(8)
        async with self._busy:
            deadline, base = Deadline(self.name, within), None
            while True:
                try:
                    head = await self._ready(deadline)
                    await self._judge(guard, head, deadline)
                    base = self._base(head)
                    revision = await self._write(batch, head, mine, deadline)
                    await self._tidy(batch, deadline)
                except _HeadMoved as moved:
                    self._head = moved.head
                except (OutcomeUnknown, asyncio.CancelledError):
                    if base is not None:
                        self._doubts[mine] = base
                    raise
                else:
                    self._doubts.clear()
                    return revision

    async def _ready(self, deadline: Deadline) -> Head:
        """The last batch, once all of it is in the values."""
        if self._head is None:
            self._head = await self._ask(deadline)
        await self._carry(self._head, None, deadline)
        return self._head

    async def _ask(self, deadline: Deadline) -> Head:
        return self._parsed(await self._client.range(get(self._keys.head), deadline.left()))

    def _parsed(self, found: wire.RangeResponse) -> Head:
        try:
            return Head.load(_plain(found.kvs[0]) if found.kvs else None)
        except Damaged as error:
            raise self._damaged(error) from error

    def _base(self, head: Head) -> int:
        """The revision that our caller knows as the last: that before batches of ours that it does not know of."""
        return self._doubts.get(head.commit, head.revision)

    async def _judge(self, guard: Guard, head: Head, deadline: Deadline) -> None:
        """Raises GuardFailed by what is there now, _HeadMoved if that is not what we know."""
        if guard.head in (None, self._base(head)) and not guard.keys:
            return
        wanted = [get(self._keys.value(name), self._keys.value(name) + b"\1") for name in guard.keys]
        found: dict[str, Stored | None] = {}
        head_now = head
        for group in _tens([get(self._keys.head), *wanted]):
            request = wire.TxnRequest(success=[wire.RequestOp(range=each) for each in group])
            answer, _ = await self._client.txn(request, deadline.left())
            responses = [each.range for each in answer.responses]
            if group[0].key == self._keys.head:
                head_now = self._parsed(responses.pop(0))
            found |= self._stored(responses)
        if head_now != head:
            raise _HeadMoved(head_now)
        shown = guard if guard.head != self._base(head) else Guard(head.revision, guard.keys)
        require(self.name, shown, head.revision, lambda name: found.get(name), head.writer)

    def _stored(self, responses: Sequence[wire.RangeResponse]) -> Mapping[str, Stored]:
        found = [_plain(kv) for response in responses for kv in response.kvs]
        try:
            return layout.values(found, self._keys)[0]
        except Damaged as error:
            raise self._damaged(error) from error

    async def _write(self, batch: Batch, head: Head, mine: str, deadline: Deadline) -> int:
        """Write a batch after ``head``; its revision."""
        ops = [op for name, data in batch.items() for op in self._value_ops(name, data)]
        split = any(len(data or b"") > layout.PART for data in batch.values())
        if layout.fits(ops) and not split:
            await self._show(Head(0, self._writer, mine), head, ops, deadline)
            self._remember(batch)
        else:
            await self._write_parts(layout.pack(batch), head, mine, deadline)
        assert self._head is not None
        return self._head.revision

    async def _write_parts(self, packed: bytes, head: Head, mine: str, deadline: Deadline) -> None:
        pieces = layout.cut(packed)
        if len(pieces) > layout.CHUNKS:
            raise StoreError(f"{self.name}: a batch of {len(packed)} octets is more than fits into one")
        swept, self._swept = self._swept, False  # until it is over
        there = {}
        parts = layout.Parts(mine, len(pieces), layout.digest(packed))
        try:
            for number, piece in enumerate(pieces):
                key = self._keys.part(mine, number)
                there[key] = await self._under(head, [Op(key, piece)], deadline)
            await self._show(Head(0, self._writer, mine, parts), head, [], deadline, there)
        except _HeadMoved as moved:
            with suppress(StoreError, _HeadMoved):
                await self._under(moved.head, [_all_below(self._keys.part_prefix(mine))], deadline)
            raise
        self._swept = swept

    async def _show(
        self,
        new: Head,
        old: Head,
        ops: Sequence[Op],
        deadline: Deadline,
        there: Mapping[bytes, int] = NOTHING,
    ) -> None:
        """The one transaction that makes a batch visible. Raises _HeadMoved when another was first.

        ``there``: its parts by the revision in which they were put; if others deleted some, _HeadMoved has ``old``.
        """
        answer = await self._compared(old, [*ops, Op(self._keys.head, new.dump())], deadline, there)
        revision = answer.response.header.revision
        if not answer.response.succeeded:
            found = self._parsed(answer.response.responses[0].range)
            if found.commit != new.commit:
                raise _HeadMoved(found)
            revision = found.revision  # an attempt whose answer was lost
        self._head = Head(revision, new.writer, new.commit, new.parts)

    async def _under(self, head: Head, ops: Sequence[Op], deadline: Deadline) -> int:
        """Carry out operations that no reader sees, as long as a batch is the last one; their revision.

        Raises _HeadMoved.
        """
        try:
            answer = await self._compared(head, ops, deadline)
        except OutcomeUnknown as error:
            raise StoreError(str(error)) from error  # they can be repeated
        if not answer.response.succeeded:
            raise _HeadMoved(self._parsed(answer.response.responses[0].range))
        return answer.response.header.revision

    async def _compared(
        self, head: Head, ops: Sequence[Op], deadline: Deadline, there: Mapping[bytes, int] = NOTHING
    ) -> Answer:
        wanted = {self._keys.head: head.revision, **there}
        request = wire.TxnRequest(
            compare=[compare(key, revision) for key, revision in wanted.items()],
            success=[_request(op) for op in ops],
            failure=[wire.RequestOp(range=get(self._keys.head))],
        )
        return await self._client.txn(request, deadline.left())

    async def _carry(self, head: Head, batch: Batch | None, deadline: Deadline) -> None:
        """Carry a batch in parts over to the values, and delete all parts. ``batch``: it, if it is at hand."""
        if head.parts is None or head.parts.generation == self._carried:
            return
        if batch is None:
            found, _ = await self._pages(self._keys.batches, deadline)
            try:
                batch = layout.joined(head, {each.key: each.data for each in found}, self._keys)
            except Damaged as error:
                now = await self._ask(deadline)
                raise _HeadMoved(now) if now != head else self._damaged(error) from error
        if batch is not None:
            ops = (op for name, data in batch.items() for op in self._value_ops(name, data, head.revision))
            for group in layout.groups(ops):
                await self._under(head, group, deadline)
            await self._under(head, [_all_below(self._keys.batches)], deadline)
            self._remember(batch)
        self._carried = head.parts.generation

    async def _tidy(self, batch: Batch, deadline: Deadline) -> None:
        """After a commit: what would only hold up the next one. The batch is written, whatever becomes of this."""
        head = self._head
        assert head is not None
        with suppress(StoreError, _HeadMoved):  # the next commit meets it again
            await self._carry(head, batch, deadline)
            if not self._swept:
                await self._under(head, [_all_below(self._keys.batches)], deadline)
                self._swept = True

    def _value_ops(self, name: str, data: bytes | None, revision: int = 0) -> list[Op]:
        return layout.value_ops(self._keys, name, data, self._chunks.get(name, 1), revision)

    def _remember(self, batch: Batch) -> None:
        for name, data in batch.items():
            count = len(layout.cut(data or b""))
            self._chunks.pop(name, None)
            if count > 1:
                self._chunks[name] = count


def _all_below(prefix: bytes) -> Op:
    return Op(prefix, None, layout.after(prefix))


def _tens(requests: Sequence[wire.RangeRequest]) -> list[Sequence[wire.RangeRequest]]:
    return [requests[at : at + PAGE] for at in range(0, len(requests), PAGE)]


def _plain(kv: wire.KeyValue) -> KeyValue:
    return KeyValue(kv.key, kv.value, kv.mod_revision)


def _request(op: Op) -> wire.RequestOp:
    if op.data is None:
        return wire.RequestOp(delete_range=wire.DeleteRangeRequest(key=op.key, range_end=op.end))
    return wire.RequestOp(put=wire.PutRequest(key=op.key, value=op.data))
