"""The soak's judge: when packets of a connection come to another lb switch, which ends those in mode fullnat."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.soaking import FULLNAT, connection, done, judge, served, stage, stage_address, tables, young
from topo.demo.records import Echo, Failure
from topo.soak.editor import Done
from topo.soak.fates import Links, PathChange, path_changes
from topo.soak.stage import MEMORY_TIMEOUT

KILL = done("lb", "kill", "lb1", 35.0)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        (done("lb", "kill", "lb1", 35.0), ["kill -9 lb1"]),
        (done("cable", "cut", "edge1-lb2", 35.0), ["cut edge1-lb2"]),
        (done("pause", "pause", "lb3", 35.0, "2", end=37.0), ["stop lb3 for 2 s", "stop lb3 for 2 s: over"]),
        (done("cable", "cut", "s1-leaf1", 35.0), []),
        (done("server", "kill", "s1", 35.0), []),
        (done("pause", "pause", "controller", 35.0, "2", end=37.0), []),
    ],
)
def test_paths_change_when_lb_switches_die_stop_or_lose_cables(what: object, changes: list[str]) -> None:
    found: list[PathChange] = path_changes(stage(), [what], [])  # type: ignore[list-item]
    assert [one.what for one in found] == changes


def test_the_return_of_an_lb_switch_is_when_edges_use_it_again() -> None:
    late = (served(opened=35.75),)
    judged = judge(young(35.8), records=late, tables=tables("web", 32.0), admitted=((36.0, "lb1"),))
    assert judged.reason.startswith("unheard: lb1 was used again")


def test_fullnat_ends_with_the_lb_switch_that_it_passed() -> None:
    address = stage_address("lb1")
    record = served(FULLNAT, peer=(address, 41000))
    one = connection(FULLNAT)
    assert judge(one, KILL, records=(record,)).reason.startswith("fullnat: kill -9 lb1")
    assert judge(one, done("lb", "kill", "lb2", 35.0), records=(record,)).verdict == "broken"
    assert judge(one, done("cable", "cut", "edge1-lb1", 35.0), records=(record,)).verdict == "at_risk"
    assert judge(one, done("cable", "mend", "edge1-lb1", 35.0), records=(record,)).verdict == "broken"


def test_an_answer_that_took_long_says_nothing_of_the_way_meanwhile() -> None:
    record = served(FULLNAT, peer=(stage_address("lb1"), 41000))
    slow = connection(FULLNAT, echoes=[Echo(22.0, 0.01, "s1"), Echo(34.0, 5.9, "s1")])
    quick = connection(FULLNAT, echoes=[Echo(22.0, 0.01, "s1"), Echo(39.0, 0.01, "s1")])
    assert judge(slow, KILL, records=(record,)).reason.startswith("fullnat: kill -9 lb1")
    assert judge(quick, KILL, records=(record,)).verdict == "broken"


def test_fullnat_ends_when_an_lb_switch_returns_that_was_away_when_it_was_opened() -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    before, after = done("lb", "kill", "lb2", 5.0), done("lb", "kill", "lb2", 15.0)
    used = ((35.0, "lb2x"),)
    assert judge(one, before, records=(record,), admitted=used).reason.startswith(
        "fullnat: lb2x was used again"
    )
    assert judge(one, after, records=(record,), admitted=used).verdict == "broken"
    stopped = done("pause", "pause", "lb2", 9.0, "26", end=35.0)
    assert judge(one, stopped, records=(record,)).reason.startswith("fullnat: stop lb2")


def test_fullnat_ends_when_the_cable_to_an_lb_switch_is_mended_that_was_cut_before_it_was_used_again() -> (
    None
):
    """A switch that is used again is not by the edge whose cable to it is cut."""
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    killed, cut = done("lb", "kill", "lb2", 5.0), done("cable", "cut", "edge1-lb2", 20.0)
    mended, used = done("cable", "mend", "edge1-lb2", 38.0), ((25.0, "lb2"),)
    judged = judge(one, killed, cut, mended, records=(record,), admitted=used)
    assert judged.reason.startswith("fullnat: mend edge1-lb2")
    in_time = done("cable", "mend", "edge1-lb2", 24.0)
    assert judge(one, killed, cut, in_time, records=(record,), admitted=used).verdict == "broken"


def test_an_lb_switch_that_died_again_before_it_was_used_was_away_all_the_time() -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    twice = (done("lb", "kill", "lb2", 5.0), done("lb", "kill", "lb2", 20.0))
    assert judge(one, *twice, records=(record,), admitted=((35.0, "lb2"),)).verdict == "at_risk"
    assert judge(one, *twice, records=(record,), admitted=((15.0, "lb2"), (35.0, "lb2"))).verdict == "at_risk"
    one.echoes.insert(2, Echo(17.0, 0.01, "s1"))
    assert judge(one, *twice, records=(record,), admitted=((15.0, "lb2"), (35.0, "lb2"))).verdict == "broken"


@pytest.mark.parametrize(
    ("steps", "evidence"),
    [
        ((done("pause", "pause", "lb2", 15.0, "2", end=17.0),), {}),
        ((done("cable", "cut", "edge1-lb2", 15.0), done("cable", "mend", "edge1-lb2", 17.0)), {}),
        ((), {"relinked": ((17.0, "lb2"), (29.5, "lb2"))}),
    ],
    ids=["goes on after a pause", "cable mended", "hellos arrive"],
)
def test_an_lb_switch_that_died_is_used_again_when_it_is_admitted_and_not_before(
    steps: tuple[Done, ...], evidence: dict[str, Any]
) -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    died = done("lb", "kill", "lb2", 5.0)
    judged = judge(one, died, *steps, records=(record,), admitted=((36.0, "lb2"),), **evidence)
    assert (judged.verdict, judged.reason.partition(" 4.0 s")[0]) == (
        "at_risk",
        "fullnat: lb2 was used again",
    )


@pytest.mark.parametrize(
    ("steps", "evidence", "verdict"),
    [
        ((), {"away": ((21.0, 38.0),)}, "at_risk"),
        ((done("pause", "pause", "controller", 21.0, "17", end=38.0),), {}, "at_risk"),
        ((), {"away": ((21.0, 30.0), (31.0, 38.0))}, "at_risk"),
        ((), {"away": ((21.0, 38.0),), "written": ((20.6, "edge1"),)}, "broken"),
        ((), {"away": ((24.0, 38.0),)}, "broken"),
        ((), {}, "broken"),
    ],
    ids=["killed", "stopped", "killed twice", "nothing was left to write", "written before", "not gone"],
)
def test_what_a_controller_wrote_a_part_of_is_written_by_the_next_one(
    steps: tuple[Done, ...], evidence: dict[str, Any], verdict: str
) -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    died = done("lb", "kill", "lb2", 5.0)
    written = {"written": ((20.6, "edge1"), (38.5, "edge1"))}
    judged = judge(one, died, *steps, records=(record,), admitted=((20.5, "lb2"),), **{**written, **evidence})
    assert judged.verdict == verdict


def test_nothing_that_happens_to_an_lb_switch_that_is_out_of_use_changes_a_path() -> None:
    from tests.unit.soaking import stage

    steps = [
        done("lb", "kill", "lb1", 5.0),
        done("pause", "pause", "lb1", 8.0, "2", end=10.0),
        done("cable", "cut", "edge1-lb1", 11.0),
        done("cable", "mend", "edge1-lb1", 12.0),
        done("pause", "pause", "lb1", 25.0, "2", end=27.0),
    ]
    found = path_changes(stage(), steps, [(20.0, "lb1")], Links(relinked=[(19.0, "lb1")]))
    assert [one.t for one in found] == [5.0, 20.0, 25.0, 27.0]


@pytest.mark.parametrize("lb", ["lb2", "edge1"])
def test_a_cable_between_p4_switches_is_used_again_when_hellos_arrive(lb: str) -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    steps = (done("cable", "cut", "edge1-lb2", 5.0), done("cable", "mend", "edge1-lb2", 26.0))
    judged = judge(one, *steps, records=(record,), relinked=((30.5, lb),))
    assert judged.verdict == ("at_risk" if lb == "lb2" else "broken")


def test_a_mended_cable_is_not_used_before_a_controller_has_found_it() -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    steps = (done("cable", "cut", "lb2-leaf1", 1.0), done("cable", "mend", "lb2-leaf1", 4.0))
    away = ((2.0, 28.0),)
    for relinked, verdict in (((), "broken"), (((31.0, "lb2"),), "at_risk")):
        judged = judge(one, *steps, records=(record,), relinked=relinked, away=away)
        assert judged.verdict == verdict


def test_a_cable_that_nobody_cut_is_no_return() -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    steps = (done("lb", "kill", "lb2", 5.0), done("lb", "heal", "lb2", 12.0))
    facts: dict[str, Any] = {"records": (record,), "relinked": ((14.0, "lb2"),)}
    assert judge(one, *steps, admitted=((31.0, "lb2"),), **facts).verdict == "at_risk"
    assert judge(one, *steps, **facts).verdict == "broken"


@pytest.mark.parametrize(("cut", "verdict"), [("lb1-leaf2", "at_risk"), ("lb2-leaf2", "broken")])
def test_a_fullnat_connection_ends_when_a_controller_that_returns_leaves_its_lb_switch_out(
    cut: str, verdict: str
) -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    steps = (done("cable", "cut", cut, 25.0), done("cable", "mend", cut, 44.0))
    judged = judge(one, *steps, records=(record,), left=((39.0, "lb1"),), away=((20.0, 38.0),))
    assert judged.verdict == verdict


def test_an_edge_that_connects_late_follows_late() -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    steps = (done("cable", "cut", "lb1-leaf2", 15.0), done("cable", "mend", "lb1-leaf2", 44.0))
    facts: dict[str, Any] = {"records": (record,), "left": ((20.0, "lb1"),), "away": ((21.0, 28.0),)}
    assert judge(one, *steps, **facts).verdict == "broken"
    for written, verdict in ((28.0, "broken"), (36.0, "at_risk"), (39.9, "broken")):
        edges = ((18.0, "edge1"), (written, "edge1"), (50.0, "edge1"))
        assert judge(one, *steps, written=edges, **facts).verdict == verdict


@pytest.mark.parametrize("lb", ["lb1", "lb3"])
def test_no_other_return_ends_fullnat(lb: str) -> None:
    one, record = connection(FULLNAT), served(FULLNAT, peer=(stage_address("lb1"), 41000))
    steps = (done("lb", "kill", "lb2", 5.0), done("lb", "kill", lb, 5.5))
    used = ((6.5, lb), (7.0, "lb2"), (35.0, lb))
    late = done("lb", "kill", lb, 33.0) if lb == "lb3" else steps[1]
    assert judge(one, steps[0], late, records=(record,), admitted=used).verdict == "broken"


def test_the_lb_switch_of_a_client_that_noticed_late_that_it_was_open_is_that_of_its_server() -> None:
    one = connection(FULLNAT, begin=9.4)
    mine = served(FULLNAT, opened=9.45, peer=(stage_address("lb1"), 41000))
    other = served(FULLNAT, opened=10.03, peer=(stage_address("lb2"), 41001), closed=28.0)
    assert judge(one, KILL, records=(mine, other)).verdict == "at_risk"
    assert judge(one, done("lb", "kill", "lb2", 35.0), records=(mine, other)).verdict == "broken"


# -- lb switches that no controller leads

LOST_AT = 100.0


@pytest.mark.parametrize(
    ("gone", "synced", "verdict"),
    [
        (LOST_AT - 2 * MEMORY_TIMEOUT - 1, (), "at_risk"),
        (LOST_AT - 2 * MEMORY_TIMEOUT - 1, ((LOST_AT - 5, "lb1x"),), "broken"),
        (LOST_AT - 2 * MEMORY_TIMEOUT - 1, ((LOST_AT - 5, "lb2"),), "at_risk"),
        (LOST_AT - 2 * MEMORY_TIMEOUT + 1, (), "broken"),
    ],
    ids=["long", "led again", "another one is", "not long enough"],
)
def test_memory_of_a_fullnat_connection_ends_if_no_generation_begins(
    gone: float, synced: tuple[tuple[float, str], ...], verdict: str
) -> None:
    spoke = [Echo(LOST_AT - ago, 0.01, "s1") for ago in (70.0, 55.0, 40.0, 25.0, 10.0)]
    end = Failure(LOST_AT, "reset", "echo")
    one = connection(FULLNAT, begin=spoke[0].t - 0.1, opened=spoke[0].t, echoes=spoke, failure=end)
    record = served(FULLNAT, opened=spoke[0].t - 0.05, peer=(stage_address("lb1"), 41000))
    judged = judge(one, records=(record,), away=((gone, gone + 3.0),), synced=synced)
    assert judged.verdict == verdict


@pytest.mark.parametrize(
    ("starved", "verdict"),
    [(((20.0, 33.0),), "at_risk"), (((5.0, 20.0),), "broken"), ((), "broken")],
    ids=["it had stood still", "long before", "it had a processor"],
)
def test_fullnat_ends_when_a_controller_without_a_processor_lost_the_stream_of_its_lb_switch(
    starved: tuple[tuple[float, float], ...], verdict: str
) -> None:
    record = served(FULLNAT, peer=(stage_address("lb1"), 41000))
    facts: dict[str, Any] = {"withdrawn": ((35.0, "lb1"),), "starved": starved}
    judged = judge(connection(FULLNAT), records=(record,), written=((36.0, "edge1"),), **facts)
    assert judged.verdict == verdict
    other = served(FULLNAT, peer=(stage_address("lb2"), 41000))
    assert judge(connection(FULLNAT), records=(other,), **facts).verdict == "broken"
