"""The examples of docs/examples do what they say, against a controller that serves its API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.client import Client
from docs.examples import blue_green, rolling_upgrade
from docs.examples import canary as canary_example
from tests.fakes import core
from tests.fakes.api import Face, played, served

PAIR = core.loaded("pair")
NAMES = [real.name for real in PAIR.pool("web").backends]


def driven(folder: Path, use: Callable[[Client, Face], None]) -> None:
    """Use a client in a thread, as a program would."""

    async def play() -> None:
        async with served(folder, intent=PAIR) as face:
            with Client(f"unix:{face.socket}") as client:
                await asyncio.to_thread(use, client, face)

    played(play)


def weights(face: Face) -> dict[str, int]:
    return {real.name: real.weight for real in face.app.state.stored.pool("web").backends}


def drained(face: Face) -> set[str]:
    return {real.name for real in face.app.state.stored.pool("web").backends if real.drain}


def test_a_pool_is_upgraded_one_backend_at_a_time_each_without_connections(tmp_path: Path) -> None:
    order: list[str] = []

    def use(client: Client, face: Face) -> None:
        left = {"s1": [2, 1], "s2": [0, 1], "s3": []}

        def connections(backend: str) -> int:
            assert drained(face) == {backend}
            return left[backend].pop(0) if left[backend] else 0

        def upgrade(backend: str) -> None:
            assert drained(face) == {backend}
            assert not left[backend]
            order.append(backend)

        said = list(rolling_upgrade.roll(client, "web", upgrade, connections, look=0.001))
        assert said == [f"{name}: {what}" for name in NAMES for what in ("drained", "upgraded")]
        assert drained(face) == set()
        assert order == NAMES

    driven(tmp_path, use)


def test_a_roll_goes_on_at_the_deadline_and_says_what_was_left(tmp_path: Path) -> None:
    def use(client: Client, face: Face) -> None:
        rolled = rolling_upgrade.roll(client, "web", lambda _: None, lambda _: 3, deadline=0.01, look=0.001)
        assert next(rolled) == "s1: drained, 3 connections left at the deadline"

    driven(tmp_path, use)


def test_a_roll_stops_where_no_other_backend_serves_or_one_is_drained_already(tmp_path: Path) -> None:
    def use(client: Client, face: Face) -> None:
        client.drain(*(f"pools/web/backends/{name}" for name in NAMES[1:]))
        rolled = rolling_upgrade.roll(client, "web", lambda _: None, lambda _: 0, look=0.001)
        with pytest.raises(rolling_upgrade.UpgradeError, match="s1: no other backend of web serves"):
            list(rolled)
        assert drained(face) == set(NAMES[1:])
        client.undrain("pools/web/backends/s2")
        rest = rolling_upgrade.roll(client, "web", lambda _: None, lambda _: 0, look=0.001)
        assert list(rest)[-1] == f"{NAMES[2]}: drains already, left alone"

    driven(tmp_path, use)


def test_green_takes_over_in_one_change_and_blue_again(tmp_path: Path) -> None:
    def use(client: Client, face: Face) -> None:
        first = blue_green.switch(client, "web", ["s3"], ["s1", "s2"])
        assert weights(face) == {"s1": 0, "s2": 0, "s3": 100}
        assert blue_green.switch(client, "web", ["s1", "s2"], ["s3"]) == first + 1
        assert weights(face) == {"s1": 100, "s2": 100, "s3": 0}
        client.drain("pools/web/backends/s3")
        with pytest.raises(blue_green.SwitchError, match="s3: down, or draining"):
            blue_green.switch(client, "web", ["s3"], ["s1", "s2"])
        assert weights(face)["s1"] == 100

    driven(tmp_path, use)


def test_a_canary_is_promoted_or_taken_back(tmp_path: Path) -> None:
    def use(client: Client, face: Face) -> None:
        before = weights(face)
        rolled = canary_example.canary(client, "web", "s3", lambda: weights(face)["s3"] < 300, hold=0.0)
        assert list(rolled) == ["s3: 1%", "s3: 5%"]
        assert weights(face) == before
        steps = canary_example.canary(client, "web", "s3", lambda: True, hold=0.0)
        assert list(steps)[-1] == "s3: promoted"
        assert {name for name, weight in weights(face).items() if weight} == {"s3"}

    driven(tmp_path, use)


@pytest.mark.parametrize("share", canary_example.STEPS)
def test_the_weights_of_a_canary_are_its_share(share: float) -> None:
    before = {"s1": 2, "s2": 1, "s3": 1}
    made = canary_example.weights(before, "s3", share)
    assert made["s3"] / sum(made.values()) == pytest.approx(share, rel=0.02)
    assert made["s1"] == 2 * made["s2"]
