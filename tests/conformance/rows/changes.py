"""Changes: transition, drain and removal, and what each means for connections old and new."""

from __future__ import annotations

from typing import Any

from controller.spec.policy import Then
from controller.spec.types import Protocol
from tests.conformance.expect import Refused, Same, Spread, To
from tests.conformance.row import Change, Forget, Hear, In, Pass, Row
from tests.conformance.says import Connection, connections, going_on, opening
from tests.conformance.scenario import DR, EVERY_MODE, NEAR, STICKY, Service, pool, server, web
from tests.conformance.target import Reason

EXCEPTION, RESET = frozenset({Reason.EXCEPTION}), frozenset({Reason.RESET})
_STANDBY = server("b1", group=1)
"""Serves alone until b2 comes, which takes every slot from it; it lives on with what it has."""
_ALONE, _BOTH = pool(_STANDBY), pool(_STANDBY, "b2")
_TCP = [service for service in EVERY_MODE if service.protocol is Protocol.TCP]
_UDP = [service for service in EVERY_MODE if service.protocol is Protocol.UDP]


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _slot_moves(service: Service) -> Row:
    old, new, idle = _c(service), _c(service, 40_001), _c(service, 40_002)
    return Row(
        f"slot-moves-{service}",
        "In the window a SYN takes the new backend; what is not remembered may be an old connection and takes the old.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(_BOTH),
            In(new.syn(), To("b2")),
            In(old.data(), To("b1"), reports=EXCEPTION),
            In(idle.data(), To("b1")),
            In(idle.data(), To("b1"), reports=EXCEPTION),
            In(new.data(), To("b2")),
        ),
    )


def _datagrams_move(service: Service) -> Row:
    old, idle, later = _c(service), _c(service, 40_001), _c(service, 40_002)
    return Row(
        f"slot-moves-{service}",
        "Datagrams have no SYN, so in the window new flows follow the old backend like old ones; then the new.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            In(old.data(), To("b1"), reports=EXCEPTION),
            In(idle.data(), To("b1")),
            Pass(120),
            In(later.data(), To("b2")),
            In(old.data(), To("b1"), reports=EXCEPTION),
        ),
    )


def _sibling_in_window(service: Service) -> Row:
    old = _c(service)
    return Row(
        f"sibling-in-window-{service}",
        "A switch that takes over knows nothing; in the window its table still names whom old connections belong to.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            Forget(),
            In(old.data(), To("b1")),
            Forget(),
            Pass(120),
            In(old.data(), To("b2")),
        ),
    )


def _young_until_settled() -> Row:
    new = _c(DR)
    return Row(
        "young-until-settled",
        "What was opened in the window and is heard of only later is no longer reported.",
        web(_STANDBY),
        (
            Change(_BOTH),
            In(new.syn(), To("b2")),
            In(new.syn(), To("b2")),
            In(new.data(), To("b2")),
            Pass(120),
            In(new.data(), To("b2")),
        ),
    )


def _young_becomes_an_exception() -> Row:
    new = _c(DR)
    return Row(
        "young-then-exception",
        "When the slot moves on, what was opened on its way is an exception.",
        web(server("b1", group=2)),
        (
            Change(pool(server("b1", group=2), server("b2", group=1))),
            In(new.syn(), To("b2")),
            In(new.data(), To("b2")),
            Change(pool(server("b1", group=2), server("b2", group=1), "b3")),
            In(new.data(), To("b2"), reports=EXCEPTION),
            Hear(pins=1),
            Forget(),
            In(new.data(), To("b2")),
        ),
    )


def _moves_back() -> Row:
    old, new = _c(DR), _c(DR, 40_001)
    return Row(
        "slot-moves-back",
        "Taking a change back makes the old connections ordinary again, and those made meanwhile exceptions.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            In(new.syn(), To("b2")),
            Change(pool(_STANDBY, server("b2", group=2))),
            In(old.data(), To("b1")),
            In(new.data(), To("b2"), reports=EXCEPTION),
            In(_c(DR, 40_002).syn(), To("b1")),
        ),
    )


def _grows(service: Service) -> Row:
    some = connections(64, service)
    return Row(
        f"pool-grows-{service}",
        "No connection moves because a backend is added.",
        web("b1", "b2", "b3"),
        (
            In(opening(some), Spread("b1", "b2", "b3")),
            Change(pool(*NEAR)),
            In(going_on(some), Same(), reports=EXCEPTION),
            Pass(120),
            In(going_on(some), Same(), reports=EXCEPTION),
        ),
    )


def _shrinks(service: Service) -> Row:
    some, more = connections(64, service), connections(64, service, first=42_000)
    return Row(
        f"backend-removed-{service}",
        "A backend that is taken out of the pool keeps its connections until its drain is over, and gets no new ones.",
        web("b1", "b2", "b3", transition=10.0),
        (
            In(opening(some), Spread("b1", "b2", "b3")),
            Change(pool("b2", "b3", transition=10.0)),
            Pass(10),
            In(going_on(some), Same(), reports=EXCEPTION),
            In(opening(more), Spread("b2", "b3")),
        ),
    )


def _weight_changes() -> Row:
    some = connections(64, DR)
    return Row(
        "weight-changes",
        "No connection moves because weights change.",
        web("b1", "b2", "b3"),
        (
            In(opening(some), Spread("b1", "b2", "b3")),
            Change(pool(server("b1", weight=5), "b2", "b3")),
            In(going_on(some), Same(), reports=EXCEPTION),
        ),
    )


def _drains(service: Service) -> Row:
    old, new = _c(service), _c(service, 40_001)
    return Row(
        f"drain-{service}",
        "A draining backend keeps its connections and gets no new one, not even with an old one's ports.",
        web("b1", transition=10.0),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(pool(server("b1", drain=True), "b2", transition=10.0)),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Pass(10),
            In(new.syn(), To("b2")),
            In(old.data(), To("b1"), reports=EXCEPTION),
            *((In(old.syn(), To("b2")),) if service.protocol is Protocol.TCP else ()),
        ),
    )


def _drain_ends(service: Service, then: Then) -> Row:
    old, new = _c(service), _c(service, 40_001)
    after = {
        Then.KEEP: In(old.data(), To("b1"), reports=EXCEPTION),
        Then.MOVE: In(old.data(), To("b2")),
        Then.RESET: In(old.data(), Refused(), reports=RESET),
    }[then]
    policies: dict[str, Any] = {"drain_timeout": 60.0, "drain_then": then, "transition": 10.0}
    return Row(
        f"drain-then-{then}-{service}",
        "When a drain is over, the connections that are left are kept, moved or reset as the pool says.",
        web("b1", **policies),
        (
            In(old.syn(), To("b1")),
            In(old.data(), To("b1")),
            Change(pool(server("b1", drain=True), "b2", **policies)),
            Pass(59),
            In(old.data(), To("b1"), reports=EXCEPTION),
            Pass(1),
            after,
            In(new.syn(), To("b2")),
        ),
    )


def _affine_drain() -> Row:
    service = next(s for s in STICKY if s.mode == "dr")
    return Row(
        "drain-with-affinity",
        "Who has affinity to a draining server keeps it, with new connections too, until the drain is over.",
        web("b1", drain_timeout=60.0, drain_then=Then.MOVE),
        (
            In(_c(service).syn(), To("b1")),
            Change(pool(server("b1", drain=True), "b2", drain_timeout=60.0, drain_then=Then.MOVE)),
            In(_c(service, 40_001).syn(), To("b1"), reports=None),
            Pass(60),
            In(_c(service, 40_002).syn(), To("b2")),
        ),
    )


def _drain_taken_back() -> Row:
    old = _c(DR)
    return Row(
        "drain-taken-back",
        "A drain that is taken back leaves everything as it was.",
        web("b1"),
        (
            In(old.syn(), To("b1")),
            Change(pool(server("b1", drain=True), "b2")),
            Change(pool("b1", server("b2", group=1))),
            In(old.data(), To("b1")),
            In(old.syn(), To("b1")),
        ),
    )


ROWS = (
    *map(_slot_moves, _TCP),
    *map(_datagrams_move, _UDP),
    *map(_sibling_in_window, _UDP),
    _young_until_settled(),
    _young_becomes_an_exception(),
    _moves_back(),
    *map(_grows, EVERY_MODE),
    *map(_shrinks, EVERY_MODE),
    _weight_changes(),
    *map(_drains, EVERY_MODE),
    *(_drain_ends(service, then) for then in Then for service in EVERY_MODE),
    _affine_drain(),
    _drain_taken_back(),
)
