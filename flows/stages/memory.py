"""`memory`: conntrack marks in generations of zones, so that one-way connections outlive conntrack's own timer.

    memory ─► look ahead at the slot ─settled─────────► backend
       │          └tracked, or remembered anyway
       └────► ct(now) ─hit────────────────────────────► fate
                └miss─► ct(before) ─hit─ copy to now ─► fate
                            └miss─► ct(new) ─hit─ promote (no SYN) ─► fate
                                        └miss─► unknown

The mark is backend << 16 | slot; the label has the listener, the class of the tracked time in which the connection was
opened, and when. What was remembered in another one is not believed.

Seen from one side only, a connection stays SYN_SENT in conntrack and is never refreshed; its entry lives as long as the
zone's timeout says. With that timeout at two generations and more, and lookups in this generation's zone and the one
before, whatever spoke within one generation is still known.
"""

from __future__ import annotations

from controller.spec.switch import MIGRATED, PERIODS, SETTLED, YOUNG_PERIODS
from flows.actions import Action, Bits, Clone, Conntrack, Load, Move, Resubmit, Set, whole
from flows.entries import Flow, flow
from flows.match import Match
from flows.spec import FAMILIES, Family, Here
from flows.tables import (
    BACKEND,
    CLASS,
    FLAG_AGE,
    FLAG_AHEAD,
    FLAG_DECIDED,
    FLAG_OLD,
    FLAG_REMEMBER,
    FLAG_SYN,
    FLAGS,
    MARK,
    PERIOD,
    POOL,
    SLOT,
    SLOT_IN_MARK,
    TRACK,
    ZONE_BEFORE,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Stage,
    mask,
)

_LOW, _CLASS = CLASS[0], mask(CLASS)


def _bit(flag: int) -> Bits:
    return Bits(FLAGS, flag.bit_length() - 1, 1)


UNKNOWN = (0, 0xFFFF0000)
"""ct_mark without a backend."""

FROM_MARK: tuple[Action, ...] = (
    Move(Bits("ct_mark", 16, 16), Bits(BACKEND, 0, 16)),
    Set(SLOT, SLOT_IN_MARK),
)
"""Take the backend from the mark. The slot stays there: a switch caches a decision for each value of what was looked
at, so packets of all slots of a backend share one as long as the slot is not asked for."""

KEEP: tuple[Action, ...] = (
    Clone(
        (
            Move(whole("ct_mark"), whole(MARK)),
            Move(Bits("ct_label", 0, 32), whole(TRACK)),
            Conntrack(ZONE_NOW, commit=True, mark=whole(MARK), label=whole(TRACK)),
        )
    ),
)
"""Copy the mark into this generation. By a copy of the packet: the packet itself still has to show its mark."""


_LOOKS_AHEAD = (0, FLAG_REMEMBER | FLAG_AHEAD | FLAG_DECIDED | FLAG_AGE)
_NOTHING_CHOSEN: tuple[Action, ...] = (Set(BACKEND, 0), Set(SLOT, 0))
"""So that the packets of all tracked slots share what the switch caches behind conntrack."""


def static(here: Here) -> list[Flow]:
    """The whole chain; it is the same for every VIP."""
    return [each for kin in FAMILIES for each in (*_ahead(here, kin), *_chain(here, kin))]


def old(here: Here, pool: int, period: int) -> list[Flow]:
    """Which of a pool's remembered connections are old: all but those of this half of ``transition`` and two before."""
    placed = here.placed
    table, cookie = placed.table(Stage.MEMORY), placed.cookie(Kind.STATIC)
    young = {(period - n) % PERIODS for n in range(YOUNG_PERIODS)}
    ages = Match.of(**{POOL: pool}).plus(**{FLAGS: (FLAG_AGE, FLAG_AGE)})
    return [
        flow(
            table,
            30,
            ages.plus(eth_type=kin.eth_type, ct_label=(number << PERIOD[0], mask(PERIOD))),
            (Load(1, _bit(FLAG_OLD)),),
            cookie=cookie,
        )
        for kin in FAMILIES
        for number in range(PERIODS)
        if number not in young
    ]


def _ahead(here: Here, kin: Family) -> list[Flow]:
    """Before memory is asked, whether it has to be."""
    placed = here.placed
    table, cookie = placed.table(Stage.MEMORY), placed.cookie(Kind.STATIC)
    hashes = placed.table(Stage.HASH)

    def look(then: int) -> tuple[Action, ...]:
        ahead, decided = _bit(FLAG_AHEAD), _bit(FLAG_DECIDED)
        return Load(1, ahead), Resubmit(hashes), Load(0, ahead), Load(1, decided), Resubmit(then)

    decided = {FLAGS: (FLAG_DECIDED, FLAG_DECIDED)}
    settled = kin.ip.plus(**decided, **{TRACK: (0, _CLASS)})
    recall = (*_NOTHING_CHOSEN, Conntrack(ZONE_NOW, placed.table(Stage.RECALL_NOW)))
    return [
        flow(table, 29, kin.ip.plus(**{FLAGS: (FLAG_AGE, FLAG_AGE)}), cookie=cookie),
        flow(table, 20, kin.ip.plus(**{FLAGS: _LOOKS_AHEAD}), look(table), cookie=cookie),
        # A pinned one whose backend gives it away did not come by here: what is remembered of it needs its class.
        flow(hashes, 35, kin.ip.plus(ip_frag=0, **{FLAGS: _LOOKS_AHEAD}), look(hashes), cookie=cookie),
        flow(table, 11, settled, cookie=cookie, goto=placed.table(Stage.BACKEND)),
        flow(table, 10, kin.ip.plus(**decided), recall, cookie=cookie),
    ]


def _chain(here: Here, kin: Family) -> list[Flow]:
    placed = here.placed
    table, cookie = placed.table, placed.cookie(Kind.STATIC)
    unknown = kin.ip.plus(ct_mark=UNKNOWN)
    syn = {FLAGS: (FLAG_SYN, FLAG_SYN)}
    fate = table(Stage.FATE)
    before, new = (
        Conntrack(ZONE_BEFORE, table(Stage.RECALL_BEFORE)),
        Conntrack(ZONE_NEW, table(Stage.RECALL_NEW)),
    )
    out = [
        flow(table(Stage.MEMORY), 0, kin.ip, (Conntrack(ZONE_NOW, table(Stage.RECALL_NOW)),), cookie=cookie)
    ]
    asks_age = (*FROM_MARK, Load(1, _bit(FLAG_AGE)), Resubmit(table(Stage.MEMORY)), Load(0, _bit(FLAG_AGE)))
    for stage, actions, after in (
        (Stage.RECALL_NOW, (before,), None),
        (Stage.RECALL_BEFORE, (new,), None),
        (Stage.RECALL_NEW, (), table(Stage.UNKNOWN)),
    ):
        keep = () if stage is Stage.RECALL_NOW else KEEP
        known = [(0, kin.ip, FROM_MARK)]
        out.append(flow(table(stage), 10, unknown, actions, cookie=cookie, goto=after))
        for class_ in range(1, MIGRATED + 1):
            slot = kin.ip.plus(**{TRACK: (class_ << _LOW, _CLASS)})
            believed = (class_, SETTLED) if class_ == MIGRATED else (class_,)
            known += [(6, slot.plus(ct_label=(each << _LOW, _CLASS)), asks_age) for each in believed]
            # Of an earlier connection with the same ports.
            out.append(flow(table(stage), 4, slot, actions, cookie=cookie, goto=after))
        for priority, this, recalled in known:
            out.append(flow(table(stage), priority, this, recalled + keep, cookie=cookie, goto=fate))
            if stage is Stage.RECALL_NEW:  # a SYN that comes again does not make it last
                out.append(
                    flow(table(stage), priority + 2, this.plus(**syn), recalled, cookie=cookie, goto=fate)
                )
    return out
