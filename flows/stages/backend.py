"""`backend` and `nexthop`: rewrite by mode, count, and send towards the server.

dr       MACs                                   nat      + destination address and port
fullnat  + source, by conntrack in its zone     tun      VXLAN; too big is reported, and answered by the controller

Fragments of nat and fullnat: ct(nat destination) ─► nexthop, or fragment_source: ct(nat source) ─► nexthop

Of TCP, openings (SYN) and ends (FIN, RST) have flows of their own that do the same, so that they are counted apart.
Flags are looked at here and not where a packet comes in: a register that told them would be frozen at conntrack and at
the datapath's hash, and each of its values is a cached decision more at every step behind that. Here it is one more for
each slot, with FINs, and of those that send RSTs another one. Where each connection has a decision of its own anyway,
it would be one more for each connection: there none are counted.
"""

from __future__ import annotations

from functools import partial

from controller.spec.spread import Spread
from controller.spec.switch import BackendSpec, ListenerSpec
from controller.spec.types import Address, Protocol
from flows import zones
from flows.actions import (
    Action,
    Bits,
    Bundle,
    CheckLarger,
    Conntrack,
    DecTtl,
    Load,
    Move,
    Nat,
    Output,
    Report,
    Resubmit,
    Set,
    whole,
)
from flows.entries import Flow, flow
from flows.fields import FRAG_ANY, TCP_FIN, TCP_RST
from flows.match import Match
from flows.spec import FRAMES, Here, dst_field, family_of, src_field, transport
from flows.tables import (
    BACKEND,
    CLAIMED,
    FLAG_LARGE,
    FLAG_SYN,
    FLAGS,
    LISTENER,
    MARK,
    NO_SLOT,
    SLOT,
    SOURCE_PORT,
    TUNNEL,
    Kind,
    Meters,
    Placed,
    Stage,
)

VNI = 69


def counter_id(listener: int, backend: int) -> int:
    """Cookie id of the flow that counts for (listener, backend)."""
    return listener << 16 | backend


def flows(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    """Flows that bring one listener's packets to one backend; none if it has no address of the family."""
    make = {"dr": _dr, "nat": _nat, "fullnat": _fullnat, "tun": _tun}[listener.mode]
    return make(here, listener, backend)


def nexthop(here: Here, backend: BackendSpec) -> list[Flow]:
    """Flows that send to one backend, plainly and through the tunnel port."""
    placed = here.placed
    cookie = placed.cookie(Kind.STATIC)
    table = placed.table(Stage.NEXTHOP)
    this = Match.of(**{BACKEND: backend.id})
    frame: tuple[Action, ...] = (Set("eth_src", here.switch.mac),)
    if backend.mac is not None:
        frame = (Set("eth_dst", backend.mac), *frame)
    out = [flow(table, 10, this, (*frame, *_leave(placed, backend)), cookie=cookie)]
    if here.switch.tunnel_port is not None:
        tunnel = this.plus(**{TUNNEL: 1})
        encapsulate = (*frame, Output(here.switch.tunnel_port))
        out.append(flow(table, 20, tunnel, encapsulate, cookie=cookie))
    return out


def too_big(here: Here) -> Flow:
    """A packet too large for the tunnel goes to the controller, which answers packet-too-big."""
    placed = here.placed
    match = Match.of(**{TUNNEL: 1}).plus(**{FLAGS: (FLAG_LARGE, FLAG_LARGE)})
    tell = (Report(placed.meter(Meters.ICMP)),)
    return flow(placed.table(Stage.NEXTHOP), 30, match, tell, cookie=placed.cookie(Kind.TOO_BIG))


def _leave(placed: Placed, backend: BackendSpec) -> tuple[Action, ...]:
    if len(backend.ports) == 1:
        return (Output(backend.ports[0]),)
    if backend.ports:
        return (Bundle(backend.ports),)
    return hand_over(placed)


def hand_over(placed: Placed) -> tuple[Action, ...]:
    """Let the flows of others forward the packet; without a table of theirs, those below ours (see entry.py)."""
    if placed.place.next_table is not None:
        return (Resubmit(placed.place.next_table),)
    return (Set(CLAIMED, 1), Resubmit(placed.entry))


_FORGET: tuple[Action, ...] = (Set(SLOT, NO_SLOT), Set(MARK, 0))
"""Before the switch freezes a packet's registers (at conntrack, and at a report that depends on its length): each
value frozen is a cached decision more, and slot and mark have done their work."""


def _this(listener: ListenerSpec, backend: BackendSpec) -> Match:
    return Match.of(**{LISTENER: listener.id, BACKEND: backend.id})


def _ports_back(listener: ListenerSpec) -> tuple[Action, ...]:
    if not listener.sticky:
        return ()
    return (
        Move(Bits(SOURCE_PORT, 0, 16), whole(src_field(listener))),
        Set(dst_field(listener), listener.port),
    )


def _counted(
    here: Here,
    listener: ListenerSpec,
    backend: BackendSpec,
    priority: int,
    match: Match,
    actions: tuple[Action, ...],
    goto: bool,
    kind: Kind = Kind.BACKEND,
) -> Flow:
    placed = here.placed
    return flow(
        placed.table(Stage.BACKEND),
        priority,
        match,
        actions,
        cookie=placed.cookie(kind, counter_id(listener.id, backend.id)),
        goto=placed.table(Stage.NEXTHOP) if goto else None,
    )


def _by_event(
    here: Here,
    listener: ListenerSpec,
    backend: BackendSpec,
    priority: int,
    match: Match,
    actions: tuple[Action, ...],
    goto: bool,
) -> list[Flow]:
    """``_counted``, and the same for packets that open or end a TCP connection.

    SYNs come before the others and are known by a register, so that what is cached of them tells no flags apart. Both
    flows of ends look at the same bits: a mask more is one more look for each packet that the datapath does not know.
    """
    counted = partial(_counted, here, listener, backend, actions=actions, goto=goto)
    out = [counted(priority, match)]
    if listener.protocol is not Protocol.TCP or (listener.spread is Spread.OWN and not listener.remembers):
        return out
    opens = match.plus(**{FLAGS: (FLAG_SYN, FLAG_SYN)})
    others = Match(match | transport(listener)).plus(**{FLAGS: (0, FLAG_SYN)})
    out.append(counted(priority + 2, opens, kind=Kind.OPENS))
    for flag in (TCP_FIN, TCP_RST):
        ends = others.plus(tcp_flags=(flag, TCP_FIN | TCP_RST))
        out.append(counted(priority + 1, ends, kind=Kind.ENDS))
    return out


def _dr(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    return _untouched(here, listener, backend, ())


def _tun(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    outer = backend.address(4)
    if outer is None:
        return []
    actions = (
        *_FORGET,
        Set("tun_ipv4_dst", outer),
        Set("tunnel_id", VNI),
        CheckLarger(here.tunnel_mtu + FRAMES, Bits(FLAGS, 3, 1)),
        Load(1, Bits(TUNNEL, 0, 1)),
    )
    return _untouched(here, listener, backend, actions)


def _untouched(
    here: Here, listener: ListenerSpec, backend: BackendSpec, actions: tuple[Action, ...]
) -> list[Flow]:
    """The IP packet stays as it is; only a whole one can have ports to restore."""
    this = _this(listener, backend)
    if not listener.sticky:
        return _by_event(here, listener, backend, 10, this, actions, goto=True)
    whole_packet = Match(this | transport(listener)).plus(ip_frag=0)
    back = (*_ports_back(listener), *actions)
    return [
        _counted(here, listener, backend, 10, this, actions, goto=True),
        *_by_event(here, listener, backend, 20, whole_packet, back, goto=True),
    ]


def _nat(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    return _translated(here, listener, backend, (), Stage.NEXTHOP)


def _fullnat(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    if listener.local is None:
        return []
    from_local = (*_FORGET, _from_local(here, listener, listener.local))
    return _translated(here, listener, backend, from_local, Stage.FRAGMENT_SOURCE)


def _from_local(here: Here, listener: ListenerSpec, local: Address) -> Conntrack:
    zone = zones.fullnat(here.placed, listener.id)
    return Conntrack(zone, here.placed.table(Stage.NEXTHOP), commit=True, nat=Nat(local))


def fragment_source(here: Here, listener: ListenerSpec) -> list[Flow]:
    """Fullnat's second step for fragments: the source."""
    if listener.local is None:
        return []
    placed = here.placed
    match = family_of(listener).ip.plus(**{LISTENER: listener.id})
    actions = (_from_local(here, listener, listener.local),)
    return [flow(placed.table(Stage.FRAGMENT_SOURCE), 10, match, actions, cookie=placed.cookie(Kind.STATIC))]


def _translated(
    here: Here,
    listener: ListenerSpec,
    backend: BackendSpec,
    then: tuple[Action, ...],
    after: Stage,
) -> list[Flow]:
    """To the backend's address and port: whole packets by set_field, then ``then``; fragments by ct, to ``after``.

    Open vSwitch's set_field takes the payload of a later IPv4 fragment for a transport header and "mends" the
    checksum in it; and conntrack gives all fragments of a datagram to the actions of the last one to come. So
    all of them take the same actions, and conntrack, which has the datagram whole, rewrites address and port.
    """
    address = backend.address(listener.vip.address.version)
    if address is None:
        return []
    this = _this(listener, backend)
    whole_packet = Match(this | transport(listener)).plus(ip_frag=0)
    fragment = Match(this | family_of(listener).ip).plus(ip_frag=FRAG_ANY)
    to = (Set(family_of(listener).dst, address), DecTtl(), Set(dst_field(listener), listener.backend_port))
    port = listener.backend_port
    by_conntrack = Conntrack(
        zones.to_backend(here.placed, backend.id),
        here.placed.table(after),
        commit=True,
        nat=Nat(address, (port, port), destination=True),
    )
    back = _ports_back(listener)
    return [
        *_by_event(here, listener, backend, 20, whole_packet, (*back, *to, *then), goto=not then),
        _counted(here, listener, backend, 10, fragment, (*_FORGET, DecTtl(), by_conntrack), goto=False),
    ]
