"""What an intent would do before it is done: slots that move, connections that drain or end, VIPs that move. Pure.

    tables before ─┐                ┌─► PoolChange: slots from whom to whom, what becomes of connections
                   ├─► pool_changes ┤
    tables after ──┘                └─► losses, hitless

It says what is done at once, and what follows when drains end. How many connections there are on a settled slot is not
known, since no switch keeps any state for it: of those it says the share of slots, which is their share if clients are
many. Connections with a pin are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from controller.plan.accept import renames
from controller.plan.fates import on_down
from controller.plan.ids import Space
from controller.plan.pool import PoolMember, PoolState
from controller.plan.tables import Tables, pool_of
from controller.spec.policy import Then
from controller.spec.slots import Slots
from controller.spec.switch import Fate
from controller.spec.types import Intent, Mode, Pool, Role

Counts = Mapping[tuple[int, int], int]
"""Something by the numbers of listener and backend."""
NONE = ""
"""In place of a backend's name: the slot is empty."""


class Hitless(StrEnum):
    """Whether established connections outlive an edit."""

    YES = "yes"
    """Each one whose server lives stays there."""
    DRAINS = "until drains end"
    """Those that last longer than a drain are moved or reset then."""
    NO = "no"
    """Some are moved or reset at once."""


class Outcome(StrEnum):
    """What becomes of a backend's established connections."""

    STAY = "stay"
    """New ones of these slots go elsewhere."""
    DRAIN = "drain"
    MOVE = "move"
    """They are decided again at once: those whose server does not know them break."""
    RESET = "reset"


@dataclass(frozen=True)
class Shift:
    """Slots that go from one backend to another."""

    former: str
    """Empty: none had them."""
    now: str
    """Empty: none gets them."""
    slots: int


@dataclass(frozen=True)
class Connections:
    """What becomes of one backend's connections."""

    backend: str
    outcome: Outcome
    slots: int
    """That it had, or of which it loses new connections (``stay``)."""
    share: float
    """Of all slots: of the pool's connections, if clients are many."""
    pinned: int
    """Connections with a pin to it, counted; the others are not known one by one."""
    packets: int
    """That lb switches have counted to it so far."""
    seconds: float | None = None
    """Of a drain: how long it lasts from now on."""
    then: str = ""
    """What happens then: ``keep``, ``move`` or ``reset``."""


@dataclass(frozen=True)
class PoolChange:
    """One pool's table."""

    key: str
    """Pool and protocol; after the listener, if the table is its own."""
    pool: str
    slots: int
    moved: int
    """As event ``table`` will say."""
    shifts: tuple[Shift, ...]
    """The largest first."""
    connections: tuple[Connections, ...]
    tracked: int
    """Slots that are tracked afterwards."""
    formerly_tracked: int
    serving: int
    """Backends that have slots afterwards."""
    formerly_serving: int


@dataclass(frozen=True)
class VipMove:
    """A VIP that another site owns."""

    vip: str
    former: str
    """Empty: none owned it."""
    site: str
    """Empty: none will own it."""


@dataclass(frozen=True)
class EntryChange:
    """One entry of a switch."""

    what: str
    """``added``, ``modified`` or ``deleted``."""
    entry: str
    """In words."""


@dataclass(frozen=True)
class SwitchChange:
    """What is written to one switch."""

    switch: str
    added: int
    modified: int
    deleted: int
    connected: bool | None
    """Null: not known, since no controller was asked."""
    joins: bool = False
    """The intent names it for the first time."""
    leaves: bool = False
    """It is emptied, and no longer named."""
    entries: tuple[EntryChange, ...] = ()
    """As many as were asked for."""
    left_out: int = 0
    """Entries that are not listed for that reason; only if some were asked for."""


@dataclass(frozen=True)
class Preview:
    """What an intent would do."""

    revision: int
    """Of the commit that it was compared with."""
    refused: tuple[str, ...]
    """Why it would be refused; empty: it would be accepted."""
    hitless: Hitless
    losses: tuple[str, ...]
    """Which connections end at once, in words."""
    pools: tuple[PoolChange, ...]
    """Those in which anything changes."""
    vips: tuple[VipMove, ...]
    switches: tuple[SwitchChange, ...]
    """Those in which anything changes."""

    @property
    def empty(self) -> bool:
        """Nothing would change."""
        return not (self.pools or self.vips or self.switches)


def predecessors(before: Tables, after: Tables) -> dict[str, PoolState]:
    """By the key of each state: the one that it goes on from, which may have had another key. New ones are missing."""
    found = {}
    users: dict[str, list[str]] = {}
    for listener, key in after.bound.items():
        users.setdefault(key, []).append(listener)
    numbers = after.ids.ids(Space.POOL)
    formerly = {number: key for key, number in before.ids.ids(Space.POOL).items()}
    for key in after.pools:
        names = (
            key,
            formerly.get(numbers.get(key, 0), ""),
            *(before.bound.get(n, "") for n in users.get(key, ())),
        )
        old = next((before.pools[name] for name in names if name in before.pools), None)
        if old is not None:
            found[key] = old
    return found


def retabled(before: Tables, after: Tables) -> Iterator[tuple[str, PoolState | None, PoolState]]:
    """States with a new table: key, the state that it goes on from, the state. An event ``table`` says each."""
    known: dict[str, PoolState] | None = None
    for key, state in after.pools.items():
        if before.pools.get(key) is state:
            continue
        known = predecessors(before, after) if known is None else known
        old = known.get(key)
        if old is None or old.revision != state.revision:
            yield key, old, state


def pool_changes(
    new: Intent, before: Tables, after: Tables, now: float, pins: Counts, packets: Counts
) -> tuple[PoolChange, ...]:
    """All pools in which slots move, or whose backends' connections have another fate."""
    moved = {key: state.moved_from(old) for key, old, state in retabled(before, after)}
    names = {number: name for name, number in before.ids.ids(Space.BACKEND).items()}
    names |= {number: name for name, number in after.ids.ids(Space.BACKEND).items()}
    known, users, out = predecessors(before, after), _listeners(after), []
    for key, state in after.pools.items():
        old = known.get(key)
        if old is state:
            continue
        policy = pool_of(after, new, state.name)
        shifts = _shifts(old, state, names)
        judged = _Judged(new, after, users.get(key, ()), now, pins, packets)
        connections = () if old is None else tuple(judged.rows(old, state, policy))
        if not (shifts or connections or key in moved):
            continue
        out.append(
            PoolChange(
                key,
                state.name,
                len(state.now),
                moved.get(key, 0),
                shifts,
                connections,
                state.tracking.tracks,
                0 if old is None else old.tracking.tracks,
                len(state.serving),
                0 if old is None else len(old.serving),
            )
        )
    return tuple(out)


def vip_moves(
    old: Intent, new: Intent, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[VipMove]:
    """VIPs, by their new names, that another site owns afterwards. ``before``, ``after``: owners by VIP."""
    names = renames(old, new)
    former = {names.get(vip, vip): site for vip, site in before.items()}
    for vip in dict.fromkeys([*former, *after]):
        if former.get(vip, NONE) != after.get(vip, NONE):
            yield VipMove(vip, former.get(vip, NONE), after.get(vip, NONE))


def local_losses(old: Intent, new: Intent, moves: tuple[VipMove, ...]) -> Iterator[str]:
    """Connections of fullnat listeners that end since another switch, which lacks their ports, gets their packets."""
    fullnat: dict[str, list[str]] = {}
    for item in old.listeners():
        if item.mode is Mode.FULLNAT:
            fullnat.setdefault(item.vip, []).append(item.name)
    sites = {vip.name: vip.owners for vip in old.vips}
    for switch in old.switches:
        named = new.switch(switch.id)
        if Role.LB in switch.roles and (named is None or Role.LB not in named.roles):
            items = [name for vip, names in fullnat.items() if switch.site in sites[vip] for name in names]
            if items:
                yield f"switch {switch.name} leaves: connections of {', '.join(items)} that it serves are reset"
    for move in moves:
        if move.former and move.site and move.vip in fullnat:
            yield f"VIP {move.vip} moves: connections of {', '.join(fullnat[move.vip])} are reset (mode fullnat)"


def hitless(pools: tuple[PoolChange, ...], losses: tuple[str, ...]) -> Hitless:
    """Whether established connections outlive it."""
    rows = [row for pool in pools for row in pool.connections]
    if losses or any(row.outcome in (Outcome.MOVE, Outcome.RESET) for row in rows):
        return Hitless.NO
    ends = any(row.outcome is Outcome.DRAIN and row.then != Then.KEEP for row in rows)
    return Hitless.DRAINS if ends else Hitless.YES


def _listeners(tables: Tables) -> dict[str, tuple[int, ...]]:
    """Numbers of the listeners of each state."""
    numbers = tables.ids.ids(Space.LISTENER)
    found: dict[str, tuple[int, ...]] = {}
    for name, key in tables.bound.items():
        if name in numbers:
            found[key] = (*found.get(key, ()), numbers[name])
    return found


def _shifts(old: PoolState | None, state: PoolState, names: Mapping[int, str]) -> tuple[Shift, ...]:
    former: Slots = np.zeros_like(state.now) if old is None or len(old.now) != len(state.now) else old.now
    if former is state.now:
        return ()
    at = np.flatnonzero(former != state.now)
    pairs, counts = np.unique(former[at].astype(np.uint32) << 16 | state.now[at], return_counts=True)
    found = [
        Shift(_name(names, int(pair) >> 16), _name(names, int(pair) & 0xFFFF), int(count))
        for pair, count in zip(pairs, counts, strict=True)
    ]
    return tuple(sorted(found, key=lambda shift: (-shift.slots, shift.former, shift.now)))


def _name(names: Mapping[int, str], number: int) -> str:
    return names.get(number, f"id {number}") if number else NONE


@dataclass(frozen=True)
class _Judged:
    """By what the connections of one pool are judged."""

    intent: Intent
    tables: Tables
    listeners: tuple[int, ...]
    now: float
    pins: Counts
    packets: Counts

    def rows(self, old: PoolState, state: PoolState, policy: Pool) -> Iterator[Connections]:
        """One for each backend whose connections are concerned."""
        members = {member.id: member for member in (*old.members, *state.members)}
        size = len(old.now)
        most = max(members, default=0) + 1
        held = np.bincount(old.now, minlength=most)
        lost = np.bincount(old.now[old.now != state.now], minlength=most) if size == len(state.now) else held
        for number, member in members.items():
            if number not in old.fates:
                continue
            outcome = _outcome(old.fates[number], state.fates.get(number, Fate.MOVE))
            slots = int((lost if outcome is None else held)[number])
            pinned, packets = self._sum(self.pins, number), self._sum(self.packets, number)
            if outcome is None and not slots:
                continue
            seconds, then = self._drain(member, policy, state) if outcome is Outcome.DRAIN else (None, "")
            yield Connections(
                member.backend.name,
                outcome or Outcome.STAY,
                slots,
                slots / size,
                pinned,
                packets,
                seconds,
                then,
            )

    def _sum(self, counts: Counts, backend: int) -> int:
        return sum(counts.get((listener, backend), 0) for listener in self.listeners)

    def _drain(self, member: PoolMember, policy: Pool, state: PoolState) -> tuple[float, str]:
        """How long its connections stay, and what happens then."""
        rules = pool_of(self.tables, self.intent, member.origin) if member.origin else policy
        since = member.draining_since
        if since is None:
            down = on_down(rules, state.protocol)
            return down.keep_for, str(down.then)
        left = max(since + rules.drain_timeout - self.now, 0.0)
        if member.removed and rules.drain_then is Then.KEEP:
            return left + rules.memory_timeout, str(Then.MOVE)
        return left, str(rules.drain_then)


def _outcome(before: Fate, after: Fate) -> Outcome | None:
    """What an edit newly does to a backend's connections; None: nothing."""
    if before is after or after is Fate.NORMAL:
        return None
    return {Fate.DRAIN: Outcome.DRAIN, Fate.MOVE: Outcome.MOVE, Fate.RESET: Outcome.RESET}[after]
