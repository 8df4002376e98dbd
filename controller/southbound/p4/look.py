"""The entries of one connection's slot and pin as they stand on a switch, compared with those that should be there."""

from __future__ import annotations

import numpy as np

from controller.southbound.driver import SeenEntry, Spot
from controller.southbound.p4.session import P4Session
from p4src.diff import describe
from p4src.pipeline import pin_key
from p4src.slots import SETTLED, columns, words
from p4src.target import EntryBody, EntryKey, P4Target


async def look(session: P4Session, want: P4Target, spot: Spot) -> list[SeenEntry]:
    """Ask for both. Raises SwitchError."""
    slot, pin = EntryKey("slot", (spot.pool, spot.slot)), pin_key(spot.listener, spot.source, spot.port)
    found = await session.entries([slot, pin])
    pairs = (("slot", slot, _slot(want, spot)), ("pin", pin, want.entries.get(pin)))
    seen = (_compared(what, key, body, found.get(key)) for what, key, body in pairs)
    return [each for each in seen if each is not None]


def _slot(want: P4Target, spot: Spot) -> EntryBody | None:
    """The entry of a slot; None: it has none."""
    table = want.slots.get(spot.pool)
    if table is None or spot.slot >= len(table.now):
        return None
    word = words(table, len(table.now))[spot.slot : spot.slot + 1]
    if not word[0]:
        return None
    params = tuple(int(column[0]) for column in columns(word))
    settled = bool(word[0] < np.uint64(SETTLED))
    return EntryBody("settled", params[:1]) if settled else EntryBody("tracked", params)


def _compared(what: str, key: EntryKey, want: EntryBody | None, have: EntryBody | None) -> SeenEntry | None:
    if want is None and have is None:
        return None
    if want is None or have is None:
        state = "unexpected" if want is None else "missing"
    else:
        state = "as planned" if (want.action, want.params) == (have.action, have.params) else "modified"
    shown = want if have is None else have
    assert shown is not None
    return SeenEntry(what, state, f"{describe(key)}: {shown.action}({', '.join(map(str, shown.params))})")
