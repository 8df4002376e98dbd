"""The judge of the demo of two sites: what breaks is found, what is in the stated set is not, figures are right."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from topo import intent, model
from topo.demo.records import ClientLog, Connection, Echo, Failure, Request, Served
from topo.plan import plan
from topo.sitedemo import board, events, health, measure, report
from topo.sitedemo.events import Bounds, Cast, Event, Happened, Scale, Verb, Where, Whom
from topo.sitedemo.judge import Judge, Verdict
from topo.sitedemo.measure import Result, Silence, gap, unowned
from topo.sitedemo.outcome import Observed, Outcome, conclude
from topo.sitedemo.stage import Stage, StageError, stage_of, write_specs
from topo.wire.judge import Duplicate, Findings, Heard

FABRIC = plan(model.load("two-site-small"))
STAGE: Stage = stage_of(FABRIC, intent.intent(FABRIC))
SCALE: Scale = next(one for one in events.SCALES if not one.agents)
NAT, FULLNAT = "api/tcp/7000", "ads/tcp/7000"
START, BEGIN, HEALTHY = 1000.0, 1010.0, 1025.0


def cast(site: str = "west") -> Cast:
    return Cast(
        site,
        {Where.NEAR: "east", Where.FAR: "west"},
        "ctl",
        "ctl",
        "witness",
        ("shop", "west"),
        STAGE.links,
        STAGE.of_site(STAGE.servers, site),
        STAGE.of_site(STAGE.lbs, site),
    )


def happened(event: Event, site: str = "west") -> Happened:
    return Happened(event, cast(site), BEGIN, BEGIN + event.lasts, HEALTHY, HEALTHY)


def connection(
    listener: str,
    server: str,
    echoes: Sequence[float],
    *,
    client: str = "cw",
    failed: float | None = None,
    kind: str = "reset",
) -> Connection:
    """Opened at the first echo; proven a while after the last, unless it failed."""
    return Connection(
        "x",
        client,
        listener,
        "active",
        begin=echoes[0],
        opened=echoes[0],
        local=("10.0.0.12", 40000),
        echoes=[Echo(t, 0.01, server) for t in echoes],
        proof=None if failed is not None else Echo(1040.0, 0.01, server),
        failure=None if failed is None else Failure(failed, kind, "echo"),
        closed=None if failed is not None else 1040.1,
    )


def served(server: str, opened: float) -> Served:
    return Served(server, ("10.0.0.12", 40000), ("10.1.0.11", 7002), opened, None, None)


def judged(
    one: Connection, *, did: Iterable[Happened] = (), tables: Sequence[float] = (), log: Sequence[Served] = ()
) -> Verdict:
    return Judge(STAGE, tuple(did), tables, log).judge(one).verdict


OLD = [1001.0, 1004.0, 1007.0]
DIES, STAYS = happened(events.FAR_DIES), happened(events.LINK)


@pytest.mark.parametrize(
    ("one", "did", "tables", "verdict"),
    [
        (connection(NAT, "se1", OLD, failed=1012.0), STAYS, (), Verdict.BROKEN),
        (connection(NAT, "sw1", OLD, failed=1012.0), DIES, (), Verdict.SERVER_DIED),
        (connection(NAT, "sw1", [1013.0, 1015.0], failed=1016.0), DIES, (1005.0,), Verdict.AT_RISK),
        (connection(NAT, "sw1", OLD, failed=1012.0, kind="misdirected"), STAYS, (), Verdict.BROKEN),
        (connection(FULLNAT, "se1", OLD, failed=1012.0), DIES, (), Verdict.LB_DIED),
        (connection(FULLNAT, "se1", OLD, failed=1012.0, client="ce"), DIES, (), Verdict.BROKEN),
        (connection(FULLNAT, "se1", [1020.0], failed=1024.0), DIES, (), Verdict.LB_DIED),
        (connection(NAT, "se1", OLD, failed=1012.0), DIES, (), Verdict.BROKEN),
        (connection(NAT, "se1", OLD, failed=1012.0), DIES, (1006.0,), Verdict.AT_RISK),
        (connection(NAT, "se1", OLD, failed=1012.0), DIES, (1001.5,), Verdict.BROKEN),
    ],
)
def test_a_failed_connection_is_broken_unless_what_was_done_explains_it(
    one: Connection, did: Happened, tables: Sequence[float], verdict: Verdict
) -> None:
    assert judged(one, did=[did], tables=tables) is verdict


def test_a_proof_counts_only_with_the_log_of_the_server_that_gave_it() -> None:
    one = connection(NAT, "se1", OLD)
    assert judged(one, log=[served("se1", 1001.0)]) is Verdict.OK
    assert judged(one) is Verdict.BROKEN
    assert judged(one, log=[served("se2", 1001.0)]) is Verdict.BROKEN
    assert judged(replace(one, proof=None)) is Verdict.UNPROVEN
    assert judged(connection(FULLNAT, "se1", OLD)) is Verdict.OK, "servers do not see fullnat's clients"


def request(t: float, result: str = "ok", connect: float | None = 0.002, client: str = "ce") -> Request:
    return Request(t, connect, 0.01, client, "api/tcp/80", 30000, "se1", result)


def test_a_gap_is_from_the_first_lost_connection_to_the_next_that_is_right() -> None:
    lost = [request(t, "timeout", None) for t in (1.2, 1.4)]
    assert gap([request(1.0), *lost, request(1.7), request(1.9)]) == pytest.approx(0.5)
    assert gap([request(1.0), request(1.2)]) == 0.0
    assert gap([request(1.0), request(1.2, connect=1.0), request(1.4)]) == pytest.approx(0.2)
    assert gap([request(1.0), *lost]) == pytest.approx(0.201), "nothing was right afterwards"


def claims(site: str, begin: float, end: float) -> list[Heard]:
    times = [begin + n / 10 for n in range(int((end - begin) * 10) + 1)]
    return [Heard(t, "10.0.0.100", "answer", f"edge{site[0]}", site, "ce", True, True) for t in times]


def test_unowned_is_the_longest_silence_of_all_sites_together() -> None:
    heard = [*claims("east", 0.0, 5.0), *claims("west", 5.4, 10.0)]
    found = unowned(heard, 0.0, 10.0, 0.1)
    assert found.seconds == pytest.approx(0.3)
    assert found.since == pytest.approx(5.0)
    assert found.vip == "10.0.0.100"
    assert unowned(claims("east", 0.0, 10.0), 0.0, 10.0, 0.1).seconds == pytest.approx(0.0, abs=1e-6)
    assert unowned(claims("east", 0.0, 4.0), 0.0, 10.0, 0.1).seconds == pytest.approx(5.9)
    assert unowned([], 0.0, 10.0, 0.1).seconds == 10.0


def measured(did: Happened, requests: Sequence[Request], bounds: Bounds, **more: object) -> Result:
    heard = claims("east", BEGIN - 1, HEALTHY + 1)
    return replace(measure.result(did, bounds, STAGE, requests, [], heard, [], 0.1), **more)  # type: ignore[arg-type]


def test_an_event_misses_what_was_promised_and_says_by_how_much() -> None:
    bounds = Bounds(0.0, 0.0, 200.0)
    lost = [request(BEGIN + 1, "timeout", None), request(BEGIN + 2)]
    assert not measured(STAYS, [request(BEGIN + 1)], bounds).missed
    missed = measured(STAYS, lost, bounds).missed
    assert missed == ["service_gap_ms at east: 1000 > 0", "repair_ms at east: 1000 > 0"]
    west = [replace(one, client="cw") for one in lost]
    assert not measured(DIES, west, bounds).missed, "they were cut off"
    assert measured(replace(STAYS, healthy=None, why="se1 down"), [], bounds).missed
    two = Duplicate("10.0.0.100", ("east", "west"), BEGIN, BEGIN + 1, 2)
    assert measured(STAYS, [], bounds, duplicates=(two,)).missed
    assert measured(STAYS, [], bounds, broken=1).missed
    assert measured(STAYS, [], bounds, silence=Silence(0.201, "10.0.0.100", BEGIN)).missed


def outcome(requests: Sequence[Request], connections: Sequence[Connection]) -> Outcome:
    log = ClientLog("ce", {str(n): one for n, one in enumerate(connections)}, list(requests))
    findings = Findings((), (), {}, {}, 0)
    return conclude(
        Observed(
            seed=1,
            topology="twosmall",
            round_trip_ms=3.0,
            stage=STAGE,
            scale=SCALE,
            events=1,
            start=START,
            end=HEALTHY,
            happened=(STAYS,),
            clients=(log,),
            served=(served("se1", 1001.0),),
            tables=(),
            heard=tuple(claims("east", START, HEALTHY)),
            findings=findings,
            period=0.1,
            ends=(("ctl", 4),),
            defects=(),
        )
    )


def test_a_run_without_fault_passes_and_its_report_and_its_board_say_so() -> None:
    fine = outcome([request(START + 2), request(BEGIN + 1)], [connection(NAT, "se1", OLD)])
    assert fine.passed, [each for each in fine.promises if not each.held]
    made = report.build(fine)
    assert json.loads(json.dumps(made))["events"][0]["name"] == "link_cut"
    said = io.StringIO()
    board.show(Console(file=said, width=160), fine)
    assert "all promises held" in said.getvalue()


@pytest.mark.parametrize(
    ("requests", "connections", "promise"),
    [
        ([request(START + 2, "timeout", None)], [connection(NAT, "se1", OLD)], "calm_before"),
        ([], [connection(NAT, "se1", OLD, failed=1012.0)], "no_connection_broken"),
        ([], [], "some_opened"),
    ],
)
def test_a_run_with_a_fault_does_not_pass_and_names_the_promise(
    requests: Sequence[Request], connections: Sequence[Connection], promise: str
) -> None:
    found = outcome(requests, connections)
    assert not found.passed
    assert promise in [each.name for each in found.promises if not each.held]


def test_whatever_is_done_is_undone_and_every_part_is_played() -> None:
    assert len({event.name for event in events.FULL}) == len(events.FULL)
    assert set(events.SHORT) <= set(events.FULL)
    opposite = {
        Verb.MOVE: Verb.HOME,
        Verb.DRAIN: Verb.UNDRAIN,
        Verb.FAIL: Verb.HEAL,
        Verb.STOP: Verb.RESUME,
        Verb.KILL: Verb.START,
    }
    for event in events.FULL:
        undone = [(act.verb, act.whom) for act in event.undo]
        assert undone == [(opposite[act.verb], act.whom) for act in event.do]
    assert cast().names(Whom.LINK) == ("x1",)
    assert cast().names(Whom.LBS) == ("lbw1", "lbw2")


def test_load_comes_from_both_sites_in_all_modes_and_half_of_it_is_silent() -> None:
    one, other = write_specs(STAGE, SCALE, 1, "/tmp")
    assert {STAGE.clients[one.client], STAGE.clients[other.client]} == {"east", "west"}
    for spec in (one, other):
        assert {each.target.listener for each in spec.connections} == {each.listener for each in STAGE.long}
        assert sum(each.kind == "silent" for each in spec.connections) == len(spec.connections) / 2
    assert {"dr", "nat", "fullnat"} <= {each.mode for each in STAGE.long}


def test_a_topology_of_one_site_is_refused() -> None:
    single = plan(model.load("single"))
    with pytest.raises(StageError, match="two-site-small"):
        stage_of(single, intent.intent(single))


STATUS = {
    "switches": {"lb": {"synced": True, "admitted": True}},
    "pools": {"web": {"backends": {"s1": {"up": True}}, "moving": 0}},
    "vips": {"shop": {"owner": "east", "belongs": "east"}},
    "unsynced": 0,
    "probes_pending": 0,
}


def test_health_names_what_is_not_as_it_should_be() -> None:
    assert not list(health.faults(STATUS, 1))
    ill = {
        "switches": {"lb": {"synced": False, "admitted": False}},
        "pools": {"web": {"backends": {"s1": {"up": False}}, "moving": 7}},
        "vips": {"shop": {"owner": None, "belongs": "west"}},
        "unsynced": 2,
        "probes_pending": 1,
    }
    assert list(health.faults(ill, 1)) == [
        "not in step: lb",
        "lb switches not in use: 1",
        "web: not up: s1",
        "web: slots in transition: 7",
        "unsynced: 2",
        "probes_pending: 1",
        "shop: owned by None, belongs to west",
    ]
