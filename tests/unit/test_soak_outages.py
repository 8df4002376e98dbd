"""The soak's judge: what is lost while no controller runs that could lead switches around a cut cable or a dead one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.soaking import FULLNAT, connection, done, judge, served, stage_address
from topo.demo.records import Failure
from topo.soak.editor import Done

# -- cables that are cut while no controller runs

LOST = Failure(52.0, "timeout", "echo")
"""Of what was sent at 40, for the last time about 46."""
CUT = done("cable", "cut", "lb2-leaf1", 38.0)


CONNECTED = ((39.5, "lb1"), (42.0, "edge1"))
SYNCED = ((41.0, "lb1"), (42.2, "edge1"))


def mended(t: float) -> Done:
    return done("cable", "mend", "lb2-leaf1", t)


def test_what_is_lost_on_a_cable_that_was_cut_while_no_controller_ran_was_at_risk() -> None:
    judged = judge(connection(failure=LOST), CUT, mended(46.0), away=((37.0, 50.0),))
    assert (judged.verdict, judged.reason.partition(":")[0]) == ("at_risk", "unnoticed")


@pytest.mark.parametrize(
    ("changes", "steps", "evidence"),
    [
        ({}, (CUT, mended(46.0)), {}),
        ({}, (CUT, mended(46.0)), {"away": ((20.0, 34.0),)}),
        ({}, (CUT, mended(45.0)), {"away": ((37.0, 50.0),)}),
        ({}, (CUT, mended(60.0)), {"away": ((37.0, 41.0),)}),
        ({}, (CUT, mended(60.0)), {"away": ((37.0, 39.0),), "connected": CONNECTED, "synced": SYNCED}),
        ({"failure": Failure(52.0, "reset", "echo")}, (CUT, mended(60.0)), {"away": ((37.0, 60.0),)}),
        ({"failure": Failure(48.0, "timeout", "echo")}, (CUT, mended(60.0)), {"away": ((37.0, 60.0),)}),
        ({"server": "s4"}, (CUT, mended(60.0)), {"away": ((37.0, 60.0),)}),
        ({}, (done("cable", "cut", "edge1-lb2", 38.0),), {"away": ((37.0, 60.0),)}),
    ],
    ids=[
        "a controller ran",
        "one ran again",
        "mended in time",
        "back in time",
        "all switches connected and written in time",
        "a reset",
        "sent before",
        "another leaf",
        "edges see that by BFD",
    ],
)
def test_other_cables_times_and_ends_explain_nothing(
    changes: dict[str, Any], steps: tuple[Done, ...], evidence: dict[str, Any]
) -> None:
    one = connection(**{"failure": LOST, **changes})
    assert judge(one, *steps, **evidence).verdict == "broken"


def test_a_switch_that_connects_late_learns_late_of_a_cut_cable() -> None:
    connected = ((39.5, "lb1"), (46.0, "edge1"), (46.5, "lb1"))
    judged = judge(connection(failure=LOST), CUT, mended(60.0), away=((37.0, 39.0),), connected=connected)
    assert judged.verdict == "at_risk"


@pytest.mark.parametrize(
    ("gone", "left", "verdict"),
    [
        (40.5, (), "at_risk"),
        (40.5, ((38.9, "lb1"),), "at_risk"),
        (40.5, ((38.9, "lb2x"),), "broken"),
        (40.5, ((40.4, "lb2x"),), "at_risk"),
        (41.5, (), "broken"),
    ],
    ids=["not found", "another one's was found", "found", "found just before it died", "it had time"],
)
def test_a_controller_that_dies_before_it_found_a_cut_cable_leaves_it_to_the_next(
    gone: float, left: tuple[tuple[float, str], ...], verdict: str
) -> None:
    judged = judge(connection(failure=LOST), CUT, mended(46.0), away=((gone, 50.0),), left=left)
    assert judged.verdict == verdict


@pytest.mark.parametrize("synced", [SYNCED[:1], (*SYNCED[:1], (47.0, "edge1"))], ids=["never", "late"])
def test_a_controller_knows_nothing_of_a_cable_before_it_has_read_its_switches(
    synced: tuple[tuple[float, str], ...],
) -> None:
    seen: dict[str, Any] = {"away": ((37.0, 39.0),), "connected": CONNECTED, "synced": synced}
    assert judge(connection(failure=LOST), CUT, mended(60.0), **seen).verdict == "at_risk"


@pytest.mark.parametrize(("mended", "verdict"), [(27.0, "at_risk"), (26.0, "broken")])
def test_a_cable_that_is_mended_is_used_again_when_bfd_says_so(mended: float, verdict: str) -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    steps = (done("cable", "cut", "edge1-lb2", 9.5), done("cable", "mend", "edge1-lb2", mended))
    assert judge(one, *steps, records=(record,)).verdict == verdict


# -- P4 lb switches that die while no controller runs

DIED = done("lb", "kill", "lb1", 38.0)


@pytest.mark.parametrize(
    ("steps", "evidence"),
    [
        ((DIED,), {"away": ((37.0, 44.0),)}),
        ((DIED, done("lb", "heal", "lb1", 41.0)), {"away": ((37.0, 44.0),)}),
        ((DIED,), {"away": ((37.0, 41.0), (42.0, 44.0))}),
        ((DIED, done("pause", "pause", "controller", 37.0, "7", end=44.0)), {}),
        ((done("lb", "kill", "lb1", 5.0), DIED), {"away": ((37.0, 44.0),), "admitted": ((20.0, "lb1"),)}),
    ],
    ids=["away", "comes back empty", "one that was killed as it started", "stopped", "after its return"],
)
def test_what_a_p4_lb_switch_that_died_while_no_controller_ran_lost_was_at_risk(
    steps: tuple[Done, ...], evidence: dict[str, Any]
) -> None:
    judged = judge(connection(failure=LOST), *steps, kind="embedded", **evidence)
    assert (judged.verdict, judged.reason) == (
        "at_risk",
        "unnoticed: kill -9 lb1 2.0 s before, and no controller to know",
    )


@pytest.mark.parametrize(
    ("changes", "steps", "evidence"),
    [
        ({}, (DIED,), {"away": ((37.0, 44.0),), "kind": "ovs"}),
        ({}, (DIED,), {}),
        ({}, (DIED,), {"away": ((20.0, 34.0),)}),
        ({}, (DIED,), {"away": ((37.0, 42.0),)}),
        ({}, (DIED,), {"away": ((37.0, 39.0), (46.0, 60.0))}),
        ({"failure": Failure(52.0, "reset", "echo")}, (DIED,), {"away": ((37.0, 60.0),)}),
        ({"failure": Failure(48.0, "timeout", "echo")}, (DIED,), {"away": ((37.0, 60.0),)}),
        ({}, (done("lb", "kill", "lb1", 20.0), DIED), {"away": ((37.0, 60.0),)}),
        ({}, (done("pause", "pause", "lb1", 38.0, "20", end=58.0),), {"away": ((37.0, 60.0),)}),
    ],
    ids=[
        "edges see that by BFD",
        "a controller ran",
        "one ran again",
        "back in time",
        "gone again after it had led edges around",
        "a reset",
        "sent before",
        "not used when it died",
        "stopped, not dead",
    ],
)
def test_other_deaths_times_and_ends_explain_no_silence(
    changes: dict[str, Any], steps: tuple[Done, ...], evidence: dict[str, Any]
) -> None:
    one = connection(**{"failure": LOST, **changes})
    assert judge(one, *steps, **{"kind": "embedded", **evidence}).verdict == "broken"


@pytest.mark.parametrize(("lb", "verdict"), [("lb1", "at_risk"), ("lb2", "broken")])
def test_a_fullnat_connection_loses_nothing_when_another_lb_switch_dies(lb: str, verdict: str) -> None:
    record = served(FULLNAT, peer=(stage_address(lb), 41000))
    one = connection(FULLNAT, failure=LOST)
    judged = judge(one, DIED, records=(record,), kind="embedded", away=((37.0, 44.0),))
    assert judged.verdict == verdict
