"""Listeners: what belongs to a VIP and what does not, and how that changes."""

from __future__ import annotations

from dataclasses import replace

from controller.spec.types import Mode, Protocol
from tests.conformance.expect import Lost, To
from tests.conformance.row import Change, In, Pass, Row
from tests.conformance.says import Connection, Stray
from tests.conformance.scenario import DR, EVERY_MODE, VIPS, Service, Setup, pool, web
from tests.conformance.target import Reason

_SCTP = 132


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _nobody(version: int) -> Row:
    vip = VIPS[version]
    return Row(
        f"nobody-listens-v{version}",
        "What is sent to a VIP and to no listener goes to no server.",
        web("b1"),
        (
            In(Stray(vip, 9), Lost()),
            In(Stray(vip, 9, Protocol.UDP), Lost()),
            In(Stray(vip, DR.port, number=_SCTP), Lost()),
        ),
    )


def _other_protocol(version: int) -> Row:
    tcp = Service(Mode.DR, version)
    return Row(
        f"one-protocol-only-v{version}",
        "A TCP listener does not take datagrams to the same port.",
        Setup((pool("b1"),), (tcp,)),
        (In(_c(tcp).syn(), To("b1")), In(_c(replace(tcp, protocol=Protocol.UDP)).syn(), Lost())),
    )


def _other_family() -> Row:
    six = Service(Mode.DR, 6)
    return Row(
        "one-family-only",
        "A listener of one VIP says nothing about the VIP of the other family.",
        Setup((pool("b1"),), (DR, replace(six, number=1))),
        (In(_c(DR).syn(), To("b1")), In(_c(six).syn(), Lost())),
    )


def _comes_and_goes(service: Service) -> Row:
    other = replace(service, number=1)
    return Row(
        f"comes-and-goes-{service}",
        "A listener that is taken out takes nothing new and keeps what it has; the others go on, and it may come back.",
        Setup((pool("b1"),), (service, other)),
        (
            In(_c(service).syn(), To("b1")),
            In(_c(other).syn(), To("b1")),
            Change(Setup((pool("b1"),), (other,))),
            In(_c(service).data(), To("b1"), reports=frozenset({Reason.EXCEPTION})),
            Pass(121),
            In(_c(service, 40_001).syn(), Lost()),
            In(_c(other).data(), To("b1")),
            Change(Setup((pool("b1"),), (service, other))),
            In(_c(service).data(), To("b1")),
            In(_c(service, 40_002).syn(), To("b1")),
            In(_c(other).data(), To("b1")),
        ),
    )


def _added() -> Row:
    tunnelled = Service(Mode.TUN)
    return Row(
        "added",
        "A listener that is added to a VIP leaves the connections of the others where they are.",
        Setup((pool("b1"),), (DR,)),
        (
            In(_c(DR).syn(), To("b1")),
            In(_c(tunnelled).syn(), Lost()),
            Change(Setup((pool("b1"),), (DR, tunnelled))),
            In(_c(tunnelled).syn(), To("b1")),
            In(_c(DR).data(), To("b1")),
        ),
    )


ROWS = (
    *map(_nobody, (4, 6)),
    *map(_other_protocol, (4, 6)),
    _other_family(),
    *map(_comes_and_goes, EVERY_MODE),
    _added(),
)
