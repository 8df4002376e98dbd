"""What is stored is read as it was: any intent, and any value of the types that are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck as Slow
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.plan.tables import Retained
from controller.plan.turns import Turn
from controller.spec.codec import CodecError, decode, encode
from controller.spec.health import HealthCheck
from controller.spec.types import Address, Intent, Vip
from tests.examples import examples
from tests.fakes.core import loaded

SLOW = [Slow.too_slow, Slow.data_too_large, Slow.large_base_example]
"""Parts of an intent are large."""
st.register_type_strategy(IPv4Address, st.ip_addresses(v=4))
st.register_type_strategy(IPv6Address, st.ip_addresses(v=6))
st.register_type_strategy(
    IPv4Network,
    st.builds(lambda a, n: IPv4Network((a, n), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
)
st.register_type_strategy(
    IPv6Network,
    st.builds(lambda a, n: IPv6Network((a, n), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
)
st.register_type_strategy(float, st.floats(allow_nan=False))


def again(value: object) -> object:
    return decode(type(value), json.loads(json.dumps(encode(value))))


@pytest.mark.parametrize("part", [each.name for each in fields(Intent)])
def test_any_part_of_an_intent_is_read_as_it_was_stored(part: str) -> None:
    @settings(max_examples=examples(10, 50), deadline=None, suppress_health_check=SLOW)
    @given(st.from_type(get_type_hints(Intent)[part]))
    def holds(value: Any) -> None:
        intent = replace(Intent((), (), (), ()), **{part: value})
        assert again(intent) == intent

    holds()


@pytest.mark.parametrize("kind", [HealthCheck, Turn, Retained, Vip])
def test_any_value_that_is_stored_is_read_as_it_was(kind: type[object]) -> None:
    @settings(max_examples=examples(10, 20), deadline=None, suppress_health_check=SLOW)
    @given(st.from_type(kind))
    def holds(value: object) -> None:
        assert again(value) == value

    holds()


@pytest.mark.parametrize("name", ["pair", "demo", "fabric", "single"])
def test_the_labs_intents_are_read_as_they_were_stored(name: str) -> None:
    intent = loaded(name)
    assert again(intent) == intent


def test_what_an_older_version_did_not_store_takes_its_default() -> None:
    intent = loaded("pair")
    data = json.loads(json.dumps(encode(intent)))
    for pool in data["pools"]:
        del pool["transition"], pool["panic_threshold"]
    read = decode(Intent, data)
    assert [pool.transition for pool in read.pools] == [120.0] * len(intent.pools)
    assert replace(read, pools=intent.pools) == intent


@dataclass(frozen=True)
class Odd:
    """One field of every kind."""

    names: frozenset[str]
    pair: tuple[int, str]
    table: Mapping[str, tuple[float, ...]]
    data: bytes
    where: Address | None = None
    many: list[int] = field(default_factory=list)


def test_every_kind_of_field_is_read_as_it_was() -> None:
    odd = Odd(frozenset("abc"), (1, "x"), {"t": (1.0, float("-inf"))}, b"\x00\xff", ip_address("::1"), [1, 2])
    assert again(odd) == odd
    assert again(replace(odd, where=None)) == replace(odd, where=None)
    assert {f.name for f in fields(odd)} == set(encode(odd))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        (Turn, {"number": 1}, "no Turn: .*Turn lacks since"),
        (Turn, [], "no Turn"),
        (Turn, 7, "no Turn"),
        (Turn, {"number": "one", "since": 1, "period": 1, "asked": 1}, "'one' is no int"),
        (Odd, {"names": [], "pair": [1], "table": {}, "data": ""}, "no Odd"),
        (Odd, {"names": [], "pair": [1, "x"], "table": [], "data": ""}, "no Odd"),
        (Odd, {"names": [], "pair": [1, "x"], "table": {}, "data": "xyz"}, "no Odd"),
        (Odd, {"names": [], "pair": [1, "x"], "table": {}, "data": "", "where": "10.0.0"}, "no Odd"),
        (Intent, None, "no Intent"),
    ],
)
def test_what_is_not_of_the_type_is_named(kind: type[object], data: object, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        decode(kind, data)  # type: ignore[arg-type]


def test_what_cannot_be_stored_is_said_when_it_should_be() -> None:
    with pytest.raises(CodecError, match="object cannot be stored"):
        encode({"a": [object()]})
