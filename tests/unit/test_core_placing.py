"""VIPs move by themselves where controllers share a store: away from a site that is not fit, back when it has been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

from controller.core.cells import Cell
from controller.core.fitting import LOOK, Fitting
from controller.core.ownership import EXACT, LATE, Ownership
from controller.core.placing import Placing
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.sites.fitness import GRACE
from controller.sites.orders import Orders
from controller.spec.moves import Moves
from controller.spec.types import Intent, Role, Site, Switch, Vip
from tests.fakes.core import SetClock, journal

HOLD, WAIT, AUTHORITY = 60.0, 20.0, 6.0
SHOP = Vip("shop", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east", "west"), (), authority=AUTHORITY)
LOCAL = replace(
    SHOP, name="local", address=ip_address("10.0.0.102"), mac="02:45:56:00:01:03", owners=("east",)
)
SWITCHES = tuple(
    Switch(role + site[0], "ovs", number, site, frozenset({Role(role)}), f"02:45:56:01:00:{number:02x}")
    for number, (role, site) in enumerate(
        ((role, site) for role in ("edge", "lb") for site in ("east", "west")), start=1
    )
)
SITES = (Site("east"), Site("west"))


class Fabric:
    """Two sites with an edge and an lb switch each, all commits carried out at once, and time that a test moves."""

    def __init__(self, moves: Moves | None = None, *, shared: bool = True) -> None:
        self.clock, (self.journal, self.said) = SetClock(), journal()
        made = Intent(SITES, SWITCHES, (), (SHOP, LOCAL), moves or Moves(hold=HOLD, unsynced_wait=WAIT))
        self.intent = Cell("intent", made)
        self.absent: Cell[frozenset[str]] = Cell("absent", frozenset())
        self.orders = Cell("orders", Orders())
        self.owners: Cell[Mapping[str, str]] = Cell("owners", {"shop": "east", "local": "east"})
        self.committed: Cell[PlanInput | None] = Cell("committed", None)
        self.stores = True
        self.unsynced = {"east": 0, "west": 0}
        fitting = Fitting("one", self.intent, self.absent, self.journal, self.clock)
        fitting.unsynced = self.unsynced.__getitem__
        fitting.fenced = lambda switch: switch.name not in self.unfenced
        self.unfenced: set[str] = set()
        placing = Placing(self.orders, self.clock, self.intent, fitting if shared else None)
        self.ownership = Ownership(
            self.owners,
            placing,
            self.intent,
            Cell("tables", Tables()),
            self.committed,
            lambda: 7,
            self.journal,
            self.clock,
        )
        self.fitting = fitting
        self.commit()

    def commit(self) -> None:
        """What is owned is stored, and switches hear of it."""
        self.committed.put(world_of(self.intent.value, Tables(), PinBook(), frozenset(), self.owners.value))

    def passes(self, seconds: float) -> Mapping[str, str]:
        """The owners after so long."""
        end = self.clock.time + seconds
        while (due := self.ownership.deadline()) is not None and due <= end:
            self.clock.time = max(due, self.clock.time)
            self.ownership.step()
            if self.stores:
                self.commit()
        self.clock.time = end
        return self.owners.value

    def loses(self, *names: str) -> None:
        """These switches are gone, and no others."""
        self.absent.put(frozenset(names))


def test_a_site_without_an_edge_loses_its_vips_when_its_authority_has_ended() -> None:
    it = Fabric()
    it.loses("edgee")
    assert it.passes(GRACE - LOOK) == {"shop": "east", "local": "east"}
    it.passes(2 * LOOK)
    (moves,) = it.said.of("vip_moves")
    assert it.said.causes("vip_moves") == ["unfit"]
    assert moves["why"] == "east: edges: 0 of 1"
    assert it.said.of("site_unfit") == [{"site": "east", "why": "edges: 0 of 1"}]
    assert it.owners.value == {"local": "east"}, "no site owns it meanwhile"
    assert it.passes(AUTHORITY + LATE - 2 * LOOK) == {"local": "east"}
    assert it.passes(2 * LOOK) == {"shop": "west", "local": "east"}


def test_a_site_without_lb_switches_or_without_a_fence_loses_its_vips_too() -> None:
    without_lb, without_fence = Fabric(), Fabric()
    without_lb.loses("lbe")
    without_fence.unfenced.add("edgee")
    for it in (without_lb, without_fence):
        assert it.passes(GRACE + AUTHORITY + LATE + 1.0) == {"shop": "west", "local": "east"}


def test_a_switch_that_is_back_within_a_second_moves_nothing() -> None:
    it = Fabric()
    for _ in range(10):
        it.loses("edgee")
        it.passes(GRACE - 2 * LOOK)
        it.loses()
        it.passes(2 * LOOK)
    assert not it.said.of("vip_moves")


def test_where_no_site_is_fit_a_vip_stays_where_it_is() -> None:
    it = Fabric()
    it.loses("edgee", "edgew")
    assert it.passes(100.0) == {"shop": "east", "local": "east"}
    assert it.ownership.decisions()["shop"].text == "east: edges: 0 of 1; west: edges: 0 of 1"


def test_a_vip_returns_when_its_home_has_been_fit_for_the_hold_time_and_not_before() -> None:
    it = Fabric()
    it.loses("edgee")
    it.passes(30.0)
    it.loses()
    it.passes(HOLD / 2)
    it.loses("lbe")
    it.passes(GRACE + 1.0)
    it.loses()
    assert it.passes(HOLD - LOOK)["shop"] == "west", "the time begins again"
    assert it.passes(2 * LOOK + AUTHORITY + LATE)["shop"] == "east"
    assert it.said.causes("vip_moves") == ["unfit", "preempted"]


def test_without_preempt_it_returns_by_command_only() -> None:
    it = Fabric(Moves(preempt=False))
    it.loses("edgee")
    it.passes(30.0)
    it.loses()
    assert it.passes(1000.0)["shop"] == "west"
    it.orders.put(Orders({SHOP.mac: "east"}))
    it.commit()
    assert it.passes(AUTHORITY + LATE + 1.0)["shop"] == "east"


def test_a_move_of_what_is_served_well_waits_for_pins_but_not_for_ever() -> None:
    it = Fabric()
    it.unsynced["west"] = 3
    it.passes(1.0)
    it.orders.put(Orders({SHOP.mac: "west"}))
    assert it.passes(WAIT - 1.0)["shop"] == "east"
    it.unsynced["west"] = 0
    it.passes(LOOK)
    assert "shop" not in it.owners.value
    it = Fabric()
    it.unsynced["west"] = 3
    it.passes(1.0)
    it.orders.put(Orders({SHOP.mac: "west"}))
    it.passes(WAIT + 1.0)
    (moves,) = it.said.of("vip_moves")
    assert it.said.causes("vip_moves") == ["paid"]
    assert moves["why"] == "to west by an operator; 3 are not safe there after 20 s"


def test_where_controllers_share_no_store_nothing_moves_by_itself() -> None:
    it = Fabric(shared=False)
    assert it.ownership.deadline() is None
    it.loses("edgee", "lbe")
    assert it.passes(1000.0) == {"shop": "east", "local": "east"}


def test_authority_ends_with_the_commit_that_takes_a_vip_away_and_not_with_the_decision() -> None:
    it = Fabric()
    it.stores = False
    it.loses("edgee")
    it.passes(1000.0)
    assert "shop" not in it.owners.value, "its authority is still renewed"
    it.commit()
    assert "shop" not in it.passes(AUTHORITY + LATE - 0.1)
    assert it.passes(0.2)["shop"] == "west"


def test_an_authority_that_was_longer_before_is_waited_for() -> None:
    it = Fabric()
    it.ownership.granted = {"shop": it.clock.time + 50.0, "local": 0.0}.__getitem__
    it.loses("edgee")
    assert "shop" not in it.passes(50.0 + LATE - 0.1)
    assert it.passes(0.2)["shop"] == "west"


def test_a_site_whose_edges_end_at_their_deadlines_is_waited_for_less() -> None:
    it = Fabric()
    it.ownership.late = {"east": EXACT, "west": LATE}.__getitem__
    it.loses("edgee")
    it.passes(GRACE + 2 * LOOK)
    assert it.said.of("vip_moves")
    assert "shop" not in it.passes(AUTHORITY + EXACT - 2 * LOOK)
    assert it.passes(2 * LOOK)["shop"] == "west"
