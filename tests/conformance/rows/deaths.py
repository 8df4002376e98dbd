"""Deaths: what becomes of the connections of a server that is judged down, old and new."""

from __future__ import annotations

from controller.spec.policy import OnDown, Then
from controller.spec.types import Protocol
from tests.conformance.expect import Alike, Lost, Same, Spread, StaysUnless, To
from tests.conformance.expect_control import WasReset
from tests.conformance.row import In, Judge, Pass, Row
from tests.conformance.says import Connection, connections, going_on, opening
from tests.conformance.scenario import DR, DR_UDP, EVERY_MODE, NEAR, STICKY, Service, server, web
from tests.conformance.target import Can, Reason

EXCEPTION, RESET = frozenset({Reason.EXCEPTION}), frozenset({Reason.RESET})
_TCP = [service for service in EVERY_MODE if service.protocol is Protocol.TCP]
_UDP = [service for service in EVERY_MODE if service.protocol is Protocol.UDP]


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _dies(service: Service) -> Row:
    old, new = _c(service), _c(service, 40_001)
    members = ("b1", server("b2", group=1))
    return Row(
        f"dies-{service}",
        "A false verdict must not kill, nor a dead server hold its clients: they are kept a while, then moved.",
        web(*members),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Judge(down=("b1",)),
            In(new.syn(), To("b2")),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Pass(9),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Pass(1),
            In(old.data(), To("b2")),
            In(old.data(), Same()),
            In(new.data(), Same()),
        ),
    )


def _dies_udp(service: Service) -> Row:
    old = _c(service)
    return Row(
        f"dies-{service}",
        "Datagrams leave a dead server at once.",
        web("b1", server("b2", group=1)),
        (
            In(old.syn(), To("b1")),
            Judge(down=("b1",)),
            In(old.data(), To("b2")),
            In(_c(service, 40_001).data(), To("b2")),
            In(old.data(), Same()),
        ),
    )


def _dies_reset(service: Service) -> Row:
    old = _c(service)
    policy = OnDown(5.0, Then.RESET)
    return Row(
        f"dies-then-reset-{service}",
        "A client whose server is dead for good learns it from a reset in the VIP's name, and can connect again.",
        web("b1", server("b2", group=1), on_down_tcp=policy),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Judge(down=("b1",)),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Pass(5),
            In(old.data(), WasReset(), reports=RESET),
            In(old.syn(), To("b2")),
            In(old.data(), To("b2")),
        ),
        needs=frozenset({Can.CONTROLLER}),
    )


def _datagrams_reset() -> Row:
    old = _c(DR_UDP)
    return Row(
        "dies-then-reset-udp",
        "A datagram cannot be reset, so it is dropped.",
        web("b1", server("b2", group=1), on_down_udp=OnDown(0.0, Then.RESET)),
        (In(old.syn(), To("b1")), Judge(down=("b1",)), In(old.data(), Lost(), reports=RESET)),
    )


def _revives() -> Row:
    old, moved = _c(DR), _c(DR, 40_001)
    return Row(
        "revives",
        "After a false verdict the kept connections are ordinary again; a moved one has a server and stays with it.",
        web("b1", server("b2", group=1)),
        (
            In((old.syn(), moved.syn()), To("b1")),
            In((old.data(), moved.data()), To("b1")),
            Judge(down=("b1",)),
            Pass(5),
            Judge(up=("b1",)),
            Pass(60),
            In(old.data(), To("b1")),
            Judge(down=("b1",)),
            Pass(10),
            In(moved.data(), To("b2")),
            Judge(up=("b1",)),
            In(moved.data(), To("b2"), reports=EXCEPTION),
            In(_c(DR, 40_002).syn(), To("b1")),
        ),
    )


def _one_of_many_dies(service: Service) -> Row:
    some = connections(64, service)
    return Row(
        f"one-of-many-dies-{service}",
        "When one server dies only its own connections move.",
        web(*NEAR, keep_for=0.0),
        (
            In(opening(some), Spread(*NEAR)),
            Judge(down=("b3",)),
            In(going_on(some), StaysUnless("b3"), reports=None),
            In(going_on(some), Same(), reports=None),
        ),
    )


def _unknown_of_dead(then: Then) -> Row:
    members = ("b1", server("b2", group=1))
    return Row(
        f"dies-unknown-{then}",
        "What is not remembered is the dead server's for as long as that keeps its connections, and no longer.",
        web(*members, on_down_tcp=OnDown(10.0, then)),
        (
            Judge(down=("b1",)),
            In(_c(DR).data(), To("b1")),
            In(_c(DR, 40_001).syn(), To("b2")),
            Pass(10),
            In(_c(DR, 40_002).data(), To("b2")),
        ),
    )


def _panic_keeps() -> Row:
    some = connections(32, DR)
    return Row(
        "panic-keeps-connections",
        "In panic verdicts do not count, so they move no connection.",
        web("b1", "b2", "b3", panic_threshold=0.5, keep_for=0.0),
        (
            In(opening(some), Spread("b1", "b2", "b3")),
            Judge(down=("b1", "b2")),
            Pass(60),
            In(going_on(some), Same(), reports=None),
        ),
    )


def _last_one_dies() -> Row:
    old = _c(DR)
    return Row(
        "last-one-dies",
        "When no backend is left, a kept connection still has its server, and afterwards there is none to move to.",
        web("b1"),
        (
            In(old.syn(), To("b1")),
            Judge(down=("b1",)),
            In(_c(DR, 40_001).syn(), Lost()),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Pass(10),
            In(old.data(), Lost()),
            Judge(up=("b1",)),
            In(old.data(), To("b1")),
        ),
    )


def _affine_dies() -> Row:
    service = next(s for s in STICKY if s.mode == "dr")
    return Row(
        "dies-with-affinity",
        "A client whose server is dead moves as a whole, and stays together.",
        web("b1", server("b2", group=1), server("b3", group=1), keep_for=0.0),
        (
            In(opening(connections(4, service)), To("b1")),
            Judge(down=("b1",)),
            In(going_on(connections(4, service)), Alike()),
            In(opening(connections(8, service, first=42_000)), Alike()),
        ),
    )


ROWS = (
    *map(_dies, _TCP),
    *map(_dies_udp, _UDP),
    *map(_dies_reset, (*_TCP, *(s for s in STICKY if s.protocol is Protocol.TCP))),
    _datagrams_reset(),
    _revives(),
    *map(_one_of_many_dies, EVERY_MODE),
    *map(_unknown_of_dead, (Then.MOVE, Then.RESET)),
    _panic_keeps(),
    _last_one_dies(),
    _affine_dies(),
)
