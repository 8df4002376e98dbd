"""A VIP changes site only when its former owner is silent, or its authority has surely ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

from controller.core.cells import Cell
from controller.core.ownership import LATE, LOOK, Ownership
from controller.core.placing import Placing
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.sites.orders import Orders
from controller.spec.types import Intent, Site, Vip
from tests.fakes.core import SetClock, journal

SHOP = Vip("shop", ip_address("10.0.0.100"), "02:45:56:00:01:01", ("east", "west"), (), authority=6.0)
API = replace(
    SHOP, name="api", address=ip_address("10.0.0.101"), mac="02:45:56:00:01:02", owners=("west", "east")
)


class Sites:
    """Two sites, two VIPs, and what is known of the switches."""

    def __init__(self, stored: Mapping[str, str] | None = None) -> None:
        self.clock, (self.journal, self.said) = SetClock(), journal()
        self.intent = Cell("intent", Intent((Site("east"), Site("west")), (), (), (SHOP, API)))
        self.cell: Cell[Mapping[str, str]] = Cell(
            "owners", {"shop": "east", "api": "west"} if stored is None else stored
        )
        self.revision = 7
        self.silent: set[tuple[str, str, int]] = set()
        tables = Cell("tables", Tables())
        self.orders = Cell("orders", Orders())
        self.committed: Cell[PlanInput | None] = Cell("committed", None)
        self.ownership = Ownership(
            self.cell,
            Placing(self.orders, self.clock, self.intent),
            self.intent,
            tables,
            self.committed,
            lambda: self.revision,
            self.journal,
            self.clock,
        )
        self.ownership.silent = lambda *asked: asked in self.silent

    def home(self, name: str, *owners: str) -> None:
        vips = tuple(
            replace(vip, owners=owners) if vip.name == name else vip for vip in self.intent.value.vips
        )
        self.intent.put(replace(self.intent.value, vips=vips))

    def commit(self) -> None:
        """What is owned is stored, and switches hear of it."""
        owners = self.cell.value
        self.committed.put(world_of(self.intent.value, Tables(), PinBook(), frozenset(), owners))

    def look(self, after: float = LOOK) -> Mapping[str, str]:
        """The owners after a commit and a look."""
        self.commit()
        self.clock.time += after
        due = self.ownership.deadline()
        if due is not None and due <= self.clock.time:
            self.ownership.step()
        return self.cell.value


def test_each_vip_is_owned_by_its_home() -> None:
    it = Sites()
    assert it.cell.value == {"shop": "east", "api": "west"}
    assert it.ownership.deadline() is None


def test_nobody_owns_a_vip_that_moves_until_its_former_owner_is_silent() -> None:
    it = Sites()
    it.home("shop", "west", "east")
    assert it.cell.value == {"api": "west"}
    assert it.look() == {"api": "west"}
    it.silent.add(("shop", "east", 7))
    assert it.look() == {"shop": "west", "api": "west"}
    assert it.ownership.deadline() is None
    assert it.said.of("vip_moved") == [
        {"vip": "shop", "site": "west", "former": "east", "unowned_ms": round(2000 * LOOK, 1)}
    ]


def test_a_former_owner_that_is_not_heard_of_is_silent_when_its_authority_has_ended() -> None:
    it = Sites()
    it.home("shop", "west", "east")
    assert "shop" not in it.look(SHOP.authority + LATE - 0.01)
    assert it.look(0.02)["shop"] == "west"


def test_a_vip_that_is_sent_back_while_it_moves_goes_to_its_newest_home() -> None:
    it = Sites()
    it.home("shop", "west", "east")
    it.home("shop", "east", "west")
    assert "shop" not in it.cell.value
    it.silent.add(("shop", "east", 7))
    assert it.look()["shop"] == "east"


def test_a_vip_that_is_removed_while_it_moves_is_waited_for_no_longer() -> None:
    it = Sites()
    it.home("shop", "west", "east")
    it.intent.put(replace(it.intent.value, vips=(API,)))
    assert it.ownership.deadline() is None
    assert it.cell.value == {"api": "west"}


def test_another_edit_changes_nothing_about_a_move_that_goes_on() -> None:
    it = Sites()
    it.home("shop", "west", "east")
    it.revision = 9
    it.intent.put(replace(it.intent.value, allow_empty=True))
    assert it.cell.value == {"api": "west"}
    it.silent.add(("shop", "east", 7))
    assert it.look()["shop"] == "west"


def test_an_order_moves_the_vips_of_a_mac_and_its_withdrawal_brings_them_home() -> None:
    it = Sites()
    it.orders.put(Orders({SHOP.mac: "west"}))
    assert it.cell.value == {"api": "west"}
    it.silent.add(("shop", "east", 7))
    assert it.look() == {"shop": "west", "api": "west"}
    it.orders.put(Orders())
    it.silent.add(("shop", "west", 7))
    assert it.look() == {"shop": "east", "api": "west"}


def test_a_drained_site_owns_nothing_and_gets_back_what_is_at_home_there() -> None:
    it = Sites()
    it.silent |= {("shop", "east", 7), ("shop", "west", 7)}
    it.orders.put(Orders(drained=frozenset({"east"})))
    assert it.look() == {"shop": "west", "api": "west"}
    assert it.ownership.decisions()["shop"].text == "east: drained"
    it.orders.put(Orders())
    assert it.look() == {"shop": "east", "api": "west"}


def test_a_controller_that_starts_again_amid_a_move_waits_for_the_former_owner_too() -> None:
    it = Sites({"api": "west"})
    assert it.look() == {"api": "west"}
    it.silent |= {("shop", "east", 7), ("shop", "west", 7)}
    assert it.look() == {"shop": "east", "api": "west"}


def test_a_home_that_changed_while_no_controller_ran_is_a_move() -> None:
    it = Sites({"shop": "west", "api": "west"})
    assert it.cell.value == {"api": "west"}
    it.silent.add(("shop", "west", 7))
    assert it.look() == {"shop": "east", "api": "west"}
