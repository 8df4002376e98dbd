"""Just enough tracking: connections of slots that moved are remembered for a while, those of settled slots never."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from controller.spec.types import Guard, Mode
from tests.conformance.expect import Between, To
from tests.conformance.row import Change, Forget, Hear, In, Pass, Row
from tests.conformance.says import Connection, connections, going_on, opening
from tests.conformance.scenario import DR, EVERY_MODE, Service, Setup, pool, server, web
from tests.conformance.target import Can, Reason

_EXCEPTION, _FOUND, _STALE = (
    frozenset({each}) for each in (Reason.EXCEPTION, Reason.FOUND, Reason.PIN_STALE)
)
_FLOOD = 200
_STANDBY, _NEXT = server("b1", group=2), server("b2", group=1)
_ALONE, _BOTH, _ALL = pool(_STANDBY), pool(_STANDBY, _NEXT), pool(_STANDBY, _NEXT, "b3")
"""Each takes every slot from the one before, which lives on with what it has."""
_TCP = [one for one in EVERY_MODE if one.protocol == "tcp" and one.mode is not Mode.FULLNAT]
"""Of fullnat every connection is remembered."""
_PERIOD = 60
"""Seconds: half of the pool's ``transition``."""


def _c(service: Service, port: int = 40_000) -> Connection:
    return Connection("c1", port, service)


def _settled(service: Service) -> Row:
    c, stranger = _c(service), _c(service, 40_001)
    return Row(
        f"settled-{service}",
        "What a switch knows of connections of a settled slot is the slot: it may lose all else.",
        web(_STANDBY),
        (
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
            Forget(),
            In(c.data(), To("b1")),
            In(stranger.data(), To("b1")),
        ),
    )


def _moved(service: Service) -> Row:
    old, new = _c(service), _c(service, 40_001)
    return Row(
        f"moved-{service}",
        "What is not remembered was opened before the slot moved, unless it is a SYN; it is told of at once.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            In(new.syn(), To("b2")),
            In(old.data(), To("b1"), reports=_FOUND),
            In(old.data(), To("b1"), reports=_FOUND),
            In(new.data(), To("b2")),
            In(new.data(), To("b2")),
        ),
    )


def _lasts(service: Service) -> Row:
    old, stranger = _c(service), _c(service, 40_001)
    return Row(
        f"base-lasts-{service}",
        "For as long as a connection may be silent its slot names whose it was; then its pin does.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            Pass(900),
            In(old.data(), To("b1"), reports=_FOUND),
            Hear(pins=1),
            Pass(5),
            In(old.data(), To("b1")),
            In(stranger.data(), To("b2")),
            In(stranger.data(), To("b2")),
        ),
    )


def _ages(service: Service) -> Row:
    new = _c(service)
    return Row(
        f"ages-{service}",
        "A connection opened on a tracked slot is pinned once it is old: other switches would give it to the base.",
        web(_STANDBY),
        (
            Change(_BOTH),
            In(new.syn(), To("b2")),
            In(new.data(), To("b2")),
            Pass(_PERIOD - 1),
            In(new.data(), To("b2")),
            Pass(3 * _PERIOD),
            In(new.data(), To("b2"), reports=_EXCEPTION),
            Hear(pins=1),
            In(new.data(), To("b2")),
        ),
        needs=frozenset({Can.MEMORY_CLOCK}),
    )


def _moves_on() -> Row:
    old, second, third = _c(DR), _c(DR, 40_001), _c(DR, 40_002)
    return Row(
        "tracked-moves-on",
        "A slot that moves again names the owner that it had while it was settled; in between memory knows.",
        web(_STANDBY),
        (
            In(old.syn(), To("b1")),
            Change(_BOTH),
            In(second.syn(), To("b2")),
            In(second.data(), To("b2")),
            Change(_ALL),
            In(third.syn(), To("b3")),
            In(old.data(), To("b1"), reports=_FOUND),
            In(second.data(), To("b2"), reports=_EXCEPTION),
            In(third.data(), To("b3")),
        ),
    )


def _returns() -> Row:
    c, later = _c(DR), _c(DR, 40_001)
    return Row(
        "tracked-again",
        "A slot that settled and moves again remembers nothing of the time before.",
        web(_STANDBY),
        (
            Change(_BOTH),
            Pass(1000),
            In(c.syn(), To("b2")),
            Change(_ALONE),
            In(later.syn(), To("b1")),
            In(c.data(), To("b2"), reports=_FOUND),
            In(c.data(), To("b2"), reports=_FOUND),
            In(later.data(), To("b1")),
        ),
    )


def _syn_again() -> Row:
    c = _c(DR)
    return Row(
        "tracked-syn-again",
        "A SYN that comes again follows memory as its connection does, and is told of as that is.",
        web(_STANDBY),
        (
            Change(_BOTH),
            In(c.syn(), To("b2")),
            In(c.data(), To("b2")),
            Change(_ALL),
            In(c.syn(), To("b2"), reports=_EXCEPTION),
        ),
    )


def _pin_passed(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"settled-port-used-again-{service}",
        "A SYN goes past the pin of the connection before it also where nothing else is remembered.",
        web(_STANDBY),
        (
            Change(_BOTH),
            In(c.data(), To("b1"), reports=_FOUND),
            Hear(pins=1),
            Pass(1000),
            Pass(1000),
            In(c.data(), To("b1")),
            Forget(),
            In(c.syn(), To("b2"), reports=_STALE),
            In(c.data(), To("b2"), reports=_STALE),
            Hear(pins=0),
            In(c.data(), To("b2")),
        ),
    )


def _midway(service: Service) -> Row:
    guarded = replace(service, guard=Guard(5))
    settled, tracked = connections(_FLOOD, guarded), connections(_FLOOD, guarded, client="c2")
    return Row(
        f"guard-midway-{service}",
        "What no SYN opened is metered on a tracked slot, where it is remembered; on a settled one it is free.",
        Setup((_ALONE,), (guarded,)),
        (
            In(going_on(settled), To("b1")),
            Change(_BOTH),
            In(going_on(tracked), Between(0, _FLOOD // 2), reports=None),
        ),
        needs=frozenset({Can.GUARDS}),
    )


def _of_their_own() -> Row:
    ports = Random(1).sample(range(1024, 65_536), 1000)
    groups = [ports[at : at + 100] for at in range(0, 1000, 100)]
    old, new = (
        [tuple(Connection(client, port, DR) for port in some) for some in groups] for client in ("c1", "far")
    )
    return Row(
        "tracked-connections-of-their-own",
        "Of many connections some share a place in memory, and must not be taken for each other.",
        web(_STANDBY),
        (
            Change(_BOTH),
            *(In(going_on(some), To("b1"), reports=None) for some in old),
            *(In(opening(some), To("b2")) for some in new),
        ),
    )


def _forgotten(service: Service) -> Row:
    c = _c(service)
    return Row(
        f"class-forgotten-{service}",
        "What was remembered when the slot was tracked before is not believed: its port may have been used again.",
        web(_STANDBY),
        (
            Change(_BOTH),
            Pass(800),
            In(c.syn(), To("b2")),
            In(c.data(), To("b2"), reports=None),
            Pass(120),
            Pass(10),
            Change(pool(server("b1", group=0), _NEXT)),
            In(c.syn(), To("b1")),
            In(c.data(), To("b1")),
        ),
        needs=frozenset({Can.MEMORY_CLOCK}),
    )


ROWS = (
    *map(_settled, _TCP),
    *map(_moved, _TCP),
    *map(_lasts, _TCP),
    *map(_ages, _TCP),
    *map(_pin_passed, _TCP),
    *map(_midway, _TCP),
    *map(_forgotten, _TCP),
    _moves_on(),
    _returns(),
    _syn_again(),
    _of_their_own(),
)
