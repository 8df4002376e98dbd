"""What switches log of BFD: how it is read, which ends of connections it explains, and what counts as a flap."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.soaking import FULLNAT, connection, done, judge, served, stage, tables, young
from topo.demo.records import Echo, Failure
from topo.soak import flaps
from topo.soak.editor import Done
from topo.soak.flaps import Flap
from topo.soak.judge import Judged

_EXPIRED = '"Control Detection Time Expired"'
LOG = f"""\
2026-11-27T05:33:44.700Z|00019|bfd(monitor6)|INFO|lb1: BFD state change: up->down "No Diagnostic"->{_EXPIRED}.
2026-11-27T05:33:45.100Z|00159|bfd|INFO|lb1: BFD state change: down->init {_EXPIRED}->"No Diagnostic".
2026-11-27T05:33:45.410Z|00160|bfd|INFO|lb1: BFD state change: init->up {_EXPIRED}->"No Diagnostic".
2026-11-27T05:33:46.000Z|00161|bfd|INFO|lb1: BFD state change: up->up "Concatenated Path Down"->"No Diagnostic".
2026-11-27T05:33:47.000Z|00162|rconn|INFO|br0<->tcp:172.31.0.1:6653: connected
2026-11-27T05:33:4
"""
WALL = 1795757624.0
"""05:33:44 of that day."""
DIED = Flap(35.0, "edge1", "lb1", False)
BACK = Flap(35.7, "edge1", "lb1", True)


def address(lb: str) -> str:
    """One of its own in mode fullnat."""
    return next(each for each in stage().local[lb] if ":" not in each).split("/")[0]


def fullnat(lb: str, *steps: Done, seen: tuple[Flap, ...] = (DIED, BACK), **changes: Any) -> Judged:
    """A connection of c1, which is at edge1, by that lb switch."""
    one = connection(FULLNAT, **changes)
    record = served(FULLNAT, peer=(address(lb), 41000), opened=one.opened)
    return judge(one, *steps, records=(record,), flaps=seen)


# -- read


def test_a_log_gives_when_a_session_went_down_and_came_up_and_nothing_else() -> None:
    found = flaps.read("edge2", LOG, WALL - 100.0)
    assert [(round(one.t, 3), one.switch, one.neighbour, one.up) for one in found] == [
        (100.7, "edge2", "lb1", False),
        (101.41, "edge2", "lb1", True),
    ]


# -- judged


def test_a_fullnat_connection_ends_when_its_clients_edge_does_not_hear_its_lb_switch() -> None:
    judged = fullnat("lb1")
    assert (judged.verdict, judged.reason) == (
        "at_risk",
        "fullnat: edge1 did not hear lb1 by BFD 5.0 s before",
    )


@pytest.mark.parametrize(
    "seen",
    [
        (Flap(35.0, "edge2", "lb1", False), Flap(35.7, "edge2", "lb1", True)),
        (Flap(35.0, "lb1", "edge1", False), Flap(35.7, "lb1", "edge1", True)),
        (Flap(35.0, "edge1", "lb2", False), Flap(35.7, "edge1", "lb2", True)),
        (Flap(35.0, "edge1", "leaf1", False),),
        (Flap(29.5, "edge1", "lb1", False), Flap(29.8, "edge1", "lb1", True)),
        (Flap(41.0, "edge1", "lb1", False),),
        (),
    ],
    ids=["another edge", "the other end", "another lb switch", "no lb switch", "before", "after", "none"],
)
def test_no_other_flap_explains_it(seen: tuple[Flap, ...]) -> None:
    assert fullnat("lb1", seen=seen).verdict == "broken"


@pytest.mark.parametrize(("opened", "verdict"), [(20.3, "at_risk"), (19.5, "broken"), (10.0, "broken")])
def test_what_was_opened_meanwhile_ends_when_the_edge_hears_the_lb_switch_again(
    opened: float, verdict: str
) -> None:
    seen = (Flap(20.0, "edge1", "lb1", False), Flap(35.0, "edge1", "lb1", True))
    young: dict[str, Any] = {"begin": opened - 0.1, "opened": opened}
    young["echoes"] = [Echo(t, 0.01, "s1") for t in (opened, opened + 0.5, 30.0)]
    assert fullnat("lb2", seen=seen, **young).verdict == verdict


@pytest.mark.parametrize(
    ("back", "verdict"),
    [(36.5, "at_risk"), (34.5, "broken")],
    ids=["its own lb switch is used later", "its own lb switch was used first"],
)
def test_where_all_lb_switches_were_left_out_the_first_that_returns_takes_over(
    back: float, verdict: str
) -> None:
    """An edge that has none left goes on as before: what leaves it out ends nothing, another one's return does."""
    every = [Flap(20.0, "edge1", lb, False) for lb in stage().lbs]
    returns = [Flap(t, "edge1", lb, True) for lb, t in (("lb1", back), ("lb3", 35.0), ("lb2", 38.0))]
    young: dict[str, Any] = {"begin": 9.9, "opened": 10.0}
    young["echoes"] = [Echo(t, 0.01, "s1") for t in (10.0, 30.0, 34.8)]
    young["failure"] = Failure(35.4, "reset", "echo")
    assert fullnat("lb1", seen=(*every, *returns), **young).verdict == verdict


def test_an_lb_switch_that_is_heard_but_left_out_for_another_cause_is_still_away() -> None:
    """Its cable to servers is cut when it is opened; what the edge hears of it meanwhile does not end that."""
    cut = (done("cable", "cut", "lb1-leaf1", 20.0), done("cable", "mend", "lb1-leaf1", 35.0))
    seen = (Flap(21.0, "edge1", "lb1", False), Flap(22.0, "edge1", "lb1", True))
    young: dict[str, Any] = {"begin": 24.9, "opened": 25.0}
    young["echoes"] = [Echo(t, 0.01, "s1") for t in (25.0, 30.0, 37.0)]
    assert fullnat("lb2", *cut, seen=seen, **young).verdict == "at_risk"


def test_another_edges_absence_is_none_of_its() -> None:
    seen = (Flap(20.0, "edge2", "lb1", False), Flap(35.0, "edge1", "lb1", True))
    young: dict[str, Any] = {
        "begin": 20.2,
        "opened": 20.3,
        "echoes": [Echo(20.3, 0.01, "s1"), Echo(30.0, 0.01, "s1")],
    }
    assert fullnat("lb2", seen=seen, **young).verdict == "broken"


def test_what_was_not_heard_on_the_new_table_when_the_edge_left_its_lb_switch_was_at_risk() -> None:
    one, changed, record = young(), tables("web", 32.0), (served(opened=34.75),)
    judged = judge(one, records=record, tables=changed, flaps=(DIED,))
    assert judged.reason.startswith("unheard: edge1 did not hear lb1 by BFD 0.2 s after its last answer")
    elsewhere = (Flap(35.0, "edge2", "lb1", False),)
    assert judge(one, records=record, tables=changed, flaps=elsewhere).verdict == "broken"
    assert judge(one, records=record, flaps=(DIED,)).verdict == "broken"


def test_what_an_edge_hears_of_an_lb_switch_that_is_out_of_use_changes_no_path() -> None:
    steps = (done("lb", "kill", "lb1", 5.0), done("lb", "heal", "lb1", 9.0))
    assert fullnat("lb1", *steps).verdict == "broken"


@pytest.mark.parametrize(
    ("steps", "seen", "verdict"),
    [
        ((done("pause", "pause", "lb2", 20.0, "2", end=22.0),), (), "at_risk"),
        ((), (Flap(20.0, "leaf1", "lb2", False), Flap(22.0, "leaf1", "lb2", True)), "at_risk"),
        ((), (Flap(20.0, "leaf1", "lb3", False), Flap(22.0, "leaf1", "lb3", True)), "broken"),
        ((), (), "broken"),
    ],
    ids=["stopped", "not heard by a leaf", "another one was not heard", "nothing happened"],
)
def test_an_lb_switch_whose_cables_were_silent_is_left_out_until_its_controller_finds_them_again(
    steps: tuple[Done, ...], seen: tuple[Flap, ...], verdict: str
) -> None:
    echoes = [Echo(t, 0.01, "s1") for t in (22.5, 23.0, 24.5)]
    one = connection(FULLNAT, begin=22.4, opened=22.5, echoes=echoes)
    record = served(FULLNAT, peer=(address("lb1"), 41000), opened=22.45)
    facts: dict[str, Any] = {"left": ((22.1, "lb2"),), "relinked": ((26.5, "lb2x"),), "flaps": seen}
    assert judge(one, *steps, records=(record,), **facts).verdict == verdict


# -- counted


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        ((), 1),
        ((done("lb", "kill", "lb1", 34.9), done("lb", "heal", "lb1", 45.0)), 0),
        ((done("lb", "kill", "lb1", 34.9),), 0),
        ((done("lb", "kill", "lb1", 10.0), done("lb", "heal", "lb1", 20.0)), 1),
        ((done("cable", "cut", "edge1-lb1", 34.9), done("cable", "mend", "edge1-lb1", 45.0)), 0),
        ((done("cable", "cut", "edge2-lb1", 34.9), done("cable", "mend", "edge2-lb1", 45.0)), 1),
        ((done("cable", "cut", "s1-leaf1", 34.9),), 1),
        ((done("pause", "pause", "lb1", 34.9, "2", end=36.9),), 0),
        ((done("pause", "pause", "lb2", 34.9, "2", end=36.9),), 1),
        ((done("pause", "pause", "controller", 34.9, "2", end=36.9),), 1),
    ],
)
def test_a_flap_counts_if_nothing_was_done_to_its_ends(steps: tuple[Done, ...], count: int) -> None:
    assert len(flaps.unprovoked(stage(), steps, (DIED, BACK))) == count
