"""What one switch is told: local addresses, zones in generations, frames, ports, uplinks and pins by role."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from controller.plan.duty import PlanInput, duty, world_of
from controller.plan.pins import PinBook, PinKey
from controller.plan.progress import advance
from controller.plan.tables import Tables
from controller.plan.turns import due, pin_lasts
from controller.plan.zones import zone_timeouts
from controller.spec.kinds import KINDS
from controller.spec.switch import Uplink
from controller.spec.types import (
    Backend,
    Guard,
    Intent,
    Listener,
    Mode,
    Pool,
    Port,
    PrefixRate,
    Protocol,
    Role,
    Site,
    Subnet,
    Switch,
    Vip,
)
from flows.messages import flow_mod
from flows.spec import Here
from flows.stages.pin import entries
from flows.tables import Kind, Placed, Stage
from flows.zones import fullnat, fullnat_fragments, gathering, lasting, of_vip, to_backend

LISTENERS = 20
GATEWAY = "02:45:56:00:00:fe"
LB = Switch(
    "lb1",
    "ovs",
    0x21,
    "east",
    frozenset({Role.LB}),
    "02:45:56:01:00:21",
    ports=(Port(1, "edge1"), Port(2, "leaf1"), Port(3, "leaf1")),
    local=(ip_network("10.3.1.0/28"), ip_network("10.3.9.0/30"), ip_network("10.3.10.0/28")),
    gateway_mac=GATEWAY,
)
EDGE = replace(
    LB, name="edge1", id=0x11, roles=frozenset({Role.EDGE}), local=(), ports=(Port(5, "lb2"), Port(4, "lb1"))
)
PLACED = Placed(LB.placement)
NEAR = Backend("s1", (ip_address("10.0.0.11"),), "02:45:56:02:00:11", "leaf1")
FAR = Backend("s4", (ip_address("10.2.0.11"),), "02:45:56:02:00:14", "leaf2")


def world(generation: int = 0, site: str = "east") -> PlanInput:
    """One VIP with many fullnat listeners; two lb switches; one backend near and one behind a router."""
    listeners = tuple(
        Listener(
            "shop", Protocol.TCP, 1000 + n, "web", Mode.FULLNAT, 80, guard=Guard(9, (PrefixRate(NET, 3),))
        )
        for n in range(LISTENERS)
    )
    pool = Pool("web", (NEAR, FAR))
    intent = Intent(
        (Site("east", (Subnet("front", (ip_network("10.0.0.0/24"),)),)),),
        (EDGE, LB, replace(LB, name="lb2", id=0x22)),
        (pool,),
        (Vip("shop", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east",), listeners),),
    )
    tables = advance(Tables(), intent, {}, 0.0)
    while tables.turns["shop"].number < generation:
        tables = advance(tables, intent, {}, due(tables.turns["shop"]))
    return world_of(intent, tables, PinBook(), frozenset({"lb1"}), {"shop": site})


NET = ip_network("192.0.2.0/24")


def test_local_addresses_come_from_one_range_after_the_other_each_once() -> None:
    made = duty(world(), LB)
    addresses = [str(item.local) for item in made.listeners if item.local]
    expected = [f"10.3.1.{n}" for n in range(1, 15)] + ["10.3.9.1", "10.3.9.2"]
    assert addresses == expected + [f"10.3.10.{n}" for n in range(1, 5)]


def test_a_listener_beyond_all_ranges_has_no_local_address() -> None:
    made = duty(world(), replace(LB, local=LB.local[:1]))
    assert [item.local is None for item in made.listeners] == [False] * 14 + [True] * 6


def test_zones_turn_with_the_generations_and_remember_the_one_before() -> None:
    zones = [of_vip(PLACED, duty(world(generation), LB).vips[0]) for generation in range(5)]
    assert zones[0] == zones[4]
    assert [z.before for z in zones[1:]] == [z.now for z in zones[:4]]
    assert len({z.now for z in zones}) == 4
    assert len({z.new for z in zones}) == 1
    assert zones[0].new not in {z.now for z in zones}


def test_a_generation_is_remembered_for_two_and_for_a_while_that_the_next_may_be_late() -> None:
    (timeouts,) = zone_timeouts(world(), LB)
    assert timeouts.seconds == 1800 + 300
    assert set(timeouts.zones) == {of_vip(PLACED, duty(world(n), LB).vips[0]).now for n in range(4)}


def test_every_conntrack_zone_has_one_use() -> None:
    made = duty(world(), LB)
    (vip,), first = made.vips, gathering(PLACED)
    local = [fullnat(PLACED, item.id) for item in made.listeners]
    backends = [to_backend(PLACED, real.id) for pool in made.pools.values() for real in pool.backends]
    used = [*lasting(PLACED, vip.id), of_vip(PLACED, vip).new, fullnat_fragments(PLACED, vip.id)]
    used += [*range(first, first + 3), *backends, *local]
    assert len(set(used)) == len(used)
    assert max(used) <= 0xFFFF


def test_frames_go_to_a_near_server_and_for_a_far_one_to_the_gateway() -> None:
    (pool,) = duty(world(), LB).pools.values()
    assert [(b.mac, b.ports) for b in pool.backends] == [(NEAR.mac, (2, 3)), (GATEWAY, ())]


def test_guards_have_a_number_each() -> None:
    made = duty(world(), LB)
    guards = [(guard.number, guard.rate, guard.prefix) for item in made.listeners for guard in item.guards]
    assert len({number for number, _, _ in guards}) == 2 * LISTENERS
    assert [(rate, prefix) for _, rate, prefix in guards[:2]] == [(9, None), (3, NET)]


@pytest.mark.parametrize(("owner", "authority"), [("east", 30), ("west", 0)])
def test_only_the_owner_has_authority(owner: str, authority: int) -> None:
    assert duty(world(site=owner), EDGE).vips[0].authority == authority


def test_an_edge_knows_its_uplinks_in_the_order_of_ports_and_who_is_admitted() -> None:
    made = duty(world(), EDGE)
    assert made.uplinks == (Uplink(4, True), Uplink(5, False))
    assert made.responder
    assert not duty(world(), LB).responder


@pytest.mark.parametrize(
    ("kind", "memory", "idle"), [("ovs", "900s", 1200), ("ovs", "20s", 40), ("bmv2", "900s", 900)]
)
def test_a_pin_that_ends_by_itself_outlasts_a_controller_that_is_away(
    kind: str, memory: str, idle: int
) -> None:
    """A controller that is back within ``memory_timeout``, or 5 minutes, has lost nothing: another lb switch may carry
    the connection since the reporter died, and say so to nobody."""
    assert pin_lasts(float(memory.removesuffix("s")), KINDS[kind].ends_pins) == idle


def test_a_pin_is_timed_on_its_reporter_and_reported_elsewhere() -> None:
    known = world()
    number = duty(known, LB).listeners[0].id
    known.pins.report("lb1", PinKey(number, ip_address("192.0.2.1"), 5), Protocol.TCP, 1)
    known.pins.report("lb1", PinKey(60_000, ip_address("192.0.2.1"), 5), Protocol.TCP, 1)
    (held,) = duty(known, LB).pins
    (held_beside,) = duty(known, replace(LB, name="lb2")).pins
    here = Here.of(LB)
    mine, ending = entries(here, held)
    sibling, sibling_ending = entries(here, held_beside)
    assert ending == sibling_ending
    assert ending.body.cookie >> 40 & 0xFF == Kind.PIN_STALE
    # In one place the heir's idle time would count from when its entry was last hit, perhaps never.
    assert mine.key != sibling.key
    assert mine.key.priority > sibling.key.priority
    assert mine.key.table == Placed(LB.placement).table(Stage.PIN)
    assert (mine.body.idle, mine.body.notify, sibling.body.idle, sibling.body.notify) == (
        1200,
        True,
        0,
        False,
    )
    assert mine.body.cookie >> 40 & 0xFF == Kind.PIN
    assert sibling.body.cookie >> 40 & 0xFF == Kind.PIN_SEEN
    assert flow_mod(mine) != flow_mod(sibling)
    assert duty(known, EDGE).pins == ()
