"""One random walk: writers commit, small and in parts, while requests and answers get lost and writers are killed.

Each batch writes its number under every name that it touches, and a value that says which batches led to it. So what is
read tells in what order batches were carried out, and whether any was seen in part.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from controller.sites.base import Guard, GuardFailed, OutcomeUnknown, Reset, StoreError
from controller.sites.etcd import layout
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.address import Address
from controller.sites.etcd.client import Answer, Client, get
from controller.sites.etcd.store import EtcdStore

PART, OCTETS, OPERATIONS = 64, 500, 5
"""Little fits, so that few octets are many operations."""
NAMES = [f"n{number}" for number in range(12)]
Values = dict[str, bytes]


class Killed(BaseException):
    """Nothing of the writer runs after it."""


class Cut(Client):
    """A client whose writes fail at random."""

    def __init__(self, address: Address, rng: random.Random) -> None:
        super().__init__(address)
        self._rng = rng

    async def txn(self, request: wire.TxnRequest, within: float) -> Answer:
        """Send a transaction; or lose it, or its answer, or have the commit cancelled, or die, before or after it."""
        await asyncio.sleep(0)  # others may come first
        dice = self._rng.random()
        if dice > 0.12 or not any(op.WhichOneof("request") != "range" for op in request.success):
            return await super().txn(request, within)
        if self._rng.random() < 0.5:
            await super().txn(request, within)
        if dice < 0.04:
            raise Killed
        raise asyncio.CancelledError if dice < 0.07 else OutcomeUnknown("lost")


@dataclass
class Writer:
    """What a controller does: it loads, commits after what it knows, and begins again when another was first."""

    name: str
    address: Address
    rng: random.Random
    sent: dict[int, Values]
    """Batches of all writers by number: what the store holds once it is carried out."""
    acknowledged: list[int] = field(default_factory=list)
    """Numbers in order of revisions, of all writers."""
    store: EtcdStore | None = None
    head: int = 0
    known: Values = field(default_factory=dict)

    async def step(self) -> None:
        """One commit, or a start."""
        if self.store is None:
            self.store = EtcdStore(Cut(self.address, self.rng), self.address.prefix, self.name)
            loaded = await self.store.load()
            self.head, self.known = loaded.revision, loaded.data()
        number = len(self.sent) + 1
        batch = self._batch(number)
        after = {name: data for name, data in {**self.known, **batch}.items() if data is not None}
        self.sent[number] = after
        try:
            self.head = await self.store.commit(batch, Guard(head=self.head), within=20.0)
        except Killed:
            await self._end()
        except GuardFailed:
            await self._end()
        except (StoreError, asyncio.CancelledError):
            self.known = dict.fromkeys(self.known | after, b"unsure")  # the next batch writes all of them
        else:
            self.known = after
            self.acknowledged.append(number)

    def _batch(self, number: int) -> dict[str, bytes | None]:
        batch: dict[str, bytes | None] = {"number": b"%d" % number}
        unsure = [name for name, data in self.known.items() if data == b"unsure"]
        for name in {*unsure, *self.rng.sample(NAMES, self.rng.randrange(len(NAMES)))} - {"number"}:
            size = self.rng.choice([0, 3, 40, 90, 200])
            batch[name] = None if self.rng.random() < 0.2 else b"%d:" % number + bytes(size)
        return batch

    async def _end(self) -> None:
        assert self.store is not None
        await self.store.close()
        self.store = None


async def walk(address: Address, seed: int, steps: int) -> int:
    """Walk; the number of batches that were carried out. AssertionError for whatever is wrong."""
    rng = random.Random(seed)
    sent: dict[int, Values] = {}
    acknowledged: list[int] = []
    writers = [Writer(name, address, rng, sent, acknowledged) for name in "ab"]
    reader = EtcdStore(Client(address), address.prefix)
    seen: list[tuple[int, Values]] = []
    watching = asyncio.create_task(_watch(reader, seen))
    for _ in range(steps):
        if rng.random() < 0.4:
            await asyncio.gather(*(writer.step() for writer in writers))
        else:
            await rng.choice(writers).step()
        _whole((await reader.load()).data(), sent)
    last = EtcdStore(Client(address), address.prefix, "last")
    await last.load()
    revision = await last.commit({"over": b""})
    while not seen or seen[-1][0] < revision:
        assert not watching.done(), watching.result()
        await asyncio.sleep(0.01)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    numbers = [int(values["number"]) for _, values in seen[:-1] if values]
    for values in (values for _, values in seen[:-1]):
        _whole(values, sent)
    assert len(set(numbers)) == len(numbers), f"seed {seed}: a batch was seen twice: {numbers}"
    missing = set(acknowledged) - set(numbers)
    assert not missing, f"seed {seed}: acknowledged and lost: {missing}"
    assert [n for n in numbers if n in set(acknowledged)] == acknowledged, f"seed {seed}: out of order"
    found = await last._client.range(get(address.prefix.encode(), layout.after(address.prefix.encode())), 5.0)
    left = [kv.key for kv in found.kvs if b"/batch/" in kv.key]
    assert not left, f"seed {seed}: parts are left: {left}"
    for store in (reader, last, *(writer.store for writer in writers)):
        if store is not None:
            await store.close()
    return len(numbers)


def _whole(values: Values, sent: dict[int, Values]) -> None:
    if values:
        wanted = sent[int(values["number"])]
        ours = {name: data for name, data in values.items() if wanted.get(name) != b"unsure"}
        theirs = {name: data for name, data in wanted.items() if data != b"unsure"}
        assert ours == theirs, f"batch {values['number']!r} is not whole"


async def _watch(store: EtcdStore, seen: list[tuple[int, Values]]) -> None:
    values: dict[str, bytes | None] = {}
    async with aclosing(store.watch()) as changes:  # type: ignore[type-var]
        async for change in changes:
            values = {**change.data()} if isinstance(change, Reset) else {**values, **change.values}
            assert not seen or change.revision > seen[-1][0]
            seen.append((change.revision, {name: data for name, data in values.items() if data is not None}))
