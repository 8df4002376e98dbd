"""etcd's members killed, stopped, left alone and compacted: what was acknowledged stays, and watches miss nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from controller.sites.base import ABSENT, Change, Guard, GuardFailed, Reset, Space, StoreError
from controller.sites.etcd import watch as watch_module
from controller.sites.etcd.client import Client
from controller.sites.etcd.store import EtcdStore
from tests.fakes.certificates import Authority
from tests.fakes.etcd import Cluster, Files, ask, leader, needs_etcd

pytestmark = needs_etcd
SECONDS = 90.0
_prefix = count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("etcd")) as running:
        yield running


@pytest.fixture
def prefix(cluster: Cluster) -> Iterator[str]:
    """A prefix; whatever was done to members is undone at the end."""
    yield f"/c{next(_prefix)}"
    for member in cluster.members:
        if member.process is None:
            member.start()
        member.signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def opened(
    cluster: Cluster, prefix: str, first: int = 0, only: bool = False
) -> AsyncIterator[EtcdStore]:
    """A store whose client asks one member first, or only that one."""
    others = [number for number in range(len(cluster.members)) if number != first]
    address = cluster.address(prefix, order=[first] if only else [first, *others])
    store = EtcdStore(Client(address), prefix)
    try:
        async with asyncio.timeout(SECONDS):
            yield store
    finally:
        await store.close()


class Watching:
    """Follows a store and keeps what it tells."""

    def __init__(self, store: Space) -> None:
        self.values: dict[str, bytes] = {}
        self.revisions: list[int] = []
        self.resets = 0
        self._store = store
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with contextlib.aclosing(self._store.watch()) as changes:  # type: ignore[type-var]
            async for change in changes:
                if isinstance(change, Reset):
                    self.resets += 1
                    self.values = change.data()
                else:
                    for name, data in change.values.items():
                        self.values.pop(name, None)
                        self.values |= {name: data} if data is not None else {}
                self.revisions.append(change.revision)
                self._news.set()

    async def sees(self, revision: int) -> None:
        while not self.revisions or self.revisions[-1] < revision:
            self._news.clear()
            waiting = asyncio.create_task(self._news.wait())
            await asyncio.wait([waiting, self._task], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._task.done():
                self._task.result()
        assert self.revisions[-1] == revision
        assert self.revisions == sorted(set(self.revisions)), "in order, each once"

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def commits(store: Space, numbers: range, head: int) -> tuple[dict[str, bytes], int]:
    """Batches one after the other, each tried until it is acknowledged; what they wrote."""
    wrote = {}
    for number in numbers:
        while True:
            try:
                head = await store.commit({f"n{number}": b"x"}, Guard(head=head), within=3.0)
                break
            except StoreError:
                continue
        wrote[f"n{number}"] = b"x"
    return wrote, head


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_the_leader_that_we_ask_is_gone_amid_commits_and_nothing_is_lost_or_told_twice(
    cluster: Cluster, prefix: str, how: str
) -> None:
    async def body() -> None:
        lead = leader(cluster)
        first = cluster.members.index(lead)
        async with opened(cluster, prefix, first) as store, opened(cluster, prefix, first) as other:
            watching = Watching(other)
            wrote, head = await commits(store, range(5), ABSENT)
            await watching.sees(head)
            going = asyncio.create_task(commits(store, range(5, 60), head))
            if how == "killed":
                lead.kill()
            else:
                lead.signal(signal.SIGSTOP)
            more, head = await going
            await watching.sees(head)
            assert watching.values == {**wrote, **more} == (await store.load()).data()
            assert watching.resets == 1
            await watching.end()

    asyncio.run(body())


def test_a_member_without_the_others_refuses_at_once_and_takes_all_up_again_when_they_are_back(
    cluster: Cluster, prefix: str
) -> None:
    async def body() -> None:
        async with opened(cluster, prefix, 0, only=True) as store:
            watching = Watching(store)
            wrote, head = await commits(store, range(3), ABSENT)
            await watching.sees(head)
            for member in cluster.members[1:]:
                member.kill()
            why = ""
            while "no leader" not in why:  # until it has noticed, it only does not answer
                with pytest.raises(
                    StoreError, match=r"no member answered within 1 s: 127\.0\.0\.1:\d+: "
                ) as caught:
                    await store.commit({"late": b"1"}, Guard(head=head), within=1.0)
                why = str(caught.value)
            for member in cluster.members[1:]:
                member.start()
            more, head = await commits(store, range(3, 6), head)
            await watching.sees(head)
            found = (await store.load()).data()
            assert watching.values == found
            assert {name: data for name, data in found.items() if name != "late"} == {**wrote, **more}
            await watching.end()

    asyncio.run(body())


def test_a_watch_that_was_away_during_a_compaction_starts_from_all_values(
    cluster: Cluster, prefix: str
) -> None:
    async def body() -> None:
        async with opened(cluster, prefix) as store:
            first = await store.commit({"a": b"1", "gone": b"x"})
            async with contextlib.aclosing(store.watch(first)) as changes:  # type: ignore[type-var]
                second = await store.commit({"a": b"2"})
                assert await anext(changes) == Change(second, {"a": b"2"})
            third = await store.commit({"gone": None, "b": b"3"})
            fourth = await store.commit({"a": b"4"})
            await compact(cluster, fourth)
            async with contextlib.aclosing(store.watch(second)) as changes:  # type: ignore[type-var]
                found = await anext(changes)
                assert isinstance(found, Reset)
                assert (found.data(), found.revision) == ({"a": b"4", "b": b"3"}, fourth)
                assert found.values["b"].revision == third
                fifth = await store.commit({"a": b"5"})
                assert await anext(changes) == Change(fifth, {"a": b"5"})
            async with contextlib.aclosing(store.watch(fourth)) as changes:  # type: ignore[type-var]
                assert await anext(changes) == Change(fifth, {"a": b"5"})

    asyncio.run(body())


def test_a_store_that_was_quiet_is_watched_although_its_last_batch_was_compacted(
    cluster: Cluster, prefix: str
) -> None:
    async def body() -> None:
        async with opened(cluster, prefix) as store:
            last = await store.commit({"a": b"1"})
            lease = ABSENT
            for _ in range(20):
                lease = await store.registers.commit({"lease": b"x"}, Guard(keys={"lease": lease}))
            await compact(cluster, lease)
            async with contextlib.aclosing(store.watch()) as changes:  # type: ignore[type-var]
                found = await anext(changes)
                assert (found.revision, isinstance(found, Reset)) == (last, True)
                following = await store.commit({"a": b"2"}, Guard(head=last))
                assert await anext(changes) == Change(following, {"a": b"2"})

    asyncio.run(body())


async def compact(cluster: Cluster, revision: int) -> None:
    await asyncio.to_thread(
        ask, cluster.members[0], "kv/compaction", {"revision": revision, "physical": True}
    )


def test_a_watch_that_no_member_serves_ends_with_an_error(
    cluster: Cluster, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "PATIENCE", 0.5)

    async def body() -> None:
        async with opened(cluster, prefix, 0, only=True) as store:
            await store.commit({"a": b"1"})
            async with contextlib.aclosing(store.watch()) as changes:  # type: ignore[type-var]
                await anext(changes)
                cluster.members[0].kill()
                with pytest.raises(StoreError, match=r"cannot be watched for 0\.5 s: .*127\.0\.0\.1:\d+"):
                    await anext(changes)

    asyncio.run(body())


def test_leases_go_on_while_the_leader_dies_and_each_renewal_is_told_once(
    cluster: Cluster, prefix: str
) -> None:
    async def body() -> None:
        lead = leader(cluster)
        first = cluster.members.index(lead)
        async with opened(cluster, prefix, first) as east, opened(cluster, prefix, first) as west:
            watching = Watching(west.registers)
            await watching.sees((await west.registers.load()).revision)
            lease = ABSENT
            for number in range(60):
                if number == 20:
                    lead.kill()
                while True:
                    try:
                        data = {"vip": b"east %d" % number}
                        lease = await east.registers.commit(data, Guard(keys={"vip": lease}), within=0.4)
                        break
                    except GuardFailed as error:  # one of ours whose answer was lost
                        found = error.found["vip"]
                        assert found is not None
                        assert found.data == data["vip"]
                        lease = found.revision
                    except StoreError:
                        continue
            await watching.sees(lease)
            assert watching.values == {"vip": b"east 59"}
            assert len(watching.revisions) >= 61, (
                "the reset, and every renewal; those of unknown outcome are made again"
            )
            await watching.end()

    asyncio.run(body())


# -- TLS ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, signer: Authority) -> Iterator[Cluster]:
    """One member that wants certificates, whose user ``evenkeel`` may use one prefix."""
    server, root = signer.sign("server", "127.0.0.1"), signer.sign("root")
    with Cluster(tmp_path_factory.mktemp("tls"), 1, server=server) as running:
        member = running.members[0]
        for path, body in (
            ("auth/user/add", {"name": "root", "options": {"no_password": True}}),
            ("auth/user/add", {"name": "evenkeel", "options": {"no_password": True}}),
            ("auth/role/add", {"name": "root"}),
            ("auth/role/add", {"name": "fabric"}),
            ("auth/role/grant", {"name": "fabric", "perm": _readwrite("/fabric/", "/fabric0")}),
            ("auth/user/grant", {"user": "root", "role": "root"}),
            ("auth/user/grant", {"user": "evenkeel", "role": "fabric"}),
            ("auth/enable", {}),
        ):
            ask(member, path, body, root)
        yield running


def _readwrite(key: str, end: str) -> dict[str, str]:
    return {
        "permType": "READWRITE",
        "key": base64.b64encode(key.encode()).decode(),
        "range_end": base64.b64encode(end.encode()).decode(),
    }


def attempt(cluster: Cluster, prefix: str, files: Files | None, within: float = 10.0) -> None:
    """Write, read and watch."""

    async def body() -> None:
        address = cluster.address(prefix, files.tls() if files else None)
        store = EtcdStore(Client(address), prefix)
        try:
            head = await store.commit({"a": b"1"}, within=within)
            assert (await store.load()).data() == {"a": b"1"}
            async with contextlib.aclosing(store.watch()) as changes:  # type: ignore[type-var]
                assert (await anext(changes)).revision == head
        finally:
            await store.close()

    asyncio.run(body())


def test_a_certificate_of_a_user_opens_what_the_user_may_and_nothing_else(
    guarded: Cluster, signer: Authority
) -> None:
    files = signer.sign("evenkeel")
    attempt(guarded, "/fabric/east", files)
    with pytest.raises(
        StoreError, match="permission denied; give the user that the certificate names a role"
    ):
        attempt(guarded, "/other", files)


def test_wrong_certificates_are_refused_in_time_and_the_error_names_the_member(
    guarded: Cluster, signer: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "another authority")
    (endpoint,) = (member.endpoint for member in guarded.members)
    theirs, ours = other.sign("evenkeel"), signer.sign("evenkeel")
    for files in (
        None,  # plain
        Files(ours.ca, theirs.cert, theirs.key),  # of an authority that the member does not know
        Files(theirs.ca, ours.cert, ours.key),  # the member's is of one that we do not know
    ):
        with pytest.raises(StoreError, match=f"no member answered within 1 s: {endpoint}: "):
            attempt(guarded, "/fabric/east", files, within=1.0)
    with pytest.raises(StoreError, match="permission denied"):
        attempt(guarded, "/fabric/east", signer.sign("stranger"))
