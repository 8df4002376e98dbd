"""Access lists: what a blocked source sends reaches no server, whatever it is part of; the longest prefix counts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from controller.spec.types import Access, Guard, Mode, Network, Protocol
from tests.conformance.expect import Between, Lost, Same, To
from tests.conformance.expect_control import ErrorAt
from tests.conformance.row import Change, Hear, In, Pass, Row, Until
from tests.conformance.says import Connection, connections, opening
from tests.conformance.scenario import CLIENTS, DR, EVERY_MODE, STICKY, Service, Setup, pool, server
from tests.conformance.target import Can, Reason

_POOL = pool("b1")
_LARGE = 2_000
_ALL: dict[int, Network] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
_FRONT: dict[int, Network] = {4: ip_network("10.0.0.0/24"), 6: ip_network("fd00::/64")}
"""Where c1 and c2 are, and the router."""
_EXCEPTION = frozenset({Reason.EXCEPTION})


def _host(client: str, version: int) -> Network:
    return ip_network(CLIENTS[client].addresses[version])


def _closed_to(client: str, service: Service) -> Service:
    return replace(service, access=Access((), (_host(client, service.version),)))


def _setup(*services: Service) -> Setup:
    return Setup((_POOL,), services)


def _c(service: Service, client: str = "c1", port: int = 40_000) -> Connection:
    return Connection(client, port, service)


def _blocked(service: Service) -> Row:
    c1, c2 = _c(service), _c(service, "c2")
    return Row(
        f"blocked-{service}",
        "What a blocked source sends reaches no server; other sources are served.",
        _setup(_closed_to("c1", service)),
        (
            In(c1.syn(), Lost()),
            In(c1.data(), Lost()),
            In(c2.syn(), To("b1")),
            In(c2.data(), To("b1")),
        ),
    )


def _cut(service: Service) -> Row:
    c1, c2 = _c(service), _c(service, "c2")
    return Row(
        f"block-cuts-{service}",
        "A block cuts the connections that its sources have; once it is lifted they go on if they still live.",
        _setup(service),
        (
            In(c1.syn(), To("b1")),
            In(c1.data(), To("b1")),
            In(c2.syn(), To("b1")),
            Change(_setup(_closed_to("c1", service))),
            In(c1.data(), Lost()),
            In(c2.data(), Same()),
            Change(_setup(service)),
            In(c1.data(), Same()),
            In(c2.data(), Same()),
        ),
    )


def _longest(version: int) -> Row:
    access = Access((_FRONT[version],), (_ALL[version], _host("c1", version)))
    listed = Service(Mode.DR, version, access=access)
    return Row(
        f"longest-prefix-v{version}",
        "A host that is blocked in a network that is allowed where all others are blocked: the longest prefix counts.",
        _setup(listed),
        (
            In(_c(listed, "c1").syn(), Lost()),
            In(_c(listed, "c2").syn(), To("b1")),
            In(_c(listed, "far").syn(), Lost()),
        ),
    )


def _allowed_host(version: int) -> Row:
    plain = Service(Mode.NAT, version)
    listed = replace(plain, access=Access((_host("c1", version),), (_ALL[version],)))
    return Row(
        f"all-but-one-v{version}",
        "A listener of one source serves that one and no other, before and after the list has changed.",
        _setup(listed),
        (
            In(_c(plain, "c1").syn(), To("b1")),
            In(_c(plain, "c2").syn(), Lost()),
            Change(_setup(replace(plain, access=Access((_host("c2", version),), (_ALL[version],))))),
            In(_c(plain, "c1").data(), Lost()),
            In(_c(plain, "c2").syn(), To("b1")),
        ),
    )


def _elsewhere() -> Row:
    listed, free = _closed_to("c1", DR), replace(DR, number=1)
    return Row(
        "blocked-elsewhere",
        "A list of one listener says nothing of another one's sources.",
        _setup(listed, free),
        (In(_c(listed).syn(), Lost()), In(_c(free).syn(), To("b1"))),
    )


def _pinned(service: Service) -> Row:
    standby, c = server("b1", group=1), _c(service)
    before, after = pool(standby), pool(standby, "b2")
    return Row(
        f"blocked-with-a-pin-{service}",
        "A pin does not open what a list has closed, and is there when the list opens it again.",
        Setup((before,), (service,)),
        (
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
            Change(after),
            In(c.data(), To("b1"), reports=None),
            Pass(121),
            In(c.data(), To("b1"), reports=_EXCEPTION),
            Hear(pins=1),
            Change(Setup((after,), (_closed_to("c1", service),))),
            In(c.data(), Lost()),
            Change(Setup((after,), (service,))),
            In(c.data(), To("b1"), reports=None),
        ),
    )


def _metered() -> Row:
    guarded = replace(_closed_to("c1", DR), guard=Guard(5))
    return Row(
        "allowed-and-metered",
        "What a list lets pass meets the guard as without a list.",
        _setup(guarded),
        (
            Until(In(Connection("far", 50_000, guarded).syn(), To("b1")), within=20.0),
            In(opening(connections(200, guarded, client="c2")), Between(0, 100)),
        ),
        needs=frozenset({Can.GUARDS}),
    )


def _fragments(service: Service) -> Row:
    c1, c2 = _c(service), _c(service, "c2")
    return Row(
        f"blocked-in-fragments-{service}",
        "Fragments come past no list: neither those that begin something nor those of what is remembered.",
        _setup(_closed_to("c1", service)),
        (
            In(c1.data(size=_LARGE, fragments="12"), Lost()),
            In(c2.data(size=_LARGE, fragments="12"), To("b1")),
            In(c2.data(size=_LARGE, fragments="12"), Same()),
            Change(_setup(_closed_to("c2", service))),
            In(c2.data(size=_LARGE, fragments="12"), Lost()),
            In(c1.data(size=_LARGE, fragments="12"), To("b1")),
        ),
        needs=frozenset({Can.FRAGMENTS}),
    )


def _error(version: int) -> Row:
    plain = Service(Mode.DR, version)
    c = _c(plain)
    return Row(
        f"error-past-a-list-v{version}",
        "An ICMP error is a router's: it is looked up neither by its sender nor by the client that it quotes.",
        _setup(replace(plain, access=Access((_host("c1", version),), (_ALL[version],)))),
        (
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
            In(c.error(), ErrorAt("b1"), reports=None),
            Change(_setup(_closed_to("c1", plain))),
            In(c.error(), ErrorAt("b1"), reports=None),
        ),
        needs=frozenset({Can.ICMP_ERRORS}),
    )


_UDP = [service for service in EVERY_MODE if service.protocol is Protocol.UDP]
ROWS = (
    *map(_blocked, (*EVERY_MODE, *STICKY)),
    *map(_cut, EVERY_MODE),
    *map(_longest, (4, 6)),
    *map(_allowed_host, (4, 6)),
    _elsewhere(),
    *(_pinned(service) for service in EVERY_MODE if service.mode is Mode.DR),
    _metered(),
    *map(_fragments, _UDP),
    *map(_error, (4, 6)),
)
