"""What of the journal is of the timeline is kept in the log: in order, with its change, and at no cost to others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller.core import recorder as module
from controller.core.journal import Journal
from controller.core.recorder import Recorder, recorded
from controller.sites.causes import Cause
from controller.sites.eventlog import EventLog, entries
from controller.sites.timeline import Entry
from tests.fakes.core import Said, SetClock
from tests.fakes.stores import MemoryStore

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER", 0.0)
    monkeypatch.setattr(module, "AGAIN", 0.01)


class Kept:
    """A journal whose timeline is kept in a store in memory."""

    def __init__(self) -> None:
        self.store, self.said, self.clock = MemoryStore(), Said(), SetClock()
        self.journal = Journal(self.said, self.clock.wall)
        self.revision = 10
        self.journal.change = lambda: self.revision

    def entries(self) -> list[Entry]:
        return entries(self.store.log.stored).entries

    def rows(self) -> list[tuple[str, int]]:
        return [(each.event, each.change) for each in self.entries()]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)

    def commit(self, revision: int) -> None:
        """As the state does: made, stored."""
        mark = self.journal.keeper.mark()
        self.revision = revision
        self.journal.keeper.stored(mark, revision)


def play(story: Callable[[Kept, Recorder], Awaitable[None]]) -> Kept:
    kept = Kept()

    async def body() -> None:
        async with recorded(kept.store.log, "east", kept.clock, kept.journal) as recorder:
            await story(kept, recorder)

    asyncio.run(body())
    return kept


def decide(kept: Kept, backend: str = "s1") -> None:
    kept.journal.event("verdict", pool="web", backend=backend, up=False, reason="refused")


def test_what_is_of_the_timeline_is_kept_with_cause_and_fields_and_the_rest_is_not() -> None:
    async def story(kept: Kept, _: Recorder) -> None:
        kept.journal.event("switch_up", switch="lb1")
        kept.journal.event("command", command="status", ok=True)
        kept.journal.event("converged", Cause.PINS, 9, switch="lb1", added=1, modified=0, deleted=0, ms=1.0)
        kept.journal.event("converged", Cause.PLAN, 9, switch="lb1", added=2, modified=0, deleted=0, ms=1.0)
        await kept.until(lambda: len(kept.entries()) == 2)

    kept = play(story)
    first, second = kept.entries()
    assert (first.event, first.cause, first.change, dict(first.fields)) == (
        *("switch_up", "stream", 10, {"switch": "lb1"}),
    )
    assert (second.event, second.cause, second.change, second.fields["added"]) == ("converged", "plan", 9, 2)
    assert (first.controller, first.boot, first.at) == ("east", kept.clock.boot, kept.clock.unix)
    assert "cause" not in kept.said.rows[1]
    assert [row.get("cause") for row in kept.said.rows] == ["stream", None, "pins", "plan"]


def test_a_decision_has_the_change_of_the_commit_that_holds_it_and_holds_up_what_follows() -> None:
    async def story(kept: Kept, recorder: Recorder) -> None:
        decide(kept)
        mark = kept.journal.keeper.mark()
        decide(kept, "s2")
        kept.journal.event("switch_up", switch="lb1")
        assert recorder.waiting == 3
        kept.revision = 11
        kept.journal.keeper.stored(mark, 11)
        await kept.until(lambda: bool(kept.entries()))
        assert kept.rows() == [("verdict", 11)], "the second one is in no batch yet"
        kept.commit(15)
        await kept.until(lambda: len(kept.entries()) == 3)

    assert play(story).rows() == [("verdict", 11), ("verdict", 15), ("switch_up", 10)]


def test_a_decision_that_no_commit_follows_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOLD", 0.05)

    async def story(kept: Kept, _: Recorder) -> None:
        decide(kept)
        kept.clock.time += 1.0
        await kept.until(lambda: bool(kept.entries()))

    assert play(story).rows() == [("verdict", 10)]


def test_what_waits_at_the_end_is_added() -> None:
    async def story(kept: Kept, _: Recorder) -> None:
        decide(kept)
        kept.journal.event("stopped")
        await asyncio.sleep(0)

    kept = play(story)
    assert kept.rows() == [("verdict", 10), ("stopped", 10)]
    kept.journal.event("stopped")
    assert len(kept.entries()) == 2, "nothing is kept any more"


def test_a_store_that_fails_costs_nothing_is_said_once_and_what_waited_is_added_later() -> None:
    async def story(kept: Kept, recorder: Recorder) -> None:
        kept.store.log.fails = "no member answers"
        for number in range(3):
            kept.journal.event("switch_up", switch=f"lb{number}")
        asked = kept.store.log.asked
        await kept.until(lambda: kept.store.log.asked > asked + 3)
        assert kept.said.of("timeline_failed") == [{"error": "no member answers"}]
        assert recorder.problem == "no member answers"
        kept.store.log.fails = ""
        await kept.until(lambda: len(kept.entries()) == 4)
        assert recorder.problem == ""

    kept = play(story)
    assert [each.fields.get("switch", each.event) for each in kept.entries()] == [
        *("lb0", "lb1", "lb2", "timeline_recovered"),
    ]
    assert kept.said.of("timeline_recovered") == [{"lost": 0}]


def test_more_than_may_wait_is_dropped_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE", 5)

    async def story(kept: Kept, recorder: Recorder) -> None:
        kept.store.log.fails = "full"
        for number in range(12):
            kept.journal.event("switch_up", switch=f"lb{number}")
        assert recorder.waiting == 5
        await kept.until(lambda: bool(kept.said.of("timeline_failed")))
        kept.store.log.fails = ""
        await kept.until(lambda: len(kept.entries()) == 6)

    kept = play(story)
    assert [each.fields for each in kept.entries()][-2:] == [{"switch": "lb4"}, {"lost": 7}]


def test_an_end_does_not_wait_for_a_store_that_does_not_answer() -> None:
    async def hangs(*_: Any) -> int:
        await asyncio.Event().wait()
        raise AssertionError

    async def story() -> None:
        store, clock = MemoryStore(), SetClock()
        journal = Journal(Said())
        journal.keeper = kept = Recorder(EventLog(store.log, "east", "boot"), clock, journal)
        store.log.commit = hangs  # type: ignore[method-assign, assignment]
        journal.event("stopped")
        async with asyncio.timeout(PATIENCE):
            await kept.finish(0.01)
        assert kept.waiting == 1

    asyncio.run(story())


def test_a_defect_here_ends_nothing() -> None:
    async def story(kept: Kept, _: Recorder) -> None:
        kept.store.log.fails = ZeroDivisionError("a defect")
        kept.journal.event("switch_up", switch="lb1")
        await kept.until(lambda: bool(kept.said.of("failure")))
        kept.store.log.fails = ""
        await kept.until(lambda: "switch_up" in dict(kept.rows()))

    assert play(story).said.of("failure")[0]["part"] == "timeline"
