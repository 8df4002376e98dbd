"""Connections: each SYN, FIN and RST that a backend gets is counted for it and its listener, whatever knows the way."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from controller.spec.types import Access, Network
from tests.conformance.expect import Lost, To
from tests.conformance.row import Change, Count, Counted, Hear, In, Pass, Row
from tests.conformance.says import Connection
from tests.conformance.scenario import CLIENTS, DR, EVERY_MODE, STICKY, Service, pool, server, web
from tests.conformance.target import Can, Reason

_COUNTS = frozenset({Can.COUNTS})
_FOUND = frozenset({Reason.FOUND})
_FIRST, _NEXT = server("b1", group=2), server("b2", group=1)
_ALONE, _BOTH = pool(_FIRST), pool(_FIRST, _NEXT)
"""The second takes every slot from the first, which lives on with what it has."""
_TCP = [one for one in (*EVERY_MODE, *STICKY) if one.protocol == "tcp"]
_UDP = [one for one in (*EVERY_MODE, *STICKY) if one.protocol == "udp"]


def _host(service: Service) -> Network:
    return ip_network(CLIENTS["c1"].addresses[service.version])


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _counted(service: Service) -> Row:
    one, other = _c(service), _c(service, 40_001)
    return Row(
        f"opens-and-ends-{service}",
        "A SYN opens, also one that comes again; a FIN or an RST ends; what is neither counts as a packet alone.",
        web("b1"),
        (
            Count(),
            In(one.syn(), To("b1")),
            Counted(packets=1, opened=1, ended=0),
            In(one.syn(), To("b1")),
            In(one.data(), To("b1")),
            Counted(packets=3, opened=2, ended=0),
            In(one.fin(), To("b1")),
            Counted(packets=4, opened=2, ended=1),
            In(one.rst(), To("b1")),
            In(other.syn(), To("b1")),
            In(other.rst(), To("b1")),
            Counted(packets=7, opened=3, ended=3),
        ),
        needs=_COUNTS,
    )


def _datagrams(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"datagrams-open-nothing-{service}",
        "Of UDP packets are counted, and no connections.",
        web("b1"),
        (
            Count(),
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
            Counted(packets=2, opened=0, ended=0),
        ),
        needs=_COUNTS,
    )


def _tracked(service: Service) -> Row:
    old, new = _c(service), _c(service, 40_001)
    return Row(
        f"tracked-opens-and-ends-{service}",
        "On a tracked slot the backend counts whose connection it is, by base or by memory.",
        web(_FIRST),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            Count(),
            In(new.syn(), To("b2")),
            In(new.data(), To("b2")),
            In(old.fin(), To("b1"), reports=None),
            Counted(packets=1, opened=0, ended=1, server="b1"),
            In(new.fin(), To("b2")),
            Counted(packets=3, opened=1, ended=1, server="b2"),
            In(new.rst(), To("b2")),
            Counted(packets=4, opened=1, ended=2, server="b2"),
        ),
        needs=_COUNTS,
    )


def _pinned(service: Service) -> Row:
    old = _c(service)
    return Row(
        f"pinned-ends-{service}",
        "A pinned connection ends at its own backend, not at that of its slot.",
        web(_FIRST),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            In(old.data(), To("b1"), reports=_FOUND),
            Hear(pins=1),
            Pass(5),
            Count(),
            In(old.data(), To("b1")),
            In(old.fin(), To("b1")),
            In(old.rst(), To("b1")),
            Counted(packets=3, opened=0, ended=2, server="b1"),
            Counted(packets=0, opened=0, ended=0, server="b2"),
        ),
        needs=_COUNTS,
    )


def _blocked() -> Row:
    block = (_host(DR),)
    c1, c2 = _c(DR), Connection("c2", 40_000, DR)
    return Row(
        "blocked-opens-nothing",
        "What an access list drops opens nothing at a backend; what it lets pass is counted as without a list.",
        replace(web("b1"), services=(replace(DR, access=Access((), block)),)),
        (
            Count(),
            In(c1.syn(), Lost()),
            In(c2.syn(), To("b1")),
            In(c2.fin(), To("b1")),
            Counted(packets=2, opened=1, ended=1),
        ),
        needs=_COUNTS,
    )


ROWS = (
    *(_counted(service) for service in _TCP),
    *(_datagrams(service) for service in _UDP),
    *(_tracked(service) for service in EVERY_MODE if service.protocol == "tcp"),
    *(_pinned(service) for service in EVERY_MODE if service.protocol == "tcp" and service.mode != "fullnat"),
    _blocked(),
)
