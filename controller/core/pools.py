"""Pools through time, and ids: steps the planner's tables when intent, verdicts or time change them. Owns ``tables``.

Nothing is planned from a step before it is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from controller.clock import Clock
from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.core.judging import Basis, decided, frozen
from controller.core.storedcells import Links, Names
from controller.plan import progress as rules
from controller.plan import spreads, writer
from controller.plan.p4needs import grouped
from controller.plan.pool import PoolState
from controller.plan.preview import retabled
from controller.plan.progress import Helds
from controller.plan.rehash import Rehash, waits
from controller.plan.standby import group_statuses, has_several, serving_groups, why
from controller.plan.tables import Tables, Verdicts
from controller.plan.tuned import Tunings
from controller.plan.writer import HandoverRefused
from controller.sites.causes import Cause
from controller.spec.spread import Spread
from controller.spec.types import Intent

LOOK = 1.0
"""Seconds between looks at what switches have of slots that are tracked."""


class RehashPlan(NamedTuple):
    """What a rehash does to one state of a pool, and what it costs."""

    key: str
    before: Spread
    after: Spread
    slots: int
    turns_in: float | None
    """Seconds until its slots are taken otherwise, if nothing else happens; None: that depends on switches."""
    waits_for: str
    memory: float
    """Seconds for which connections are watched before, and slots stay tracked afterwards."""
    young: float
    """Seconds; connections younger than that may have no pin."""


class Pools:
    """The tables' owner."""

    def __init__(
        self,
        tables: Cell[Tables],
        intent: Readable[Intent],
        verdicts: Readable[Verdicts],
        absent: Readable[Names],
        dead_links: Readable[Links],
        helds: Helds,
        journal: Journal,
        clock: Clock,
    ) -> None:
        """``helds``: what lb switches have of a state's slots, by its key."""
        self.answers: spreads.Answers = spreads.unlike
        """Whether datapaths hash as we do; set by the one who assembles."""
        self.answers_now: Callable[[], spreads.Answers] = lambda: self.answers
        """The same as it is now, for a thread; set by the one who assembles."""
        self.check: Callable[[], None] = lambda: None
        """Called before time decides anything; set by the one who assembles."""
        self._tables = tables
        self._helds = helds
        self._intent = intent
        self._verdicts = verdicts
        self._absent = absent
        self._dead_links = dead_links
        self._journal = journal
        self._clock = clock
        self._stepped = self._looked = clock.now()
        self._group_basis: tuple[object, ...] = ()
        self._kept: dict[str, Spread] = {}
        """By key of states whose intent would give them another spread if they were new: that spread."""
        verdicts.subscribe(partial(self.step, Cause.VERDICT))
        intent.subscribe(self._say_spreads)
        for cell in (absent, dead_links):
            cell.subscribe(self._regroup)

    def basis(self, frozen_for: Intent | None = None) -> Basis:
        """What the tables of a proposal are made from. ``frozen_for``: a proposal that is judged in a thread."""
        intent, tables, helds, answers = self._intent.value, self._tables.value, self._helds, self.answers
        if frozen_for is not None:
            known = {pool.name: pool for pool in intent.pools}
            same = {pool.name for pool in frozen_for.pools if known.get(pool.name) is pool}
            changes = (
                key
                for key, state in tables.pools.items()
                if state.tracking.tracks or state.rehash is not None or state.name not in same
            )
            helds, answers = frozen(helds, changes), self.answers_now()
        return Basis(
            intent, tables, self._verdicts.value, self._absent.value, self._dead_links.value, helds, answers
        )

    def now(self) -> float:
        """Seconds of the clock; in any thread."""
        return self._clock.now()

    def take(self, tables: Tables) -> None:
        """Take the tables of an intent that is accepted in the same breath."""
        self._put(tables, Cause.INTENT)

    def step(self, cause: Cause = Cause.TIME) -> None:
        """Bring the tables up to now. ``cause``: what has changed."""
        self.check()
        tables, intent = self._tables.value, self._intent.value

        def decide(now: float) -> Tables:
            self._stepped = now
            return self._advanced(tables, intent, now)

        self._put(self._decided(decide), cause)

    def _regroup(self) -> None:
        """Switches or links came or went: it is groups of next hops that need ids, pools are as they were."""
        made = self._with_groups(self._tables.value, self._intent.value, self._clock.now())
        self._put(made, Cause.SWITCHES)

    def hand_over(self, pool: str, backend: str | None) -> str:
        """Make ``backend`` the one writer of a pool, or the most preferred one that lives; its name.

        Raises HandoverRefused. The change is carried out once it is committed.
        """
        self.step()
        intent, tables = self._intent.value, self._tables.value
        known = next((each for each in intent.pools if each.name == pool), None)
        if known is None:
            names = ", ".join(each.name for each in intent.pools if each.failover is not None)
            raise HandoverRefused(f'there is no pool "{pool}"; pools with failover: {names or "none"}')
        health = self._verdicts.value.get(pool, {})
        chosen = writer.handover(known, tables.writers.get(pool), backend, health)
        changed = replace(tables, writers={**tables.writers, pool: chosen})
        self._put(self._decided(lambda now: self._advanced(changed, intent, now)), Cause.OPERATOR)
        return chosen

    def tune(self, tuned: Mapping[str, Tunings]) -> None:
        """Make weights of this besides those of the intent, as far as budgets have room."""
        tables, intent = self._tables.value, self._intent.value
        if tuned != tables.tuned:
            changed = replace(tables, tuned=tuned)
            self._put(self._decided(lambda now: self._advanced(changed, intent, now)), Cause.WEIGHTS)

    def rehash(self, pool: str, carry_out: bool) -> list[RehashPlan]:
        """Take the slots of a pool's TCP connections as it would if it were new, once all of them are pinned.

        The plan; ``carry_out``: and begin with it. Raises RehashRefused.
        """
        self.step()
        intent, tables = self._intent.value, self._tables.value
        changes = spreads.moves(tables, intent, pool, self.answers)
        plans = [self._rehash_plan(each) for each in changes]
        if carry_out:
            begun = spreads.begin(tables, changes)
            self._put(self._decided(lambda now: self._advanced(begun, intent, now)), Cause.OPERATOR)
        return plans

    def cancel_rehash(self, pool: str) -> None:
        """Leave the slots of a pool as they are. Raises RehashRefused."""
        self._put(spreads.cancel(self._tables.value, pool), Cause.OPERATOR)
        self.step()

    def _rehash_plan(self, change: spreads.Move) -> RehashPlan:
        intent, tables = self._intent.value, self._tables.value
        state, memory = rules.memories(tables, intent)[change.key]
        found = waits(
            state.tracking, state.rehash or Rehash(), self._helds(change.key), self._clock.now(), memory
        )
        transition = next(each.transition for each in intent.pools if each.name == state.name)
        return RehashPlan(*change, len(state.now), found.seconds, found.why, memory, transition)

    def deadline(self) -> float | None:
        """When time alone changes the tables next; in the past if that was missed."""
        return rules.deadline(
            self._tables.value, self._intent.value, self._verdicts.value, self._stepped, self._helds
        )

    def looks(self) -> float | None:
        """When to look again what switches have of slots that are tracked; None: none are."""
        tracks = any(state.tracking.tracks for state in self._tables.value.pools.values())
        return self._looked + LOOK if tracks else None

    def look(self) -> None:
        """Step if what switches have changes anything."""
        self._looked = self._clock.now()
        if rules.acknowledged(self._tables.value, self._intent.value, self._looked, self._helds):
            self.step(Cause.SWITCHES)

    def _decided(self, decide: Callable[[float], Tables]) -> Tables:
        return decided(decide, self._clock.now, self._forget_groups)

    def _forget_groups(self) -> None:
        self._group_basis = ()

    def _advanced(self, tables: Tables, intent: Intent, now: float) -> Tables:
        made = rules.advance(tables, intent, self._verdicts.value, now, self._helds, self.answers)
        return self._with_groups(made, intent, now)

    def _with_groups(self, tables: Tables, intent: Intent, now: float) -> Tables:
        basis = (
            intent,
            tables.bound,
            tuple(state.members for state in tables.pools.values()),
            self._absent.value,
            self._dead_links.value,
        )
        if len(basis) == len(self._group_basis) and all(
            a is b or a == b for a, b in zip(basis, self._group_basis, strict=True)
        ):
            return tables
        made = grouped(tables, intent, now, self._absent.value, self._dead_links.value)
        self._group_basis = basis
        return made

    def _put(self, tables: Tables, cause: Cause) -> None:
        before = self._tables.value
        if not self._tables.put(tables):
            return
        for key, former, state in retabled(before, tables):
            self._say_table(key, former, state, cause)
            self._say_groups(key, before.pools.get(key), state, cause)
        for key, state in tables.pools.items():
            old = before.pools.get(key)
            self._say_held(key, 0 if old is None else old.behind, state, cause)
            if old is not None and (old.rehash is None) != (state.rehash is None):
                self._say_rehash(key, old, state, cause)
            wanted = self._intent_slots(state.name)
            if wanted is not None and wanted != len(state.now) and (old is None or old.name != state.name):
                reason = "what is remembered names slots of that many"
                self._journal.event("pool_size_kept", pool=key, slots=len(state.now), why=reason)
        self._say_writers(before.writers, tables.writers, cause)
        for name, turn in tables.turns.items():
            if name in before.turns and before.turns[name].number != turn.number:
                self._journal.event("memory_turned", vip=name, generation=turn.number)
        for name in tables.retained.keys() - before.retained.keys():
            self._journal.event("listener_drains", cause, listener=name)
        for name in before.retained.keys() - tables.retained.keys():
            returned = name in {item.name for item in self._intent.value.listeners()}
            self._journal.event("listener_returned" if returned else "listener_gone", cause, listener=name)

    def _say_writers(self, before: Mapping[str, str], after: Mapping[str, str], cause: Cause) -> None:
        for pool in sorted(before.keys() | after.keys()):
            if before.get(pool) != after.get(pool):
                now, former = after.get(pool), before.get(pool)
                self._journal.event("writer", cause, pool=pool, backend=now, former=former)

    def _say_table(self, key: str, old: PoolState | None, state: PoolState, cause: Cause) -> None:
        self._journal.event(
            "table",
            cause,
            pool=key,
            revision=state.revision,
            moved=state.moved_from(old),
            moving=state.moving,
            serving=len(state.serving),
            panicked=state.panicked,
        )

    def _say_held(self, key: str, before: int, state: PoolState, cause: Cause) -> None:
        """That the budget holds slots back, or no longer does."""
        if bool(state.behind) is not bool(before):
            name = "slots_held" if state.behind else "slots_released"
            self._journal.event(name, cause, pool=key, slots=state.behind or before)

    def _say_groups(self, key: str, old: PoolState | None, state: PoolState, cause: Cause) -> None:
        """That a pool goes to other priority groups, its backup for one, or returns from them."""
        if old is None:
            return
        serving, former = serving_groups(state), serving_groups(old)
        pool = next((each for each in self._intent.value.pools if each.name == state.name), None)
        if serving == former or not has_several(state) or pool is None or pool.failover is not None:
            return
        found = group_statuses(state, pool, self._verdicts.value.get(state.name, {}))
        self._journal.event(
            "groups", cause, pool=key, serving=serving, former=former, why=why(found, serving)
        )

    def _say_spreads(self) -> None:
        """What pools in use keep although the intent says otherwise."""
        tables, intent = self._tables.value, self._intent.value
        kept = {
            key: after
            for key, state in tables.pools.items()
            if state.rehash is None
            and state.spread is not None
            and (after := spreads.wanted(tables, intent, state, self.answers)) not in (None, state.spread)
        }
        for key, after in kept.items():
            if self._kept.get(key) is not after:
                self._journal.event("spread_kept", pool=key, spread=tables.pools[key].spread, asked=after)
        self._kept = kept

    def _say_rehash(self, key: str, old: PoolState, state: PoolState, cause: Cause) -> None:
        if state.rehash is not None:
            self._journal.event("rehash_begun", cause, pool=key, spread=state.spread)
        else:
            former = old.spread
            self._journal.event("rehash_ended", cause, pool=key, spread=state.spread, former=former)

    def _intent_slots(self, pool: str) -> int | None:
        return next((p.slots for p in self._intent.value.pools if p.name == pool), None)
