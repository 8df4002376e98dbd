"""`conflict`: another host says that it has a VIP. The controller is told; the frame goes where it would have gone.

    ARP from the VIP, or an advertisement of it ─┬─ by the virtual MAC ─► entry again, as heard
                                                 └─ by another one ─► the controller, and entry again, as heard

It may be a server in mode ``dr`` or ``tun`` that answers for the VIP on its loopback, or a stranger with its address.
An advertisement that names no MAC is one by the MAC that sent the frame.
"""

from __future__ import annotations

from controller.spec.switch import VipSpec
from flows.actions import Action, Bits, Load, Report, Resubmit
from flows.entries import Flow, Meter
from flows.match import ETH_ARP, PROTO_ICMP6, Match
from flows.spec import Here
from flows.stages import entry
from flows.tables import CONFLICT_RATE, FLAG_HEARD, FLAGS, Kind, Meters, Placed, Priority

_ADVERTISEMENT = 136
_HEARD = Load(1, Bits(FLAGS, FLAG_HEARD.bit_length() - 1, 1))


def flows(here: Here, vip: VipSpec) -> list[Flow]:
    """Flows that hear of one VIP."""
    placed = here.placed
    again: tuple[Action, ...] = (_HEARD, Resubmit(placed.entry))
    tell = (Report(placed.meter(Meters.CONFLICTS)), *again)
    static, ours = placed.cookie(Kind.STATIC), Priority.OURS
    said = (_arp if vip.address.version == 4 else _advertisement)(vip)
    return [
        *(entry.leave(placed, ours, said.plus(**by), again, cookie=static) for by in _by_its_mac(vip)),
        entry.leave(placed, Priority.CONFLICT, said, tell, cookie=placed.cookie(Kind.CONFLICT, vip.id)),
    ]


def meter(placed: Placed) -> Meter:
    """What bounds how much is told."""
    return Meter(placed.meter(Meters.CONFLICTS), CONFLICT_RATE, CONFLICT_RATE)


def _arp(vip: VipSpec) -> Match:
    return Match.of(eth_type=ETH_ARP, arp_spa=vip.address).plus(**_UNHEARD)


def _advertisement(vip: VipSpec) -> Match:
    return Match.of(
        eth_type=0x86DD,
        ip_proto=PROTO_ICMP6,
        icmpv6_type=_ADVERTISEMENT,
        icmpv6_code=0,
        nd_target=vip.address,
    ).plus(**_UNHEARD)


def _by_its_mac(vip: VipSpec) -> tuple[dict[str, str | int], ...]:
    if vip.address.version == 4:
        return ({"arp_sha": vip.mac},)
    return ({"nd_tll": vip.mac}, {"nd_tll": 0, "eth_src": vip.mac})


_UNHEARD = {FLAGS: (0, FLAG_HEARD)}
