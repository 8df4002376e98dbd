"""Flows that count connections apart: for which listeners, and what they leave as it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from controller.spec.spread import Spread
from controller.spec.switch import ListenerSpec
from controller.spec.types import Mode, Protocol
from flows.entries import Flow
from flows.spec import Here
from flows.stages import backend
from flows.tables import Cookie, Kind
from tests.fakes.duties import backends, listeners, switch

HERE = Here.of(switch())
REAL = backends()[0]
TCP = [item for item in listeners() if item.protocol is Protocol.TCP and item.vip.address.version == 4]


def flows(item: ListenerSpec) -> list[Flow]:
    return backend.flows(HERE, item, REAL)


def kinds(item: ListenerSpec) -> Counter[Kind]:
    parsed = [Cookie.parse(each.body.cookie) for each in flows(item)]
    return Counter(each.kind for each in parsed if each is not None)


@pytest.mark.parametrize("item", TCP, ids=lambda item: f"{item.mode}-{item.sticky}")
def test_openings_and_ends_do_what_other_packets_of_their_listener_do(item: ListenerSpec) -> None:
    made = flows(replace(item, remembers=True))
    first = max(each.key.priority for each in made if _kind(each) is Kind.BACKEND)
    (usual,) = {each.body.instructions for each in made if each.key.priority == first}
    apart = [each for each in made if _kind(each) in (Kind.OPENS, Kind.ENDS)]
    assert {each.body.instructions for each in apart} == {usual}
    assert Counter(map(_kind, apart)) == {Kind.OPENS: 1, Kind.ENDS: 2}
    assert min(each.key.priority for each in apart) > first


@pytest.mark.parametrize(
    ("remembers", "spread", "counts"),
    [
        (True, Spread.OWN, True),
        (False, Spread.DATAPATH, True),
        (False, Spread.BITS, True),
        (False, Spread.OWN, False),
    ],
)
def test_where_each_connection_has_a_decision_of_its_own_none_is_counted(
    remembers: bool, spread: Spread, counts: bool
) -> None:
    item = next(item for item in TCP if item.mode is Mode.DR)
    found = kinds(replace(item, remembers=remembers, spread=spread))
    assert (Kind.OPENS in found, Kind.ENDS in found) == (counts, counts)


def test_datagrams_have_no_connections() -> None:
    item = next(item for item in listeners() if item.protocol is Protocol.UDP)
    assert kinds(item).keys() == {Kind.BACKEND}


def _kind(of: Flow) -> Kind:
    parsed = Cookie.parse(of.body.cookie)
    assert parsed is not None
    return parsed.kind
