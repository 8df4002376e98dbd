"""A controller whose one pool has three servers of weight 1, and what moves their weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.health.asking import questions
from controller.health.judge import Verdict
from controller.health.result import Outcome, ProbeResult
from controller.model.reload import IntentFile
from controller.spec.switch import Fate
from controller.spec.types import Backend, Intent, Pool
from tests.fakes.core import SetClock, Whole, intent_file, whole
from tests.fakes.stores import MemoryStore

KEY, POOL = "web/tcp", "web"
ALL = ("s1", "s2", "s3")


def weighed(
    path: Path,
    store: MemoryStore | None = None,
    clock: SetClock | None = None,
    *,
    begun: bool = True,
    probed: bool = True,
    **keys: Any,
) -> Whole:
    """A controller without switches. ``keys``: of the pool; ``probed``: its probes have found all servers up."""
    made = whole(file_of(path, lambda pool: replace(pool, **keys)), store, clock, begun=begun)
    if probed:
        probes(made, **dict.fromkeys(ALL, True))
    return made


def file_of(path: Path, change: Callable[[Pool], Pool]) -> IntentFile:
    """An intent whose pool is changed: three servers of weight 1."""
    file = intent_file(path, "pair")
    assert file.intent is not None
    file.intent = edited(file.intent, lambda pool: change(replace(pool, backends=_even(pool))))
    return file


def _even(pool: Pool) -> tuple[Backend, ...]:
    return tuple(replace(real, weight=1) for real in pool.backends)


def edited(intent: Intent, change: Callable[[Pool], Pool]) -> Intent:
    """With another pool."""
    return replace(intent, pools=tuple(change(pool) if pool.name == POOL else pool for pool in intent.pools))


def probes(core: Whole, **up: bool) -> None:
    """What probes find."""
    judge = core.app.probing.service._judge
    made = [Verdict(POOL, name, each, core.clock.time, "probed") for name, each in up.items()]
    judge._verdicts.update({(v.pool, v.backend): v for v in made})
    core.app.probing._take(made)


def answers(core: Whole, text: str, *names: str, outcome: Outcome = Outcome.PASS) -> None:
    """Servers answer."""
    asked = questions(core.app.state.intent.value)
    results = [
        ProbeResult(question, outcome, text, core.clock.time, core.clock.time)
        for question, refs in asked.items()
        for pool, name in refs
        if pool == POOL and name in names
    ]
    assert len(results) == len(names)
    core.app.servers._take(results)


def slots(core: Whole) -> dict[str, int]:
    """Of the table, by backend."""
    state = core.app.state.tables.value.pools[KEY]
    return {m.backend.name: int((state.now == m.id).sum()) for m in state.members}


def fate(core: Whole, name: str) -> Fate:
    state = core.app.state.tables.value.pools[KEY]
    return next(state.fates[m.id] for m in state.members if m.backend.name == name)


def up(core: Whole, name: str) -> bool:
    return core.app.state.verdicts.value[POOL][name].up
