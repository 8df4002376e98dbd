"""What the oracle promises: each branch of the pipeline as a row, and memory that no table can overrule."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import ovs_hash
from controller.decision import DecidedBy, Decision, Remember, Tell, after, decide
from controller.lbstate import ConnectionKey, Generation, LbPool, LbState, Packet, Remembered, connection_key
from controller.plan.pins import PinKey
from controller.spec.slots import SlotTable
from controller.spec.switch import Fate, ListenerSpec, VipSpec
from controller.spec.types import Mode, Protocol

OLD, NEW, OTHER = 7, 8, 9
POOL, SLOTS = 3, 256
CLIENT = IPv4Address("10.0.0.1")
SYN, ACK, UDP, STICKY, STICKY_SYN = "syn", "ack", "udp", "sticky", "sticky syn"
SLOT = 0xBA
"""10.0.0.1 port 1234 hashes to 0x..67ba (see test_ovs_hash)."""
SOURCE_SLOT = ovs_hash.slot(CLIENT, 0, SLOTS)

VIP = VipSpec(2, IPv4Address("10.0.0.100"), "02:45:56:00:01:01", 30)
LISTENERS = (
    ListenerSpec(1, VIP, Protocol.TCP, 80, 80, POOL, Mode.DR, sticky=False),
    ListenerSpec(2, VIP, Protocol.UDP, 53, 53, POOL, Mode.DR, sticky=False),
    ListenerSpec(3, VIP, Protocol.TCP, 443, 443, POOL, Mode.DR, sticky=True),
)
PACKETS = {
    SYN: Packet(CLIENT, 1234, VIP.address, 80, Protocol.TCP, syn=True),
    ACK: Packet(CLIENT, 1234, VIP.address, 80, Protocol.TCP),
    UDP: Packet(CLIENT, 1234, VIP.address, 53, Protocol.UDP),
    STICKY: Packet(CLIENT, 1234, VIP.address, 443, Protocol.TCP),
    STICKY_SYN: Packet(CLIENT, 1234, VIP.address, 443, Protocol.TCP, syn=True),
}


def table(now: int = NEW, before: int = 0, watched: tuple[tuple[int, int], ...] = ()) -> SlotTable:
    """Every slot the same; ``watched`` as (backend, slot)."""
    pairs = np.array(sorted(backend << 16 | slot for backend, slot in watched), np.uint32)
    return SlotTable(np.full(SLOTS, now, np.uint16), np.full(SLOTS, before, np.uint16), pairs)


def state(
    slots: SlotTable,
    fate: Fate = Fate.NORMAL,
    pinned: int | None = None,
    memory: Remembered | None = None,
    gone: int = 0,
) -> LbState:
    """``fate`` is OLD's; ``pinned`` and ``memory`` are of the connection of every packet in ``PACKETS``.

    The pool has all backends that are named anywhere, but for ``gone``.
    """
    pins: dict[PinKey, int] = {}
    if pinned is not None:
        pins = {
            PinKey(1, CLIENT, 1234): pinned,
            PinKey(2, CLIENT, 1234): pinned,
            PinKey(3, CLIENT, 0): pinned,
        }
    keys = {
        ConnectionKey(2, Protocol.TCP, CLIENT, 1234, 80),
        ConnectionKey(2, Protocol.UDP, CLIENT, 1234, 53),
        ConnectionKey(2, Protocol.TCP, CLIENT, 1, POOL),
    }
    named = {*range(1, 21), pinned or OLD, OLD if memory is None else memory.backend} - {gone}
    fates = {**dict.fromkeys(named, Fate.NORMAL), **({OLD: fate} if gone != OLD else {})}
    return LbState(
        LISTENERS,
        {POOL: LbPool(slots, fates, {OLD: "old", NEW: "new"})},
        pins,
        dict.fromkeys(keys, memory) if memory is not None else {},
    )


QUIET = Tell.NOTHING
KEPT, ANEW, EMBRYO, NOTHING = Remember.KEPT, Remember.OVERWRITTEN, Remember.NEW, Remember.NOTHING
PIN, MEMORY, TRANSITION, BY_SLOT = DecidedBy.PIN, DecidedBy.MEMORY, DecidedBy.TRANSITION, DecidedBy.SLOT
HELD = Remembered(OLD, 5)
WATCHED = table(watched=((OLD, 5),))
YOUNG = replace(table(), young=WATCHED.watched)
MOVING, SETTLED, EMPTY, EMPTIED = table(before=OTHER), table(), table(now=0), table(now=0, before=OTHER)


@pytest.mark.parametrize(
    ("packet", "switch", "expected"),
    [
        # Neither pinned nor remembered: the slot decides.
        (SYN, state(SETTLED), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (ACK, state(SETTLED), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (UDP, state(SETTLED), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (STICKY, state(SETTLED), Decision(NEW, BY_SLOT, SOURCE_SLOT, QUIET, EMBRYO)),
        (SYN, state(MOVING), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (ACK, state(MOVING), Decision(OTHER, TRANSITION, SLOT, QUIET, EMBRYO)),
        (UDP, state(MOVING), Decision(OTHER, TRANSITION, SLOT, QUIET, EMBRYO)),
        (STICKY, state(MOVING), Decision(OTHER, TRANSITION, SOURCE_SLOT, QUIET, EMBRYO)),
        (STICKY_SYN, state(MOVING), Decision(NEW, BY_SLOT, SOURCE_SLOT, QUIET, EMBRYO)),
        (SYN, state(EMPTY), Decision(None, DecidedBy.NO_BACKEND, SLOT, QUIET, NOTHING)),
        (ACK, state(EMPTY), Decision(None, DecidedBy.NO_BACKEND, SLOT, QUIET, NOTHING)),
        (SYN, state(EMPTIED), Decision(None, DecidedBy.NO_BACKEND, SLOT, QUIET, NOTHING)),
        (ACK, state(EMPTIED), Decision(OTHER, TRANSITION, SLOT, QUIET, EMBRYO)),
        # Memory outranks the slot, whatever it names.
        (SYN, state(SETTLED, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (ACK, state(MOVING, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (UDP, state(EMPTY, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (STICKY, state(SETTLED, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        # Exceptions: the pair counts, not the slot alone nor the backend alone.
        (ACK, state(WATCHED, memory=HELD), Decision(OLD, MEMORY, 5, Tell.EXCEPTION, KEPT)),
        (SYN, state(WATCHED, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (ACK, state(YOUNG, memory=HELD), Decision(OLD, MEMORY, 5, Tell.YOUNG, KEPT)),
        (SYN, state(YOUNG, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (ACK, state(WATCHED, memory=Remembered(OLD, 6)), Decision(OLD, MEMORY, 6, QUIET, KEPT)),
        (ACK, state(WATCHED, memory=Remembered(NEW, 5)), Decision(NEW, MEMORY, 5, QUIET, KEPT)),
        (ACK, state(WATCHED, Fate.DRAIN, memory=HELD), Decision(OLD, MEMORY, 5, Tell.EXCEPTION, KEPT)),
        # A pin outranks memory, and is never an exception.
        (ACK, state(SETTLED, pinned=OLD), Decision(OLD, PIN, None, QUIET, NOTHING)),
        # A SYN on a pinned tuple opens a new connection: the pin was a former one's.
        (SYN, state(SETTLED, pinned=OLD), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (STICKY_SYN, state(SETTLED, pinned=OLD), Decision(OLD, PIN, None, QUIET, NOTHING)),
        (UDP, state(WATCHED, pinned=OTHER, memory=HELD), Decision(OTHER, PIN, None, QUIET, NOTHING)),
        (STICKY, state(SETTLED, pinned=OLD), Decision(OLD, PIN, None, QUIET, NOTHING)),
        # Draining: what opens a connection goes elsewhere, unless the source is what is kept.
        (SYN, state(SETTLED, Fate.DRAIN, memory=HELD), Decision(NEW, BY_SLOT, SLOT, QUIET, ANEW)),
        (ACK, state(SETTLED, Fate.DRAIN, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (UDP, state(SETTLED, Fate.DRAIN, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (STICKY_SYN, state(SETTLED, Fate.DRAIN, memory=HELD), Decision(OLD, MEMORY, 5, QUIET, KEPT)),
        (SYN, state(SETTLED, Fate.DRAIN, pinned=OLD), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (ACK, state(SETTLED, Fate.DRAIN, pinned=OLD), Decision(OLD, PIN, None, QUIET, NOTHING)),
        # Moving: everything is decided again, by the slot
        (SYN, state(SETTLED, Fate.MOVE, memory=HELD), Decision(NEW, BY_SLOT, SLOT, QUIET, ANEW)),
        (ACK, state(SETTLED, Fate.MOVE, memory=HELD), Decision(NEW, BY_SLOT, SLOT, QUIET, ANEW)),
        # ... but its slot's former backend has nothing to do with what another one gave away,
        (ACK, state(MOVING, Fate.MOVE, memory=HELD), Decision(NEW, BY_SLOT, SLOT, QUIET, ANEW)),
        (STICKY, state(MOVING, Fate.MOVE, memory=HELD), Decision(NEW, BY_SLOT, SOURCE_SLOT, QUIET, ANEW)),
        # ... and may itself give away what is not remembered.
        (ACK, state(table(before=OLD), Fate.DRAIN), Decision(OLD, TRANSITION, SLOT, QUIET, EMBRYO)),
        (SYN, state(table(before=OLD), Fate.DRAIN), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (ACK, state(table(before=OLD), Fate.MOVE), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (ACK, state(table(before=OLD), Fate.RESET), Decision(NEW, BY_SLOT, SLOT, QUIET, EMBRYO)),
        (ACK, state(SETTLED, Fate.MOVE, pinned=OLD), Decision(NEW, BY_SLOT, SLOT, QUIET, ANEW)),
        (
            STICKY,
            state(SETTLED, Fate.MOVE, memory=HELD),
            Decision(NEW, BY_SLOT, SOURCE_SLOT, QUIET, ANEW),
        ),
        (ACK, state(WATCHED, Fate.MOVE, memory=HELD), Decision(NEW, BY_SLOT, SLOT, QUIET, ANEW)),
        (
            ACK,
            state(EMPTY, Fate.MOVE, memory=HELD),
            Decision(None, DecidedBy.NO_BACKEND, SLOT, QUIET, KEPT),
        ),
        (
            ACK,
            state(EMPTY, Fate.MOVE, pinned=OLD),
            Decision(None, DecidedBy.NO_BACKEND, SLOT, QUIET, NOTHING),
        ),
        # Reset: the controller ends what exists; what opens a connection goes elsewhere, sticky or not.
        (ACK, state(SETTLED, Fate.RESET, memory=HELD), Decision(None, DecidedBy.RESET, 5, QUIET, KEPT)),
        (UDP, state(SETTLED, Fate.RESET, memory=HELD), Decision(None, DecidedBy.RESET, 5, QUIET, KEPT)),
        (ACK, state(WATCHED, Fate.RESET, memory=HELD), Decision(None, DecidedBy.RESET, 5, QUIET, KEPT)),
        (
            ACK,
            state(SETTLED, Fate.RESET, pinned=OLD),
            Decision(None, DecidedBy.RESET, None, QUIET, NOTHING),
        ),
        (SYN, state(SETTLED, Fate.RESET, memory=HELD), Decision(NEW, BY_SLOT, SLOT, QUIET, ANEW)),
        (
            STICKY_SYN,
            state(SETTLED, Fate.RESET, memory=HELD),
            Decision(NEW, BY_SLOT, SOURCE_SLOT, QUIET, ANEW),
        ),
    ],
)
def test_each_branch_decides_as_the_pipeline_does(packet: str, switch: LbState, expected: Decision) -> None:
    assert replace(decide(PACKETS[packet], switch), reasons=()) == expected


@pytest.mark.parametrize(
    "packet",
    [
        replace(PACKETS[SYN], destination_port=81),
        replace(PACKETS[SYN], destination=IPv4Address("10.0.0.101")),
        replace(PACKETS[UDP], destination_port=80),
    ],
    ids=["port", "address", "protocol"],
)
def test_a_packet_that_no_listener_claims_is_not_decided(packet: Packet) -> None:
    decision = decide(packet, state(SETTLED))
    assert (decision.backend, decision.by, decision.slot) == (None, DecidedBy.NO_LISTENER, None)
    assert decision.reasons[0].startswith("listener: none")


@pytest.mark.parametrize(
    ("packet", "found", "left"),
    [
        (ACK, Generation.NOW, Generation.NOW),
        (SYN, Generation.NOW, Generation.NOW),
        (ACK, Generation.BEFORE, Generation.NOW),
        (SYN, Generation.BEFORE, Generation.NOW),
        (ACK, Generation.NEW, Generation.NOW),
        (UDP, Generation.NEW, Generation.NOW),
        (SYN, Generation.NEW, Generation.NEW),
    ],
)
def test_a_second_packet_moves_memory_into_the_current_generation_but_a_repeated_syn_does_not(
    packet: str, found: Generation, left: Generation
) -> None:
    switch = state(SETTLED, memory=Remembered(OLD, 5, found))
    sent = PACKETS[packet]
    later = after(sent, switch, decide(sent, switch))
    assert later.memory[connection_key(sent, LISTENERS[1 if packet == UDP else 0])] == Remembered(
        OLD, 5, left
    )


@pytest.mark.parametrize(("pinned", "memory"), [(OLD, None), (None, HELD), (OLD, HELD)])
@pytest.mark.parametrize("slots", [SETTLED, MOVING, EMPTIED])
@pytest.mark.parametrize("packet", [SYN, ACK, UDP, STICKY, STICKY_SYN])
def test_what_is_remembered_of_no_backend_of_the_pool_counts_as_unknown_and_is_overwritten(
    packet: str, slots: SlotTable, pinned: int | None, memory: Remembered | None
) -> None:
    switch = state(slots, pinned=pinned, memory=memory, gone=OLD)
    decision, unknown = decide(PACKETS[packet], switch), decide(PACKETS[packet], state(slots))
    assert (decision.backend, decision.by, decision.slot) == (unknown.backend, unknown.by, unknown.slot)
    retracted = packet == SYN and memory is None
    if decision.backend is not None and not retracted:
        assert decision.remember is ANEW
        assert "none of this pool's backends" in " ".join(decision.reasons)


def test_reasons_tell_every_stage_in_order_and_name_backends() -> None:
    switch = state(MOVING, Fate.MOVE, memory=HELD)
    reasons = decide(PACKETS[ACK], switch).reasons
    assert [reason.partition(":")[0] for reason in reasons] == [
        "listener", "pin", "memory", "fate", "slot",
    ]  # fmt: skip
    assert "old from slot 5" in reasons[2]
    assert "names new" in reasons[4]
    assert "from backend 9" in reasons[4]
    unknown = decide(PACKETS[ACK], state(MOVING)).reasons
    assert "transition" in unknown[3]
    assert "moves to new" in unknown[3]
    assert "backend 9" in unknown[3]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": IPv6Address("fd00::1")}, "not of one IP version"),
        ({"source_port": 65_536}, "port 65536 is not from 0 to 65535"),
        ({"destination_port": -1}, "port -1 is not"),
        ({"protocol": Protocol.UDP, "syn": True}, "udp has no SYN"),
    ],
)
def test_impossible_packets_cannot_be_made(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PACKETS[ACK], **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("slots", [0, 100, 1 << 17])
def test_a_pool_whose_slots_no_hash_can_reach_cannot_be_made(slots: int) -> None:
    with pytest.raises(ValueError, match=f"pool of {slots} slots"):
        LbPool(SlotTable.empty(slots))


def test_a_pin_for_a_source_holds_for_all_its_ports_and_a_pin_for_a_port_for_no_other() -> None:
    pinned = state(SETTLED, pinned=OLD)
    assert decide(replace(PACKETS[STICKY], source_port=9), pinned).by is DecidedBy.PIN
    assert decide(replace(PACKETS[ACK], source_port=9), pinned).by is DecidedBy.SLOT


IDS = st.integers(1, 65_535)
CELLS = st.integers(0, 65_535)


@st.composite
def tables(draw: st.DrawFn) -> SlotTable:
    """Any table of 256 slots, some of them watched."""
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    now = seed.integers(0, 20, SLOTS).astype(np.uint16)
    before = (seed.integers(0, 20, SLOTS) * seed.integers(0, 2, SLOTS)).astype(np.uint16)
    watched = np.unique(seed.integers(1, 20, 50) << 16 | seed.integers(0, SLOTS, 50)).astype(np.uint32)
    return SlotTable(now, before, watched)


@given(tables(), IDS, CELLS, st.sampled_from(list(PACKETS)), st.sampled_from(list(Generation)))
def test_a_remembered_connection_of_a_normal_backend_never_moves_whatever_the_table(
    slots: SlotTable, backend: int, slot: int, packet: str, generation: Generation
) -> None:
    switch = state(slots, memory=Remembered(backend, slot, generation))
    decision = decide(PACKETS[packet], switch)
    assert (decision.backend, decision.by, decision.slot) == (backend, DecidedBy.MEMORY, slot)
    assert (decision.tell is Tell.EXCEPTION) == (
        not PACKETS[packet].syn and (backend << 16 | slot) in slots.watched.tolist()
    )


@given(tables(), tables(), st.lists(st.sampled_from([ACK, SYN]), min_size=1, max_size=5))
def test_a_connection_stays_where_its_first_packet_went_when_the_table_changes(
    first: SlotTable, second: SlotTable, packets: list[str]
) -> None:
    switch = state(first)
    opened = decide(PACKETS[SYN], switch)
    switch = after(PACKETS[SYN], switch, opened)
    switch = replace(switch, pools={POOL: replace(switch.pools[POOL], table=second)})
    for packet in packets:
        decision = decide(PACKETS[packet], switch)
        if opened.backend is not None:
            assert decision.backend == opened.backend
        switch = after(PACKETS[packet], switch, decision)


@given(tables(), st.integers(0, 65_535), st.booleans())
def test_unknown_connections_get_what_their_slot_holds_by_the_rule_of_the_transition(
    slots: SlotTable, port: int, syn: bool
) -> None:
    packet = Packet(CLIENT, port, VIP.address, 80, Protocol.TCP, syn)
    slot = ovs_hash.slot(CLIENT, port, SLOTS)
    now, before = int(slots.now[slot]), int(slots.before[slot])
    wanted = before if before and not syn else now
    assert decide(packet, state(slots)).backend == (wanted or None)


@given(tables(), IDS, st.sampled_from([name for name in PACKETS if name != SYN]))
def test_a_pin_to_a_normal_backend_always_wins_and_leaves_memory_alone(
    slots: SlotTable, backend: int, packet: str
) -> None:
    switch = state(slots, pinned=backend, memory=HELD)
    decision = decide(PACKETS[packet], switch)
    assert (decision.backend, decision.by) == (backend, DecidedBy.PIN)
    assert after(PACKETS[packet], switch, decision) == switch
