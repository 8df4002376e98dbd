"""`slotted`: the slot of a TCP connection without a decision of its own in the switch's cache.

    bits       entry, or hash ─► bits of port and address are the slot
    datapath   entry, or guard ─► group: the datapath hashes, and the packet comes back ─► slotted ─► pin
               hash (the packet brings its hash along) ─► bits of the hash are the slot

A ``select`` group without a selection method has the datapath hash its packets. Its buckets would be 256 at most; but
what comes to the only bucket has the hash in ``dp_hash``, of which any bits can be moved. Open vSwitch then caches one
decision for each slot, where ``multipath`` costs one for each connection. A group hashes a packet once: there can be
one on its way through the switch.

Slots are taken from here wherever they are needed. Listeners that remember all connections have the hash of ``choose``.
"""

from __future__ import annotations

from controller.spec.spread import PORT_FROM, Spread, bit_counts
from controller.spec.switch import ListenerSpec, PoolSpec
from flows.actions import (
    HASH_L3L4,
    Action,
    Bits,
    Load,
    Move,
    Multipath,
    Report,
    Resubmit,
    Set,
    ToGroup,
    pack_all,
    whole,
)
from flows.entries import ANY, SELECT, Bucket, Flow, Group, flow
from flows.match import PROTO_TCP, Match
from flows.spec import FAMILIES, Family, Here, family_of, src_field
from flows.tables import (
    FLAG_REMEMBER,
    FLAG_TRIAL,
    FLAGS,
    PERIOD,
    POOL,
    SLOT,
    TRACK,
    Kind,
    Meters,
    Placed,
    Stage,
)

HASHED = "reg0"
"""Has the datapath's hash when the switch is asked for it; ``SLOW`` that of the slow path."""
SLOW = "reg1"


def group(placed: Placed) -> Group:
    """The group that has the datapath hash."""
    back = pack_all((Resubmit(placed.table(Stage.SLOTTED)),))
    return Group(placed.place.groups_from, (Bucket(ANY, back, weight=1),), SELECT)


def hashes(placed: Placed) -> tuple[Action, ...]:
    """Let the datapath hash a packet; it goes on at ``slotted``."""
    return (ToGroup(group(placed).id),)


def claimed(listener: ListenerSpec) -> tuple[Action, ...]:
    """What a listener's claim loads of the slot."""
    if listener.spread is not Spread.BITS:
        return ()
    return _bits(family_of(listener), src_field(listener), listener.slots)


def static(here: Here) -> list[Flow]:
    """What the switch is asked for: the hash of a packet of the controller's own."""
    placed = here.placed
    asked = Match.of(**{FLAGS: (FLAG_TRIAL, FLAG_TRIAL)})
    tell = (Move(whole("dp_hash"), whole(HASHED)), Report(placed.meter(Meters.REPORTS)))
    return [flow(placed.table(Stage.SLOTTED), 60, asked, tell, cookie=placed.cookie(Kind.HASH))]


def question(placed: Placed) -> tuple[Action, ...]:
    """What to do with such a packet."""
    slow = Multipath(HASH_L3L4, 0, 1 << 16, Bits(SLOW, 0, 16))
    return (Set(FLAGS, FLAG_TRIAL), slow, *hashes(placed))


def pool(here: Here, made: PoolSpec) -> list[Flow]:
    """Slots of one pool's connections, on their way to ``pin``, and wherever they are needed again."""
    if made.spread is Spread.OWN:
        return []
    again = [_again(here, kin, made) for kin in FAMILIES]
    if made.spread is Spread.BITS:
        return again
    placed = here.placed
    this = Match.of(**{POOL: made.id})
    slot = (*_hash(made.slots), Resubmit(placed.table(Stage.PIN)))
    return [flow(placed.table(Stage.SLOTTED), 10, this, slot, cookie=placed.cookie(Kind.STATIC)), *again]


def _again(here: Here, kin: Family, made: PoolSpec) -> Flow:
    """In place of ``choose``'s hash, for listeners that do not remember all."""
    placed = here.placed
    table, cookie = placed.table(Stage.HASH), placed.cookie(Kind.STATIC)
    these = kin.ip.plus(ip_proto=PROTO_TCP).plus(**{POOL: made.id}).plus(**{FLAGS: (0, FLAG_REMEMBER)})
    slot = _bits(kin, "tcp_src", made.slots) if made.spread is Spread.BITS else _hash(made.slots)
    period = Load(made.period, Bits(TRACK, *PERIOD))
    return flow(table, 25, these, (*slot, period), cookie=cookie, goto=placed.table(Stage.SLOT))


def _bits(kin: Family, port: str, slots: int) -> tuple[Action, ...]:
    counts = bit_counts(slots)
    return (
        Set(SLOT, 0),
        Move(Bits(port, PORT_FROM, counts.port), Bits(SLOT, 0, counts.port)),
        Move(Bits(kin.src, 0, counts.address), Bits(SLOT, counts.port, counts.address)),
    )


def _hash(slots: int) -> tuple[Action, ...]:
    count = slots.bit_length() - 1
    return (Set(SLOT, 0), Move(Bits("dp_hash", 0, count), Bits(SLOT, 0, count)))
