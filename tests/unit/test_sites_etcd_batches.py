"""Batches that do not fit into one transaction, on real etcd: whole or not at all, wherever a process is killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from controller.plan import history
from controller.sites.base import Change, Guard, GuardFailed, OutcomeUnknown, Reset, StoreError
from controller.sites.etcd import layout
from controller.sites.etcd import wire_pb2 as wire
from controller.sites.etcd.client import Answer, Client, get
from controller.sites.etcd.store import EtcdStore
from tests.fakes.etcd import Cluster, needs_etcd
from tests.fakes.largestate import five_thousand

pytestmark = needs_etcd
_prefix = count()

OLD = {"a": b"old", "long": bytes(70), "goes": b"x", "long goes": bytes(50)}
BIG: dict[str, bytes | None] = {
    **{f"n{number}": b"%d" % number for number in range(12)},
    "a": b"new",
    "long": b"\xff" * 100,
    "longer": b"z" * 130,
    "goes": None,
    "long goes": None,
}
NEW = {name: data for name, data in {**OLD, **BIG}.items() if data is not None}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("etcd"), members=1) as running:
        yield running


@pytest.fixture
def prefix() -> str:
    return f"/b{next(_prefix)}"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little fits under a key or into a transaction, so that few octets are many operations."""
    monkeypatch.setattr(layout, "PART", 64)
    monkeypatch.setattr(layout, "OCTETS", 500)
    monkeypatch.setattr(layout, "OPERATIONS", 5)


class Killed(BaseException):
    """In place of kill -9: nothing of the writer runs after it."""


class Fails(Client):
    """A client that does what the test says with its n-th transaction that writes."""

    def __init__(
        self, cluster: Cluster, prefix: str, at: int = 0, after: bool = False, kill: bool = True
    ) -> None:
        """``after``: it is carried out, and only the answer is lost. ``kill``: the writer dies of it."""
        super().__init__(cluster.address(prefix))
        self.left, self.after, self.kill = at, after, kill
        self.writes = 0

    async def txn(self, request: wire.TxnRequest, within: float) -> Answer:
        if not any(op.WhichOneof("request") != "range" for op in request.success):
            return await super().txn(request, within)
        self.writes += 1
        self.left -= 1
        if self.left != 0:
            return await super().txn(request, within)
        if self.after:
            await super().txn(request, within)
        raise Killed if self.kill else OutcomeUnknown("the answer is lost")


@asynccontextmanager
async def opened(client: Client, prefix: str, writer: str = "w") -> AsyncIterator[EtcdStore]:
    store = EtcdStore(client, prefix, writer)
    try:
        yield store
    finally:
        await store.close()


async def keys_below(client: Client, prefix: str) -> list[bytes]:
    found = await client.range(get(prefix.encode(), layout.after(prefix.encode()), keys_only=True), 5.0)
    return [kv.key.removeprefix(prefix.encode() + b"/state/") for kv in found.kvs]


def clean(keys: list[bytes], values: dict[str, bytes]) -> bool:
    """Nothing but the head and the values' keys."""
    wanted = sum(len(layout.cut(data)) for data in values.values())
    return len(keys) == wanted + 1 and not any(key.startswith(b"batch/") for key in keys)


def test_a_batch_in_parts_is_read_watched_and_guarded_like_any_other(
    small: None, cluster: Cluster, prefix: str
) -> None:
    async def body() -> None:
        client = Fails(cluster, prefix)
        async with opened(client, prefix) as store, opened(Client(cluster.address(prefix)), prefix) as other:
            one = await store.commit({**OLD})
            watch = other.watch(one)
            async with aclosing(watch) as changes:  # type: ignore[type-var]
                before = client.writes
                two = await store.commit(BIG, Guard(head=one))
                assert client.writes - before > 8, "it took parts, their head, and carrying them over"
                assert await anext(changes) == Change(two, BIG)
                three = await store.commit({"a": b"3"}, Guard(keys={"n1": two, "longer": two, "goes": 0}))
                assert await anext(changes) == Change(three, {"a": b"3"})
            loaded = await other.load()
            assert loaded.data() == {**NEW, "a": b"3"}
            assert loaded.values["n1"].revision == loaded.values["longer"].revision == two
            assert (loaded.values["a"].revision, loaded.revision) == (three, three)
            assert clean(await keys_below(client, prefix), loaded.data())
            with pytest.raises(GuardFailed, match=r"written by w, not at"):
                await other.commit(BIG, Guard(head=two))

    asyncio.run(body())


@pytest.mark.parametrize("after", [False, True], ids=["before it is sent", "before its answer"])
def test_a_writer_killed_at_any_operation_leaves_all_or_nothing_and_the_next_one_cleans_up(
    small: None, cluster: Cluster, after: bool
) -> None:
    async def one(at: int, watcher: str) -> bool:
        """Whether the writer got to its end."""
        async with opened(Client(cluster.address(watcher)), watcher) as first:
            head = await first.commit(OLD)
        killed = False
        client = Fails(cluster, watcher, at, after)
        async with opened(client, watcher, "killed") as store:
            await store.load()
            try:
                head = await store.commit(BIG, Guard(head=head))
                acknowledged = True
            except Killed:
                killed, acknowledged = True, False
        async with opened(Client(cluster.address(watcher)), watcher, "next") as following:
            found = await following.load()
            assert found.data() in (OLD, NEW)
            assert found.data() == NEW or not acknowledged
            assert {each.revision for name, each in found.values.items() if name in BIG} >= {found.revision}
            async with aclosing(following.watch()) as changes:  # type: ignore[type-var]
                start = await anext(changes)
                assert isinstance(start, Reset)
                assert start.data() == found.data()
            last = await following.commit({"a": b"last"}, Guard(head=found.revision))
            wanted = {**found.data(), "a": b"last"}
            assert clean(await keys_below(client, watcher), wanted)
        async with opened(Client(cluster.address(watcher)), watcher) as reader:
            again = await reader.load()
            assert (again.data(), again.revision) == (wanted, last)
            untouched = {name: each for name, each in found.values.items() if name != "a"}
            assert {name: each for name, each in again.values.items() if name != "a"} == untouched
        return not killed

    async def body() -> None:
        at = 1
        while not await one(at, f"/k{next(_prefix)}"):
            at += 1
        assert at > 10, "it was killed within the parts, at the head, and while they were carried over"

    asyncio.run(body())


def test_a_lost_answer_at_any_operation_is_no_other_writer(small: None, cluster: Cluster) -> None:
    async def one(at: int, after: bool) -> bool:
        prefix = f"/l{next(_prefix)}"
        client = Fails(cluster, prefix, kill=False, after=after)
        async with opened(client, prefix) as store:
            head = await store.commit(OLD)
            client.left = at
            try:
                head = await store.commit(BIG, Guard(head=head))
                lost = client.left <= 0
            except StoreError:
                lost = True
            client.left = 0
            # As the controller does: what may or may not have been written is written again, after the same batch.
            head = await store.commit({**BIG, "a": b"again"}, Guard(head=head))
            loaded = await store.load()
            assert (loaded.data(), loaded.revision) == ({**NEW, "a": b"again"}, head)
            assert clean(await keys_below(client, prefix), loaded.data())
            async with opened(Client(cluster.address(prefix)), prefix) as other:
                await other.commit({"a": b"another"}, Guard(head=head))
            with pytest.raises(GuardFailed, match="another writer was first"):
                await store.commit({"a": b"mine"}, Guard(head=head))
        return not lost

    async def body() -> None:
        for after in (False, True):
            at = 1
            while not await one(at, after):
                at += 1
            assert at > 10

    asyncio.run(body())


def test_a_register_is_compared_exactly_also_after_an_answer_was_lost(cluster: Cluster, prefix: str) -> None:
    async def body() -> None:
        client = Fails(cluster, prefix, kill=False)
        async with opened(client, prefix) as store:
            space = store.registers
            lease = await space.commit({"lease": b"1"}, Guard(keys={"lease": 0}))
            client.left, client.after = 1, False
            with pytest.raises(OutcomeUnknown):
                await space.commit({"lease": b"2"}, Guard(keys={"lease": lease}))
            lease = await space.commit({"lease": b"3"}, Guard(keys={"lease": lease}))
            client.left, client.after = 1, True
            with pytest.raises(OutcomeUnknown):
                await space.commit({"lease": b"4"}, Guard(keys={"lease": lease}))
            with pytest.raises(GuardFailed) as caught:
                await space.commit({"lease": b"5"}, Guard(keys={"lease": lease}))
            there = caught.value.found["lease"]
            assert there is not None
            assert there.data == b"4", "the commit whose answer was lost"
            await space.commit({"lease": b"5"}, Guard(keys={"lease": there.revision}))

    asyncio.run(body())


class LosesFirst(Client):
    """The first attempt of every transaction is carried out, and its answer lost: the client tries again."""

    async def _call(self, *given: Any, **named: Any) -> Any:
        await super()._call(*given, **named)
        answer, _ = await super()._call(*given, **named)
        return answer, True


def test_a_put_that_is_repeated_since_its_answer_was_lost_finds_itself_there(
    cluster: Cluster, prefix: str
) -> None:
    async def body() -> None:
        async with opened(LosesFirst(cluster.address(prefix)), prefix) as store:
            one = await store.registers.commit({"a": b"1", "b": b"1"}, Guard(keys={"a": 0, "b": 0}))
            assert (await store.registers.load()).values == {"a": (b"1", one), "b": (b"1", one)}
            two = await store.registers.commit({"a": b"1"}, Guard(keys={"a": one, "b": one}))
            assert two > one
            await store.registers.commit({"a": None, "b": None}, Guard(keys={"a": two, "b": one}))
            assert (await store.registers.load()).values == {}
            for batch in ({"a": b"1"}, {}):
                with pytest.raises(GuardFailed):
                    await store.registers.commit(batch, Guard(keys={"a": two}))
            first = await store.commit({"a": b"1"}, Guard(head=0))
            assert await store.commit({"a": b"1"}, Guard(head=first)) > first
            with pytest.raises(GuardFailed):
                await store.commit({"a": b"1"}, Guard(head=first))

    asyncio.run(body())


def test_of_two_writers_in_the_middle_of_batches_one_is_refused_and_the_others_is_whole(
    small: None, cluster: Cluster
) -> None:
    """One stops at each of its operations while the other writes a batch of its own to its end."""

    class Waits(Fails):
        def __init__(self, cluster: Cluster, prefix: str, at: int) -> None:
            super().__init__(cluster, prefix, at)
            self.there, self.go = asyncio.Event(), asyncio.Event()

        async def txn(self, request: wire.TxnRequest, within: float) -> Answer:
            if any(op.WhichOneof("request") != "range" for op in request.success):
                self.left -= 1
                if not self.left:
                    self.there.set()
                    await self.go.wait()
            return await Client.txn(self, request, within)

    async def one(at: int) -> bool:
        prefix = f"/w{next(_prefix)}"
        waits = Waits(cluster, prefix, at)
        async with (
            opened(waits, prefix, "slow") as slow,
            opened(Client(cluster.address(prefix)), prefix) as fast,
        ):
            waits.left = 0
            head = await fast.commit(OLD)
            await slow.load()
            waits.left = at
            task = asyncio.create_task(slow.commit(BIG, Guard(head=head), within=60))
            arrived = asyncio.create_task(waits.there.wait())
            await asyncio.wait([task, arrived], return_when=asyncio.FIRST_COMPLETED)
            arrived.cancel()
            seen = await fast.load()
            assert seen.data() in (OLD, NEW)
            other: dict[str, bytes | None] = {f"f{n}": b"%d" % n for n in range(15)}
            theirs = await fast.commit(other, Guard(head=seen.revision))
            waits.go.set()
            if seen.data() == NEW:
                assert await task == seen.revision
            else:
                with pytest.raises(GuardFailed) as caught:
                    await task
                assert caught.value.head == theirs
            loaded = await fast.load()
            assert (loaded.data(), loaded.revision) == ({**seen.data(), **other}, theirs)
            await fast.commit({"a": b"z"}, Guard(head=theirs))
            left = {**seen.data(), "a": b"z", **{name: data or b"" for name, data in other.items()}}
            assert clean(await keys_below(waits, prefix), left)
        return waits.left > 0

    async def body() -> None:
        at = 1
        while not await one(at):
            at += 1
        assert at > 10

    asyncio.run(body())


def test_parts_that_another_writer_swept_are_written_again(
    small: None, cluster: Cluster, prefix: str
) -> None:
    async def body() -> None:
        client = Fails(cluster, prefix)
        async with opened(client, prefix) as store:
            head = await store.commit(OLD)
            compared = store._compared

            async def swept(*given: object) -> Answer:
                if len(given) == 4:  # the head with its parts
                    store._compared = compared  # type: ignore[method-assign]
                    await compared(store._head, [layout.Op(b, None) for b in parts(given[3])], given[2])  # type: ignore[arg-type]
                return await compared(*given)  # type: ignore[arg-type]

            def parts(there: object) -> list[bytes]:
                assert isinstance(there, dict)
                return sorted(there)[1:3]

            store._compared = swept  # type: ignore[method-assign, assignment]
            last = await store.commit(BIG, Guard(head=head))
            loaded = await store.load()
            assert (loaded.data(), loaded.revision) == (NEW, last)

    asyncio.run(body())


def test_the_state_of_five_thousand_backends_is_written_read_and_watched(
    cluster: Cluster, prefix: str
) -> None:
    batch = five_thousand()
    assert sum(len(data or b"") for data in batch.values()) > 1.5 * layout.OCTETS, (
        "more than etcd takes at once"
    )

    async def body() -> None:
        client = Fails(cluster, prefix)
        async with opened(client, prefix) as store, opened(Client(cluster.address(prefix)), prefix) as other:
            head = await store.commit({"term": b"1"})
            async with aclosing(other.watch(head)) as changes:  # type: ignore[type-var]
                two = await store.commit(batch, Guard(head=head), within=30)
                assert await anext(changes) == Change(two, batch)
            loaded = await other.load()
            assert loaded.data() == {"term": b"1", **batch}
            state = history.load(loaded.data()["pool/web/tcp"])
            assert (len(state.now), len(state.members)) == (65536, 5000)
            for at in (1, 3, 4, 6):
                killed = Fails(cluster, prefix, at)
                async with opened(killed, prefix) as writer:
                    before = (await writer.load()).data()
                    with suppress(Killed):
                        await writer.commit({**batch, "term": b"%d" % (at + 1)}, within=30)
                found = (await other.load()).data()
                assert found in (before, {**batch, "term": b"%d" % (at + 1)})
            assert killed.writes == 6

    asyncio.run(body())


WRITER = """
import asyncio, os, signal, sys
from controller.sites.etcd import layout
from controller.sites.etcd.address import parse
from controller.sites.etcd.client import Client
from controller.sites.etcd.store import EtcdStore

layout.PART, layout.OCTETS, layout.OPERATIONS = 64, 500, 5

class Dies(Client):
    left = int(sys.argv[2])

    async def txn(self, request, within):
        Dies.left -= 1
        answer = asyncio.ensure_future(super().txn(request, within))
        if not Dies.left:
            await asyncio.sleep(0)  # it is under way
            os.kill(os.getpid(), signal.SIGKILL)
        return await answer

async def main():
    address = parse(sys.argv[1])
    store = EtcdStore(Dies(address), address.prefix)
    for number in range(100):
        await store.commit({f"n{name}": b"%d" % number for name in range(20)})
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("left", [18, 25, 31])
def test_a_process_killed_amid_its_writes_loses_nothing_acknowledged(
    small: None, cluster: Cluster, prefix: str, left: int
) -> None:
    argv = [sys.executable, "-c", WRITER, str(cluster.address(prefix)), str(left)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], timeout=100)
    assert done.returncode == -9
    acknowledged = [int(line) for line in done.stdout.split()]

    async def body() -> None:
        async with opened(Client(cluster.address(prefix)), prefix) as store:
            found = (await store.load()).data()
            assert len(found) == 20
            (at,) = {int(data) for data in found.values()}
            assert at >= max(acknowledged)
            await store.commit({"n0": b"0"})
            assert clean(await keys_below(store._client, prefix), found)

    asyncio.run(body())
