"""`arp`: answer ARP, neighbour solicitations and pings for a VIP while this site's authority lasts.

    ARP who-has VIP ──► reply with the virtual MAC        NS VIP ──► NA, in two steps (type, then option)
    NS VIP from :: (somebody wants the address) ──► NA to all nodes
    without authority: whoever asks, tables of others ──► perhaps a site that answers

The flows carry the authority as a hard timeout: a switch that hears no renewal stops answering by itself.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from controller.spec.switch import VipSpec
from controller.spec.types import Address
from flows.actions import IN_PORT, Action, Bits, Load, Move, Output, Pop, Push, Resubmit, Set, whole
from flows.entries import Flow, flow
from flows.match import ETH_ARP, PROTO_ICMP6, Match
from flows.spec import Here, family
from flows.stages.backend import hand_over
from flows.tables import Kind, Priority, Stage

_SOLICIT, _ADVERTISE = 135, 136
_OVERRIDE, _SOLICITED = 0x20000000, 0x40000000
_NOBODY, _ALL_NODES, _ALL_NODES_MAC = IPv6Address("::"), IPv6Address("ff02::1"), "33:33:00:00:00:01"
_TARGET_OPTION = 2


def flows(here: Here, vip: VipSpec) -> list[Flow]:
    """Flows that answer for ``vip`` with authority, and let the questions pass without."""
    passing = [_pass(here, vip)] if vip.address.version == 6 else []
    if not vip.authority:
        return passing
    if vip.address.version == 4:
        return [_arp(here, vip), _echo(here, vip)]
    return [_solicitation(here, vip), _probe(here, vip), _echo(here, vip), *passing]


def advert(here: Here) -> Flow:
    """Second step of a neighbour advertisement: the option now names the target's address."""
    placed = here.placed
    return flow(
        placed.table(Stage.ADVERT),
        10,
        Match.of(eth_type=0x86DD, ip_proto=PROTO_ICMP6, icmpv6_type=_ADVERTISE, icmpv6_code=0),
        (Move(whole("eth_src"), whole("nd_tll")), Output(IN_PORT)),
        cookie=placed.cookie(Kind.STATIC),
    )


def _entry(here: Here, vip: VipSpec, match: Match, actions: tuple[Action, ...]) -> Flow:
    placed = here.placed
    cookie = placed.cookie(Kind.RESPOND, vip.id)
    return flow(
        placed.entry, placed.priority(Priority.RESPOND), match, actions, cookie=cookie, hard=vip.authority
    )


def _back_to_sender(mac: str) -> tuple[Action, ...]:
    return (Move(whole("eth_src"), whole("eth_dst")), Set("eth_src", mac))


def _arp(here: Here, vip: VipSpec) -> Flow:
    match = Match.of(eth_type=ETH_ARP, arp_op=1, arp_tpa=vip.address)
    return _entry(here, vip, match, arp_reply(vip.address, vip.mac))


def arp_reply(address: Address, mac: str) -> tuple[Action, ...]:
    """Turn an ARP request for ``address`` into the answer that names ``mac``, and send it back."""
    return (
        *_back_to_sender(mac),
        Load(2, Bits("arp_op", 0, 16)),
        Move(whole("arp_sha"), whole("arp_tha")),
        Set("arp_sha", mac),
        Move(whole("arp_spa"), whole("arp_tpa")),
        Set("arp_spa", address),
        Output(IN_PORT),
    )


def _solicitation(here: Here, vip: VipSpec) -> Flow:
    to_asker = (*_back_to_sender(vip.mac), Move(whole("ipv6_src"), whole("ipv6_dst")))
    return _entry(here, vip, _asks(vip), (*to_asker, *_advertise(here, vip, _OVERRIDE | _SOLICITED)))


def _probe(here: Here, vip: VipSpec) -> Flow:
    """Asked by a host without address, which may not be answered by itself (RFC 4861, 7.2.4).

    Its question has no option that could become the answer's; a host that probes does not look for one.
    """
    placed = here.placed
    to_all = (Set("eth_src", vip.mac), Set("eth_dst", _ALL_NODES_MAC), Set("ipv6_dst", _ALL_NODES))
    return flow(
        placed.entry,
        placed.priority(Priority.PROBE),
        _asks(vip).plus(ipv6_src=_NOBODY),
        (*to_all, *_advertise(here, vip, _OVERRIDE)),
        cookie=placed.cookie(Kind.RESPOND, vip.id),
        hard=vip.authority,
    )


def _pass(here: Here, vip: VipSpec) -> Flow:
    """A neighbour that checks whether the VIP is still there asks it alone: an IPv6 packet to a VIP, unlike ARP."""
    placed = here.placed
    priority, cookie = placed.priority(Priority.QUESTION), placed.cookie(Kind.STATIC)
    return flow(placed.entry, priority, _asks(vip), hand_over(placed), cookie=cookie)


def _asks(vip: VipSpec) -> Match:
    return Match.of(
        eth_type=0x86DD, ip_proto=PROTO_ICMP6, icmpv6_type=_SOLICIT, icmpv6_code=0, nd_target=vip.address
    )


def _advertise(here: Here, vip: VipSpec, flags: int) -> tuple[Action, ...]:
    return (
        Set("ipv6_src", vip.address),
        Set("icmpv6_type", _ADVERTISE),
        Set("nd_options_type", _TARGET_OPTION),
        Set("nd_reserved", flags),
        Resubmit(here.placed.table(Stage.ADVERT)),
    )


def _echo(here: Here, vip: VipSpec) -> Flow:
    kin = family(vip.address)
    request, reply = kin.echo
    src, dst = whole(kin.src), whole(kin.dst)
    match = kin.ip.plus(
        **{
            "ip_proto": kin.icmp_proto,
            kin.dst: vip.address,
            kin.icmp_type: request,
            kin.icmp_code: 0,
            "ip_frag": 0,
        }
    )
    actions = (
        *_back_to_sender(vip.mac),
        Push(src),
        Push(dst),
        Pop(src),
        Pop(dst),
        Set(kin.icmp_type, reply),
        Output(IN_PORT),
    )
    return _entry(here, vip, match, actions)
