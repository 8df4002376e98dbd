"""An intent while calls edit it one after the other, each of which sees what those before it made. Pure.

Values of single backends are kept beside the intent, which is made once for many of them: what such a call costs does
not depend on how large pools are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from controller.api.edits import MOST_CHANGES, NONE, Changes, Edit, Values, changes
from controller.api.errors import missing
from controller.api.names import Name
from controller.api.v1 import service_pb2 as api
from controller.model.backups import with_backups
from controller.spec.types import Backend, Intent, Pool


class _Place(NamedTuple):
    at: int
    """In its pool."""
    real: Backend


class Draft:
    """Starts as an intent that is in force."""

    def __init__(self, intent: Intent) -> None:
        self._begin(intent)

    def _begin(self, intent: Intent) -> None:
        self._intent = intent
        self._order = {pool.name: at for at, pool in enumerate(intent.pools)}
        self._places: dict[str, dict[str, _Place]] = {}
        """Backends of pools that were asked for, as they are now."""
        self._changed: dict[str, dict[str, Backend]] = {}
        """What the intent does not have yet."""

    @property
    def intent(self) -> Intent:
        """As it is now."""
        if self._changed:
            pools = tuple(_with(pool, self._changed.get(pool.name)) for pool in self._intent.pools)
            if any(pool.backup for pool in pools):
                pools = with_backups(pools)
            self._intent, self._changed = replace(self._intent, pools=pools), {}
        return self._intent

    def whole(self, edit: Edit) -> tuple[Intent, Intent, Changes]:
        """An edit of the whole: before, after, and what it changes. Nothing is taken yet. Raises Refused."""
        before = self.intent
        after = edit(before)
        return before, after, changes(before, after)

    def take(self, after: Intent) -> None:
        """Go on with what an edit of the whole made."""
        if after is not self._intent:
            self._begin(after)

    def values(self, edit: Values) -> Changes:
        """Give backends other values: all of them, or none. Raises Refused."""
        made: dict[str, list[tuple[_Place, Backend]]] = {}
        for name, values in edit.by_backend.items():
            place = self._place(name)
            real = place.real
            if any(getattr(real, key) != value for key, value in values.items()):
                made.setdefault(name.name, []).append((place, replace(real, **values)))
        if not made:
            return NONE
        found: list[tuple[str, int]] = []
        for pool in sorted(made, key=self._order.__getitem__):
            found += self._take(pool, made[pool])
        return Changes(tuple(found[:MOST_CHANGES]), len(found))

    def backends(self, names: Iterable[Name]) -> dict[Name, Backend]:
        """Backends as they are now; those that are not there are missing."""
        found = {}
        for name in names:
            place = self._of_pool(name.name).get(name.backend or "")
            if place is not None:
                found[name] = place.real
        return found

    def _take(self, pool: str, rows: list[tuple[_Place, Backend]]) -> list[tuple[str, int]]:
        rows.sort(key=lambda row: row[0].at)
        places, changed = self._places[pool], self._changed.setdefault(pool, {})
        for place, real in rows:
            places[real.name], changed[real.name] = _Place(place.at, real), real
        names = (f"pools/{pool}", *(f"pools/{pool}/backends/{real.name}" for _, real in rows))
        return [(name, int(api.Change.ACTION_MODIFIED)) for name in names]

    def _place(self, name: Name) -> _Place:
        if name.name not in self._order:
            raise missing(f"pools/{name.name}")
        place = self._of_pool(name.name).get(name.backend or "")
        if place is None:
            raise missing(str(name))
        return place

    def _of_pool(self, pool: str) -> dict[str, _Place]:
        known = self._places.get(pool)
        if known is None:
            known_as = self._order.get(pool)
            own = () if known_as is None else self._intent.pools[known_as].own
            known = self._places[pool] = {real.name: _Place(at, real) for at, real in enumerate(own)}
        return known


def _with(pool: Pool, changed: Mapping[str, Backend] | None) -> Pool:
    if not changed:
        return pool
    made = (changed.get(real.name, real) if not real.home else real for real in pool.backends)
    return replace(pool, backends=tuple(made))
