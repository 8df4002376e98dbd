"""Some random walks of two writers; ``python -m tests.storewalk`` takes more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from controller.sites.etcd import layout
from tests.fakes.etcd import Cluster, needs_etcd
from tests.storewalk import walk

pytestmark = needs_etcd


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("etcd"), members=1) as running:
        yield running


@pytest.mark.parametrize("seed", range(3))
def test_no_batch_is_lost_halved_or_seen_twice(
    cluster: Cluster, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "PART", walk.PART)
    monkeypatch.setattr(layout, "OCTETS", walk.OCTETS)
    monkeypatch.setattr(layout, "OPERATIONS", walk.OPERATIONS)
    assert asyncio.run(walk.walk(cluster.address(f"/w{seed}"), seed, 25)) > 2
