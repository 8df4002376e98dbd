"""Slots that weights give are those of the table, and who gets none is said."""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import maglev
from controller.model.load import load_text
from controller.model.shares import quotas, without_slots
from controller.model.summary import notes
from controller.spec.types import Backend, Pool
from tests.unit.spoil import DATA


def pool(*weights: int, groups: tuple[int, ...] = (), drains: tuple[int, ...] = ()) -> Pool:
    backends = tuple(
        Backend(
            f"s{number}",
            (IPv4Address(0x0A000001 + number),),
            weight=weight,
            group=groups[number] if groups else 0,
            drain=number in drains,
        )
        for number, weight in enumerate(weights)
    )
    return Pool("web", backends, max_backends=2)


@settings(deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 100, 257, 65535]), min_size=1, max_size=40).filter(any))
def test_quotas_are_the_slots_that_the_table_gives(weights: list[int]) -> None:
    wanted = pool(*weights)
    members = [
        maglev.WeightedBackend(b.name, number + 1, b.weight) for number, b in enumerate(wanted.backends)
    ]
    counts = np.bincount(maglev.build(members, wanted.slots), minlength=len(members) + 1)
    table = {member.name: int(counts[member.id]) for member in members if member.weight}
    assert quotas(wanted, 0) == table
    assert {b.name for b in without_slots(wanted)} == {name for name, count in table.items() if not count}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (pool(65535, 1), ["s1"]),
        (pool(255, 1), []),
        (pool(65535, 0), []),
        (pool(65535, 1, drains=(1,)), []),
        (pool(65535, 1, groups=(0, 1)), []),
        (pool(65535, 1, 65535, 1, groups=(0, 0, 1, 1)), ["s1", "s3"]),
        (pool(), []),
    ],
)
def test_a_share_that_rounds_to_zero_is_found_in_its_group(wanted: Pool, names: list[str]) -> None:
    assert [backend.name for backend in without_slots(wanted)] == names


def test_even_zones_are_shown_with_what_their_weights_come_to() -> None:
    text = (
        (DATA / "base.yaml")
        .read_text()
        .replace("    drain_then: keep\n", "    drain_then: keep\n    zones: even\n", 1)
    )
    one = 'pool "web" has zones: even, but its backends are in one zone: write zone: at each of them'
    assert one in notes(load_text(text, "f"))
    text = text.replace("weight: 2, drain: false}", "weight: 2, zone: z1}")
    even = 'pool "web" shares new connections evenly among zones: z1 50%, without a zone 50%'
    assert even in notes(load_text(text, "f"))


def test_check_says_that_a_weight_gives_no_slot() -> None:
    text = (DATA / "base.yaml").read_text().replace("weight: 2", "weight: 65535")
    assert (
        'pool "web" gives backend "s2" none of its 512 slots by weight 1 of 65536: raise its weight'
        in notes(load_text(text, "f"))
    )
