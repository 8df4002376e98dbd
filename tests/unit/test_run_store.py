"""``evenkeel run`` on a store in etcd: what it needs, what it keeps there, and two controllers on one prefix."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.cli import codes
from controller.cli import run as cli
from controller.cli.stores import Chosen, Where
from controller.sites.base import StoreError
from controller.sites.etcd.client import Client
from controller.sites.etcd.store import EtcdStore
from tests.fakes.etcd import Cluster, needs_etcd
from tests.fakes.process import Running, quiet_intent


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("etcd"), members=1) as running:
        yield running


def stored(cluster: Cluster, prefix: str) -> tuple[dict[str, bytes], int]:
    async def body() -> tuple[dict[str, bytes], int]:
        store = EtcdStore(Client(cluster.address(prefix)), prefix)
        try:
            loaded = await store.load()
            return loaded.data(), loaded.revision
        finally:
            await store.close()

    return asyncio.run(body())


def weighs(weight: int) -> str:
    """An intent that differs by a weight: a change is stored at once."""

    def change(document: Any) -> None:
        document["pools"][0]["backends"][0]["weight"] = weight

    return quiet_intent(change=change)


@needs_etcd
def test_of_two_controllers_on_one_prefix_the_former_ends_and_names_the_other(
    cluster: Cluster, tmp_path: Path
) -> None:
    address = cluster.address("/fabric")
    options = ["--store", str(address)]
    with Running(tmp_path / "a", weighs(2), options=options) as one:
        change = one.wait_event("started")["change"]
        values, revision = stored(cluster, "/fabric")
        assert 0 < change <= revision
        assert {"intent", "ids", "secret", "term"} <= values.keys()
        assert not one.state.exists(), "it is in etcd"

        with Running(tmp_path / "b", weighs(2), options=options) as two:
            two.wait_event("started")
            assert stored(cluster, "/fabric")[0]["ids"] == values["ids"], (
                "the second goes on with what is stored"
            )
            one.intent.write_text(weighs(3))
            assert one.ended() == codes.Run.OTHER_WRITER
            (line,) = one.errors
            assert f"{address}: another writer was first: it is at revision" in line
            assert f"process {two.process.pid}, not at" in line
            assert two.stop() == codes.Run.STOPPED


def test_a_store_that_makes_no_sense_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_end", lambda code: None)
    intent = tmp_path / "intent.yaml"
    intent.write_text(quiet_intent())
    state = tmp_path / "x" / "state.db"
    assert cli.run(intent, Where(state, "etcd://127.0.0.1:1"), "127.0.0.1:1") == codes.Run.CANNOT_START
    assert "is no address of etcd with a prefix; write etcd://HOST:PORT" in capsys.readouterr().err
    assert not state.parent.exists()


def test_etcd_that_is_not_there_is_named_when_the_controller_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_end", lambda code: None)
    monkeypatch.setattr("controller.sites.etcd.store.LOAD", 0.3)
    intent = tmp_path / "intent.yaml"
    intent.write_text(quiet_intent())
    where = Where(tmp_path / "state.db", "etcd://127.0.0.1:1/x")
    assert cli.run(intent, where, "127.0.0.1:1") == codes.Run.CANNOT_START
    assert "etcd://127.0.0.1:1/x: no member answered within 0.3 s: 127.0.0.1:1: " in capsys.readouterr().err


def test_certificates_without_etcd_are_refused_and_one_state_belongs_to_one_controller(
    tmp_path: Path,
) -> None:
    pem = tmp_path / "x.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----")
    with pytest.raises(StoreError, match="are for etcd: give --store too"):
        Chosen(Where(tmp_path / "state.db", None, pem, pem, pem))
    where = Where(tmp_path / "state.db", "etcd://127.0.0.1:1/x")
    first = Chosen(where)
    with pytest.raises(StoreError, match=r"state\.db: is in use by another controller \(process \d+\)"):
        Chosen(where)
    first.close()
    Chosen(where).close()
