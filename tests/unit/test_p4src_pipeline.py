"""A duty as table entries: each of them legal in the program, pointing at what is there, and stable under change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

import numpy as np
import pytest
from finsy.proto import p4i
from hypothesis import given
from hypothesis import strategies as st

from controller.spec.slots import SlotTable
from controller.spec.switch import SwitchSpec
from controller.spec.types import Mode
from p4src.compile import outputs
from p4src.pipeline import nexthop, target
from p4src.spec import BUCKETS, FIRST_GROUP, UPLINKS, Group, P4Needs, RouteSpec, Secret
from p4src.target import ORDER, EntryKey, P4Target
from tests.fakes.duties import POOL, edge_duty, lb_duty
from tests.fakes.p4client import program_info

LOCAL = (ip_network("10.3.0.0/24"), ip_network("fd00:3::/64"))
PORT_SETS = ((1,), (2,), (1, 2))


def _with_addresses(duty: SwitchSpec) -> SwitchSpec:
    switch = replace(duty.switch, local=LOCAL, gateway_mac="02:00:00:00:00:fe")
    return replace(duty, switch=switch)


def _needs(duty: SwitchSpec) -> P4Needs:
    ways = {ports: FIRST_GROUP + n for n, ports in enumerate(PORT_SETS)}
    groups = [Group(number, ports) for ports, number in ways.items()]
    if duty.uplinks:
        groups.append(Group(UPLINKS, tuple(up.port for up in duty.uplinks if up.admitted)))
    routes = (
        RouteSpec(ip_network("0.0.0.0/0"), ways[1,], None),
        RouteSpec(ip_network("::/0"), ways[1,], None),
        RouteSpec(ip_network("10.1.0.3/32"), ways[2,], "02:00:00:00:00:03"),
        RouteSpec(ip_network("fd00:1::3/128"), ways[2,], "02:00:00:00:00:03"),
    )
    return P4Needs(
        Secret.of(bytes(range(20))),
        tuple(groups),
        routes,
        ways,
        {POOL: 900.0},
        0x3FF,
        transition={POOL: 120.0},
    )


DUTIES = {"lb": _with_addresses(lb_duty()), "edge": _with_addresses(edge_duty())}
EACH = pytest.mark.parametrize("duty", list(DUTIES.values()), ids=list(DUTIES))


def _made(duty: SwitchSpec) -> P4Target:
    return target(duty, _needs(duty))


@EACH
def test_every_entry_is_one_that_its_table_takes(duty: SwitchSpec) -> None:
    info = program_info(outputs("balancer")[1])
    tables = {table.preamble.alias: table for table in info.tables}
    actions = {action.preamble.id: action for action in info.actions}
    for key, body in _made(duty).entries.items():
        table = tables[key.table]
        assert len(key.match) == len(table.match_fields), key
        for field, value in zip(table.match_fields, key.match, strict=True):
            _check_match(key, field, value)
        allowed = {
            actions[ref.id].preamble.alias: actions[ref.id]
            for ref in table.action_refs
            if ref.scope != p4i.ActionRef.DEFAULT_ONLY
        }
        assert body.action in allowed, key
        params = allowed[body.action].params
        assert len(params) == len(body.params), (key, body)
        for param, number in zip(params, body.params, strict=True):
            assert 0 <= number < 1 << param.bitwidth, (key, body, param.name)
        assert not body.idle or table.idle_timeout_behavior == p4i.Table.NOTIFY_CONTROL


def _check_match(key: EntryKey, field: p4i.MatchField, value: int | tuple[int, int]) -> None:
    if field.match_type == p4i.MatchField.LPM:
        assert isinstance(value, tuple), key
        start, length = value
        assert 0 <= length <= field.bitwidth, key
        assert 0 <= start < 1 << field.bitwidth, key
        assert start & ((1 << (field.bitwidth - length)) - 1) == 0, key
    else:
        assert isinstance(value, int), key
        assert 0 <= value < 1 << field.bitwidth, key


@EACH
def test_metered_tables_get_their_meter_and_no_other_does(duty: SwitchSpec) -> None:
    for key, body in _made(duty).entries.items():
        assert (body.meter is not None) == (key.table in ("guard_source", "guard_listener")), key


@EACH
def test_the_configuration_fits_its_action(duty: SwitchSpec) -> None:
    actions = program_info(outputs("balancer")[1]).actions
    configure = next(action for action in actions if action.preamble.alias == "configure")
    configuration = _made(duty).configuration
    assert configuration is not None
    assert tuple(param.name for param in configure.params) == configuration._fields
    for param, value in zip(configure.params, configuration, strict=True):
        assert 0 <= value < 1 << param.bitwidth, param.name
    assert configuration.mac
    assert configuration.cells_mask & (configuration.cells_mask + 1) == 0


def _rows(made: P4Target, table: str) -> Mapping[tuple[object, ...], tuple[int, ...]]:
    return {key.match: body.params for key, body in made.entries.items() if key.table == table}


@EACH
def test_groups_that_are_used_have_all_their_buckets(duty: SwitchSpec) -> None:
    made = _made(duty)
    named = {params[0] for params in _rows(made, "address").values()}
    named |= {params[0] for params in _rows(made, "frame").values()}
    named |= {params[1] for params in _rows(made, "backend").values()}
    named |= {params[2] for params in _rows(made, "vip").values() if len(params) == 4}
    hops = set(_rows(made, "nexthop"))
    for group in named - {0}:
        assert {(group, bucket) for bucket in range(BUCKETS)} <= hops, f"group {group}"


def test_what_listeners_pins_and_slots_name_is_there() -> None:
    made = _made(DUTIES["lb"])
    listeners = {params[0]: params for params in _rows(made, "listener").values()}
    backends = set(_rows(made, "backend"))
    assert set(made.slots) == {params[2] for params in listeners.values()}
    for number, params in listeners.items():
        table = made.slots[params[2]]
        assert params[3] == len(table.now) - 1
        for named in {int(n) for n in (*table.now, *table.before) if n}:
            assert (number, named) in backends, f"listener {number} cannot reach backend {named}"
    pins = [(key.match, body) for key, body in made.entries.items() if key.table == "pin"]
    assert pins
    for match, body in pins:
        assert match[0] in listeners
        assert (match[0], body.params[0]) in backends
        assert (body.action == "pinned") == (body.idle > 0)


def test_every_local_address_of_fullnat_is_claimed_with_its_way() -> None:
    made = _made(DUTIES["lb"])
    ways = _rows(made, "local_address")
    claimed = {key.match for key, body in made.entries.items() if key.table == "vip" and body.action == "own"}
    assert set(ways) == claimed
    assert sorted(params[0] for params in ways.values()) == sorted([0, 1, 2, 3] * 2)
    firsts = {params[5] for params in _rows(made, "backend").values() if len(params) == 6}
    assert firsts
    assert all(first % 4 == 0 for first in firsts)


def test_fullnat_connections_are_never_pinned() -> None:
    duty = DUTIES["lb"]
    fullnat = next(item for item in duty.listeners if item.mode is Mode.FULLNAT)
    held = duty.pins[0]._replace(spec=replace(duty.pins[0].spec, listener=fullnat.id))
    assert not _rows(_made(replace(duty, pins=(held,))), "pin")


def test_listeners_share_a_memory_only_by_affinity_vip_pool_and_protocol() -> None:
    duty = DUTIES["lb"]
    owners = {params[0]: params[1] for params in _rows(_made(duty), "listener").values()}
    items = {item.id: item for item in duty.listeners}
    for number, owner in owners.items():
        item, other = items[number], items[owner]
        if number != owner:
            assert item.sticky
            assert other.sticky
            assert (item.vip.id, item.pool, item.protocol) == (other.vip.id, other.pool, other.protocol)


def test_every_backend_of_a_pool_has_a_fate_so_that_others_are_known_by_having_none() -> None:
    duty = DUTIES["lb"]
    fates = {real.id: real.fate for real in duty.pools[POOL].backends}
    written = {key.match: body.action for key, body in _made(duty).entries.items() if key.table == "fate"}
    assert written == {(POOL, n): fate.value for n, fate in fates.items()}


def test_an_edge_balances_nothing_itself() -> None:
    made = _made(DUTIES["edge"])
    assert {body.action for key, body in made.entries.items() if key.table == "listener"} == {"by_source"}
    assert not made.slots
    assert not {"backend", "pin", "fate", "guard_source", "local_address"} & {
        key.table for key in made.entries
    }
    assert all(params[2] == UPLINKS for params in _rows(made, "vip").values() if len(params) == 4)


def test_tables_are_those_that_have_a_place_in_the_order() -> None:
    for duty in DUTIES.values():
        assert {key.table for key in _made(duty).entries} <= set(ORDER)


PORTS = st.sets(st.integers(1, 500), min_size=1, max_size=12)


@given(PORTS, st.data())
def test_when_a_next_hop_goes_only_its_buckets_move(ports: set[int], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(ports)))
    before, after = (_buckets(some) for some in (ports, ports - {gone}))
    if len(ports) == 1:
        assert after == {}
        return
    for bucket, port in before.items():
        assert after[bucket] == port or port == gone
        assert after[bucket] != gone


@given(PORTS)
def test_next_hops_share_buckets_whatever_their_order(ports: set[int]) -> None:
    assert _buckets(sorted(ports)) == _buckets(sorted(ports, reverse=True))
    assert set(_buckets(ports)) == set(range(BUCKETS))
    assert set(_buckets(ports).values()) <= ports


def _buckets(ports: set[int] | list[int]) -> dict[int, int]:
    return {int(key.match[1]): body.params[0] for key, body in nexthop(Group(5, tuple(ports)))}  # type: ignore[arg-type]


def test_two_next_hops_get_about_half_of_the_buckets_each() -> None:
    for other in range(2, 40):
        share = np.bincount(list(_buckets([1, other]).values()))[1] / BUCKETS
        assert 0.3 < share < 0.7


def test_a_slot_table_goes_out_as_it_came_in() -> None:
    slots = SlotTable(np.arange(1, 257, dtype=np.uint16) % 5 + 1, np.zeros(256, np.uint16))
    duty = _with_addresses(lb_duty(slots))
    assert _made(duty).slots == {POOL: slots}
