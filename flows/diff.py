"""From what a switch holds to what it should hold: the least messages, in the order of ``flows.order``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from controller.spec.shards import Shards, differing
from controller.spec.slots import Bytes, Pairs, SlotTable
from flows import messages, order, slots
from flows.entries import Flow, FlowBody, FlowKey, Group, Meter, Target
from flows.order import Step
from flows.tables import POOL, SLOT, Kind, Placed

Thing = TypeVar("Thing", Group, Meter)
Numbers = npt.NDArray[np.integer[Any]]


@dataclass
class Phase:
    """Messages that may be carried out in any order."""

    messages: list[bytes] = field(default_factory=list)
    bulk: list[Bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.messages) + sum(len(rows) for rows in self.bulk)


@dataclass
class Changes:
    """Phases to be written one after the other."""

    phases: list[Phase]
    added: int = 0
    modified: int = 0
    deleted: int = 0
    conflicts: list[FlowKey] = field(default_factory=list)
    """Places that other people's flows hold: left alone."""
    touched: list[str] = field(default_factory=list)
    """The first few entries concerned, for people to read."""

    def __len__(self) -> int:
        return sum(len(phase) for phase in self.phases)


_NAMED = 5


def diff(placed: Placed, have: Target, want: Target, foreign: frozenset[FlowKey] = frozenset()) -> Changes:
    """What turns ``have`` into ``want``; nothing where they are equal.

    In the entry table, which others use too, a place that a foreign flow holds is left as it is (a conflict); in
    our own tables it is taken back.
    """
    steps = {step: Phase() for step in Step}
    out = Changes(list(steps.values()))
    _meters_and_groups(out, steps[Step.MAKE], steps[Step.UNMAKE], have, want)
    surplus = dict[FlowKey, FlowBody]()
    for here, there in differing(have.flows, want.flows):
        surplus |= {key: body for key, body in here.items() if key not in there}
        for key, body in there.items():
            old = here.get(key)
            if old is body or old == body:
                continue
            if key in foreign and key.table == placed.entry:
                out.conflicts.append(key)
                continue
            _count(out, key, "modified" if old else "added")
            steps[order.of_put(placed, key, body)].messages.append(_set(key, body, old))
    replaced = _slot_keys(placed, surplus, want)
    for key, body in surplus.items():
        if key not in replaced:
            _count(out, key, "deleted")
            phase = steps[order.of_deletion(placed, key, body, want.flows)]
            phase.messages.append(messages.flow_mod(Flow(key, body), messages.DELETE_STRICT))
    of_slots = (steps[Step.SHIELD], steps[Step.SLOTS], steps[Step.REST])
    for pool in _changed_pools(have, want):
        _slots(out, placed, pool, have.slots.get(pool), want.slots.get(pool), of_slots)
    out.phases = [phase for phase in out.phases if len(phase)]
    return out


def _changed_pools(have: Target, want: Target) -> list[int]:
    """Pools whose slots may differ: those of which both sides have the same arrays do not."""
    if have.slots is want.slots:
        return []
    pools = sorted({*have.slots, *want.slots})
    return [pool for pool in pools if not same_arrays(have.slots.get(pool), want.slots.get(pool))]


def same_arrays(old: SlotTable | None, new: SlotTable | None) -> bool:
    """Whether two tables are known to be equal without a look at their slots."""
    if old is None or new is None:
        return False
    columns = ("now", "before", "watched", "class_", "base", "home", "former", "aged")
    return old is new or all(getattr(old, name) is getattr(new, name) for name in columns)


def _slot_keys(placed: Placed, surplus: Iterable[FlowKey], want: Target) -> set[FlowKey]:
    """Places of slots among these flows: another program changed the flow there, and the slot's message replaces it."""
    fields = [{name: value for name, value, _ in key.match} for key in surplus]
    pools = {each[POOL] for each in fields if POOL in each and SLOT in each}
    if not pools:
        return set()
    tables = ((pool, want.slots[pool]) for pool in sorted(pools) if pool in want.slots)
    return {each.key for pool, table in tables for each in slots.flows_of(placed, pool, table)}


def share(found: Target, made: Target) -> Target:
    """What was found on a switch, sharing with ``made`` whatever is equal; ``made`` itself if all is.

    Takes a time in proportion to the size; what is compared with it later, and shares with ``made``, is compared fast.
    """
    put, gone = dict[FlowKey, FlowBody](), set[FlowKey]()
    for theirs, ours in differing(found.flows, made.flows):
        put |= {key: body for key, body in theirs.items() if ours.get(key) != body}
        gone |= ours.keys() - theirs.keys()
    slots = {pool: _share_table(table, made.slots.get(pool)) for pool, table in found.slots.items()}
    slots |= {pool: table for pool, table in made.slots.items() if pool not in slots and not _holds(table)}
    same_slots = slots.keys() == made.slots.keys() and all(slots[pool] is made.slots[pool] for pool in slots)
    same_rest = found.groups == made.groups and found.meters == made.meters
    if same_slots and same_rest and not put and not gone:
        return made
    flows = made.flows if isinstance(made.flows, Shards) else Shards(made.flows)
    return Target(
        flows.changed(put, gone),
        made.groups if found.groups == made.groups else found.groups,
        made.meters if found.meters == made.meters else found.meters,
        made.slots if same_slots else slots,
    )


def _share_table(found: SlotTable, made: SlotTable | None) -> SlotTable:
    return made if made is not None and found.equals(made) else found


def _holds(table: SlotTable) -> bool:
    """Whether any flow comes of it."""
    columns = (table.now, table.before, table.watched, table.class_, table.base, table.home)
    return any(column.any() for column in columns)


def leases(want: Target, foreign: frozenset[FlowKey] = frozenset()) -> Changes:
    """Messages that renew every flow with a hard timeout, but for places that others hold."""
    among = want.flows if want.entry is None else want.entry
    mine = ((key, body) for key, body in among.items() if body.hard and key not in foreign)
    due = [messages.flow_mod(Flow(key, body)) for key, body in mine]
    return Changes([Phase(due)] if due else [])


def describe(key: FlowKey) -> str:
    """An entry as people write it."""
    fields = ",".join(
        f"{n}={v:#x}" + ("" if m is None else f"/{m:#x}") for n, v, m in sorted(key.match, key=str)
    )
    return f"table={key.table},priority={key.priority},{fields}"


def _count(out: Changes, key: FlowKey, what: str) -> None:
    setattr(out, what, getattr(out, what) + 1)
    if len(out.touched) < _NAMED:
        out.touched.append(f"{what} {describe(key)}")


def _note(out: Changes, what: str, count: int, text: str) -> None:
    setattr(out, what, getattr(out, what) + count)
    if count and len(out.touched) < _NAMED:
        out.touched.append(f"{what} {text}")


def _set(key: FlowKey, body: FlowBody, old: FlowBody | None) -> bytes:
    same_life = old is not None and (old.cookie, old.idle, old.hard, old.notify) == (
        body.cookie,
        body.idle,
        body.hard,
        body.notify,
    )
    # A modification keeps the counters; only an addition can change timeouts, cookie and flags.
    return messages.flow_mod(Flow(key, body), messages.MODIFY_STRICT if same_life else messages.ADD)


def _meters_and_groups(out: Changes, first: Phase, last: Phase, have: Target, want: Target) -> None:
    if have.meters is not want.meters:
        _things(out, first, last, have.meters, want.meters, messages.meter_mod, "meter")
    if have.groups is not want.groups:
        _things(out, first, last, have.groups, want.groups, messages.group_mod, "group")


def _things(
    out: Changes,
    first: Phase,
    last: Phase,
    have: Mapping[int, Thing],
    want: Mapping[int, Thing],
    build: Callable[[Thing, int], bytes],
    name: str,
) -> None:
    for number, thing in want.items():
        old = have.get(number)
        if old != thing:
            first.messages.append(build(thing, 0 if old is None else 1))
            _note(out, "added" if old is None else "modified", 1, f"{name} {number}")
    for number, thing in have.items():
        if number not in want:
            last.messages.append(build(thing, 2))
            _note(out, "deleted", 1, f"{name} {number}")


def _slots(
    out: Changes,
    placed: Placed,
    pool: int,
    have: SlotTable | None,
    want: SlotTable | None,
    phases: tuple[Phase, Phase, Phase],
) -> None:
    shield, base, rest = phases
    size = max(len(table.now) for table in (have, want) if table is not None)
    have, want = _sized(have, size), _sized(want, size)
    for kind, old, new, phase in (
        (Kind.TRANSITION, have.before, want.before, shield),
        (Kind.TRACKED, have.class_, want.class_, shield),
        (Kind.BASE, have.base, want.base, shield),
        (Kind.HOME, have.home, want.home, shield),
        (Kind.SLOT, have.now, want.now, base),
    ):
        set_ = np.flatnonzero((new != 0) & (new != old))
        gone = np.flatnonzero((new == 0) & (old != 0))
        _bulk(phase, slots.write, placed, kind, pool, set_, new[set_])
        _bulk(rest, slots.remove, placed, kind, pool, gone, old[gone])
        _note(out, "modified", int(np.count_nonzero(old[set_])), f"{kind.name.lower()}s of pool {pool}")
        _note(out, "added", int(np.count_nonzero(old[set_] == 0)), f"{kind.name.lower()}s of pool {pool}")
        _note(out, "deleted", len(gone), f"{kind.name.lower()}s of pool {pool}")
    for kind, has, wants in (
        (Kind.EXCEPTION, have.watched, want.watched),
        (Kind.YOUNG, have.young, want.young),
        (Kind.FORMER, have.former, want.former),
        (Kind.AGED, have.aged, want.aged),
    ):
        new_pairs, old_pairs = _only(wants, has), _only(has, wants)
        _bulk(shield, slots.write, placed, kind, pool, new_pairs & 0xFFFF, new_pairs >> 16)
        _bulk(rest, slots.remove, placed, kind, pool, old_pairs & 0xFFFF, old_pairs >> 16)
        _note(out, "added", len(new_pairs), f"watches of pool {pool}")
        _note(out, "deleted", len(old_pairs), f"watches of pool {pool}")


def _only(pairs: Pairs, others: Pairs) -> Pairs:
    """Those that are not among the others."""
    return np.setdiff1d(pairs, others) if len(pairs) and len(others) else pairs


def _sized(table: SlotTable | None, size: int) -> SlotTable:
    table = SlotTable.empty(size) if table is None else table
    columns = {name: getattr(table, name) for name in ("now", "before", "class_", "base", "home")}
    padded = {name: np.pad(column, (0, size - len(column))) for name, column in columns.items()}
    return replace(table, **padded)


def _bulk(
    phase: Phase,
    build: Callable[[Placed, Kind, int, Numbers, Numbers], Bytes],
    placed: Placed,
    kind: Kind,
    pool: int,
    which: Numbers,
    backends: Numbers,
) -> None:
    if len(which):
        phase.bulk.append(build(placed, kind, pool, which, backends))
