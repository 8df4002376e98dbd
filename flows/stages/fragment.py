"""Fragments: conntrack collects a datagram, then every fragment goes the way of the first.

    entry ─► ct(now) ─► ct(new) ─► ct(before) ─miss─► gathered ─► first: unknown ─► hash ... commit ─► all: backend
                └──────────┴────────────┴─hit─► fragment ─► fate ─► backend (or, to decide again, hash ─► gathered)

Open vSwitch holds the fragments of a datagram at each conntrack action until all are there, and lets all of them go by
the actions of the one that came last. A later fragment has no ports, not even in ct_tp_*. For a remembered connection
the mark tells every fragment its backend and the label its listener. Of an unknown one only the first can choose, so
it has to be the last where that counts:

    later ─► its copy to ct(where the connection will be remembered), where it waits;  itself to ct(another zone) ─┐
    first ─► ct(another zone) ───────────────────────────────────────────────────── the datagram is whole again ◄──┘
    then    later: dropped      first (UDP): chooses ─► ct(where the copies wait, commit) ─► all of them: backend

Only fragments from the same pass through conntrack find each other. So the other zone leads back into the same table
with the same registers, and ct_zone tells the passes apart. And Open vSwitch allows six passes one in another, of which
fullnat needs two behind the backend's choice: three for memory (of which one gathers) and the commit are all there is.
"""

from __future__ import annotations

from controller.spec.switch import ListenerSpec, VipSpec
from flows.actions import Action, Bits, Clone, Conntrack, Load, Move, Report, Set, whole
from flows.entries import Flow, flow
from flows.fields import CT_INV, CT_TRK, FRAG_ANY, FRAG_FIRST, FRAG_LATER, TRACKED
from flows.match import PROTO_TCP, Match
from flows.spec import FAMILIES, Family, Here, family, family_of, packets
from flows.stages import entry
from flows.stages.listener import regs, zones
from flows.stages.memory import FROM_MARK, KEEP, UNKNOWN
from flows.tables import (
    BACKEND,
    FLAG_FORGET,
    FLAG_GATHERED,
    FLAG_REMEMBER,
    FLAG_TRIAL,
    FLAGS,
    LISTENER,
    VIP,
    ZONE_BEFORE,
    ZONE_NEW,
    ZONE_NOW,
    Kind,
    Meters,
    Placed,
    Priority,
    Stage,
)
from flows.zones import gathering, of_vip

IPV6_FRAGMENT = 44

_FROM_LABEL: tuple[Action, ...] = (*FROM_MARK, Move(Bits("ct_label", 0, 16), Bits(LISTENER, 0, 16)))


def claim(here: Here, vip: VipSpec) -> list[Flow]:
    """Claim the fragments sent to one VIP, and gather those of connections that are not remembered."""
    placed = here.placed
    kin = family(vip.address)
    cookie = placed.cookie(Kind.STATIC)
    claimed = (Set(VIP, vip.id), *zones(here, vip), Conntrack(ZONE_NOW, placed.table(Stage.FRAGMENT_NOW)))
    match = kin.ip.plus(**{kin.dst: vip.address, "ip_frag": FRAG_ANY})
    table, known = placed.table(Stage.FRAGMENT_NEW), placed.table(Stage.FRAGMENT)
    before = Conntrack(ZONE_BEFORE, table)
    first_pass = kin.ip.plus(ct_zone=of_vip(placed, vip).new, **{VIP: vip.id})
    miss = first_pass.plus(ct_mark=UNKNOWN)
    return [
        entry.claim(placed, Priority.FRAGMENT, match, claimed, cookie=cookie),
        flow(table, 42, miss.plus(ip_frag=FRAG_LATER), (_wait(here, ZONE_NEW), before), cookie=cookie),
        flow(table, 41, miss, (before,), cookie=cookie),
        flow(table, 40, first_pass, (*_FROM_LABEL, *KEEP), cookie=cookie, goto=known),
    ]


def static(here: Here) -> list[Flow]:
    """What is the same for every VIP."""
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    now, new, known, gathered = (
        placed.table(s) for s in (Stage.FRAGMENT_NOW, Stage.FRAGMENT_NEW, Stage.FRAGMENT, Stage.GATHERED)
    )
    out = []
    for kin in FAMILIES:
        miss = kin.ip.plus(ct_mark=UNKNOWN)
        first, kept = kin.ip.plus(ip_frag=FRAG_FIRST), (*_FROM_LABEL, *KEEP)
        out += [
            flow(now, 10, miss, (Conntrack(ZONE_NEW, new),), cookie=cookie),
            flow(now, 0, kin.ip, _FROM_LABEL, cookie=cookie, goto=known),
            flow(new, 20, miss, cookie=cookie, goto=gathered),
            # Found in the generation before: the copies that wait are not needed, the first calls them off.
            flow(new, 10, first, (_wait(here, ZONE_NEW), *kept), cookie=cookie, goto=known),
            flow(new, 0, kin.ip, kept, cookie=cookie, goto=known),
            *_gather(here, kin.ip),
            *_ask(here, kin),
            _short(here, kin),
        ]
    trial_over = Match.of(**{FLAGS: (FLAG_TRIAL, FLAG_TRIAL)})
    return [*out, flow(gathered, 59, trial_over, cookie=cookie)]


def trial(placed: Placed) -> tuple[Action, ...]:
    """What to do with the fragments of the controller's own by which a switch is tried (see ``_short``)."""
    return (Set(FLAGS, FLAG_TRIAL), Conntrack(gathering(placed), placed.table(Stage.GATHERED)))


def _short(here: Here, kin: Family) -> Flow:
    """A fragment on trial that conntrack calls invalid: it takes none so small."""
    placed = here.placed
    invalid = kin.ip.plus(
        ip_frag=FRAG_FIRST,
        ct_state=(CT_TRK | CT_INV, CT_TRK | CT_INV),
        **{FLAGS: (FLAG_TRIAL, FLAG_TRIAL)},
    )
    cookie = placed.cookie(Kind.FRAGMENT_SHORT, kin.version)
    tell = (Report(placed.meter(Meters.REPORTS)),)
    return flow(placed.table(Stage.GATHERED), 60, invalid, tell, cookie=cookie)


def listener(here: Here, item: ListenerSpec) -> list[Flow]:
    """Fragments of one listener's connections: remembered ones by label, a first fragment by its port."""
    placed = here.placed
    cookie = placed.cookie(Kind.LISTENER, item.id)
    remembered = family_of(item).ip.plus(**{LISTENER: item.id})
    first = packets(item).plus(
        ip_frag=FRAG_FIRST,
        ct_state=TRACKED,
        ct_nw_proto=item.protocol.number,
        ct_tp_dst=item.port,
        **{LISTENER: 0},
    )
    known, gathered = placed.table(Stage.FRAGMENT), placed.table(Stage.GATHERED)
    unknown = regs(here, item, FLAG_GATHERED)
    fate, decide = (Stage.ACCESS, Stage.ACCESS) if item.access else (Stage.FATE, Stage.UNKNOWN)
    return [
        flow(known, 30, remembered, regs(here, item, 0), cookie=cookie, goto=placed.table(fate)),
        flow(gathered, 20, first, unknown, cookie=cookie, goto=placed.table(decide)),
    ]


def call_off(here: Here) -> Clone:
    """End the wait of a first fragment's later ones, which then reach no backend."""
    return _wait(here, ZONE_NEW)


def _gather(here: Here, ip: Match) -> list[Flow]:
    """Fragments of a connection to be decided again are gathered in two passes, then the first decides."""
    placed = here.placed
    zone = gathering(placed)
    cookie, drop = placed.cookie(Kind.STATIC), placed.cookie(Kind.DROP)
    deciding, gathered = placed.table(Stage.HASH), placed.table(Stage.GATHERED)
    once, twice = Conntrack(zone, gathered), Conntrack(zone + 1, gathered)
    ungathered = ip.plus(ip_frag=FRAG_ANY, **{FLAGS: (0, FLAG_GATHERED)})
    first, later = ip.plus(ip_frag=FRAG_FIRST), ip.plus(ip_frag=FRAG_LATER)
    to_no_listener = first.plus(**{LISTENER: 0})
    return [
        flow(deciding, 40, ungathered, (Load(1, Bits(FLAGS, 5, 1)), once), cookie=cookie),
        flow(gathered, 42, first.plus(ct_zone=zone), (twice,), cookie=cookie),
        flow(gathered, 41, later.plus(ct_zone=zone), (_wait(here, ZONE_NOW), twice), cookie=cookie),
        flow(gathered, 30, later, cookie=cookie),
        # To no listener: calls off the copies that wait.
        flow(gathered, 10, to_no_listener, (_wait(here, ZONE_NEW),), cookie=drop),
        flow(gathered, 0, first, cookie=cookie, goto=deciding),
    ]


def _ask(here: Here, kin: Family) -> list[Flow]:
    """A TCP connection that is not remembered, of a listener that does not remember all: it may have a pin.

    Pins and the datapath's hash go by ports, which fragments have for conntrack alone. So the controller is asked, and
    has the switch remember the connection; those that wait for this fragment are called off.
    """
    placed = here.placed
    deciding, cookie = placed.table(Stage.HASH), placed.cookie(Kind.FRAGMENT_UNKNOWN)
    first = kin.ip.plus(ip_proto=PROTO_TCP, ip_frag=FRAG_FIRST)
    ask = Report(placed.meter(Meters.REPORTS))
    return [
        flow(
            deciding,
            27,
            first.plus(**{FLAGS: (FLAG_FORGET, FLAG_FORGET | FLAG_REMEMBER)}),
            (ask, _wait(here, ZONE_NOW)),
            cookie=cookie,
        ),
        flow(
            deciding,
            26,
            first.plus(**{FLAGS: (0, FLAG_FORGET | FLAG_REMEMBER)}),
            (ask, _wait(here, ZONE_NEW)),
            cookie=cookie,
        ),
    ]


def _wait(here: Here, zone: Bits) -> Clone:
    """Hold a copy in ``zone``; should all come together there without a decision, no backend takes them."""
    return Clone((Load(0, whole(BACKEND)), Conntrack(zone, here.placed.table(Stage.BACKEND))))
