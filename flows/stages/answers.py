"""Answers from servers: nat undone statelessly wherever they pass, fullnat where its local address lives.

    (server, port) ─► (VIP, port) ─► tables of others         to a bypass host: untouched
    local address ─► ct(zone) ─► source := (VIP, port) ─► tables of others
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from flows.actions import Action, Conntrack, DecTtl, Nat, Set
from flows.entries import Flow, flow
from flows.fields import FRAG_ANY, FRAG_LATER
from flows.match import ETH_ARP, Match
from flows.spec import BackendSpec, Here, ListenerSpec
from flows.stages.backend import hand_over
from flows.stages.listener import TRACKED
from flows.stages.respond import arp_reply
from flows.tables import LISTENER, Kind, Priority, Stage

_ANY = {"ip_frag": FRAG_ANY}
_LATER = {"ip_frag": FRAG_LATER}


def nat(
    here: Here, listener: ListenerSpec, backend: BackendSpec, bypass: tuple[IPv4Network | IPv6Network, ...], zone: int
) -> list[Flow]:
    """Undo nat for one listener and backend; ``zone`` is where fragments are collected."""
    kin = listener.family
    address = backend.address(kin.version)
    if address is None:
        return []
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    packets = listener.transport.plus(**{kin.src: address})
    answers = packets.plus(**{"ip_frag": 0, listener.src_field: listener.backend_port})
    out = [
        flow(placed.entry, placed.priority(Priority.ANSWER), answers, (*_as_vip(listener), *hand_over(placed)), cookie=cookie)
    ]
    for network in (n for n in bypass if n.version == kin.version):
        for match in (answers, packets.plus(**_ANY)):
            direct = match.plus(**{kin.dst: network})
            out.append(flow(placed.entry, placed.priority(Priority.BYPASS), direct, hand_over(placed), cookie=cookie))
    return out + _fragments(here, listener, packets, zone)


def _as_vip(listener: ListenerSpec) -> tuple[Action, ...]:
    return (Set(listener.family.src, listener.vip.address), Set(listener.src_field, listener.port))


def _fragments(here: Here, listener: ListenerSpec, packets: Match, zone: int) -> list[Flow]:
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    table = placed.table(Stage.ANSWER_FRAGMENT)
    collect = (Conntrack(zone, table),)
    known = packets.plus(
        **{
            "ct_state": TRACKED,
            "ct_nw_proto": listener.protocol.number,
            "ct_tp_src": listener.backend_port,
        }
    )
    address = (Set(listener.family.src, listener.vip.address),)
    return [
        flow(placed.entry, placed.priority(Priority.ANSWER), packets.plus(**_ANY), collect, cookie=cookie),
        flow(table, 20, known.plus(**_LATER), (*address, *hand_over(placed)), cookie=cookie),
        flow(table, 10, known.plus(**_ANY), (*_as_vip(listener), *hand_over(placed)), cookie=cookie),
        flow(table, 0, listener.family.ip, hand_over(placed), cookie=cookie),
    ]


def local(here: Here, listener: ListenerSpec) -> list[Flow]:
    """Undo fullnat for one listener on the lb switch that holds its local address."""
    if listener.local is None:
        return []
    placed = here.placed
    kin = listener.family
    cookie = placed.cookie(Kind.STATIC)
    table = placed.table(Stage.ANSWER_LOCAL)
    to_local = kin.ip.plus(**{kin.dst: listener.local.address})
    back = (Set(LISTENER, listener.id), Conntrack(listener.local.zone, table, nat=Nat()))
    answer = listener.transport.plus(**{LISTENER: listener.id})
    later = answer.plus(**_LATER)
    out = [
        flow(placed.entry, placed.priority(Priority.ANSWER), to_local, back, cookie=cookie),
        flow(
            table,
            20,
            later,
            (Set(kin.src, listener.vip.address), DecTtl(), *hand_over(placed)),
            cookie=cookie,
        ),
        flow(table, 10, answer, (*_as_vip(listener), DecTtl(), *hand_over(placed)), cookie=cookie),
    ]
    if kin.version == 4:
        out.append(_arp(here, listener))
    return out


def _arp(here: Here, listener: ListenerSpec) -> Flow:
    assert listener.local is not None
    placed = here.placed
    match = Match.of(eth_type=ETH_ARP, arp_op=1, arp_tpa=listener.local.address)
    actions = arp_reply(listener.local.address, here.switch.mac)
    return flow(placed.entry, placed.priority(Priority.RESPOND), match, actions, cookie=placed.cookie(Kind.STATIC))
