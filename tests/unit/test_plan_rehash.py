"""A pool in use whose slots are taken otherwise: asked, gathered, watched, turned; refused, cancelled, restarted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from controller.plan import history, rehash, spreads, tracking
from controller.plan.carried import shifted
from controller.plan.pool import PoolState
from controller.plan.progress import acknowledged, advance, deadline
from controller.plan.rehash import Rehash
from controller.plan.spreads import Answers, RehashRefused, alike, unlike
from controller.plan.tables import Tables
from controller.plan.tracking import MARGIN, UNHELD, Held, Tracking
from controller.spec.policy import Failover
from controller.spec.spread import PoolSpread, Spread
from controller.spec.switch import MIGRATED
from controller.spec.types import Intent
from tests.unit.test_plan_spreads import KEY, NOW, intent, unknown

MEMORY = 100.0
ALL, NONE = Held(1 << 30), Held(0)


def policies(**more: object) -> Intent:
    return intent("ovs", memory_timeout=MEMORY, transition=20.0, max_backends=2, **more)


class Life:
    """A pool that was made by switches that hash unlike us, and is served by some that do not."""

    def __init__(self, wanted: Intent | None = None) -> None:
        self.intent = wanted or policies()
        self.now = NOW
        self.tables = advance(Tables(), self.intent, {}, NOW, answers=unlike)

    @property
    def state(self) -> PoolState:
        return self.tables.pools[KEY]

    def spread(self) -> Spread | None:
        return self.state.spread

    def begin(self, answers: Answers = alike) -> None:
        self.tables = spreads.begin(self.tables, spreads.moves(self.tables, self.intent, "web", answers))

    def until(self, now: float, held: Held = ALL, answers: Answers = alike) -> None:
        """Step as the controller does: when time changes something, or when switches have."""

        def helds(_: str) -> Held:
            return held

        while True:
            due = deadline(self.tables, self.intent, {}, self.now, helds)
            looks = acknowledged(self.tables, self.intent, self.now, helds)
            if not looks:
                if due is None or due > now:
                    break
                self.now = max(self.now, due)
            made = advance(self.tables, self.intent, {}, self.now, helds, answers)
            if made is self.tables and looks:
                break
            self.tables = made
        self.now = now
        self.tables = advance(self.tables, self.intent, {}, now, helds, answers)


def test_every_slot_is_watched_for_a_memory_before_slots_are_taken_otherwise_and_for_one_more() -> None:
    life = Life()
    assert life.spread() is Spread.OWN
    life.begin()
    life.until(NOW)
    watched = life.state.tracking
    assert watched.tracked.all()
    assert watched.ages.all()
    assert (watched.class_ == MIGRATED).all()
    life.until(NOW + MEMORY + MARGIN - 0.1)
    assert life.spread() is Spread.OWN
    life.until(NOW + MEMORY + MARGIN)
    assert life.spread() is Spread.DATAPATH
    assert life.state.rehash is None
    turned = life.state.tracking
    assert turned.tracked.all()
    assert not turned.base.any()
    assert (turned.class_ == MIGRATED).all()
    life.until(NOW + 2 * (MEMORY + MARGIN) - 0.1)
    assert life.state.tracking.tracks
    life.until(NOW + 2 * (MEMORY + MARGIN))
    assert not life.state.tracking.tracks


def test_nothing_turns_before_every_switch_watches_and_holds_every_pin_and_no_report_was_lost() -> None:
    life = Life()
    life.begin()
    for held in (NONE, Held(1 << 30, pinned=False), Held(1 << 30, lost=NOW + 10 * MEMORY)):
        life.until(life.now + 3 * MEMORY, held)
        assert life.spread() is Spread.OWN
        assert life.state.tracking.tracks == len(life.state.now), "what is watched does not settle meanwhile"
    life.until(NOW + 11 * MEMORY + MARGIN)
    assert life.spread() is Spread.DATAPATH


def test_a_slot_that_is_tracked_already_settles_before_it_is_watched() -> None:
    life = Life()
    moved = life.state.now.copy()
    moved[:5] = 3 - moved[:5]
    state = replace(life.state, now=moved, tracking=tracking.move(life.state.tracking, moved))
    life.tables = replace(life.tables, pools={**life.tables.pools, KEY: state})
    life.begin()
    life.until(NOW + MEMORY)
    assert (life.state.tracking.class_ == 1).sum() == 5
    assert life.state.rehash == Rehash()
    life.until(NOW + 2 * (MEMORY + MARGIN) - 1)
    assert life.spread() is Spread.OWN
    life.until(NOW + 4 * (MEMORY + MARGIN))
    assert life.spread() is Spread.DATAPATH


def test_a_slot_that_was_in_the_shared_class_last_is_watched_in_another_one_first() -> None:
    again = replace(Tracking.of(np.array([1, 2], np.uint16)), class_=np.array([MIGRATED, 0], np.uint8))
    made, way = rehash.step(again, Rehash(), ALL, NOW, MEMORY)
    assert made.class_.tolist() == [2, MIGRATED]
    assert way == Rehash(), "not before that one has settled"


def test_a_slot_without_an_owner_is_not_waited_for_and_turns_with_the_others() -> None:
    made, way = rehash.step(Tracking.of(np.array([1, 0], np.uint16)), Rehash(), ALL, NOW, MEMORY)
    assert made.tracked.tolist() == [True, False]
    assert way.until == NOW + MEMORY
    assert rehash.turned(made).tracked.all()


def test_slots_may_move_meanwhile() -> None:
    life = Life()
    life.begin()
    life.until(NOW + MEMORY / 2)
    drains = replace(life.intent.pools[0].backends[0], drain=True)
    pool = replace(life.intent.pools[0], backends=(drains, life.intent.pools[0].backends[1]))
    life.intent = replace(life.intent, pools=(pool,))
    life.until(NOW + MEMORY + MARGIN)
    assert life.spread() is Spread.DATAPATH
    assert len(set(life.state.now.tolist())) == 1


@pytest.mark.parametrize("held", [ALL, NONE], ids=["acknowledged", "not yet"])
def test_it_outlives_the_controller_and_goes_on(held: Held) -> None:
    life = Life()
    life.begin()
    life.until(NOW + 1, held)
    kept = shifted(history.load(history.dump(life.state)), 5000.0)
    assert kept.rehash is not None
    assert kept.rehash.until == (NOW + MEMORY + MARGIN + 5000.0 if held is ALL else UNHELD)
    life.now += 5000.0
    life.tables = replace(life.tables, pools={**life.tables.pools, KEY: kept})
    life.until(life.now + 3 * MEMORY)
    assert life.spread() is Spread.DATAPATH


def test_one_that_is_cancelled_leaves_slots_to_settle_as_they_were() -> None:
    life = Life()
    life.begin()
    life.until(NOW + 1)
    life.tables = spreads.cancel(life.tables, "web")
    life.until(NOW + 3 * MEMORY)
    assert life.spread() is Spread.OWN
    assert not life.state.tracking.tracks
    with pytest.raises(RehashRefused, match='no rehash of pool "web" is under way; under way: none'):
        spreads.cancel(life.tables, "web")


def test_switches_that_hash_otherwise_by_then_leave_it_as_it_is() -> None:
    life = Life()
    life.begin()
    life.until(NOW + 2 * MEMORY, answers=unknown)
    assert (life.state.spread, life.state.rehash is not None) == (Spread.OWN, True)
    life.until(NOW + 3 * MEMORY, answers=unlike)
    assert (life.state.spread, life.state.rehash) == (Spread.OWN, None)


@pytest.mark.parametrize(
    ("change", "pool", "answers", "why"),
    [
        (dict, "shop", alike, 'there is no pool "shop"; pools: web'),
        (lambda: {"failover": Failover()}, "web", alike, 'pool "web" has one writer'),
        (dict, "web", unknown, "have not said yet how they hash"),
        (dict, "web", unlike, 'pool "web" has own, which is what it would get with spread: hash'),
    ],
)
def test_refused(change: Callable[[], dict[str, object]], pool: str, answers: Answers, why: str) -> None:
    life = Life(policies(**change()))
    with pytest.raises(RehashRefused, match=why):
        spreads.moves(life.tables, life.intent, pool, answers)


def test_bits_of_an_edited_intent() -> None:
    life = Life(policies(spread=PoolSpread.BITS))
    life.tables = advance(Tables(), policies(), {}, NOW, answers=alike)
    assert spreads.moves(life.tables, life.intent, "web", alike) == [(KEY, Spread.DATAPATH, Spread.BITS)]
