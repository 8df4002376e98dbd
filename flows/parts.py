"""The flows of a switch in parts: what a part is made of is kept with it, and only what changed is made again.

A target of 100,000 flows then costs what its change costs, not what its size would.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakValueDictionary

from controller.spec.shards import Shards
from flows.entries import Flow, FlowBody, FlowKey

Content = Mapping[FlowKey, FlowBody]


class Part(NamedTuple):
    """Some flows that are made of the same things."""

    name: Hashable
    """Of what is made, and of which: one name has one ``make``, on all switches."""
    basis: tuple[object, ...]
    """All that ``make`` depends on; parts of an equal basis have equal flows."""
    make: Callable[[], Iterable[Flow]]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Made:
    """A part, made. Switches for which it is alike share it."""

    basis: tuple[object, ...]
    flows: dict[FlowKey, FlowBody]


_NEWEST: WeakValueDictionary[Hashable, Made] = WeakValueDictionary()
"""Parts by name as some switch made them last, for as long as one has them."""


def _make(part: Part) -> Made:
    known = _NEWEST.get(part.name)
    if known is not None and known.basis == part.basis:
        return known
    made = Made(part.basis, {flow.key: flow.body for flow in part.make()})
    _NEWEST[part.name] = made
    return made


class Parts:
    """All parts of one switch. Parts may share flows, as long as those are alike."""

    def __init__(self, entry: int) -> None:
        """``entry``: number of the table whose flows are kept apart as well."""
        self._entry_table = entry
        self._made: dict[Hashable, Made] = {}
        self._more: dict[FlowKey, int] = {}
        """How many parts have a flow besides the first of them; only flows that are shared."""
        self._apart = False
        """Whether parts have different flows in one place: the last part's is the one that holds."""
        self.flows: Shards[FlowKey, FlowBody] = Shards()
        """All of them, and those put in one by one."""
        self.entry: Shards[FlowKey, FlowBody] = Shards()
        """Those in the entry table."""

    def follow(self, wanted: Iterable[Part]) -> None:
        """These are all parts now."""
        before, now = self._made, dict[Hashable, Made]()
        changed = []
        for part in wanted:
            name, known = part.name, before.get(part.name)
            if known is not None and known.basis == part.basis:
                now[name] = known
            else:
                now[name] = _make(part)
                changed.append(name)
        left = [name for name in before if name not in now]
        if not changed and not left:
            return
        self._made = now
        if self._apart or not self._step(before, changed, left):
            self._merge(before)

    def again(self, parts: Iterable[Part]) -> None:
        """These parts may have changed, and no others."""
        before, changed = self._made, []
        now = dict(before)
        for part in parts:
            known = before.get(part.name)
            if known is None or known.basis != part.basis:
                now[part.name] = _make(part)
                changed.append(part.name)
        self._made = now
        if changed and (self._apart or not self._step(before, changed, [])):
            self._merge(before)

    def put(self, flows: Content, gone: Iterable[FlowKey]) -> None:
        """Put in single flows that are of no part, in other places than the parts' and not in the entry table."""
        self.flows = self.flows.changed(flows, gone)

    def _step(self, before: Mapping[Hashable, Made], changed: list[Hashable], left: list[Hashable]) -> bool:
        """Apply what changed; False if parts differ about a place, so that their order counts."""
        nothing = dict[FlowKey, FlowBody]()
        put, gone, more = dict[FlowKey, FlowBody](), set[FlowKey](), self._more
        fresh: list[tuple[FlowKey, FlowBody]] = []
        for name in (*left, *changed):
            old = before[name].flows if name in before else nothing
            new = self._made[name].flows if name in self._made else nothing
            for key, body in new.items():
                if key not in old:
                    fresh.append((key, body))
                elif old[key] != body:
                    if key in more:
                        return False
                    put[key] = body
            for key in old.keys() - new.keys():
                if key not in more:
                    gone.add(key)
                elif more[key] == 1:
                    del more[key]
                else:
                    more[key] -= 1
        return self._add(fresh, put, gone)

    def _add(
        self, fresh: list[tuple[FlowKey, FlowBody]], put: dict[FlowKey, FlowBody], gone: set[FlowKey]
    ) -> bool:
        """Add flows that are new to a part, perhaps not to the switch."""
        for key, body in fresh:
            if key in gone:
                gone.discard(key)
                put[key] = body
            elif key in put or key in self.flows:
                if put.get(key, self.flows.get(key)) != body:
                    return False
                self._more[key] = self._more.get(key, 0) + 1
            else:
                put[key] = body
        self._apply(put, gone)
        return True

    def _merge(self, before: Mapping[Hashable, Made]) -> None:
        """All parts, one over the other."""
        content, self._more, self._apart = dict[FlowKey, FlowBody](), {}, False
        for part in self._made.values():
            for key, body in part.flows.items():
                if key in content:
                    self._apart = self._apart or content[key] != body
                    self._more[key] = self._more.get(key, 0) + 1
            content |= part.flows
        self._apply(content, {key for part in before.values() for key in part.flows if key not in content})

    def _apply(self, put: Content, gone: Iterable[FlowKey]) -> None:
        entry = self._entry_table
        gone = set(gone)
        self.flows = self.flows.changed(put, gone)
        mine = {key: body for key, body in put.items() if key.table == entry}
        lost = {key for key in gone if key.table == entry}
        if mine or lost:
            self.entry = self.entry.changed(mine, lost)
