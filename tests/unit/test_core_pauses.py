"""A controller that stood still does not act on time in which it saw nothing."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from pathlib import Path

from controller.core.pauses import BEAT, PAUSE, Pauses
from controller.health.judge import Verdict
from controller.plan.pool import Health
from controller.spec.switch import Fate
from tests.fakes.core import SetClock, Whole, intent_file, journal, whole
from tests.unit.test_health_judge import S1, S2, A, B, Bench, only


class Standing:
    """What happens to one that beats by a clock of the test's."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.doubts: list[float] = []
        made, self.said = journal()
        self.worked = 0.0
        self.pauses = Pauses(self._doubt, made, self.clock, lambda: self.worked)

    def _doubt(self) -> None:
        self.doubts.append(self.clock.time)

    def beat(self) -> None:
        """One sign of life."""

        async def once() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await self.pauses.run()

        asyncio.run(once())


def test_a_pause_is_noticed_once_by_whoever_looks_first() -> None:
    it = Standing()
    it.clock.time += 10 * PAUSE
    it.pauses.check()
    assert not it.doubts, "nothing ran before"
    it.beat()
    it.clock.time += BEAT
    it.pauses.check()
    it.beat()
    assert not it.doubts
    it.clock.time += 4.5
    it.worked += 1.2
    it.pauses.check()
    it.pauses.check()
    it.beat()
    assert len(it.doubts) == 1
    assert it.said.of("paused") == [{"seconds": 4.5, "worked": 1.2}]


def test_a_beat_that_comes_late_notices_it_too() -> None:
    it = Standing()
    it.beat()
    it.clock.time += 2 * PAUSE
    it.beat()
    assert len(it.doubts) == 1


def test_what_was_down_is_so_for_sure_when_a_probe_fails_again() -> None:
    bench = Bench(only(A, S1) | only(B, S2))
    bench.hear((A, False), (B, True))
    bench.judge.forget_failures()
    found = bench.judge.verdicts()
    assert (found[S1].confirmed, found[S2].up) == (math.inf, True)
    assert bench.hear((A, False)) == [("s1", False)]
    assert bench.judge.verdicts()[S1] == Verdict(*S1, False, found[S1].since, found[S1].reason, 1003.0)


def _down(it: Whole, confirmed: float = -math.inf) -> None:
    """The first backend of the first pool, for longer than its pool keeps its connections."""
    pool = it.app.state.intent.value.pools[0]
    since = it.clock.now() - pool.on_down_tcp.keep_for - 1.0
    health = Health(False, since, "connect refused", confirmed)
    it.app.state.verdicts.put({pool.name: {pool.backends[0].name: health}})


def _fates(it: Whole) -> set[Fate]:
    return {
        state.fates[member.id]
        for state in it.app.state.tables.value.pools.values()
        for member in state.members
        if member.backend.name == it.app.state.intent.value.pools[0].backends[0].name
    }


def test_connections_are_not_given_up_for_time_in_which_no_probe_was_heard(tmp_path: Path) -> None:
    it = whole(intent_file(tmp_path / "intent.yaml"))
    _down(it)
    given_up = _fates(it)
    assert given_up & {Fate.MOVE, Fate.RESET}, "as it is without a pause"
    paused = whole(intent_file(tmp_path / "again.yaml"))
    paused.app.pools.check = lambda: _down(paused, math.inf) if not _confirmed(paused) else None
    _down(paused)
    assert not _fates(paused) & {Fate.MOVE, Fate.RESET}


def _confirmed(it: Whole) -> bool:
    return any(
        v.confirmed == math.inf for rows in it.app.state.verdicts.value.values() for v in rows.values()
    )
