"""The oracle on settled and tracked slots: what ``plan/slotrule`` says, whatever the slot and the memory are."""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import ovs_hash
from controller.decision import DecidedBy, Remember, Tell, after, decide
from controller.lbstate import ConnectionKey, LbPool, LbState, Packet, Remembered
from controller.plan.pins import PinKey
from controller.plan.slotrule import Memory, Report, SlotEntry, choose
from controller.plan.tracking import Tracking, slot_table
from controller.spec.switch import CLASSES, MIGRATED, PERIODS, Fate, ListenerSpec, VipSpec
from controller.spec.types import Mode, Protocol

POOL, SLOTS, PORT = 3, 16, 40_000
CLIENT = IPv4Address("10.0.0.1")
VIP = VipSpec(2, IPv4Address("10.0.0.100"), "02:45:56:00:01:01", 30)
LISTENER = ListenerSpec(1, VIP, Protocol.TCP, 80, 80, POOL, Mode.DR, sticky=False, remembers=False)
SLOT = ovs_hash.slot(CLIENT, PORT, SLOTS)
KEY = ConnectionKey(VIP.id, Protocol.TCP, CLIENT, PORT, 80)
BACKENDS = (1, 2, 3)
_TOLD = {
    Report.NONE: {Tell.NOTHING, Tell.YOUNG},
    Report.OPENED: {Tell.EXCEPTION},
    Report.FOUND: {Tell.FOUND},
}


def packet(*, syn: bool) -> Packet:
    return Packet(CLIENT, PORT, VIP.address, 80, Protocol.TCP, syn)


def tracking(entry: SlotEntry) -> Tracking:
    """All slots like this one; what is not ``now`` was its owner before."""
    slots = np.arange(SLOTS)
    full = Tracking.of(np.full(SLOTS, entry.now, np.uint16))
    tracked = np.full(SLOTS, entry.class_ > 0)
    former = [b << 16 | int(s) for b in BACKENDS if entry.class_ for s in slots]
    return Tracking(
        full.now,
        np.full(SLOTS, entry.base, np.uint16),
        np.full(SLOTS, entry.class_, np.uint8),
        tracked,
        full.written,
        np.zeros(SLOTS),
        full.moved_until,
        np.full(SLOTS, entry.ages),
        former=np.array(sorted(former), np.uint32),
    )


def state(entry: SlotEntry, memory: Remembered | None = None, period: int = 0) -> LbState:
    table = slot_table(tracking(entry), BACKENDS)
    pool = LbPool(table, dict.fromkeys(BACKENDS, Fate.NORMAL), period=period)
    return LbState((LISTENER,), {POOL: pool}, memory={} if memory is None else {KEY: memory})


@st.composite
def entries(draw: st.DrawFn) -> SlotEntry:
    now, class_ = draw(st.sampled_from(BACKENDS)), draw(st.integers(0, MIGRATED))
    base = draw(st.sampled_from((0, *BACKENDS))) if class_ else 0
    return SlotEntry(now, base, class_, base, bool(class_) and draw(st.booleans()))


@st.composite
def memories(draw: st.DrawFn) -> Remembered:
    return Remembered(
        draw(st.sampled_from(BACKENDS)),
        SLOT,
        class_=draw(st.integers(0, MIGRATED)),
        period=draw(st.integers(0, PERIODS - 1)),
        opened=draw(st.booleans()),
    )


@given(entries(), st.none() | memories(), st.booleans(), st.integers(0, PERIODS - 1))
def test_the_oracle_follows_the_rule(
    entry: SlotEntry, memory: Remembered | None, syn: bool, period: int
) -> None:
    switch = state(entry, memory, period)
    found = None
    if memory is not None:
        old = switch.pools[POOL].old(memory.period)
        found = Memory(memory.backend, memory.class_, old, memory.opened)
    wanted = choose(entry, found, syn)
    decision = decide(packet(syn=syn), switch)
    assert decision.backend == wanted.backend
    assert (decision.remember is not Remember.NOTHING) is wanted.remember
    young = wanted.report is Report.NONE and found is not None and not found.opened
    assert decision.tell in (_TOLD[wanted.report] | ({Tell.FOUND} if young else set()))


@given(entries(), st.booleans())
def test_what_is_remembered_of_a_tracked_slot_has_its_class_and_how_it_came(
    entry: SlotEntry, syn: bool
) -> None:
    switch = state(entry, period=5)
    made = after(packet(syn=syn), switch, decide(packet(syn=syn), switch)).memory.get(KEY)
    if not entry.class_:
        assert made is None
    else:
        assert made is not None
        assert (made.class_, made.period) == (entry.class_, 5)
        assert made.opened is syn


def test_a_settled_slot_is_stateless_whatever_is_remembered() -> None:
    switch = state(SlotEntry(1), Remembered(2, SLOT))
    decision = decide(packet(syn=False), switch)
    assert (decision.backend, decision.by, decision.remember) == (1, DecidedBy.SETTLED, Remember.NOTHING)
    assert "stateless" in decision.reasons[-1]


def test_a_pin_outranks_a_settled_slot_and_a_syn_the_pin() -> None:
    switch = LbState((LISTENER,), state(SlotEntry(1)).pools, pins={PinKey(LISTENER.id, CLIENT, PORT): 2})
    assert decide(packet(syn=False), switch).backend == 2
    opens = decide(packet(syn=True), switch)
    assert (opens.backend, opens.by) == (1, DecidedBy.SETTLED)


@pytest.mark.parametrize("class_", range(1, CLASSES + 1))
def test_memory_without_a_class_is_believed_only_on_slots_that_moved_before_there_were_any(
    class_: int,
) -> None:
    known = Remembered(2, SLOT)
    assert decide(packet(syn=False), state(SlotEntry(1, 3, MIGRATED, 3), known)).backend == 2
    assert decide(packet(syn=False), state(SlotEntry(1, 3, class_, 3), known)).backend == 3
