"""Agents hear each other by TLS, with certificates of ``evenkeel pki``: those that name them, and no others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.agent.peering import Hears, Peering
from controller.agent.peerwire import Word
from controller.security.certificates import Role, Subject
from controller.security.credentials import Credentials, Paths
from controller.security.pki import Pki
from controller.sites.fitness import SiteReport
from controller.sites.heartbeats import Beat
from tests.fakes.core import journal, until
from tests.fakes.process import free_port

PERIOD = 0.02


class Side:
    """One agent's peering, and whom it heard."""

    def __init__(self, name: str, tls: Credentials | None) -> None:
        self.name, self.address = name, f"127.0.0.1:{free_port()}"
        self.heard: list[str] = []
        hears = Hears()
        hears.beat = lambda word, path: self.heard.append(word.beat.controller)
        self.peering = Peering(name, hears, self._word, journal()[0], tls)

    def _word(self) -> Word:
        report = SiteReport(leader=self.name, store=True, edges=(1, 1), fences=(1, 1), lbs=(1, 1))
        return Word(Beat("site", self.name, "life", 1, frozenset()), True, report)

    def knows(self, other: Side) -> None:
        self.peering.use((self.address,), {other.name: (other.address,)}, PERIOD)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path / "pki", datetime.now(UTC))
    made.init("evenkeel")
    for name in ("east1", "west1", "west2"):
        made.issue(Subject(name, Role.CONTROLLER, ("127.0.0.1",)))
    return made


def shows(pki: Pki, name: str) -> Credentials:
    return Credentials(Paths(pki.folder / f"{name}.pem", pki.folder / f"{name}.key", pki.folder / "ca.pem"))


async def together(east: Side, west: Side) -> list[asyncio.Task[None]]:
    east.knows(west)
    west.knows(east)
    return [asyncio.create_task(side.peering.run()) for side in (east, west)]


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def test_two_agents_hear_each_other_also_after_their_certificates_are_renewed(pki: Pki) -> None:
    async def body() -> None:
        east, west = Side("east1", shows(pki, "east1")), Side("west1", shows(pki, "west1"))
        tasks = await together(east, west)
        await until(lambda: east.heard and west.heard, "both were heard")
        for name in ("east1", "west1"):
            pki.renew(name, new_key=True)
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        count = len(east.heard)
        again = Side("west1", shows(pki, "west1"))
        again.address = west.address
        again.knows(east)
        tasks.append(asyncio.create_task(again.peering.run()))
        await until(
            lambda: len(east.heard) > count and again.heard, "one that begins again is heard, and hears"
        )
        await ended(tasks)

    asyncio.run(body())


@pytest.mark.parametrize("how", ["another name", "another authority", "none"])
def test_an_agent_that_shows_something_else_is_not_heard(pki: Pki, tmp_path: Path, how: str) -> None:
    async def body() -> None:
        other = Pki(tmp_path / "other", datetime.now(UTC))
        other.init("other")
        other.issue(Subject("west1", Role.CONTROLLER, ("127.0.0.1",)))
        other_name, other_authority = shows(pki, "west2"), shows(other, "west1")
        tls = {"another name": other_name, "another authority": other_authority, "none": None}[how]
        east, good = Side("east1", shows(pki, "east1")), Side("west1", shows(pki, "west1"))
        false = Side("west1", tls)
        false.knows(east)
        false_task = asyncio.create_task(false.peering.run())
        east.peering.use((east.address,), {"west1": (good.address,)}, PERIOD)
        tasks = [asyncio.create_task(east.peering.run())]
        await asyncio.sleep(1.0)
        assert not east.heard, "one that is not west1 was heard as west1"
        good.knows(east)
        tasks.append(asyncio.create_task(good.peering.run()))
        await until(lambda: east.heard and good.heard, "the real one is heard")
        await ended([*tasks, false_task])

    asyncio.run(body())
