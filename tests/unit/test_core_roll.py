"""Whose turn it is to be given the program: edges first, then leafs, then lb switches; and who is held."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core.roll import DISCOVERY_WAIT, Choice, View, choose
from controller.spec.types import Role
from tests.fakes.rollout import FABRIC, NUMBERS, switch

ALL = frozenset(NUMBERS[each.name] for each in FABRIC)


def view(waiting: str, **other: Any) -> View:
    """``waiting``: names; all that wait and all lb switches serve unless said otherwise."""
    known = {"switches": FABRIC, "serving": ALL, "broken": frozenset(), **other}
    return View(waiting=dict.fromkeys(ids(waiting), 0.0), **known)


def ids(names: str) -> frozenset[int]:
    return frozenset(NUMBERS[name] for name in names.split())


def name_of(choice: Choice) -> str | None:
    return None if choice.switch is None else choice.switch.name


@pytest.mark.parametrize(
    ("waiting", "first"),
    [
        (view("lb1 lb2 leaf1 edge1 edge2"), "edge1"),
        (view("lb1 lb2 leaf1 edge2"), "edge2"),
        (view("lb1 lb2 leaf1"), "leaf1"),
        (view("lb1 lb2"), "lb1"),
        (view("lb2"), "lb2"),
        (view(""), None),
        (view("lb1 lb2", serving=ids("lb1")), "lb2"),
        (view("lb1 edge1", serving=ids("edge1")), "edge1"),
    ],
    ids=[
        "edges",
        "in order",
        "leafs",
        "lbs",
        "the last",
        "none waits",
        "unused lb before used",
        "edge before unused lb",
    ],
)
def test_edges_come_first_then_leafs_then_lbs(waiting: View, first: str | None) -> None:
    assert name_of(choose(waiting, 1.0)) == first


def test_a_switch_that_is_edge_and_lb_has_its_turn_with_the_lbs() -> None:
    both = switch("all1", Role.EDGE, Role.LB, Role.LEAF)
    several = (both, switch("leaf1"), switch("lb1"))
    known = View(several, dict.fromkeys(ids("all1 leaf1 lb1"), 0.0), ids("all1 leaf1 lb1"), frozenset())
    assert name_of(choose(known, 1.0)) == "leaf1"


def test_the_order_is_not_decided_before_all_are_heard_of_or_late() -> None:
    known = view("lb1", unheard=True, since=10.0)
    assert choose(known, 10.0 + DISCOVERY_WAIT - 0.01) == Choice(None)
    assert name_of(choose(known, 10.0 + DISCOVERY_WAIT)) == "lb1"


def test_one_that_has_to_wait_for_its_next_try_does_not_stop_the_others() -> None:
    known = View(FABRIC, {NUMBERS["edge1"]: 70.0, NUMBERS["lb1"]: 0.0}, ALL, frozenset())
    assert name_of(choose(known, 60.0)) == "lb1"
    assert name_of(choose(known, 70.0)) == "edge1"


@pytest.mark.parametrize(
    ("serving", "broken", "name"),
    [
        ("lb2", "lb1", None),
        ("lb2", "", "lb2"),
        ("lb2 lb3", "lb1", "lb2"),
        ("lb3", "lb1", "lb2"),
    ],
    ids=["the last, after a failure", "the last", "not the last", "unused itself"],
)
def test_the_last_lb_is_not_emptied_while_another_is_sick_under_the_program(
    serving: str, broken: str, name: str | None
) -> None:
    several = (switch("lb1"), switch("lb2"), switch("lb3"))
    known = View(several, {NUMBERS["lb2"]: 0.0}, ids(serving), ids(broken))
    chosen = choose(known, 1.0)
    assert name_of(chosen) == name
    assert bool(chosen.held) is (name is None)


def test_a_sick_switch_of_another_site_holds_nobody() -> None:
    several = (switch("lb1", site="west"), switch("lb2"))
    known = View(several, {NUMBERS["lb2"]: 0.0}, ids("lb2"), ids("lb1"))
    assert name_of(choose(known, 1.0)) == "lb2"
