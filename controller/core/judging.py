"""What a proposal would make of the tables, from values that do not change: so that it is found beside the event loop.

loop: ``Basis`` ─► thread: tables, and what budgets say of them ─► loop: taken, if the basis is still what is
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from controller.core.storedcells import Links, Names
from controller.plan import progress, spreads
from controller.plan.accept import accept
from controller.plan.budget import over_budget
from controller.plan.edits import breaking
from controller.plan.p4needs import grouped
from controller.plan.places import shortages
from controller.plan.progress import Helds
from controller.plan.tables import Tables, Verdicts
from controller.plan.tracking import Held
from controller.spec.types import Intent

LATE = 0.1
"""Seconds that a decision may take; one that took longer, as the first that builds a table does, is made again."""


class Basis(NamedTuple):
    """The present, as far as tables are made from it."""

    intent: Intent
    tables: Tables
    verdicts: Verdicts
    absent: Names
    dead_links: Links
    helds: Helds
    answers: spreads.Answers

    def is_that_of(self, other: Basis) -> bool:
        """Whether the same would come of another one, but for what switches have reported meanwhile."""
        return all(one is two for one, two in zip(self[:5], other[:5], strict=True))

    def tables_with(self, new: Intent, now: Callable[[], float]) -> Tables:
        """The tables if an intent were accepted. Raises whatever an intent that cannot be planned raises."""

        def decide(at: float) -> Tables:
            accepted = accept(self.tables, self.intent, new, at)
            made = progress.advance(accepted, new, self.verdicts, at, self.helds, self.answers, whole=True)
            return grouped(made, new, at, self.absent, self.dead_links)

        return decided(decide, now)

    def over_budget(self, new: Intent, tables: Tables, now: float) -> list[str]:
        """Why an intent with these tables is more than budgets allow; empty: it is not."""
        return over_budget(self.intent, new, self.tables, tables, self.verdicts, now)

    def refusal(self, new: Intent, now: float) -> list[str]:
        """Why an intent cannot be carried out now, though it is well written; empty: it can."""
        return refusal(self.intent, new, self.tables, now)


def decided(
    decide: Callable[[float], Tables], now: Callable[[], float], again: Callable[[], None] = lambda: None
) -> Tables:
    """What is decided now. Windows begin when their tables are there, not when building them began.

    ``again``: called before a decision that came late is made once more.
    """
    began = now()
    tables = decide(began)
    ended = now()
    if ended - began <= LATE:
        return tables
    again()
    return decide(ended)


def refusal(old: Intent, new: Intent, tables: Tables, now: float) -> list[str]:
    """Why ``new`` cannot be carried out in place of ``old``, which has these tables; empty: it can."""
    return breaking(old, new, tables) + shortages(new, tables.ids, now)


def frozen(helds: Helds, keys: Iterable[str]) -> Helds:
    """What lb switches have now of the states with these keys, and of those that there are not yet."""
    known: Mapping[str, Held] = {key: helds(key) for key in keys}
    other = helds("")
    return lambda key: known.get(key, other)
