"""Whose turn it is to be given the program: edges first, then leafs, then lb switches; and who is held."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core.roll import DISCOVERY_WAIT, Choice, View, choose
from controller.spec.types import Role
from tests.fakes.rollout import FABRIC, NAMES, switch


def view(waiting: str, **other: Any) -> View:
    """``waiting``: names; all that wait and all lb switches serve unless said otherwise."""
    names = waiting.split()
    known = {"switches": FABRIC, "serving": frozenset(NAMES), "broken": frozenset(), **other}
    return View(waiting=dict.fromkeys(names, 0.0), **known)


@pytest.mark.parametrize(
    ("waiting", "first"),
    [
        (view("lb1 lb2 leaf1 edge1 edge2"), "edge1"),
        (view("lb1 lb2 leaf1 edge2"), "edge2"),
        (view("lb1 lb2 leaf1"), "leaf1"),
        (view("lb1 lb2"), "lb1"),
        (view("lb2"), "lb2"),
        (view(""), None),
        (view("lb1 lb2", serving=frozenset({"lb1"})), "lb2"),
        (view("lb1 edge1", serving=frozenset({"edge1"})), "edge1"),
    ],
    ids=[
        "edges",
        "in order",
        "leafs",
        "lbs",
        "the last",
        "nobody",
        "unused lb before used",
        "edge before unused lb",
    ],
)
def test_edges_come_first_then_leafs_then_lbs(waiting: View, first: str | None) -> None:
    assert choose(waiting, 1.0) == Choice(first)


def test_a_switch_that_is_edge_and_lb_has_its_turn_with_the_lbs() -> None:
    both = switch("all1", Role.EDGE, Role.LB, Role.LEAF)
    several = (both, switch("leaf1"), switch("lb1"))
    known = View(
        several, {"all1": 0.0, "leaf1": 0.0, "lb1": 0.0}, frozenset({"all1", "leaf1", "lb1"}), frozenset()
    )
    assert choose(known, 1.0).name == "leaf1"


def test_the_order_is_not_decided_before_all_are_heard_of_or_late() -> None:
    known = view("lb1", unheard=True, since=10.0)
    assert choose(known, 10.0 + DISCOVERY_WAIT - 0.01) == Choice(None)
    assert choose(known, 10.0 + DISCOVERY_WAIT) == Choice("lb1")


def test_one_that_has_to_wait_for_its_next_try_does_not_stop_the_others() -> None:
    known = View(FABRIC, {"edge1": 70.0, "lb1": 0.0}, frozenset(NAMES), frozenset())
    assert choose(known, 60.0) == Choice("lb1")
    assert choose(known, 70.0) == Choice("edge1")


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
    known = View(several, {"lb2": 0.0}, frozenset(serving.split()), frozenset(broken.split()))
    chosen = choose(known, 1.0)
    assert chosen.name == name
    assert bool(chosen.held) is (name is None)


def test_a_sick_switch_of_another_site_holds_nobody() -> None:
    several = (switch("lb1", site="west"), switch("lb2"))
    known = View(several, {"lb2": 0.0}, frozenset({"lb2"}), frozenset({"lb1"}))
    assert choose(known, 1.0).name == "lb2"
