"""`backend` and `nexthop`: rewrite by mode, count, and send towards the server.

dr       MACs                                   nat      + destination address and port
fullnat  + source, by conntrack in its zone     tun      VXLAN; too big is reported, and answered by the controller
"""

from __future__ import annotations

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
from flows.fields import FRAG_LATER
from flows.match import Match
from flows.spec import FRAMES, BackendSpec, Here, ListenerSpec
from flows.tables import (
    BACKEND,
    CLAIMED,
    FLAG_LARGE,
    FLAGS,
    LISTENER,
    MARK,
    NO_SLOT,
    SLOT,
    SOURCE_PORT,
    TUNNEL,
    ZONE_LOCAL,
    Kind,
    Meters,
    Placed,
    Stage,
)

VNI = 69
_LATER = {"ip_frag": FRAG_LATER}


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
    """Let the flows of others forward the packet."""
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
    return (Move(Bits(SOURCE_PORT, 0, 16), whole(listener.src_field)), Set(listener.dst_field, listener.port))


def _counted(
    here: Here,
    listener: ListenerSpec,
    backend: BackendSpec,
    priority: int,
    match: Match,
    actions: tuple[Action, ...],
    goto: bool,
) -> Flow:
    placed = here.placed
    return flow(
        placed.table(Stage.BACKEND),
        priority,
        match,
        actions,
        cookie=placed.cookie(Kind.BACKEND, counter_id(listener.id, backend.id)),
        goto=placed.table(Stage.NEXTHOP) if goto else None,
    )


def _dr(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    return _with_fragments(here, listener, backend, (), (), goto=True, ports=False)


def _nat(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    address = backend.address(listener.vip.address.version)
    if address is None:
        return []
    to = (Set(listener.family.dst, address), DecTtl())
    return _with_fragments(here, listener, backend, to, (), goto=True, ports=True)


def _fullnat(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    address = backend.address(listener.vip.address.version)
    if address is None or listener.local is None:
        return []
    to = (*_FORGET, Set(listener.family.dst, address), DecTtl())
    source = Conntrack(
        ZONE_LOCAL, here.placed.table(Stage.NEXTHOP), commit=True, nat=Nat(listener.local.address)
    )
    return _with_fragments(here, listener, backend, to, (source,), goto=False, ports=True)


def _with_fragments(
    here: Here,
    listener: ListenerSpec,
    backend: BackendSpec,
    head: tuple[Action, ...],
    tail: tuple[Action, ...],
    *,
    goto: bool,
    ports: bool,
) -> list[Flow]:
    """Fragments have no ports to restore, and only the first has one to rewrite."""
    this = _this(listener, backend)
    if ports:
        this = Match(this | listener.transport)
    port: tuple[Action, ...] = (Set(listener.dst_field, listener.backend_port),) if ports else ()
    if not ports and not listener.sticky:
        return [_counted(here, listener, backend, 10, this, (*head, *tail), goto)]
    whole_packet = Match(this | listener.transport).plus(ip_frag=0)
    back = _ports_back(listener)
    return [
        _counted(here, listener, backend, 20, whole_packet, (*back, *head, *port, *tail), goto),
        _counted(
            here, listener, backend, 15, Match(this | listener.family.ip).plus(**_LATER), (*head, *tail), goto
        ),
        _counted(here, listener, backend, 10, this, (*head, *port, *tail), goto),
    ]


def _tun(here: Here, listener: ListenerSpec, backend: BackendSpec) -> list[Flow]:
    outer = backend.address(4)
    if outer is None:
        return []
    actions = (
        *_FORGET,
        *_ports_back(listener),
        Set("tun_ipv4_dst", outer),
        Set("tunnel_id", VNI),
        CheckLarger(here.tunnel_mtu + FRAMES, Bits(FLAGS, 3, 1)),
        Load(1, Bits(TUNNEL, 0, 1)),
    )
    this = _this(listener, backend)
    if listener.sticky:
        this = Match(this | listener.transport)
    return [_counted(here, listener, backend, 10, this, actions, goto=True)]
