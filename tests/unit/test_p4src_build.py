"""What lies in ``p4src/build`` is what p4c makes of the sources, and Python and P4 agree about every number."""

from __future__ import annotations

import re
import shutil
from enum import IntEnum
from pathlib import Path

import pytest

from p4src import ids
from p4src.compile import BUILD, COMPILER, HERE, PROGRAMS, compile_into, digests, outputs, recorded
from p4src.hashes import PEERS_MASK
from p4src.spec import BUCKETS
from p4src.target import ORDER
from tests.fakes.p4client import program_info

_CONSTANT = re.compile(r"^(?://)?\s*(?:const \S+ )?((?:REASON|OP|DROP)_\w+)(?: =)? (\d+)", re.MULTILINE)
_SIZE = re.compile(r"^const int (\w+) = (\d+);", re.MULTILINE)


def _sizes() -> dict[str, int]:
    text = (HERE / "shared" / "sizes.p4").read_text()
    return {name: int(value) for name, value in _SIZE.findall(text)}


def test_the_outputs_are_those_of_the_sources_and_nobody_edited_either() -> None:
    assert digests() == recorded(), "run python -m p4src.compile and commit p4src/build"


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"{COMPILER} is not on PATH")
def test_compiling_again_gives_the_same_outputs(tmp_path: Path) -> None:
    compile_into(tmp_path)
    for name in PROGRAMS:
        for made, kept in zip(outputs(name, tmp_path), outputs(name), strict=True):
            assert made.read_bytes() == kept.read_bytes(), f"{kept.relative_to(HERE)} is stale"


def test_nothing_else_lies_in_build() -> None:
    expected = {path.name for name in PROGRAMS for path in outputs(name)} | {"digests.json"}
    assert {path.name for path in BUILD.iterdir()} == expected


@pytest.mark.parametrize(
    ("prefix", "numbers"),
    [("REASON", ids.Reason), ("OP", ids.Op), ("DROP", ids.Drop)],
    ids=["reason", "op", "drop"],
)
def test_the_numbers_of_python_are_those_of_p4(prefix: str, numbers: type[IntEnum]) -> None:
    text = (HERE / "shared" / "ids.p4").read_text()
    found = {name: int(value) for name, value in _CONSTANT.findall(text) if name.startswith(f"{prefix}_")}
    assert found == {f"{prefix}_{each.name}": each.value for each in numbers}


def test_no_number_means_two_things() -> None:
    for numbers in (ids.Reason, ids.Op, ids.Drop):
        assert len({each.value for each in numbers}) == len(numbers.__members__)


@pytest.mark.parametrize(
    ("table", "size"),
    [
        ("vip", "VIPS"),
        ("listener", "LISTENERS"),
        ("pin", "PINS"),
        ("access", "ACCESS"),
        ("guard_over", "ALL_GUARDS"),
        ("guard_source", "GUARDS"),
        ("guard_listener", "LISTENERS"),
        ("slot", "SLOTS"),
        ("fate", "FATES"),
        ("backend", "BACKENDS"),
        ("session", "SESSIONS"),
        ("local_address", "VIPS"),
        ("answer_local", "BACKENDS"),
        ("answer", "BACKENDS"),
        ("bypass", "BYPASSES"),
        ("nexthop", "NEXTHOPS"),
        ("frame", "ROUTES"),
        ("address", "ROUTES"),
        ("neighbour", "NEIGHBOURS"),
        ("segment", "SEGMENTS"),
    ],
)
def test_tables_have_the_sizes_that_are_promised(table: str, size: str) -> None:
    found = {each.preamble.alias: each.size for each in program_info(outputs("balancer")[1]).tables}
    assert found[table] == _sizes()[size]


def test_sizes_hold_what_the_rest_counts_on() -> None:
    sizes = _sizes()
    assert 4 * sizes["CELLS"] >= 262_144
    assert sizes["PINS"] >= 100_000
    assert sizes["PEERS"] == PEERS_MASK + 1
    assert sizes["PEERS"] <= sizes["CELLS"] == 1 << 16
    assert sizes["NEXTHOPS"] % BUCKETS == 0
    assert sizes["DROPS"] > max(ids.Drop)
    assert sizes["REASONS"] > max(ids.Reason)


def test_every_table_has_its_place_in_the_order_of_writing() -> None:
    aliases = {each.preamble.alias for each in program_info(outputs("balancer")[1]).tables}
    assert set(ORDER) | {"slot", "self"} == aliases


def test_ids_of_tables_are_stated_in_the_sources_and_never_reused() -> None:
    stated = re.findall(
        r"@id\((0x[0-9a-f]+)\)\s+table (\w+)",
        "".join(path.read_text() for path in sorted((HERE / "v1model").glob("*.p4")) if path.stem != "l2"),
    )
    by_name = {name: int(number, 16) for number, name in stated}
    tables = program_info(outputs("balancer")[1]).tables
    assert {each.preamble.alias: each.preamble.id for each in tables} == by_name
    assert len(set(by_name.values())) == len(stated)
