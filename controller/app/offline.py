"""What a store holds, read while a controller runs on it or none does: plans are made from it."""

from __future__ import annotations

from controller.clock import SystemClock
from controller.core.authority import leased
from controller.core.judging import refusal
from controller.core.previews import Present, preview_now
from controller.core.storedcells import StoredCells
from controller.model.removal import removes_all
from controller.plan import spreads
from controller.plan.pins import PinBook
from controller.plan.preview import Preview
from controller.plan.progress import advance
from controller.plan.tables import Tables
from controller.plan.tracking import Held
from controller.sites.base import Loaded, StoreError
from controller.sites.orders import place
from controller.spec.types import Intent


def present(name: str, loaded: Loaded) -> Present:
    """The cells that a controller would begin with. ``name``: of the store. Raises StoreError: damaged, or empty.

    Pins and counters are not stored: none is known. No switch is known to have acknowledged anything, and datapaths
    are taken to hash as we do.
    """
    if not loaded.values:
        raise StoreError(f"{name}: holds nothing: no controller has run on it")
    clock = SystemClock()
    found, now = StoredCells(name, loaded.data(), clock), clock.now()
    unheard, intent, verdicts = Held(0, pinned=False, lost=now), found.intent(), found.verdicts()
    tables = advance(found.tables(), intent, verdicts, now, lambda _: unheard, spreads.alike)
    return Present(
        intent,
        tables,
        verdicts,
        found.owners(),
        found.names("admitted"),
        found.names("absent"),
        found.links(),
        PinBook(),
        found.secret(),
        loaded.revision,
        now,
        lambda _: unheard,
        spreads.alike,
        {},
        None,
    )


def stored_preview(name: str, loaded: Loaded, new: Intent, shared: bool, entries: int) -> Preview:
    """What an intent would do. ``shared``: controllers share the store. Raises StoreError."""
    was = present(name, loaded)
    orders = StoredCells(name, loaded.data(), SystemClock()).orders()

    def refused(old: Intent, new: Intent, tables: Tables, now: float) -> list[str]:
        return removes_all(old, new) + refusal(old, new, tables, now)

    adapted = leased(new) if shared else new
    return preview_now(was, adapted, lambda group, owner: place(group, orders, owner).site, refused, entries)
