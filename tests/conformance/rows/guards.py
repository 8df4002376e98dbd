"""Guards: new connections over a rate are dropped, established ones never."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from controller.spec.types import Guard, PrefixRate, Protocol
from tests.conformance.expect import Between, Same, To
from tests.conformance.row import In, Row, Until
from tests.conformance.says import Connection, connections, opening
from tests.conformance.scenario import DR, DR_UDP, EVERY_MODE, Service, Setup, pool
from tests.conformance.target import Can

_NEEDS = frozenset({Can.GUARDS})
_FLOOD = 200
_MOST = 100
"""Of a flood at once, more than a rate of 5 and its burst let through, even on a slow machine."""
_RATE = Guard(5)
_FAR = Guard(prefixes=(PrefixRate(ip_network("192.0.2.0/24"), 5), PrefixRate(ip_network("2001:db8::/32"), 5)))


def _within_rate(service: Service) -> Until:
    """One connection passes: the rate is no stop, and whatever flood was before this row is over."""
    return Until(In(Connection("far", 50_000, service).syn(), To("b1", "b2")), within=20.0)


def _setup(*services: Service) -> Setup:
    return Setup((pool("b1", "b2"),), services)


def _flood(service: Service) -> Row:
    guarded = replace(service, guard=_RATE)
    return Row(
        f"flood-{service}",
        "A flood of new connections is cut to the listener's rate, and what is cut reaches no server.",
        _setup(guarded),
        (_within_rate(guarded), In(opening(connections(_FLOOD, guarded)), Between(0, _MOST))),
        needs=_NEEDS,
    )


def _established(service: Service) -> Row:
    guarded = replace(service, guard=_RATE)
    c = Connection("c2", 50_000, guarded)
    return Row(
        f"established-never-metered-{service}",
        "A connection that is there has passed the guard already: in a flood above all it must not suffer.",
        _setup(guarded),
        (
            Until(In(c.syn(), To("b1", "b2")), within=20.0),
            In(c.data(), Same()),
            In(opening(connections(_FLOOD, guarded)), Between(0, _MOST)),
            *(In(c.data(), Same()) for _ in range(20)),
        ),
        needs=_NEEDS,
    )


def _prefix(service: Service, rate: int | None = None) -> Row:
    own = tuple(row for row in _FAR.prefixes if row.prefix.version == service.version)
    guarded = replace(service, guard=Guard(rate, own))
    named = "" if rate is None else "-and-all"
    return Row(
        f"flood-of-a-prefix{named}-{service}",
        "A rate for one prefix holds back that prefix, and no other.",
        _setup(guarded),
        (
            _within_rate(guarded),
            In(opening(connections(_FLOOD, guarded, client="far")), Between(0, _MOST)),
            In(opening(connections(_FLOOD, guarded)), To("b1", "b2")),
        ),
        needs=_NEEDS,
    )


def _other_listener() -> Row:
    guarded = replace(DR, guard=_RATE)
    free = replace(DR, number=1)
    return Row(
        "flood-elsewhere",
        "A flood at one listener leaves the others' rates alone.",
        _setup(guarded, free),
        (
            _within_rate(guarded),
            In(opening(connections(_FLOOD, guarded)), Between(0, _MOST)),
            In(opening(connections(_FLOOD, free)), To("b1", "b2")),
        ),
        needs=_NEEDS,
    )


ROWS = (
    *map(_flood, EVERY_MODE),
    *map(_established, EVERY_MODE),
    *map(_prefix, EVERY_MODE),
    *(_prefix(service, 10_000) for service in (DR, DR_UDP)),
    _other_listener(),
    Row(
        "unguarded",
        "Without a guard nothing is held back.",
        _setup(DR, replace(DR, protocol=Protocol.UDP)),
        (In(opening(connections(_FLOOD, DR)), To("b1", "b2")),),
        needs=_NEEDS,
    ),
)
