"""Answers from servers: nat undone statelessly wherever they pass, fullnat where its local address lives.

(server, port) ─► (VIP, port) ─► tables of others         to a bypass host: untouched
local address ─► ct(zone) ─► source := (VIP, port) ─► tables of others
fragments ─► gathered: whose? ─► ct(source := VIP) ─► first one: port ─► tables of others

The tables of others route, and so they count the hop.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from controller.spec.switch import BackendSpec, ListenerSpec
from flows import zones
from flows.actions import Action, Clone, Conntrack, Nat, Set
from flows.entries import Flow, flow
from flows.fields import FRAG_ANY, FRAG_FIRST, FRAG_LATER, TRACKED
from flows.match import Match
from flows.spec import Family, Here, family_of, src_field, transport
from flows.stages import entry, respond
from flows.stages.backend import hand_over
from flows.stages.fragment import IPV6_FRAGMENT
from flows.tables import LISTENER, Kind, Priority, Stage

_ANY = {"ip_frag": FRAG_ANY}
_LATER = {"ip_frag": FRAG_LATER}


def nat(
    here: Here,
    listener: ListenerSpec,
    backend: BackendSpec,
    bypass: tuple[IPv4Network | IPv6Network, ...],
) -> list[Flow]:
    """Undo nat for one listener and backend."""
    kin = family_of(listener)
    address = backend.address(kin.version)
    if address is None:
        return []
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    packets = transport(listener).plus(**{kin.src: address})
    answers = packets.plus(**{"ip_frag": 0, src_field(listener): listener.backend_port})
    undone = (*_as_vip(listener), *hand_over(placed))
    out = [entry.claim(placed, Priority.ANSWER, answers, undone, cookie=cookie)]
    for network in (n for n in bypass if n.version == kin.version):
        for match in (answers, *fragments(kin, packets)):
            direct = match.plus(**{kin.dst: network})
            out.append(entry.leave(placed, Priority.BYPASS, direct, hand_over(placed), cookie=cookie))
    return out + _fragments(here, listener, packets)


def _as_vip(listener: ListenerSpec) -> tuple[Action, ...]:
    return (Set(family_of(listener).src, listener.vip.address), Set(src_field(listener), listener.port))


def _fragments(here: Here, listener: ListenerSpec, packets: Match) -> list[Flow]:
    """Only the first fragment knows the port: it comes last where the datagram is rewritten, as in fragment.py."""
    placed = here.placed
    kin = family_of(listener)
    cookie = placed.cookie(Kind.STATIC)
    table, out = placed.table(Stage.ANSWER_FRAGMENT), placed.table(Stage.ANSWER_FRAGMENT_PORT)
    zone = zones.gathering(placed)
    once, twice, together = Conntrack(zone, table), Conntrack(zone + 1, table), Conntrack(zone + 2, out)
    first, later = kin.ip.plus(ip_frag=FRAG_FIRST), kin.ip.plus(**_LATER)
    ours = packets.plus(
        ip_frag=FRAG_FIRST,
        ct_state=TRACKED,
        ct_nw_proto=listener.protocol.number,
        ct_tp_src=listener.backend_port,
    )
    rewrite = placed.table(Stage.ANSWER_FRAGMENT_VIP)
    return [
        *(
            entry.claim(placed, Priority.ANSWER, each, (once,), cookie=cookie)
            for each in fragments(kin, packets)
        ),
        flow(table, 41, first.plus(ct_zone=zone), (twice,), cookie=cookie),
        flow(table, 40, later.plus(ct_zone=zone), (Clone((together,)), twice), cookie=cookie),
        flow(table, 30, later, cookie=cookie),
        flow(table, 20, ours, (Set(LISTENER, listener.id),), cookie=cookie, goto=rewrite),
        flow(table, 0, kin.ip, (together,), cookie=cookie),
        *_fragments_as_vip(here, listener, zone + 2),
    ]


def _fragments_as_vip(here: Here, listener: ListenerSpec, zone: int) -> list[Flow]:
    """Conntrack, which has the datagram whole, puts the VIP's address into every fragment (see backend.py).

    Where the server's port is taken in its zone, conntrack picks another, so the listener's is set afterwards.
    """
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    kin = family_of(listener)
    rewrite, port = placed.table(Stage.ANSWER_FRAGMENT_VIP), placed.table(Stage.ANSWER_FRAGMENT_PORT)
    this = {LISTENER: listener.id}
    as_vip = Conntrack(zone, port, commit=True, nat=Nat(listener.vip.address, ports=None))
    first = transport(listener).plus(ip_frag=FRAG_FIRST, **this)
    with_port = (Set(src_field(listener), listener.port), *hand_over(placed))
    return [
        flow(rewrite, 10, kin.ip.plus(**this), (as_vip,), cookie=cookie),
        flow(port, 10, first, with_port, cookie=cookie),
        flow(port, 0, kin.ip, hand_over(placed), cookie=cookie),
    ]


def fragments(kin: Family, packets: Match) -> tuple[Match, Match]:
    """First and later fragments among ``packets`` of one protocol: a later one in IPv6 does not show its protocol."""
    first, later = packets.plus(ip_frag=FRAG_FIRST), packets.plus(**_LATER)
    if kin.version == 6:
        later = Match(item for item in later if item[0] != "ip_proto").plus(ip_proto=IPV6_FRAGMENT)
    return first, later


def local(here: Here, listener: ListenerSpec) -> list[Flow]:
    """Undo fullnat for one listener on the lb switch that holds its local address."""
    if listener.local is None:
        return []
    placed = here.placed
    kin = family_of(listener)
    cookie = placed.cookie(Kind.STATIC)
    table = placed.table(Stage.ANSWER_LOCAL)
    to_local = kin.ip.plus(**{kin.dst: listener.local})
    back = (Set(LISTENER, listener.id), Conntrack(zones.fullnat(placed, listener.id), table, nat=Nat()))
    this = kin.ip.plus(**{LISTENER: listener.id})
    answer = transport(listener).plus(**{LISTENER: listener.id, "ip_frag": 0})
    rewrite = placed.table(Stage.ANSWER_FRAGMENT_VIP)
    out = [
        entry.claim(placed, Priority.LOCAL, to_local, back, cookie=cookie),
        flow(table, 20, this.plus(**_ANY), cookie=cookie, goto=rewrite),
        flow(table, 10, answer, (*_as_vip(listener), *hand_over(placed)), cookie=cookie),
        *_fragments_as_vip(here, listener, zones.fullnat_fragments(placed, listener.vip.id)),
    ]
    return [*out, *respond.own(here, listener.local)]
