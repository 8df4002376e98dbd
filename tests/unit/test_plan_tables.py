"""Another intent: names keep their ids, a listener takes its table along, and one that is removed drains first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import numpy as np
import pytest

from controller.plan.accept import accept
from controller.plan.edits import breaking
from controller.plan.ids import Space
from controller.plan.pool import PoolState
from controller.plan.progress import RESETS, advance, deadline
from controller.plan.tables import Tables, probed, served
from controller.spec.policy import Then
from controller.spec.switch import Fate
from controller.spec.types import (
    Affinity,
    Backend,
    Guard,
    Intent,
    Listener,
    Mode,
    Pool,
    Protocol,
    Role,
    Site,
    Switch,
    Vip,
)
from tests.fakes import worlds
from tests.fakes.core import loaded

DRAIN, MEMORY, WINDOW = 300.0, 900.0, 120.0
NOW = 1000.0
SHOP80, SHOP81 = "shop/tcp/80", "shop/tcp/81"


def pool(name: str, *backends: str, **more: object) -> Pool:
    reals = tuple(Backend(b, (ip_address(f"10.1.0.{ord(b[-1])}"),), "02:45:56:02:00:01") for b in backends)
    return replace(Pool(name, reals, panic_threshold=1.0), **more)  # type: ignore[arg-type]


def listener(port: int, to: str = "web", **more: object) -> Listener:
    base = Listener("shop", Protocol.TCP, port, to, Mode.DR, port)
    return replace(base, **more)  # type: ignore[arg-type]


def vip(*listeners: Listener, name: str = "shop", address: str = "10.0.0.100") -> Vip:
    items = tuple(replace(item, vip=name) for item in listeners)
    return Vip(name, ip_address(address), "02:45:56:00:01:01", ("east",), items)


WEB, API = pool("web", "s1", "s2", "s3"), pool("api", "s4", "s5")
LB1 = Switch(
    "lb1", "ovs", 1, "east", frozenset({Role.LB}), "02:45:56:01:00:01", local=(ip_network("10.3.0.0/24"),)
)


def intent(*vips: Vip, pools: tuple[Pool, ...] = (WEB, API)) -> Intent:
    return Intent((Site("east"),), (LB1,), pools, vips, allow_empty=True)


class Life:
    """Tables, and what is wanted of them, through time."""

    def __init__(self, wanted: Intent) -> None:
        self.intent = worlds.NOTHING
        self.tables = Tables()
        self.now = NOW
        self.take(wanted)

    def take(self, wanted: Intent) -> None:
        """Another intent."""
        self.tables = accept(self.tables, self.intent, wanted, self.now)
        self.intent = wanted
        self.tables = advance(self.tables, wanted, {}, self.now)

    def go(self, seconds: float) -> None:
        """Let time pass, stepping at every deadline."""
        end = self.now + seconds
        while (due := deadline(self.tables, self.intent, {}, self.now)) is not None and due <= end:
            assert due > self.now, "a deadline that was stepped at is over"
            self.now = due
            self.tables = advance(self.tables, self.intent, {}, self.now)
        self.now = end
        self.tables = advance(self.tables, self.intent, {}, end)

    def state(self, name: str) -> PoolState:
        """The state that serves a listener."""
        return self.tables.pools[self.tables.bound[name]]

    def fates(self, name: str) -> dict[str, Fate]:
        state = self.state(name)
        return {m.backend.name: state.fates[m.id] for m in state.members}

    def serving(self, name: str) -> list[str]:
        return [each.name for each in self.state(name).serving]

    def ids(self, space: Space) -> dict[str, int]:
        return self.tables.ids.ids(space)


# -- re-pooling -----------------------------------------------------------------------------------------------------


def test_a_listener_that_changes_its_pool_takes_its_table_along_and_its_servers_drain() -> None:
    life = Life(intent(vip(listener(80), listener(81), listener(82, "api"))))
    web = life.tables.pools["web/tcp"]
    old_id = life.ids(Space.LISTENER)[SHOP80]
    life.take(intent(vip(listener(80, "api"), listener(81), listener(82, "api"))))
    assert life.tables.bound[SHOP80] == f"{SHOP80} api/tcp"
    assert life.serving(SHOP80) == ["s4", "s5"]
    assert life.fates(SHOP80) == {
        "s4": Fate.NORMAL,
        "s5": Fate.NORMAL,
        **dict.fromkeys(("s1", "s2", "s3"), Fate.DRAIN),
    }
    own = life.state(SHOP80)
    assert own.moving == len(own.now) == len(web.now), "every slot names whom idle connections belong to"
    assert np.array_equal(own.before, web.now)
    assert life.tables.pools["web/tcp"] is web, "the other listener's table is as it was"
    assert life.ids(Space.LISTENER)[SHOP80] == old_id
    assert life.ids(Space.BACKEND)["s1"] == web.members[0].id


def test_servers_of_the_pool_that_was_left_are_probed_for_as_long_as_they_drain() -> None:
    life = Life(intent(vip(listener(80))))
    life.take(intent(vip(listener(80, "api")), pools=(API,)))
    asked = {p.name: {b.name for b in p.backends} for p in probed(life.intent, life.tables).pools}
    assert asked == {"api": {"s4", "s5"}, "web": {"s1", "s2", "s3"}}
    assert set(life.tables.former) == {"web"}
    life.go(10 * MEMORY)
    assert {p.name for p in probed(life.intent, life.tables).pools} == {"api"}
    assert life.tables.former == {}


def test_a_table_of_a_listeners_own_merges_with_the_shared_one_when_nothing_differs() -> None:
    life = Life(intent(vip(listener(80), listener(81), listener(82, "api"))))
    life.take(intent(vip(listener(80, "api"), listener(81), listener(82, "api"))))
    life.go(DRAIN + MEMORY)
    assert life.tables.bound[SHOP80] != "api/tcp", "switches may still remember its servers"
    life.go(10 * MEMORY)
    assert life.tables.bound[SHOP80] == "api/tcp"
    assert set(life.tables.pools) == {"web/tcp", "api/tcp"}
    assert set(life.ids(Space.POOL)) == {"web/tcp", "api/tcp"}


def test_a_table_of_a_listeners_own_does_not_merge_with_a_shared_one_that_goes_on_for_longer() -> None:
    """Its connections on slots that are settled here would be decided by base there, and classes be disbelieved."""
    slow = pool("slow", "s6", memory_timeout=4 * MEMORY)
    other = vip(listener(80), listener(81, "slow"), name="other", address="10.0.0.101")
    life = Life(intent(vip(listener(80)), other, pools=(WEB, API, slow)))
    life.take(intent(vip(listener(80, "api")), other, pools=(WEB, API, slow)))
    life.go(1.0)
    life.take(intent(vip(listener(80)), other, pools=(WEB, API, slow)))
    life.go(1.0)
    moved = pool("web", "s1", "s2")
    life.take(intent(vip(listener(80)), other, pools=(moved, API, slow)))
    own, shared = life.tables.bound[SHOP80], life.tables.pools["web/tcp"]
    assert (own, shared.tracking.tracks > 0) == (f"{SHOP80} web/tcp", True)
    tracked = list[bool]()
    while life.tables.bound[SHOP80] == own:
        tracked.append(life.state(SHOP80).tracking.tracks > 0)
        assert life.now < NOW + 100 * MEMORY
        life.go(MEMORY / 4)
    assert not tracked[-1], "it settles long before the shared one, whose VIPs remember for longer"
    assert not life.tables.pools["web/tcp"].tracking.tracks
    assert not life.tables.pools["web/tcp"].moving


def test_the_only_listener_of_a_pool_makes_its_own_table_the_shared_one() -> None:
    life = Life(intent(vip(listener(80), listener(81))))
    life.take(intent(vip(listener(80, "api"), listener(81))))
    assert life.tables.bound[SHOP80] == "api/tcp"
    assert life.fates(SHOP80)["s1"] is Fate.DRAIN
    life.go(10 * MEMORY)
    assert set(life.fates(SHOP80)) == {"s4", "s5"}


def test_a_listener_that_goes_back_at_once_has_its_servers_back_and_forgets_nobody() -> None:
    life = Life(intent(vip(listener(80), listener(81), listener(82, "api"))))
    web = life.tables.pools["web/tcp"]
    life.take(intent(vip(listener(80, "api"), listener(81), listener(82, "api"))))
    life.go(1.0)
    life.take(intent(vip(listener(80), listener(81), listener(82, "api"))))
    own = life.state(SHOP80)
    assert np.array_equal(own.now, web.now)
    assert life.fates(SHOP80) == {
        **dict.fromkeys(("s1", "s2", "s3"), Fate.NORMAL),
        **dict.fromkeys(("s4", "s5"), Fate.DRAIN),
    }
    life.go(20 * MEMORY)
    assert life.tables.bound[SHOP80] == "web/tcp"


# -- listeners that are removed -------------------------------------------------------------------------------------


def test_a_listener_that_is_removed_takes_nothing_new_and_keeps_its_connections() -> None:
    life = Life(intent(vip(listener(80), listener(81))))
    web, number = life.tables.pools["web/tcp"], life.ids(Space.LISTENER)[SHOP80]
    life.take(intent(vip(listener(81))))
    assert set(life.tables.retained) == {SHOP80}
    assert [item.name for item in served(life.intent, life.tables).listeners()] == [SHOP81, SHOP80]
    assert not life.state(SHOP80).now.any()
    assert set(life.fates(SHOP80).values()) == {Fate.DRAIN}
    assert life.ids(Space.LISTENER)[SHOP80] == number
    assert life.tables.pools["web/tcp"] is web


def test_a_vip_that_is_removed_drains_whole_and_then_gives_its_ids_back() -> None:
    life = Life(intent(vip(listener(80)), vip(listener(80), name="mail", address="10.0.0.101")))
    life.take(intent(vip(listener(80)), pools=(WEB,)))
    assert {v.name for v in served(life.intent, life.tables).vips} == {"shop", "mail"}
    life.go(DRAIN + MEMORY - 1)
    assert set(life.tables.retained) == {"mail/tcp/80"}
    assert "mail" in life.ids(Space.VIP)
    life.go(1)
    assert life.tables.retained == {}
    assert served(life.intent, life.tables) is life.intent
    assert set(life.ids(Space.VIP)) == {"shop"}
    assert life.tables.ids.quarantined_names(Space.VIP) == {"mail"}
    assert life.tables.turns.keys() == {"shop"}


@pytest.mark.parametrize(
    ("then", "ends", "fate"),
    [
        (Then.KEEP, DRAIN + MEMORY, Fate.DRAIN),
        (Then.MOVE, DRAIN, None),
        (Then.RESET, DRAIN + RESETS, Fate.RESET),
    ],
)
def test_how_long_a_removed_listener_stays_depends_on_what_follows_its_drain(
    then: Then, ends: float, fate: Fate | None
) -> None:
    web = replace(WEB, drain_then=then)
    life = Life(intent(vip(listener(80), listener(81)), pools=(web,)))
    life.take(intent(vip(listener(81)), pools=(web,)))
    life.go(ends - 1)
    assert SHOP80 in life.tables.retained
    if fate is not None:
        assert set(life.fates(SHOP80).values()) == {fate}
    life.go(1)
    assert life.tables.retained == {}


@pytest.mark.parametrize("away", [1.0, DRAIN + 1.0, DRAIN + MEMORY - 1.0])
def test_a_removed_listener_that_returns_has_its_id_and_its_servers_again(away: float) -> None:
    life = Life(intent(vip(listener(80), listener(81))))
    before = (life.ids(Space.LISTENER), life.ids(Space.BACKEND))
    table = life.tables.pools["web/tcp"].now
    life.take(intent(vip(listener(81))))
    life.go(away)
    life.take(intent(vip(listener(80), listener(81))))
    assert life.tables.retained == {}
    assert (life.ids(Space.LISTENER), life.ids(Space.BACKEND)) == before
    assert np.array_equal(life.state(SHOP80).now, table)
    assert set(life.fates(SHOP80).values()) == {Fate.NORMAL}
    life.go(20 * MEMORY)
    assert life.tables.bound[SHOP80] == "web/tcp"


def test_a_removed_listener_that_returns_after_its_end_has_its_id_again_while_it_is_quarantined() -> None:
    life = Life(intent(vip(listener(80), listener(81))))
    number = life.ids(Space.LISTENER)[SHOP80]
    life.take(intent(vip(listener(81))))
    life.go(DRAIN + MEMORY + 1)
    assert SHOP80 not in life.ids(Space.LISTENER)
    life.take(intent(vip(listener(80), listener(81), listener(82))))
    assert life.ids(Space.LISTENER)[SHOP80] == number
    assert life.ids(Space.LISTENER)["shop/tcp/82"] not in (number, life.ids(Space.LISTENER)[SHOP81])


# -- names ----------------------------------------------------------------------------------------------------------


def test_a_vip_that_is_renamed_keeps_ids_tables_and_its_memory() -> None:
    items = (
        listener(80, guard=Guard(rate=7)),
        listener(81, mode=Mode.FULLNAT),
        listener(82, "api", mode=Mode.NAT),
    )
    life = Life(intent(vip(*items)))
    life.take(intent(vip(replace(items[0], pool="api"), *items[1:])))
    old = life.tables
    life.go(5.0)
    life.take(intent(vip(replace(items[0], pool="api"), *items[1:], name="store")))
    new = life.tables
    assert new.retained == {}
    for space in (Space.VIP, Space.LISTENER, Space.LOCAL4, Space.METER, Space.POOL, Space.BACKEND):
        renamed = {name.replace("shop", "store"): number for name, number in old.ids.ids(space).items()}
        assert new.ids.ids(space) == renamed, space
    assert {key.replace("shop", "store") for key in old.pools} == set(new.pools)
    for key, state in old.pools.items():
        assert new.pools[key.replace("shop", "store")] is state
    assert new.turns == {"store": old.turns["shop"]}


def test_two_vips_that_swap_their_names_swap_nothing_else() -> None:
    one, other = vip(listener(80)), vip(listener(80, "api"), name="mail", address="10.0.0.101")
    life = Life(intent(one, other))
    before = life.ids(Space.LISTENER)
    life.take(
        intent(vip(listener(80), name="mail"), vip(listener(80, "api"), name="shop", address="10.0.0.101"))
    )
    assert life.ids(Space.LISTENER) == {
        "mail/tcp/80": before["shop/tcp/80"],
        "shop/tcp/80": before["mail/tcp/80"],
    }
    assert life.tables.retained == {}
    assert not any(state.moving for state in life.tables.pools.values())


def test_a_name_that_another_address_takes_does_not_take_its_connections() -> None:
    life = Life(intent(vip(listener(80))))
    number = life.ids(Space.LISTENER)["shop/tcp/80"]
    life.take(intent(vip(listener(80), address="10.0.0.200")))
    assert set(life.tables.retained) == {"shop~10.0.0.100/tcp/80"}
    assert life.ids(Space.LISTENER)["shop~10.0.0.100/tcp/80"] == number
    assert life.ids(Space.LISTENER)["shop/tcp/80"] != number


def test_a_switch_that_is_renamed_keeps_the_ids_of_its_groups() -> None:
    old = loaded("demo", "embedded")
    tables = worlds.step(Tables(), worlds.NOTHING, old, {}, NOW)
    before = tables.ids.ids(Space.GROUP)
    mine = {name: number for name, number in before.items() if name.startswith("lb1 ")}
    assert mine

    def called(name: str) -> str:
        return "front" if name == "lb1" else name

    switches = tuple(
        replace(
            switch,
            name=called(switch.name),
            ports=tuple(replace(port, to=called(port.to)) for port in switch.ports),
            routes=tuple(replace(route, via=tuple(map(called, route.via))) for route in switch.routes),
        )
        for switch in old.switches
    )
    new = replace(old, switches=switches)
    after = worlds.step(tables, old, new, {}, NOW + 1.0).ids.ids(Space.GROUP)
    assert {name.replace("front ", "lb1 "): number for name, number in after.items()} == before


# -- time -----------------------------------------------------------------------------------------------------------


def test_nothing_new_is_the_same_object() -> None:
    life = Life(intent(vip(listener(80), listener(81))))
    assert advance(life.tables, life.intent, {}, NOW + 1.0) is life.tables
    same = accept(life.tables, life.intent, life.intent, NOW + 1.0)
    assert advance(same, life.intent, {}, NOW + 1.0).pools["web/tcp"] is life.tables.pools["web/tcp"]


def test_when_all_has_drained_only_generations_turn() -> None:
    life = Life(intent(vip(listener(80), listener(81)), vip(listener(80), name="mail", address="10.0.0.101")))
    life.take(intent(vip(listener(80, "api"))))
    life.go(30 * MEMORY)
    due = deadline(life.tables, life.intent, {}, life.now)
    (turn,) = life.tables.turns.values()
    assert due == turn.since + turn.period


# -- edits that would break connections -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda item: replace(item, affinity=Affinity.SOURCE), "affinity connection to source"),
        (lambda item: replace(item, mode=Mode.TUN), "mode dr to tun"),
        (lambda item: replace(item, backend_port=8080), "backend_port 80 to 8080"),
        (lambda item: replace(item, backend_port=8080, mode=Mode.NAT), "mode dr to nat"),
    ],
)
def test_an_edit_that_makes_strangers_of_all_connections_is_refused_with_its_price(
    change: Callable[[Listener], Listener], what: str
) -> None:
    old = intent(vip(listener(80), listener(81)))
    (why,) = breaking(old, intent(vip(change(listener(80)), listener(81))), Tables())
    assert why.startswith(
        f"listener {SHOP80}: {what} would move or reset every established connection of it: add a listener"
    )
    assert "accept_loss: true" in why
    renamed = intent(vip(change(listener(80)), listener(81), name="store"))
    (why,) = breaking(old, renamed, Tables())
    assert why.startswith(f"listener store/tcp/80: {what}")
    assert (
        breaking(old, intent(vip(replace(change(listener(80)), accept_loss=True), listener(81))), Tables())
        == []
    )


@pytest.mark.parametrize(
    "new",
    [
        intent(vip(listener(80), listener(81))),
        intent(vip(listener(80, "api"), listener(81))),
        intent(vip(listener(80, guard=Guard(rate=1)), listener(81))),
        intent(vip(listener(81))),
        intent(vip(listener(80), listener(81), listener(82, mode=Mode.NAT))),
        intent(vip(listener(80, mode=Mode.NAT), address="10.0.0.200")),
    ],
    ids=["nothing", "pool", "guard", "removed", "added", "another address"],
)
def test_edits_that_move_no_connection_are_not_refused(new: Intent) -> None:
    assert breaking(intent(vip(listener(80), listener(81))), new, Tables()) == []
