"""The demo's scoreboard: synthetic runs, one promise broken at a time, and the files written from them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from topo.demo import html, report
from topo.demo.events import Fleet, Happened, Kind, write_script
from topo.demo.ledger import Endpoint
from topo.demo.measure import longest_stall_ms, spans
from topo.demo.outcome import Observed, Outcome, Promise, conclude
from topo.demo.records import ClientLog, Connection, Echo, Failure, Request, Served
from topo.demo.scale import OVS

START = 1000.0
WEIGHTS = {f"s{n}": 1 + n % 2 for n in range(1, 7)}
SCRIPT = write_script(3, WEIGHTS, ["lb1", "lb2", "lb3"])
ENDPOINTS = (Endpoint("shop/tcp/7000", "dr", "10.0.0.100", 7000, 7000),)
HAPPENED = tuple(Happened(step, START + step.at) for step in SCRIPT.steps)
END = START + SCRIPT.finish_at


def step_of(kind: Kind) -> Happened:
    return next(one for one in HAPPENED if one.step.kind is kind)


def request(t: float, server: str, **changes: object) -> Request:
    good = Request(t, 0.002, 0.005, "c1", "shop/tcp/80", 30000, server, "ok")
    return replace(good, **changes)  # type: ignore[arg-type]


def good_requests() -> list[Request]:
    """What the script asks for, 40 a second, repaired the very moment."""
    rng = random.Random(1)
    cut = spans(Fleet(WEIGHTS, frozenset({SCRIPT.late})), HAPPENED, START, END)
    made = []
    for span in cut:
        serving = span.fleet.serving()
        t = span.start
        while t < span.end:
            made.append(request(t, rng.choices(list(serving), list(serving.values()))[0]))
            t += 0.025
    return made


def good_connections() -> list[Connection]:
    """Nine connections, every third silent, none on the server that is killed or on the late one."""
    killed = step_of(Kind.KILL_SERVER).step.target
    servers = [name for name in WEIGHTS if name not in (killed, SCRIPT.late)]
    made = []
    for number in range(9):
        t = START + 1 + number * 0.1
        server = servers[number % len(servers)]
        times = [t, t + 45, t + 90] if number % 3 == 0 else [t + 2 * n for n in range(68)]
        made.append(
            Connection(
                f"c1-{number}",
                "c1",
                "shop/tcp/7000",
                "silent" if number % 3 == 0 else "active",
                begin=t - 0.01,
                opened=t,
                local=("10.0.0.11", 40000 + number),
                echoes=[Echo(each, 0.003, server) for each in times],
                proof=Echo(END, 0.003, server),
                closed=END + 0.01,
            )
        )
    return made


def observed(
    connections: list[Connection] | None = None,
    requests: list[Request] | None = None,
    happened: tuple[Happened, ...] = HAPPENED,
    sabotage: bool = False,
) -> Observed:
    connections = good_connections() if connections is None else connections
    client = ClientLog("c1", {one.id: one for one in connections})
    client.requests = good_requests() if requests is None else requests
    served = tuple(
        Served(one.server, one.local, ("10.0.0.100", 7000), (one.begin or 0) + 0.005, None, None)
        for one in connections
        if one.server and one.local
    )
    return Observed(
        seed=3,
        sabotage=sabotage,
        steps=len(SCRIPT.steps),
        fleet=Fleet(WEIGHTS, frozenset({SCRIPT.late})),
        start=START,
        end=END,
        happened=happened,
        endpoints=ENDPOINTS,
        clients=(client,),
        served=served,
        scale=OVS,
        verdict_seconds=1.3,
    )


def not_held(outcome: Outcome) -> list[str]:
    return [promise.name for promise in outcome.promises if not promise.held]


def promise(outcome: Outcome, name: str) -> Promise:
    return next(one for one in outcome.promises if one.name == name)


def test_a_clean_run_keeps_every_promise() -> None:
    outcome = conclude(observed())
    assert not_held(outcome) == []
    assert outcome.passed


def test_one_broken_connection_fails_the_run() -> None:
    connections = good_connections()
    connections[1] = replace(
        connections[1], proof=None, closed=None, failure=Failure(END - 5, "reset", "echo")
    )
    outcome = conclude(observed(connections))
    assert (outcome.broken, outcome.passed, not_held(outcome)) == (1, False, ["no_connection_broken"])


@pytest.mark.parametrize(("count", "passed"), [(0, False), (1, True), (2, False)])
def test_sabotage_passes_only_if_exactly_one_connection_was_found_broken(count: int, passed: bool) -> None:
    connections = good_connections()
    for number in range(count):
        connections[number] = replace(
            connections[number], proof=None, closed=None, failure=Failure(START + 17, "reset", "echo")
        )
    assert conclude(observed(connections, sabotage=True)).passed is passed


def test_a_connection_that_was_never_opened_is_not_passed_over() -> None:
    connections = [*good_connections(), Connection("c1-9", "c1", "shop/tcp/7000", "active")]
    assert "all_opened" in not_held(conclude(observed(connections)))


def test_a_log_that_stops_is_not_taken_for_success() -> None:
    connections = good_connections()
    connections[2] = replace(connections[2], proof=None, closed=None)
    assert not_held(conclude(observed(connections))) == ["all_proven"]


def test_too_few_silent_connections_are_reported() -> None:
    connections = good_connections()
    connections[0] = replace(connections[0], echoes=[Echo(START + 2 * n, 0.01, "s1") for n in range(1, 70)])
    assert "a_third_silent" in not_held(conclude(observed(connections)))


def test_no_connections_at_all_prove_nothing() -> None:
    assert {"a_third_silent", "all_proven"} <= set(not_held(conclude(observed([]))))


def test_a_step_that_was_not_taken_fails_the_run() -> None:
    assert "all_events" in not_held(conclude(observed(happened=HAPPENED[:-1])))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"connect": None, "result": "timeout"}, "lost: timeout"),
        ({"connect": None, "result": "refused"}, "lost: refused"),
        ({"result": "reset"}, "lost: reset"),
        ({"connect": 1.01, "total": 1.02}, "delayed: connected after 1.01 s"),
    ],
)
def test_repair_time_counts_to_when_the_last_bad_attempt_began(change: dict[str, object], what: str) -> None:
    killed = step_of(Kind.KILL_LB)
    bad = (
        [
            request(killed.t + 0.020, "s1", total=2.0, **{**change}),
            request(killed.t + 0.140, "s1", **change),
        ]
        if "total" not in change
        else [request(killed.t + 0.140, "s1", **change)]
    )
    outcome = conclude(observed(requests=[*good_requests(), *bad]))
    result = next(one for one in outcome.events if one.happened is killed)
    assert result.repair_ms == pytest.approx(140.0)
    assert result.wrong[-1].what == what
    assert promise(outcome, "kill_lb_repaired").held


def test_a_lb_switch_repaired_after_its_bound_fails_the_run() -> None:
    late = request(step_of(Kind.KILL_LB).t + 0.301, "", connect=None, result="timeout")
    assert not_held(conclude(observed(requests=[*good_requests(), late]))) == ["kill_lb_repaired"]


def test_a_server_is_allowed_its_verdict_time_and_no_more() -> None:
    killed = step_of(Kind.KILL_SERVER)
    for after, held in ((1.499, True), (1.501, False)):
        refused = request(killed.t + after, "", connect=None, result="refused")
        outcome = conclude(observed(requests=[*good_requests(), refused]))
        assert promise(outcome, "kill_server_repaired").held is held


def test_a_new_connection_to_a_drained_backend_is_misdirected_for_the_rest_of_the_run() -> None:
    drain = step_of(Kind.DRAIN_BACKEND)
    soon = request(drain.t + 0.4, drain.step.target)
    much_later = request(step_of(Kind.HEAL_LB).t + 3.0, drain.step.target)
    outcome = conclude(observed(requests=[*good_requests(), soon, much_later]))
    by_kind = {one.happened.step.kind: one for one in outcome.events}
    assert by_kind[Kind.DRAIN_BACKEND].repair_ms == pytest.approx(400.0)
    assert by_kind[Kind.HEAL_LB].wrong[0].what == f"misdirected to {drain.step.target}"
    assert not_held(outcome) == ["heal_lb_repaired"]


def test_a_backend_that_was_not_added_yet_must_get_nothing() -> None:
    early = request(START + 10, SCRIPT.late)
    assert not_held(conclude(observed(requests=[*good_requests(), early]))) == ["calm_before"]


@pytest.mark.parametrize(
    "kind", [Kind.ADD_BACKEND, Kind.MOVE_SLOTS, Kind.KILL_CONTROLLER, Kind.RESTART_CONTROLLER]
)
def test_events_that_break_nothing_may_lose_nothing(kind: Kind) -> None:
    lost = request(step_of(kind).t + 1.0, "", connect=None, result="timeout")
    assert not_held(conclude(observed(requests=[*good_requests(), lost]))) == [f"{kind.value}_repaired"]


def test_counts_that_do_not_follow_the_weights_fail_the_run() -> None:
    lopsided = [one for one in good_requests() if one.server != "s1" or int(one.t * 40) % 2]
    assert not_held(conclude(observed(requests=lopsided))) == ["distribution"]


def test_no_requests_at_all_prove_no_distribution() -> None:
    assert not_held(conclude(observed(requests=[]))) == ["distribution"]


def test_the_longest_stall_is_of_echoes_under_way_in_that_time() -> None:
    one = good_connections()[1]
    one.echoes = [Echo(10.0, 0.5, "s1"), Echo(20.0, 0.25, "s1"), Echo(30.0, 0.9, "s1")]
    assert longest_stall_ms([one], 20.1, 29.0) == 250.0
    assert longest_stall_ms([one], 21.0, 29.0) == 0.0


def test_a_script_gives_every_part_to_another_backend_and_is_the_same_for_the_same_seed() -> None:
    for seed in range(20):
        script = write_script(seed, WEIGHTS, ["lb1", "lb2", "lb3"])
        assert script == write_script(seed, WEIGHTS, ["lb3", "lb2", "lb1"])
        targets = [one.target for one in script.steps if one.target.startswith("s")]
        assert len(set(targets)) == len(targets) == 5
        assert script.late == targets[0]
    assert len({write_script(seed, WEIGHTS, ["lb1", "lb2", "lb3"]).late for seed in range(20)}) > 1


def test_the_lb_switch_dies_ten_seconds_after_slots_moved() -> None:
    at = {one.kind: one.at for one in SCRIPT.steps}
    assert at[Kind.KILL_LB] - at[Kind.MOVE_SLOTS] == 10
    assert 120 <= SCRIPT.finish_at <= 180


@pytest.mark.parametrize(("weights", "switches"), [({"s1": 1}, ["lb1", "lb2"]), (WEIGHTS, ["lb1"])])
def test_a_fabric_too_small_for_the_script_is_refused(weights: dict[str, int], switches: list[str]) -> None:
    with pytest.raises(ValueError, match="at least 5 backends and 2 lb switches"):
        write_script(1, weights, switches)


def test_bounds_are_those_promised() -> None:
    assert OVS.bound_ms(Kind.KILL_SERVER, 3.5) == 3700.0
    assert OVS.bound_ms(Kind.KILL_LB, 3.5) == 300.0
    assert OVS.bound_ms(Kind.RESTART_CONTROLLER, 3.5) == 0.0


EVENT_KEYS = {
    "name",
    "target",
    "title",
    "at_ms",
    "repair_ms",
    "bound_ms",
    "held",
    "wrong",
    "examples",
    "longest_stall_ms",
    "broken_with_live_backend",
}
KEYS = {
    "format",
    "passed",
    "seed",
    "sabotage",
    "switch",
    "simulated",
    "scale",
    "duration_ms",
    "broken_with_live_backend",
    "connections",
    "broken",
    "requests",
    "events",
    "distribution",
    "promises",
    "generator_lag_ms",
}


def broken_outcome() -> Outcome:
    connections = good_connections()
    connections[1] = replace(
        connections[1], proof=None, closed=None, failure=Failure(START + 95, "<reset> & gone", "echo")
    )
    bad = request(step_of(Kind.KILL_LB).t + 0.1, "", connect=None, result="timeout")
    return conclude(observed(connections, [*good_requests(), bad]))


def test_what_is_on_its_way_when_a_switch_dies_is_not_held_against_the_event_before() -> None:
    killed = step_of(Kind.KILL_LB)
    late = request(killed.t - 0.05, "", connect=None, result="timeout")
    early = request(killed.t - 0.15, "", connect=None, result="timeout")
    by_kind = {
        one.happened.step.kind: one for one in conclude(observed(None, [*good_requests(), late])).events
    }
    assert (by_kind[Kind.KILL_LB].repair_ms, len(by_kind[Kind.KILL_LB].wrong)) == (0.1, 1)
    assert by_kind[Kind.MOVE_SLOTS].wrong == ()
    assert not_held(conclude(observed(None, [*good_requests(), early]))) == ["move_slots_repaired"]


@pytest.mark.parametrize("result", ["reset", "refused", "eof"])
def test_what_a_dying_server_cuts_is_not_held_against_the_event_before_however_long_it_took(
    result: str,
) -> None:
    killed = step_of(Kind.KILL_SERVER)
    cut = request(killed.t - 0.5, "", total=0.6, result=result)
    before = request(killed.t - 0.5, "", total=0.3, result=result)
    by_kind = {
        one.happened.step.kind: one for one in conclude(observed(None, [*good_requests(), cut])).events
    }
    assert len(by_kind[Kind.KILL_SERVER].wrong) == 1
    assert by_kind[Kind.DRAIN_BACKEND].wrong == ()
    assert not_held(conclude(observed(None, [*good_requests(), before]))) == ["drain_backend_repaired"]


def test_what_is_cut_at_the_very_end_counts() -> None:
    cut = request(END - 0.1, "", total=0.5, result="reset")
    assert not_held(conclude(observed(None, [*good_requests(), cut]))) == ["restart_controller_repaired"]


def test_a_loss_right_before_a_harmless_event_is_a_loss() -> None:
    late = request(step_of(Kind.HEAL_LB).t - 0.05, "", connect=None, result="timeout")
    assert not_held(conclude(observed(None, [*good_requests(), late]))) == ["heal_lb_repaired"]


def test_the_reports_keys_are_the_documented_ones(tmp_path: Path) -> None:
    path = tmp_path / "out" / "report.json"
    report.write(report.build(broken_outcome()), path)
    read = json.loads(path.read_text())
    assert set(read) == KEYS
    assert {key for event in read["events"] for key in event} == EVENT_KEYS
    assert [event["name"] for event in read["events"]] == [one.kind.value for one in SCRIPT.steps]
    assert read["broken_with_live_backend"] == 1
    assert read["broken"][0]["at_ms"] == 95_000.0
    assert read["connections"]["by_verdict"]["broken_with_live_backend"] == 1
    assert (read["connections"]["total"], read["connections"]["silent"]) == (9, 3)
    killed = next(event for event in read["events"] if event["name"] == "kill_lb")
    assert (killed["repair_ms"], killed["bound_ms"], killed["wrong"]) == (100.0, 300.0, 1)
    assert killed["broken_with_live_backend"] == 1
    assert read["passed"] is False
    documented = report.__doc__ or ""
    assert all(f"``{key}``" in documented for key in KEYS | EVENT_KEYS)


def test_the_page_is_well_formed_complete_and_self_contained(tmp_path: Path) -> None:
    outcome = broken_outcome()
    outcome = replace(outcome, observed=replace(outcome.observed, said=((START + 50, "repaired lb1"),)))
    html.write(outcome, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    root = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    svg = root.find(".//{http://www.w3.org/2000/svg}svg")
    assert svg is not None
    titles = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert "c1-1 (shop/tcp/7000): <reset> & gone during echo" in titles
    assert all(title in titles for title in ("repaired lb1", *(step.title for step in SCRIPT.steps)))
    assert not [element for element in root.iter() if set(element.attrib) & {"src", "href"}]


def test_events_come_in_order() -> None:
    assert [one.at for one in SCRIPT.steps] == sorted(one.at for one in SCRIPT.steps)
