"""`arp`: answer ARP, neighbour solicitations and pings for a VIP while this site's authority lasts; for own addresses.

    ARP who-has VIP ──► reply with the virtual MAC        NS VIP ──► NA, in two steps (type, then option)
    NS VIP from :: (a host that wants the address) ──► NA to all nodes
    without authority: the question ──► tables of others ──► perhaps a site that answers
    with a fence:      the question ──► group ─ a controller claims (its port is live) ──► `advert` ──► the answer
                                              └ none does ──► tables of others

The flows carry the authority as a hard timeout: a switch that hears no renewal stops answering by itself; with a fence
it does so sooner, and whatever flows it holds. A solicitation that RFC 4861 (7.1.1) calls invalid is not answered, for
it may come from another network: hop limit not 255, or from :: and either not to the solicited-node group or with a
link-layer address. Open vSwitch itself shows no target of one with another code or cut short, and none of an ARP
packet that is not about Ethernet and IPv4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from controller.spec.switch import VipSpec
from controller.spec.types import Address, FenceEnd
from flows.actions import (
    CONTROLLER,
    IN_PORT,
    Action,
    Bits,
    Load,
    Move,
    Output,
    Pop,
    Push,
    Resubmit,
    Set,
    ToGroup,
    pack_all,
    whole,
)
from flows.entries import ANY, SELECT, Bucket, Flow, Group, flow
from flows.match import ETH_ARP, PROTO_ICMP6, Match
from flows.spec import Here, family
from flows.stages import entry
from flows.stages.backend import hand_over
from flows.tables import ANNOUNCES, ANSWERS, PASSES, Kind, Placed, Priority, Stage

_SOLICIT, _ADVERTISE = 135, 136
_OVERRIDE, _SOLICITED = 0x20000000, 0x40000000
_NOBODY, _ALL_NODES, _ALL_NODES_MAC = IPv6Address("::"), IPv6Address("ff02::1"), "33:33:00:00:00:01"
_GROUPS = IPv6Network("ff00::/8")
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0")
_TARGET_OPTION = 2
_BEHIND = 20
"""Priority of answers behind a fence, in the table of ``advert``, which they go on to."""
_ANNOUNCED = 200
"""Priority of announcements there: before all answers."""
_ONE_LINK = 255
"""Hop limit that proves that no router passed it on."""
_TTL = 64
"""Of an answer to a ping, which may have come with the last hop that it had."""


@dataclass(frozen=True)
class Asked:
    """An address whose MAC hosts ask for."""

    address: Address
    mac: str
    cookie: int
    authority: int = 0
    """Seconds for which the flows answer without renewal; 0: always."""
    fenced: bool = False
    """Whether they answer only while a controller claims its authority."""


def groups(placed: Placed, fence: Sequence[FenceEnd]) -> dict[int, Group]:
    """The groups of a switch with a fence, by id: the answers, and what stands for them while none is claimed.

    A fast-failover bucket is live with its port or its group, and one that watches neither is refused: what is to be
    always live watches a group that has no port to watch.
    """
    first = placed.place.groups_from
    passes, answers, announces = first + PASSES, first + ANSWERS, first + ANNOUNCES
    away = pack_all(hand_over(placed))
    to_answer = pack_all((Resubmit(placed.table(Stage.ADVERT)),))
    claimed = [Bucket(end.port, to_answer) for end in fence]
    return {
        passes: Group(passes, (Bucket(ANY, away, weight=1),), SELECT),
        answers: Group(answers, (*claimed, Bucket(ANY, away, watch_group=passes))),
        announces: Group(announces, tuple(claimed)),
    }


def announced(placed: Placed, ports: Sequence[int]) -> Flow:
    """Announcements that an agent sends to ``to_announce`` go out here: behind the fence, as answers do."""
    match = Match.of(in_port=CONTROLLER)
    out = tuple(Output(port) for port in ports)
    return flow(placed.table(Stage.ADVERT), _ANNOUNCED, match, out, cookie=placed.cookie(Kind.RESPOND))


def to_announce(placed: Placed) -> bytes:
    """Actions of a packet that is to go out only while a controller claims its authority."""
    return pack_all((ToGroup(placed.place.groups_from + ANNOUNCES),))


def flows(here: Here, vip: VipSpec, *, fenced: bool = False) -> list[Flow]:
    """Flows that answer for ``vip`` with authority, and let the questions pass without."""
    passing = [_pass(here, vip), *_improper(here, vip.address)] if vip.address.version == 6 else []
    if not vip.authority:
        return passing
    cookie = here.placed.cookie(Kind.RESPOND, vip.id)
    asked = Asked(vip.address, vip.mac, cookie, vip.authority, fenced)
    return [*questions(here, asked), *_echo(here, vip, asked), *passing]


def answers(here: Here, vip: VipSpec, *, fenced: bool = False) -> list[Flow]:
    """Of these flows those that answer, and hold for as long as there is authority."""
    passing = here.placed.cookie(Kind.STATIC)
    return [each for each in flows(here, vip, fenced=fenced) if each.body.cookie != passing]


def own(here: Here, address: Address) -> list[Flow]:
    """Flows that answer for an address of the switch's own, which needs no authority."""
    asked = Asked(address, here.switch.mac, here.placed.cookie(Kind.STATIC))
    if address.version == 4:
        return questions(here, asked)
    return [*questions(here, asked), *_improper(here, address), advert(here)]


def questions(here: Here, asked: Asked) -> list[Flow]:
    """Flows that answer ARP, or proper solicitations."""
    if asked.address.version == 4:
        return _arp(here, asked)
    return [*_solicitation(here, asked), *_probe(here, asked)]


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


def _answer(
    here: Here,
    asked: Asked,
    match: Match,
    actions: tuple[Action, ...],
    priority: Priority = Priority.RESPOND,
) -> list[Flow]:
    placed, cookie = here.placed, asked.cookie
    if not asked.fenced:
        return [entry.claim(placed, priority, match, actions, cookie=cookie, hard=asked.authority)]
    ask = (ToGroup(placed.place.groups_from + ANSWERS),)
    behind = _BEHIND + priority - Priority.RESPOND
    return [
        entry.leave(placed, priority, match, ask, cookie=cookie, hard=asked.authority),
        flow(placed.table(Stage.ADVERT), behind, match, (entry.UNTAG, *actions), cookie=cookie),
    ]


def _back_to_sender(mac: str) -> tuple[Action, ...]:
    return (Move(whole("eth_src"), whole("eth_dst")), Set("eth_src", mac))


def _arp(here: Here, asked: Asked) -> list[Flow]:
    reply = (
        *_back_to_sender(asked.mac),
        Load(2, Bits("arp_op", 0, 16)),
        Move(whole("arp_sha"), whole("arp_tha")),
        Set("arp_sha", asked.mac),
        Move(whole("arp_spa"), whole("arp_tpa")),
        Set("arp_spa", asked.address),
        Output(IN_PORT),
    )
    return _answer(here, asked, Match.of(eth_type=ETH_ARP, arp_op=1, arp_tpa=asked.address), reply)


def _solicitation(here: Here, asked: Asked) -> list[Flow]:
    to_asker = (*_back_to_sender(asked.mac), Move(whole("ipv6_src"), whole("ipv6_dst")))
    advertised = _advertise(here, asked, _OVERRIDE | _SOLICITED)
    return _answer(here, asked, _asks(asked.address), (*to_asker, *advertised))


def _probe(here: Here, asked: Asked) -> list[Flow]:
    """Asked by a host without address, which may not be answered by itself (RFC 4861, 7.2.4).

    Its question has no option that could become the answer's; a host that probes does not look for one.
    """
    to_all = (Set("eth_src", asked.mac), Set("eth_dst", _ALL_NODES_MAC), Set("ipv6_dst", _ALL_NODES))
    group = _solicited_node(asked.address)
    proper = _asks(asked.address).plus(ipv6_src=_NOBODY, ipv6_dst=group, nd_sll=0)
    return _answer(here, asked, proper, (*to_all, *_advertise(here, asked, _OVERRIDE)), Priority.PROBE)


def _improper(here: Here, address: Address) -> list[Flow]:
    """Asked by a host without address, but not as one that probes; or asked of a group without an address to answer.

    Open vSwitch shows no link-layer address of a question whose options are wrong, and could not add one to the answer.
    """
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    return [
        entry.leave(placed, Priority.IMPROPER, _asks(address).plus(**more), hand_over(placed), cookie=cookie)
        for more in ({"ipv6_src": _NOBODY}, {"ipv6_dst": _GROUPS, "nd_sll": 0})
    ]


def _pass(here: Here, vip: VipSpec) -> Flow:
    """A neighbour that checks whether the VIP is still there asks it alone: an IPv6 packet to a VIP, unlike ARP."""
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    return entry.leave(placed, Priority.QUESTION, _asks(vip.address), hand_over(placed), cookie=cookie)


def _asks(address: Address) -> Match:
    return Match.of(
        eth_type=0x86DD,
        ip_proto=PROTO_ICMP6,
        icmpv6_type=_SOLICIT,
        icmpv6_code=0,
        nd_target=address,
        ip_ttl=_ONE_LINK,
    )


def _solicited_node(address: Address) -> IPv6Address:
    """The group in which a host is asked for an address (RFC 4291, 2.7.1)."""
    return IPv6Address(int(_SOLICITED_NODE) | int(address) & 0xFFFFFF)


def _advertise(here: Here, asked: Asked, flags: int) -> tuple[Action, ...]:
    return (
        Set("ipv6_src", asked.address),
        Set("icmpv6_type", _ADVERTISE),
        Set("nd_options_type", _TARGET_OPTION),
        Set("nd_reserved", flags),
        Resubmit(here.placed.table(Stage.ADVERT)),
    )


def _echo(here: Here, vip: VipSpec, asked: Asked) -> list[Flow]:
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
        Set("ip_ttl", _TTL),
        Output(IN_PORT),
    )
    return _answer(here, asked, match, actions)
