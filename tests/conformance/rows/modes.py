"""Modes: how a packet reaches its server, and how the answer comes back, for every mode, family and protocol."""

from __future__ import annotations

from controller.spec.types import Mode, Protocol
from tests.conformance.expect import AsItIs, Home, Lost, Same, To
from tests.conformance.row import In, Row
from tests.conformance.says import Connection
from tests.conformance.scenario import EVERY_MODE, FAR, Service, web
from tests.conformance.target import Can

_NAT = [service for service in EVERY_MODE if service.mode in (Mode.NAT, Mode.FULLNAT)]
_NOT_DR = [service for service in EVERY_MODE if service.mode is not Mode.DR]


def _delivered(service: Service) -> Row:
    c = Connection("c1", 40_001, service)
    return Row(
        f"delivered-{service}",
        "Packets that open and continue a connection reach the one server, rewritten as the mode says and no further.",
        web("b1"),
        (In(c.syn(), To("b1")), In(c.data(), To("b1")), In(c.fin(), To("b1"))),
    )


def _answered(service: Service) -> Row:
    c, other = Connection("c1", 40_001, service), Connection("far", 40_001, service)
    return Row(
        f"answered-{service}",
        "A client hears only from whom it asked: the answer comes from the VIP, whatever the server calls itself.",
        web("b1"),
        (
            In(c.syn(), To("b1")),
            In(c.answer(), Home()),
            In(other.syn(), To("b1")),
            In(other.answer(), Home()),
            In(c.data(), Same()),
            In(c.answer(), Home()),
        ),
        needs=frozenset({Can.ANSWERS}),
    )


def _odd(service: Service) -> Row:
    c = Connection("c2", 50_001, service)
    return Row(
        f"every-bit-{service}",
        "Odd lengths, TCP options, traffic class and a low TTL pass through, and the checksum is right for them.",
        web("b2"),
        (
            In(c.syn(options=bytes.fromhex("020405b4 01030307 0402 0101"), size=8), To("b2")),
            In(c.data(size=33, tos=0x2E << 2 | 1), To("b2")),
            In(c.data(size=1380, ttl=2), To("b2")),
            In(c.data(size=8, ttl=255), To("b2")),
        ),
        needs=frozenset({Can.FRAMES}),
    )


def _far(service: Service) -> Row:
    c = Connection("c1", 40_002, service)
    return Row(
        f"far-server-{service}",
        "A server behind a router gets its packets by the router's MAC.",
        web(FAR),
        (In(c.syn(), To(FAR)), In(c.data(), To(FAR))),
    )


def _unsummed(mode: Mode) -> Row:
    c = Connection("c1", 40_003, Service(mode, 4, Protocol.UDP))
    return Row(
        f"no-udp-checksum-{mode}",
        "A datagram without checksum is sent on without one: a wrong one would have the server drop it.",
        web("b1"),
        (In(c.syn(summed=False), To("b1")),),
        needs=frozenset({Can.FRAMES}),
    )


def _other_port(service: Service) -> Row:
    c = Connection("c1", 40_004, service)
    return Row(
        f"other-server-port-{service}",
        "What a server says from a port that no listener leads to is its own affair and passes as it is.",
        web("b1"),
        (In(c.syn(), To("b1")), In(c.answer(port=9_999), AsItIs())),
        needs=frozenset({Can.ANSWERS}),
    )


def _bypass(service: Service) -> Row:
    c = Connection("prober", 40_005, service)
    return Row(
        f"bypass-{service}",
        "A prober asks servers by their own address; an answer to it in the VIP's name would be no answer.",
        web("b1"),
        (In(c.syn(), To("b1")), In(c.answer(), AsItIs())),
        needs=frozenset({Can.ANSWERS}),
    )


def _two_clients(service: Service) -> Row:
    one, two = (Connection(client, 40_006, service) for client in ("c1", "c2"))
    return Row(
        f"two-clients-{service}",
        "Two clients with the same port stay apart, also where the switch gives them its own address.",
        web("b1"),
        (
            In(one.syn(), To("b1")),
            In(two.syn(), To("b1")),
            In(one.answer(), Home()),
            In(two.answer(), Home()),
            In((one.data(), two.data()), Same()),
            In((one.answer(), two.answer()), Home()),
        ),
        needs=frozenset({Can.ANSWERS}),
    )


def _last_hop(service: Service) -> Row:
    c = Connection("c1", 40_007, service)
    return Row(
        f"last-hop-{service}",
        "Where the balancer routes, it counts the hop: a packet with a TTL of 1 ends there.",
        web("b1"),
        (In(c.data(ttl=1), Lost()),),
        needs=frozenset({Can.FRAMES}),
    )


ROWS = (
    *map(_delivered, EVERY_MODE),
    *map(_answered, EVERY_MODE),
    *map(_odd, EVERY_MODE),
    *map(_far, _NOT_DR),
    *map(_unsummed, Mode),
    *map(_other_port, [s for s in _NAT if s.mode is Mode.NAT]),
    *map(_bypass, [s for s in _NAT if s.mode is Mode.NAT]),
    *map(_two_clients, _NAT),
    *map(_last_hop, _NAT),
)
