"""Choice: who gets a new connection, by health, weights, groups, panic and affinity."""

from __future__ import annotations

from dataclasses import replace

from controller.spec.types import Mode, Pool
from tests.conformance.expect import Alike, Lost, Same, Share, Spread, To
from tests.conformance.row import Change, In, Judge, Row
from tests.conformance.says import Connection, connections, going_on, opening
from tests.conformance.scenario import (
    DR,
    EVERY_MODE,
    NEAR,
    STICKY,
    Service,
    Setup,
    pool,
    server,
    web,
)
from tests.conformance.target import Can, Reason

_EXCEPTION = frozenset({Reason.EXCEPTION})
_MANY = 64


def _everyone(service: Service) -> Row:
    some = connections(_MANY, service)
    return Row(
        f"everyone-serves-{service}",
        "Every backend of a healthy pool gets new connections, and each connection only one of them.",
        web(*NEAR),
        (In(opening(some), Spread(*NEAR)), In(going_on(some), Same())),
    )


def _weights() -> Row:
    some = connections(400, DR)
    return Row(
        "weights",
        "A backend of three times the weight gets three quarters of the connections, give or take chance.",
        web(server("b1", weight=3), server("b2")),
        (In(opening(some), Share("b1", 260, 340)),),
    )


def _weightless() -> Row:
    some = connections(_MANY, DR)
    return Row(
        "weight-0",
        "A backend of weight 0 is meant to get nothing.",
        web(server("b1", weight=0), "b2", "b3"),
        (In(opening(some), Spread("b2", "b3")),),
    )


def _down(service: Service) -> Row:
    some = connections(_MANY, service)
    return Row(
        f"down-{service}",
        "Connections that are sent to a dead server are lost, so new ones go to the living.",
        web(*NEAR),
        (In(opening(some), Spread("b2", "b4")),),
        down=("b1", "b3"),
    )


def _comes_up() -> Row:
    some, more = connections(_MANY, DR), connections(_MANY, DR, first=42_000)
    return Row(
        "comes-up",
        "A server that recovers gets its share of the new connections back, and none of the old.",
        web("b1", "b2"),
        (
            In(opening(some), To("b2")),
            Judge(up=("b1",)),
            In(opening(more), Spread("b1", "b2")),
            In(going_on(some), To("b2"), reports=_EXCEPTION),
        ),
        down=("b1",),
    )


_GROUPS = (server("b1"), server("b2"), server("b3", group=1), server("b4", group=2))


def _standby() -> Row:
    return Row(
        "groups-first-serves",
        "A standby server costs what it is kept for: while the first group lives it gets nothing.",
        web(*_GROUPS),
        (In(opening(connections(_MANY, DR)), Spread("b1", "b2")),),
    )


def _first_group_thinned() -> Row:
    return Row(
        "groups-one-lives",
        "One living server of the first group is enough to keep the standby out of it.",
        web(*_GROUPS),
        (In(opening(connections(_MANY, DR)), To("b2")),),
        down=("b1",),
    )


def _next_group() -> Row:
    first, second, third = (connections(8, DR, first=n) for n in (41_000, 42_000, 43_000))
    return Row(
        "groups-in-turn",
        "When a whole group is down the next serves, and the first again as soon as one of it lives.",
        web(*_GROUPS),
        (
            In(opening(first), To("b3")),
            Judge(down=("b3",)),
            In(opening(second), To("b4")),
            Judge(up=("b1",)),
            In(opening(third), To("b1")),
        ),
        down=("b1", "b2"),
    )


def _panicking(threshold: float, down: tuple[str, ...], serving: tuple[str, ...], name: str, why: str) -> Row:
    return Row(
        name,
        why,
        web(*NEAR, panic_threshold=threshold),
        (In(opening(connections(_MANY, DR)), Spread(*serving)),),
        down=down,
    )


_PANIC = (
    _panicking(
        0.5,
        ("b1", "b2", "b3"),
        NEAR,
        "panic",
        "When most of a pool seems dead the checks are doubted, so that the living are not drowned.",
    ),
    _panicking(
        0.5,
        ("b1", "b2"),
        ("b3", "b4"),
        "panic-not-yet",
        "At the threshold, not above it, verdicts still count.",
    ),
    _panicking(
        1.0,
        ("b1", "b2", "b3"),
        ("b4",),
        "panic-never",
        "With a threshold of 1 only backends that are up serve, and if it is one.",
    ),
    _panicking(
        0.0,
        ("b1",),
        NEAR,
        "panic-at-once",
        "With a threshold of 0 one death is too many to be believed.",
    ),
)


def _panic_in_group() -> Row:
    members = (*(server(name) for name in ("b1", "b2", "b3")), server("b4", group=1))
    return Row(
        "panic-in-group",
        "Where no group can be believed, the dead of the first one serve, and the standby does not.",
        web(*members, panic_threshold=0.5),
        (In(opening(connections(_MANY, DR)), Spread("b1", "b2", "b3")),),
        down=("b1", "b2", "b4"),
    )


def _group_spills() -> Row:
    members = (*(server(name) for name in ("b1", "b2", "b3")), server("b4", group=1))
    return Row(
        "group-spills",
        "A group that has lost most of its weight gives a part to the standby: its dead do not serve.",
        web(*members, panic_threshold=0.5),
        (In(opening(connections(_MANY, DR)), Spread("b3", "b4")),),
        down=("b1", "b2"),
    )


def _empty(service: Service) -> Row:
    c = Connection("c1", 40_000, service)
    return Row(
        f"empty-pool-{service}",
        "Without any backend there is none to send to, and a packet must not find one by chance.",
        web(),
        (In(c.syn(), Lost()), In(c.data(), Lost())),
    )


def _all_down(service: Service) -> Row:
    c, later = Connection("c1", 40_000, service), Connection("c1", 40_001, service)
    return Row(
        f"all-down-{service}",
        "A pool all of whose servers are dead takes nothing, and serves as soon as one lives.",
        web("b1", "b2"),
        (In(c.syn(), Lost()), Judge(up=("b2",)), In(later.syn(), To("b2"))),
        down=("b1", "b2"),
    )


def _two_pools() -> Row:
    one, two = DR, replace(DR, number=1, pool="other")
    pools: tuple[Pool, ...] = (pool("b1"), pool("b2", name="other"))
    return Row(
        "two-pools",
        "Two listeners of one VIP lead to pools of their own, also for one client and port.",
        Setup(pools, (one, two)),
        (
            In(Connection("c1", 40_000, one).syn(), To("b1")),
            In(Connection("c1", 40_000, two).syn(), To("b2")),
            In(Connection("c1", 40_000, one).data(), To("b1")),
            In(Connection("c1", 40_000, two).data(), To("b2")),
        ),
    )


def _affine(service: Service) -> Row:
    some = connections(24, service)
    return Row(
        f"affinity-{service}",
        "With affinity source all connections of a client reach one server, whatever their ports.",
        web(*NEAR),
        (In(opening(some), Alike()), In(going_on(some), Same())),
    )


def _affine_grows(service: Service) -> Row:
    some, more = connections(4, service), connections(8, service, first=42_000)
    return Row(
        f"affinity-remembered-{service}",
        "A client stays with its server when the pool grows: with new connections too.",
        web(server("b1", group=1)),
        (
            In(opening(some), To("b1")),
            Change(pool(server("b1", group=1), "b2")),
            In(opening(more), To("b1"), reports=None),
            In(going_on(some), To("b1"), reports=_EXCEPTION),
        ),
        needs=_with_affinity(service),
    )


def _with_affinity(service: Service) -> frozenset[Can]:
    return frozenset({Can.FULLNAT_AFFINITY} if service.mode is Mode.FULLNAT else ())


def _affine_after_abort() -> Row:
    service = replace(DR, sticky=True)
    one, two = Connection("c1", 40_000, service), Connection("c1", 40_001, service)
    return Row(
        "affinity-outlives-a-connection",
        "One connection of a client that ends says nothing about its others, nor where its next one belongs.",
        web(server("b1", group=1)),
        (
            In((one.syn()), To("b1")),
            In(one.data(), To("b1")),
            In(two.data(), To("b1")),
            In(two.rst(), To("b1")),
            Change(pool(server("b1", group=1), "b2")),
            In(replace(one, port=40_002).syn(), To("b1"), reports=None),
            In(one.data(), To("b1"), reports=None),
        ),
    )


def _affine_clients() -> Row:
    service = replace(DR, sticky=True)
    one, two = Connection("c1", 40_000, service), Connection("c2", 40_000, service)
    return Row(
        "affinity-is-per-client",
        "One client's affinity says nothing about another's.",
        web(server("b1", group=1)),
        (
            In(one.syn(), To("b1")),
            Change(pool(server("b1", group=1), "b2")),
            In(two.syn(), To("b2")),
            In(replace(one, port=40_001).syn(), To("b1"), reports=None),
            In(one.data(), To("b1"), reports=_EXCEPTION),
        ),
    )


def _affine_listeners() -> Row:
    one = replace(DR, sticky=True)
    two = replace(one, number=1)
    return Row(
        "affinity-across-listeners",
        "A shop behind two ports is one shop: a client meets the same server of the pool at both.",
        Setup((pool(server("b1", group=1)),), (one, two)),
        (
            In(Connection("c1", 40_000, one).syn(), To("b1")),
            Change(Setup((pool(server("b1", group=1), "b2"),), (one, two))),
            In(Connection("c1", 40_001, two).syn(), To("b1"), reports=None),
        ),
    )


ROWS = (
    *map(_everyone, EVERY_MODE),
    _weights(),
    _weightless(),
    *map(_down, EVERY_MODE),
    _comes_up(),
    _standby(),
    _first_group_thinned(),
    _next_group(),
    *_PANIC,
    _panic_in_group(),
    _group_spills(),
    *map(_empty, EVERY_MODE),
    *map(_all_down, EVERY_MODE),
    _two_pools(),
    *map(_affine, STICKY),
    *map(_affine_grows, STICKY),
    _affine_after_abort(),
    _affine_clients(),
    _affine_listeners(),
)
