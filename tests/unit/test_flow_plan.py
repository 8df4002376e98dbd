"""A plan of flows that is continued is the plan made at once, whatever happened in between, and shares what stayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.sharing import sharing
from controller.plan.duty import PlanInput, duty, listener_number, pin_rules
from controller.plan.flowplan import FlowPlan
from controller.plan.pins import LOG, PinBook, PinKey
from controller.plan.pool import Health
from controller.plan.spreads import Answers, alike, unlike
from controller.plan.tables import Tables
from controller.southbound.openflow.driver import OpenFlowDriver
from controller.southbound.openflow.session import Session
from controller.spec.shards import Shards
from controller.spec.types import (
    Affinity,
    Backend,
    Guard,
    Intent,
    Listener,
    Mode,
    OpenFlowPlacement,
    Pool,
    Port,
    Protocol,
    Role,
    Site,
    Switch,
    Vip,
)
from flows.diff import Changes, diff, leases, share
from flows.entries import Target
from flows.pipeline import Builder
from flows.readback import Reader
from flows.spec import Here
from flows.stages import pin as pin_stage
from flows.tables import Placed, Stage
from tests.examples import examples
from tests.fakes import whole, worlds
from tests.fakes.tables import Tables as Held

LB = Switch(
    "lb1",
    "ovs",
    0x21,
    "east",
    frozenset({Role.LB}),
    "02:45:56:01:00:21",
    ports=(Port(1, "s1"), Port(2, "s2")),
    local=(ip_network("10.3.1.0/28"),),
    tunnel_port=9,
    gateway_mac="02:45:56:00:00:fe",
)
EDGE = replace(
    LB, name="edge1", id=0x11, roles=frozenset({Role.EDGE}), ports=(Port(1, "lb1"), Port(2, "lb2"))
)
SWITCHES = (LB, replace(LB, name="lb2", id=0x22), EDGE)
BACKENDS = tuple(
    Backend(f"s{n}", (ip_address(f"10.1.0.{n}"),), f"02:45:56:02:00:0{n}", "lb1") for n in (1, 2, 3)
)
LISTENERS = (
    Listener("shop", Protocol.TCP, 80, "web", Mode.DR, 80, guard=Guard(100)),
    Listener("shop", Protocol.UDP, 81, "web", Mode.NAT, 8081),
    Listener("shop", Protocol.TCP, 82, "api", Mode.NAT, 8082),
    Listener("shop", Protocol.TCP, 83, "web", Mode.FULLNAT, 8083, affinity=Affinity.SOURCE),
    Listener("other", Protocol.TCP, 84, "web", Mode.TUN, 84),
    Listener("other", Protocol.TCP, 85, "api", Mode.NAT, 8085, affinity=Affinity.SOURCE),
)
NOW = 1000.0


class Scene:
    """Switches, two VIPs, two pools that share backends, and what befalls them."""

    def __init__(self, answers: Answers = alike) -> None:
        """``answers``: whether datapaths hash as we do, and pins so name slots."""
        self.answers = answers
        self.health: dict[str, dict[str, Health]] = {"web": {}, "api": {}}
        self.pins = PinBook()
        self.tables, self.before = Tables(), worlds.NOTHING
        self.listeners = LISTENERS
        self.members = {"web": BACKENDS, "api": BACKENDS[:2]}
        self.timeout = 900.0
        self.now = NOW
        self.place = OpenFlowPlacement()
        self.absent = frozenset[str]()
        self.advance()

    def intent(self) -> Intent:
        vips = tuple(
            Vip(
                name,
                ip_address(f"10.0.0.{n}"),
                "02:45:56:00:01:01",
                ("east",),
                tuple(item for item in self.listeners if item.vip == name),
            )
            for n, name in ((100, "shop"), (101, "other"))
        )
        pools = tuple(
            Pool(name, members, max_backends=2, memory_timeout=self.timeout, transition=50)
            for name, members in self.members.items()
        )
        switches = tuple(replace(each, placement=self.place) for each in SWITCHES)
        return sharing(Intent((Site("east"),), switches, pools, vips), self.before)

    def advance(self) -> None:
        intent = self.intent()
        self.tables = worlds.step(self.tables, self.before, intent, self.health, self.now, self.answers)
        self.before = intent

    def world(self) -> PlanInput:
        return worlds.world(self.intent(), self.tables, self.pins, frozenset({"lb1", "lb2"}) - self.absent)

    def switch(self, name: str) -> Switch:
        return next(each for each in self.intent().switches if each.name == name)

    def key(self, place: int, port: int) -> PinKey:
        item = LISTENERS[place]
        number = listener_number(self.world(), item) if item in self.intent().listeners() else 999
        return PinKey(number, ip_address("192.0.2.1"), 0 if item.affinity is Affinity.SOURCE else port)


DETAIL = st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from(("lb1", "lb2")))
PINS = ("pin", "end", "lost")
REST = (
    "book",
    "down",
    "up",
    "weight",
    "address",
    "timeout",
    "listeners",
    "members",
    "time",
    "place",
    "leave",
)
EVENT = st.tuples(st.sampled_from((*PINS, *PINS, *REST)), DETAIL)


def befall(site: Scene, what: str, detail: tuple[int, int, str]) -> None:
    place, number, switch = detail
    item, key, book = LISTENERS[place], site.key(place, number), site.pins
    web = site.members["web"]

    def end() -> None:
        known = book.pins.get(key)
        if known is not None:
            book.stale(known.id)

    def changed(**values: object) -> None:
        site.members["web"] = tuple(
            replace(real, **values) if real.name == f"s{number}" else real  # type: ignore[arg-type]
            for real in web
        )

    changes: dict[str, Callable[[], object]] = {
        "pin": lambda: book.report(switch, key, item.protocol, number),
        "end": end,
        "lost": lambda: book.switch_lost(switch, ["lb1"]),
        "book": lambda: setattr(site, "pins", PinBook()),
        "down": lambda: site.health["web"].update({f"s{number}": Health(False, site.now)}),
        "up": lambda: site.health["web"].update({f"s{number}": Health(True, site.now)}),
        "weight": lambda: changed(weight=1 + place),
        "address": lambda: changed(addresses=(ip_address(f"10.1.{place}.{number}"),)),
        "timeout": lambda: setattr(site, "timeout", 300.0 + 300 * number),
        "listeners": lambda: setattr(site, "listeners", (*LISTENERS[place:], *LISTENERS[: place // 2])),
        "members": lambda: site.members.update(web=BACKENDS[: number + 1]),
        "time": lambda: setattr(site, "now", site.now + 40.0 * number**3),
        "place": lambda: setattr(site, "place", OpenFlowPlacement(tables_from=10 + 40 * (number % 2))),
        "leave": lambda: setattr(site, "absent", frozenset({switch}) if place % 2 else frozenset()),
    }
    changes[what]()
    site.advance()


def at_once(site: Scene, name: str) -> Target:
    return whole.target(duty(site.world(), site.switch(name)))


def messages(changes: Changes) -> list[list[bytes]]:
    return [
        sorted([*phase.messages, *(row.tobytes() for rows in phase.bulk for row in rows)])
        for phase in changes.phases
    ]


@settings(deadline=None, max_examples=examples(10, 30))
@given(st.lists(EVENT, max_size=12), st.sampled_from((alike, unlike)))
def test_a_continued_plan_is_the_plan_made_at_once(
    events: list[tuple[str, tuple[int, int, str]]], answers: Answers
) -> None:
    site = Scene(answers)
    plans = {each.name: FlowPlan() for each in SWITCHES}
    have = {name: plan.target(site.world(), site.switch(name)) for name, plan in plans.items()}
    for what, detail in events:
        pools = site.tables.pools
        befall(site, what, detail)
        # A pool may have a step to take yet at the time to which the clock went: a pin then does not come alone.
        alone = what in PINS and all(site.tables.pools[key] is pools.get(key) for key in site.tables.pools)
        for name, plan in plans.items():
            world, switch = site.world(), site.switch(name)
            want = plan.with_pins(world) if alone else plan.target(world, switch)
            expected = at_once(site, name)
            assert want == expected
            placed, old = Placed(switch.placement), have[name]
            plain = Target(dict(old.flows), old.groups, old.meters, dict(old.slots))
            assert messages(diff(placed, old, want)) == messages(diff(placed, plain, expected))
            assert messages(leases(want)) == messages(leases(expected))
            assert want.entry == {k: b for k, b in expected.flows.items() if k.table == placed.entry}
            assert share(plain, want) == plain
            assert share(expected, want) is want
            have[name] = want


def pinned(count: int) -> tuple[Scene, FlowPlan, Target]:
    site, plan = Scene(), FlowPlan()
    for port in range(1, count + 1):
        site.pins.report("lb1", site.key(0, port), Protocol.TCP, 1)
    return site, plan, plan.target(site.world(), LB)


@pytest.mark.parametrize("ended", [False, True])
def test_a_new_pin_and_an_ended_one_touch_their_parts_of_the_flows_and_nothing_else(ended: bool) -> None:
    site, plan, have = pinned(2000)
    if ended:
        site.pins.stale(site.pins.pins[site.key(0, 7)].id)
    else:
        site.pins.report("lb2", site.key(2, 5), Protocol.TCP, 2)
    want = plan.with_pins(site.world())
    assert want.slots is have.slots
    assert want.entry is have.entry
    assert want.meters is have.meters
    assert isinstance(have.flows, Shards)
    assert isinstance(want.flows, Shards)
    assert len(list(have.flows.differing(want.flows))) <= 2
    changes = diff(Placed(LB.placement), have, want)
    assert (changes.added, changes.deleted) == ((0, 2) if ended else (2, 0))
    assert len(want.flows) == len(have.flows) + changes.added - changes.deleted


def test_a_pin_costs_neither_a_look_at_all_flows_nor_at_all_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    site, plan, have = pinned(100)
    site.pins.report("lb1", site.key(0, 101), Protocol.TCP, 1)

    def refused(*_: object) -> None:
        raise AssertionError("all of them are looked at")

    for name in ("__iter__", "lacking"):
        monkeypatch.setattr(Shards, name, refused)
    for name in ("items", "values"):
        monkeypatch.setattr(Shards, name, refused, raising=False)
    monkeypatch.setattr("flows.diff._slots", refused)
    want = plan.with_pins(site.world())
    assert len(diff(Placed(LB.placement), have, want)) == 2
    monkeypatch.undo()
    assert want == at_once(site, "lb1")


def test_a_plan_that_missed_more_changes_than_are_remembered_takes_all_pins() -> None:
    site, plan, _ = pinned(3)
    key = site.key(0, 2)
    site.pins.stale(site.pins.pins[site.key(0, 3)].id)
    for number in range(LOG):
        site.pins.report("lb1", key, Protocol.TCP, 1 + number % 2)
    assert plan.with_pins(site.world()) == at_once(site, "lb1")


def test_places_of_a_pin_are_all_that_it_can_have() -> None:
    site, plan, _ = pinned(0)
    before = plan.made
    assert before is not None
    for place in range(len(LISTENERS)):
        key = site.key(place, 9)
        site.pins.report("lb1", key, LISTENERS[place].protocol, 1)
        want = plan.with_pins(site.world())
        rule = pin_rules(site.world(), LB)[key.listener]
        slot = None if rule.slotting is None else rule.slotting.slot(key.source, key.port)
        assert want.flows.keys() - before.flows.keys() <= set(pin_stage.keys(Here.of(LB), *key, slot))
        site.pins.stale(site.pins.pins[key].id)
        assert plan.with_pins(site.world()) == before


def test_what_others_hold_is_not_in_what_a_switch_has_and_the_rest_is_shared() -> None:
    _, _, want = pinned(50)
    place = next(iter(want.in_table(LB.placement.entry_table)))
    left = want.without([place])
    assert dict(left.flows) == {key: body for key, body in want.flows.items() if key != place}
    assert isinstance(left.flows, Shards)
    assert isinstance(want.flows, Shards)
    assert len(list(left.flows.differing(want.flows))) == 1
    assert place not in left.in_table(LB.placement.entry_table)


def test_a_switch_that_holds_its_plan_is_read_as_that_plan() -> None:
    _, plan, want = pinned(20)
    tables = Held()
    placed = Placed(LB.placement)
    for phase in diff(placed, Target(), want).phases:
        for message in (*phase.messages, *(row.tobytes() for rows in phase.bulk for row in rows)):
            assert tables.apply(message) is None

    def read() -> Target:
        reader = Reader(placed, {number: len(table.now) for number, table in want.slots.items()})
        for number in placed.tables:
            reader.table(number, b"".join(tables.flow_stats(number)))
        return reader.result(b"".join(tables.group_desc()), b"".join(tables.meter_config()), plan.made).target

    assert read() is want
    key = next(k for k in tables.flows if k.table == placed.table(Stage.PIN) and k.priority)
    del tables.flows[key]
    found = read()
    assert len(diff(placed, found, want)) == 1
    assert isinstance(found.flows, Shards)
    assert isinstance(want.flows, Shards)
    assert len(list(found.flows.differing(want.flows))) == 1


def test_a_link_plans_and_writes_a_pin_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Open vSwitch a pin once planned the whole switch again, 76 ms beside 10,000 pins."""
    site = Scene()
    link = OpenFlowDriver(LB, cast(Session, None), dict)
    have = link.plan(site.world())
    site.pins.report("lb1", site.key(0, 9), Protocol.TCP, 1)
    world = site.world()

    def refused(*_: object) -> None:
        raise AssertionError("the switch is planned whole")

    monkeypatch.setattr(Builder, "target", refused)
    want = link.with_pins(world)
    assert len(link.diff(have, want)) == 2
    assert link.size(want) == link.size(have) + 2
