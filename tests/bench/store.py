"""Store: a commit and a lease's renewal in SQLite and in etcd (three members, this machine), and a large batch; what a
commit costs while events are added to the log, in the same run.

Members write through to the disk as in service, at a heartbeat of 20 ms and an election timeout of 200 ms.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from controller.core.recorder import GATHER
from controller.sites.base import ABSENT, COMMIT, Guard, Store, StoreError
from controller.sites.etcd.client import Client
from controller.sites.etcd.store import EtcdStore
from controller.sites.eventlog import EventLog, Made
from controller.sites.store import SqliteStore
from tests.fakes.certificates import Authority
from tests.fakes.etcd import Cluster, Files, leader
from tests.fakes.largestate import five_thousand

ROUNDS = 1000
DEATHS = 5
VALUE = bytes(500)
_ROW = {"switch": "lb1", "added": 12, "modified": 3, "deleted": 0, "ms": 12.5}
_EVENTS = [Made(1.0, 1.0, 1, 1, "converged", "plan", _ROW)] * 10
"""Of one value of the log."""


def run() -> dict[str, object]:
    """A minute."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-store-") as name:
        folder = Path(name)
        authority = Authority(folder / "ca")
        server, user = authority.sign("server", "127.0.0.1"), authority.sign("evenkeel")
        rows = [{"store": "SQLite", **asyncio.run(_sqlite(folder / "evenkeel.db"))}]
        with Cluster(folder / "plain", fsync=True) as cluster:
            rows.append({"store": "etcd", **asyncio.run(_etcd(cluster, None))})
            gaps = [asyncio.run(_death(cluster)) for _ in range(DEATHS)]
        with Cluster(folder / "tls", server=server, fsync=True) as cluster:
            rows.append({"store": "etcd, TLS and certificates", **asyncio.run(_etcd(cluster, user))})
    return {
        "rounds": ROUNDS,
        "stores": rows,
        "leader_killed_ms_without_renewal_median": round(median(gaps)),
        "leader_killed_ms_without_renewal_worst": round(max(gaps)),
    }


async def _sqlite(path: Path) -> dict[str, object]:
    store = SqliteStore(path)
    try:
        return await _measure(store)
    finally:
        store.close()


async def _etcd(cluster: Cluster, user: Files | None) -> dict[str, object]:
    store = EtcdStore(Client(cluster.address("/bench", user.tls() if user else None)), "/bench")
    try:
        return await _measure(store)
    finally:
        await store.close()


async def _measure(store: Store) -> dict[str, object]:
    head, lease = await store.commit({}), ABSENT

    async def commit() -> None:
        nonlocal head
        head = await store.commit({"clock": VALUE, "absent": VALUE}, Guard(head=head))

    async def renew() -> None:
        nonlocal lease
        lease = await store.registers.commit({"lease": VALUE[:60]}, Guard(keys={"lease": lease}))

    log = EventLog(store.log, "bench", "a boot")

    async def append() -> None:
        await log.append(_EVENTS, COMMIT)
        await log.sweep(COMMIT)

    figures = {**await _timed("commit", commit), **await _timed("renewal", renew)}
    figures |= await _timed("append", append)
    adding = asyncio.create_task(_adding(append))
    figures |= await _timed("commit_beside_log", commit)
    adding.cancel()
    await asyncio.wait([adding])
    batch = five_thousand()
    began = perf_counter()
    await store.commit(batch, Guard(head=head), within=60.0)
    written = perf_counter()
    await store.load()
    read = perf_counter()
    large = {"large_mib": round(sum(len(data or b"") for data in batch.values()) / 2**20, 2)}
    return {**figures, **large, "large_ms": _ms(written - began), "large_load_ms": _ms(read - written)}


async def _adding(append: Callable[[], Awaitable[None]]) -> None:
    """As a controller to which something happens all the time."""
    while True:
        await append()
        await asyncio.sleep(GATHER)


async def _timed(name: str, work: Callable[[], Awaitable[None]]) -> dict[str, object]:
    took = []
    for _ in range(ROUNDS):
        began = perf_counter()
        await work()
        took.append(perf_counter() - began)
    return {f"{name}_p50_ms": _ms(median(took)), f"{name}_p99_ms": _ms(quantiles(took, n=100)[-1])}


async def _death(cluster: Cluster) -> float:
    """Milliseconds from the leader's death to the next renewal that is acknowledged; the client had asked it first."""
    lead = leader(cluster)
    at = cluster.members.index(lead)
    order = [at, *(number for number in range(len(cluster.members)) if number != at)]
    store = EtcdStore(Client(cluster.address("/death", order=order)), "/death")
    try:
        found = (await store.registers.load()).values.get("lease")
        lease = found.revision if found else ABSENT
        lease = await store.registers.commit({"lease": VALUE[:60]}, Guard(keys={"lease": lease}))
        lead.kill()
        began = perf_counter()
        while True:
            try:
                await store.registers.commit({"lease": VALUE[:60]}, Guard(keys={"lease": lease}), within=0.4)
                return 1000 * (perf_counter() - began)
            except StoreError:
                continue
    finally:
        await store.close()
        lead.start()


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
