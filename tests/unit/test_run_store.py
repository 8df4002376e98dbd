"""``evenkeel run`` on a store in etcd: what it needs, what it keeps there, and two controllers on one prefix."""

from __future__ import annotations

import asyncio
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from controller.cli import codes
from controller.cli import run as cli
from controller.cli.status import status
from controller.cli.stores import Chosen, Where
from controller.metrics.options import Options
from controller.sites.base import Guard, GuardFailed, StoreError
from controller.sites.etcd.address import Address
from controller.sites.etcd.client import Client
from controller.sites.etcd.store import EtcdStore
from controller.sites.leading import KEY, TIMES, Leader
from tests.fakes.etcd import Cluster, needs_etcd
from tests.fakes.process import Running, free_port, quiet_intent


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


def asked(port: int, path: str) -> str:
    """The text of an answer, whatever its status."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.read().decode())


def weighs(weight: int) -> str:
    """An intent that differs by a weight: a change is stored at once."""

    def change(document: Any) -> None:
        document["pools"][0]["backends"][0]["weight"] = weight

    return quiet_intent(change=change)


@needs_etcd
def test_of_two_controllers_on_one_prefix_one_leads_and_the_other_takes_over(
    cluster: Cluster, tmp_path: Path
) -> None:
    options = ["--store", str(cluster.address("/fabric")), "--name"]
    with Running(tmp_path / "a", weighs(2), options=[*options, "east"]) as one:
        change = one.wait_event("started")["change"]
        (leads,) = [event for event in one.events() if event["event"] == "leads"]
        assert (leads["controller"], leads["after"]) == ("east", None)
        values, revision = stored(cluster, "/fabric")
        assert 0 < change <= revision
        assert {"intent", "ids", "secret", "term"} <= values.keys()
        assert not one.state.exists(), "it is in etcd"

        shows = free_port()
        metrics = ["--metrics", f"127.0.0.1:{shows}"]
        with Running(tmp_path / "b", weighs(2), options=[*options, "west", *metrics]) as two:
            waits = two.wait_event("standby")
            assert (waits["controller"], waits["leader"]) == ("west", "east")
            shown = two.wait(lambda: two.status().get("standby"), "a status")
            told = {"name": "west", "leader": "east", "store": "", "intent_errors": []}
            assert isinstance(shown, dict)
            assert told.items() <= shown.items()
            assert status(two.state, json_out=False) == codes.Status.STANDS_BY
            assert asked(shows, "/readyz") == "stands by: east leads\n"
            metrics_of_two = asked(shows, "/metrics").splitlines()
            for line in (
                "leader 0",
                "lease_remaining_seconds 0.0",
                "store_up 1",
                'events_total{event="standby"} 1',
            ):
                assert f"evenkeel_{line}" in metrics_of_two
            assert 'evenkeel_standby_info{controller="west",leader="east"} 1' in metrics_of_two
            assert not [line for line in metrics_of_two if line.startswith("evenkeel_switch_connected")]
            two.intent.write_text("vips: 3")
            errors = two.wait_event("intent_refused")["errors"]
            assert errors
            two.wait(lambda: two.status()["standby"]["intent_errors"] == errors, "the error is shown")
            two.process.send_signal(signal.SIGHUP)
            assert one.stop() == codes.Run.STOPPED
            assert one.events()[-1]["event"] == "leadership_released"
            assert two.wait_event("leads")["after"] is None
            two.wait_event("started")
            two.wait(lambda: asked(shows, "/readyz") == "leads\n", "it is ready as a leader")
            metrics_of_two = asked(shows, "/metrics").splitlines()
            assert "evenkeel_leader 1" in metrics_of_two
            assert 'evenkeel_events_total{event="standby"} 1' in metrics_of_two, "counts go on"
            (left,) = [
                line for line in metrics_of_two if line.startswith("evenkeel_lease_remaining_seconds ")
            ]
            assert 0 < float(left.split()[1]) <= TIMES.authority
            assert stored(cluster, "/fabric")[0]["ids"] == values["ids"], (
                "the second goes on with what is stored"
            )
            two.wait(lambda: "switches" in two.status(), "the status of a controller that serves")
            assert two.status()["intent_errors"] == errors, "it serves by the last good file"
            two.intent.write_text(weighs(2))
            two.wait(lambda: not two.status()["intent_errors"], "the file is good again")
            assert two.stop() == codes.Run.STOPPED


def takes_over(address: Address, name: str) -> None:
    """Another controller leads from now on, as if it had waited for long enough."""

    async def body() -> None:
        store = EtcdStore(Client(address), address.prefix)
        try:
            while True:
                there = (await store.registers.load()).values[KEY].revision
                batch = {KEY: Leader(name, "another life", 1, 3.0).encode()}
                with suppress(GuardFailed):  # a renewal was first
                    await store.registers.commit(batch, Guard(keys={KEY: there}))
                    return
        finally:
            await store.close()

    asyncio.run(body())


@needs_etcd
def test_a_leader_outlasts_etcd_but_not_another_leader(tmp_path: Path) -> None:
    with Cluster(tmp_path / "etcd", members=1) as own:
        options = ["--store", str(own.address("/outage")), "--name", "east"]
        with Running(tmp_path / "a", weighs(2), options=options) as one:
            one.wait_event("started")
            own.members[0].kill()
            why = one.wait_event("leadership_lapsed")["why"]
            assert "no member answered within 1 s" in why
            at = one.status()["at"]
            one.wait(lambda: one.status()["at"] > at, "it goes on")
            own.members[0].start()
            one.wait(lambda: [e["event"] for e in one.events()].count("leads") == 2, "it leads again")
            takes_over(own.address("/outage"), "north")
            assert one.ended() == codes.Run.OTHER_WRITER
            assert one.errors[-1] == "north leads in the place of this controller (east)"
            (lost,) = [e for e in one.events() if e["event"] == "leadership_lost"]
            assert lost["leader"] == "north"
            assert "leadership_released" not in [e["event"] for e in one.events()]


@needs_etcd
def test_what_the_former_leader_still_sends_is_refused(cluster: Cluster) -> None:
    async def body() -> None:
        prefix = "/sealed"
        stores = [EtcdStore(Client(cluster.address(prefix)), prefix, name) for name in ("east", "west")]
        former, new = stores
        try:
            await former.commit({"x": b"1"})
            known = (await former.load()).revision
            await new.commit({})
            loaded = await new.load()
            assert loaded.data() == {"x": b"1"}
            with pytest.raises(GuardFailed, match="written by west"):
                await former.commit({"x": b"2"}, Guard(head=known))
            await new.commit({"x": b"3"}, Guard(head=loaded.revision))
        finally:
            for each in stores:
                await each.close()

    asyncio.run(body())


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
    monkeypatch.setattr("controller.sites.etcd.registers.LOAD", 0.3)
    intent = tmp_path / "intent.yaml"
    intent.write_text(quiet_intent())
    where = Where(tmp_path / "state.db", "etcd://127.0.0.1:1/x")
    assert cli.run(intent, where, "127.0.0.1:1") == codes.Run.CANNOT_START
    assert "etcd://127.0.0.1:1/x: no member answered within 0.3 s: 127.0.0.1:1: " in capsys.readouterr().err


def test_a_place_for_metrics_that_is_unsafe_or_taken_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_end", lambda code: None)
    intent = tmp_path / "intent.yaml"
    intent.write_text(quiet_intent())
    state = Where(tmp_path / "state.db")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        for address, says in (("0.0.0.0:9469", "could read without TLS"), (busy, "address already in use")):
            assert cli.run(intent, state, "127.0.0.1:1", Options(address)) == codes.Run.CANNOT_START
            error = capsys.readouterr().err
            assert error.startswith(f"--metrics {address}: ")
            assert says in error


def test_certificates_without_etcd_are_refused_and_one_state_belongs_to_one_controller(
    tmp_path: Path,
) -> None:
    pem = tmp_path / "x.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----")
    with pytest.raises(StoreError, match="are for etcd: give --store too"):
        Chosen(Where(tmp_path / "state.db", None, pem, pem, pem))
    with pytest.raises(StoreError, match="--name is for controllers that share etcd"):
        Chosen(Where(tmp_path / "state.db", name="east"))
    with pytest.raises(StoreError, match=r"--name .*: write 1 to 250 printable characters"):
        Chosen(Where(tmp_path / "state.db", "etcd://127.0.0.1:1/x", name="a\nb"))
    where = Where(tmp_path / "state.db", "etcd://127.0.0.1:1/x")
    first = Chosen(where)
    assert first.name == f"{socket.gethostname()}:{tmp_path.resolve() / 'state.db'}"
    with pytest.raises(StoreError, match=r"state\.db: is in use by another controller \(process \d+\)"):
        Chosen(where)
    first.close()
    Chosen(where).close()
