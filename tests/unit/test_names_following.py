"""A name server follows controllers, goes on without them for as long as it may, and begins with what it had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.exits.names.content import Content
from controller.exits.names.serve import following as module
from controller.exits.names.serve.cookies import Cookies
from controller.exits.names.serve.following import Following, News
from controller.exits.names.serve.kept import Kept
from controller.exits.names.serve.server import NameServer, Options
from tests.fakes.core import Said, SetClock, journal
from tests.unit.zones import ORIGIN, SECRET, content

DAY = 86400.0


def made(octets: bytes) -> Content:
    """Of the revision that is written."""
    return content(revision=int(octets))


class Scene:
    """A name server that is not started, and what it is told."""

    def __init__(self, folder: Path, clock: SetClock | None = None) -> None:
        self.clock = clock or SetClock()
        self.journal, self.said = journal()
        self.server = NameServer(Options(()), Cookies(SECRET), self.clock)
        kept = Kept(folder / "content")
        self.following = Following(self.server, made, kept, self.journal, self.clock, DAY)

    @property
    def served(self) -> int | None:
        """Revision of what is served; 0: nothing, None: never had any."""
        return None if self.server.content is None else self.server.content.revision

    async def tell(self, *news: News) -> None:
        async def stream() -> AsyncIterator[News]:
            for each in news:
                yield each

        await self.following.follow(stream())

    async def look(self, said: str) -> None:
        """Let it look until it has said something."""
        task = asyncio.create_task(self.following.watch())
        async with asyncio.timeout(20.0):
            while said not in names(self.said):
                await asyncio.sleep(0)
        task.cancel()


def names(said: Said) -> list[str]:
    return [str(row["event"]) for row in said.rows]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.0)


def test_what_a_controller_says_is_served_and_what_it_repeats_is_not_made_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    asyncio.run(scene.tell(News(1), News(1, b"1")))
    first = scene.server.content
    asyncio.run(scene.tell(News(2), News(2, b"1")))
    assert scene.server.content is first
    asyncio.run(scene.tell(News(3, b"3")))
    assert scene.served == 3
    assert scene.following.revision == 3
    assert names(scene.said) == ["nameserver_follows", "nameserver_zones"]


def test_without_zones_nothing_is_served(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    asyncio.run(scene.tell(News(1, b"1"), News(2, none=True)))
    assert scene.served == 0
    later = Scene(tmp_path)
    asyncio.run(later.following.begin())
    assert later.served == 0


def test_it_begins_with_what_it_had(tmp_path: Path) -> None:
    asyncio.run(Scene(tmp_path).tell(News(7, b"7")))
    later = Scene(tmp_path)
    later.clock.unix += DAY / 2
    asyncio.run(later.following.begin())
    assert later.served == 7
    assert later.following.alone
    assert later.following.age == pytest.approx(DAY / 2, abs=1)


def test_what_is_too_old_is_not_served_at_the_start(tmp_path: Path) -> None:
    asyncio.run(Scene(tmp_path).tell(News(7, b"7")))
    later = Scene(tmp_path)
    later.clock.unix += DAY + 1
    asyncio.run(later.following.begin())
    assert later.served is None


@pytest.mark.parametrize("damage", [b"", b"evenkeel names 1\nno number", b"something else"])
def test_a_damaged_file_is_said_or_passed_over(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "content").write_bytes(damage)
    scene = Scene(tmp_path)
    asyncio.run(scene.following.begin())
    assert scene.served is None
    asyncio.run(scene.tell(News(8, b"8")))
    assert scene.served == 8
    assert not scene.following.problem


def test_alone_it_goes_on_and_after_its_time_it_answers_nothing_until_a_controller_is_heard(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        scene = Scene(tmp_path)
        await scene.tell(News(1, b"1"))
        scene.clock.time += 11
        await scene.look("nameserver_alone")
        assert scene.served == 1
        scene.clock.time += DAY
        await scene.look("nameserver_expired")
        assert scene.served == 0
        assert scene.following.expired
        await scene.tell(News(1))
        assert scene.served == 1
        assert not scene.following.expired
        assert names(scene.said).count("nameserver_follows") == 2

    asyncio.run(test())


def test_what_cannot_be_read_leaves_what_is_served(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    asyncio.run(scene.tell(News(1, b"1"), News(2, b"of another version")))
    assert scene.served == 1
    assert "cannot be read" in scene.following.problem
    assert Kept(tmp_path / "content").read() is not None
    asyncio.run(scene.tell(News(3, b"3")))
    assert scene.served == 3
    assert not scene.following.problem


def test_a_folder_that_cannot_be_written_keeps_nothing_from_being_served(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    scene = Scene(tmp_path / "file")
    asyncio.run(scene.tell(News(1, b"1")))
    assert scene.served == 1
    assert str(tmp_path) in scene.following.problem


def test_the_zones_are_said_with_their_names(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    asyncio.run(scene.tell(News(1, b"1")))
    (row,) = (row for row in scene.said.rows if row["event"] == "nameserver_zones")
    assert row["names"][ORIGIN] > 10
