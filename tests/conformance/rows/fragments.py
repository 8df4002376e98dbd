"""Fragments: later ones have no ports and follow the first, to the server that whole packets go to."""

from __future__ import annotations

from controller.spec.types import Mode, Protocol
from tests.conformance.expect import Home, Lost, Same, To
from tests.conformance.packets import SMALL
from tests.conformance.row import Change, Hear, In, Pass, Row, Until
from tests.conformance.says import Connection, connections, opening
from tests.conformance.scenario import EVERY_MODE, NEAR, Service, pool, server, web
from tests.conformance.target import Can

_NEEDS = frozenset({Can.FRAGMENTS})
_LARGE = 2_000
_UDP = [service for service in EVERY_MODE if service.protocol is Protocol.UDP]


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _tcp_pinned(version: int) -> Row:
    c = _c(Service(Mode.DR, version))
    standby = server("b1", group=1)
    return Row(
        f"fragmented-segment-pinned-v{version}",
        "A connection that its pin keeps stays where it is in fragments too.",
        web(standby),
        (
            In(c.syn(), To("b1")),
            In(c.data(), To("b1"), reports=None),
            Change(pool(standby, "b2")),
            In(c.data(), To("b1"), reports=None),
            In(c.data(), To("b1"), reports=None),
            Hear(pins=1),
            Pass(1_000),
            In(c.data(), To("b1"), reports=None),
            Pass(1_000),
            In(c.data(), To("b1"), reports=None),
            Until(In(c.data(size=_LARGE, fragments="12"), To("b1"), reports=None), within=5.0),
        ),
        needs=_NEEDS,
    )


def _of_unknown(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"fragmented-first-{service}",
        "A connection may begin with a datagram in fragments; all of them reach one server, whole again there.",
        web("b1"),
        (
            In(c.syn(size=_LARGE, fragments="12"), To("b1")),
            In(c.data(size=_LARGE, fragments="12"), To("b1")),
            In(c.data(), To("b1")),
        ),
        needs=_NEEDS,
    )


def _of_known(service: Service) -> Row:
    some = connections(12, service)
    return Row(
        f"fragmented-later-{service}",
        "Whole and fragmented datagrams of one connection reach one server.",
        web(*NEAR),
        (
            In(opening(some), To(*NEAR)),
            In(tuple(c.data(size=_LARGE, fragments="12") for c in some), Same()),
            In(tuple(c.data() for c in some), Same()),
        ),
        needs=_NEEDS,
    )


def _remembered(service: Service) -> Row:
    c = _c(service)
    standby = server("b1", group=1)
    return Row(
        f"fragmented-remembered-{service}",
        "What a fragmented datagram chose is remembered like any choice.",
        web(standby),
        (
            In(c.syn(size=_LARGE, fragments="12"), To("b1")),
            Change(pool(standby, "b2")),
            In(c.data(size=_LARGE, fragments="12"), To("b1"), reports=None),
            In(c.data(), To("b1"), reports=None),
        ),
        needs=_NEEDS,
    )


def _late_first(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"first-comes-last-{service}",
        "The network may turn the order of fragments round.",
        web("b1"),
        (
            In(c.syn(size=_LARGE, fragments="21"), To("b1")),
            In(c.data(size=_LARGE, fragments="21"), To("b1")),
        ),
        needs=_NEEDS | {Can.LATE_FIRST},
    )


def _alone(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"later-alone-{service}",
        "A later fragment whose first never came belongs to no connection, and must not go to any server by chance.",
        web("b1"),
        (In(c.syn(size=_LARGE, fragments="2"), Lost()),),
        needs=_NEEDS,
    )


def _answer(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"fragmented-answer-{service}",
        "A large answer comes in fragments too, and from the VIP with all of them.",
        web("b1"),
        (
            In(c.syn(size=_LARGE, fragments="12"), To("b1")),
            In(c.answer(size=_LARGE, fragments="12"), Home()),
            In(c.answer(), Home()),
            In(c.data(), To("b1")),
            In(c.answer(size=_LARGE, fragments="12"), Home()),
        ),
        needs=_NEEDS | {Can.ANSWERS},
    )


def _small(service: Service) -> Row:
    c = _c(service)
    parts = {"size": 3 * SMALL - 8, "fragments": "123", "octets": SMALL}
    whole = [In(c.answer(**parts), Home())] if service.mode in (Mode.NAT, Mode.FULLNAT) else []
    return Row(
        f"fragmented-small-{service}",
        "A narrow path cuts datagrams into small fragments, which are as good as large ones.",
        web("b1"),
        (In(c.syn(**parts), To("b1")), In(c.data(**parts), Same()), *whole),
        needs=_NEEDS | {Can.ANSWERS} if whole else _NEEDS,
    )


def _to_nobody() -> Row:
    service = Service(Mode.DR, number=7, protocol=Protocol.UDP)
    return Row(
        "fragmented-to-nobody",
        "Fragments to a port that no listener has are dropped like whole packets.",
        web("b1"),
        (In(_c(service).syn(size=_LARGE, fragments="12"), Lost()),),
        needs=_NEEDS,
    )


def _tcp(version: int) -> Row:
    c = _c(Service(Mode.DR, version))
    return Row(
        f"fragmented-segment-v{version}",
        "TCP segments are seldom fragmented, but follow the same rule, if need be once they are sent again.",
        web("b1"),
        (
            In(c.syn(), To("b1")),
            Until(In(c.data(size=_LARGE, fragments="12"), To("b1"), reports=None), within=5.0),
        ),
        needs=_NEEDS,
    )


ROWS = (
    *map(_of_unknown, _UDP),
    *map(_of_known, _UDP),
    *map(_remembered, _UDP),
    *map(_late_first, _UDP),
    *map(_alone, _UDP),
    *map(_answer, _UDP),
    *map(_small, _UDP),
    _to_nobody(),
    *map(_tcp, (4, 6)),
    *map(_tcp_pinned, (4, 6)),
)
