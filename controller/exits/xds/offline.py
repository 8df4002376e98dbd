"""What clients would be told by an intent file alone, as if all servers lived."""

from __future__ import annotations

from controller.exits.xds.book import EMPTY, Inputs, Maker
from controller.exits.xds.explaining import Explained, explained
from controller.plan.progress import advance
from controller.plan.spreads import alike
from controller.plan.tables import Tables
from controller.spec.types import Intent


def by_intent(intent: Intent, service: str, region: str) -> Explained:
    """Raises UnknownService."""
    tables = advance(Tables(), intent, {}, 0.0, answers=alike)
    return explained(Maker().make(Inputs(0, intent, tables, {}, frozenset()), EMPTY, 0.0), service, region)
