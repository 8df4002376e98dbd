"""Two controllers on one etcd prefix: one leads, the other takes over and writes to no switch that needs nothing."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from controller.cli import codes
from controller.sites.leading import TIMES
from tests.fakes.etcd import Cluster, needs_etcd
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import LongConnections
from tests.lab.test_audit import held
from tests.lab.tuned import TRIO, pool, tune
from topo.demo.actors import ROOT
from topo.lab import Lab
from topo.ovs import BRIDGE
from topo.plan import CONTROL_ADDRESS, CONTROLLER, OPENFLOW_PORT

pytestmark = [pytest.mark.lab, needs_etcd]

WINDOW, MEMORY = "30s", "3600s"
_LEFT = re.compile(r"hard_timeout=\d+, ?")
BUSY = 15.0
"""Seconds that a busy machine may add to a takeover."""


class Two(NamedTuple):
    east: Balanced
    west: Balanced
    long: LongConnections
    store: str
    """Where both keep what outlives them."""
    cluster: Cluster
    """That store."""


@pytest.fixture(scope="module")
def two(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """``east`` leads and all is served; ``west`` stands by on the same address; connections talk."""
    lab = make_lab(TRIO)
    for name in ("web", "vault"):
        tune(lab, pool(name, transition=WINDOW, memory_timeout=MEMORY))
    with ExitStack() as stack:
        with lab.namespace(CONTROLLER):
            cluster = stack.enter_context(Cluster(tmp_path_factory.mktemp("etcd")))
        store = ["--store", str(cluster.address("/fabric")), "--name"]
        east = stack.enter_context(Balanced(lab, [*store, "east"]))
        west = Balanced(lab, [*store, "west"])
        stack.callback(west.stop)
        stand_by(west, "east")
        long = stack.enter_context(LongConnections(lab))
        long.open(10)
        long.talk()
        yield Two(east, west, long, store[1], cluster)


def stand_by(balanced: Balanced, leader: str) -> None:
    """Start a controller, which finds that another one leads."""
    balanced.start_controller()
    assert balanced.wait_event("standby", BUSY)["leader"] == leader
    shown = balanced.wait_status(lambda status: "standby" in status, "it says that it stands by")
    assert shown.keys() == {"at", "standby"}
    assert shown["standby"]["leader"] == leader
    balanced.mark()


def everything(lab: Lab) -> dict[str, dict[str, set[str]]]:
    """What switches hold, but for how long answers still last."""
    found = {}
    for switch in lab.switches:
        found[switch] = held(lab, switch)
        found[switch]["flows"] = {_LEFT.sub("", row) for row in found[switch]["flows"]}
    return found


def writes(balanced: Balanced) -> list[str]:
    """What a controller did, by lines, if since the last mark it has written to a switch anything but pins."""
    said = balanced.since_mark()
    wrote = any(event["event"] in ("converged", "repaired", "withdrawn") for event in said)
    return [json.dumps(event) for event in said] if wrote else []


def takes_over(balanced: Balanced, before: dict[str, dict[str, set[str]]]) -> float:
    """Wait until a standby serves all, having written to no switch; when it led, by the monotonic clock."""
    leads = balanced.wait_event("leads", TIMES.wait(TIMES.authority) + BUSY)
    balanced.wait_event("started", BUSY)
    balanced.wait_ready()
    assert writes(balanced) == []
    assert everything(balanced.lab) == before
    return float(leads["t"])


def timeline(two: Two) -> list[tuple[str, str, str]]:
    """Controller, event and cause of all that ``evenkeel timeline`` shows, in its order."""
    command = [sys.executable, "-m", "controller", "timeline", "--store", two.store, "--json"]
    done = two.east.lab.exec(CONTROLLER, command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == codes.Timeline.SHOWN, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [(row["controller"], row["event"], row["cause"]) for row in rows]


def explains(two: Two, *wanted: tuple[str, str, str]) -> None:
    """Wait until the timeline shows these, in this order, whatever stands between them."""
    end = time.monotonic() + BUSY
    while True:
        shown = timeline(two)
        rest = iter(shown)
        if all(each in rest for each in wanted):
            return
        assert time.monotonic() < end, "\n".join(map(str, shown))


def test_a_killed_leader_is_replaced_and_takes_part_again_as_the_standby(two: Two) -> None:
    before = everything(two.east.lab)
    last = max(event["t"] for event in two.east.events)
    two.east.kill_controller()
    assert {one.problem for one in two.long.open(5)} == {""}, "new connections need no controller"
    led = takes_over(two.west, before)
    assert led > last
    assert two.west.wait_event("leads")["after"] == "east"
    explains(
        two,
        ("east", "leads", "claimed_free"),
        ("east", "started", "started"),
        ("east", "admitted", "synced"),
        ("west", "leads", "claimed_silent"),
        ("west", "started", "started"),
        *[("west", "synced", "synced")] * len(two.east.lab.switches),
    )
    stand_by(two.east, "west")
    two.long.speak()
    assert two.long.broken() == []


def test_a_clean_stop_hands_over_at_once(two: Two) -> None:
    before = everything(two.west.lab)
    two.west.mark()
    two.west.signal_controller(signal.SIGTERM)
    released = two.west.wait_event("leadership_released", BUSY)
    assert two.west.controller_ended() == codes.Run.STOPPED
    led = takes_over(two.east, before)
    assert two.east.wait_event("leads")["after"] is None, "no lease was waited for"
    assert led - released["t"] < TIMES.authority
    explains(
        two,
        ("west", "leads", "claimed_silent"),
        ("west", "stopped", "signal"),
        ("west", "leadership_released", "released"),
        ("east", "leads", "claimed_released"),
        ("east", "started", "started"),
    )
    two.long.speak()
    assert two.long.broken() == []


def test_a_leader_that_was_stopped_and_replaced_ends_and_harms_nothing(two: Two) -> None:
    lab = two.east.lab
    addresses = [f"{CONTROL_ADDRESS}:{port}" for port in (OPENFLOW_PORT, OPENFLOW_PORT + 1)]
    two.west.listen(addresses[1])
    stand_by(two.west, "east")
    two.east.settle()
    before = everything(lab)
    two.east.mark()
    two.east.signal_controller(signal.SIGSTOP)
    two.west.wait_event("started", TIMES.wait(TIMES.authority) + BUSY)
    for switch in lab.switches:  # only now: they would try at once, and then every 8 s
        both_controllers(lab, switch, addresses)
    takes_over(two.west, before)
    two.east.signal_controller(signal.SIGCONT)
    assert two.east.controller_ended() == codes.Run.OTHER_WRITER
    (lost,) = [event for event in two.east.since_mark() if event["event"] == "leadership_lost"]
    assert lost["leader"] == "west"
    two.west.settle()
    assert writes(two.west) == []
    assert everything(lab) == before
    two.long.speak()
    assert two.long.broken() == []


def standing(two: Two) -> tuple[Balanced, Balanced]:
    """Who leads, and who stands by: started again if the test before has ended it."""
    names = {id(two.east): "east", id(two.west): "west"}
    leads, other = (two.east, two.west) if two.east.serves() else (two.west, two.east)
    if "standby" not in other.status():
        stand_by(other, names[id(leads)])
    return leads, other


def both_controllers(lab: Lab, switch: str, addresses: list[str]) -> None:
    """Let a switch connect to two controllers, without a moment in which it has none."""
    command: list[str] = []
    names = [f"@c{number}" for number, _ in enumerate(addresses)]
    for name, address in zip(names, addresses, strict=True):
        command += [f"--id={name}", "create", "controller", f'target="tcp:{address}"']
        command += ["connection_mode=out-of-band", "max_backoff=1000", "inactivity_probe=5000", "--"]
    lab.vsctl(switch, *command, "set", "bridge", BRIDGE, f"controller={','.join(names)}")


@pytest.mark.long
def test_an_operator_has_the_standby_lead_when_leader_and_majority_of_etcd_are_gone(two: Two) -> None:
    """Half of what there was has died at once: nothing can say that the other half may go on, but an operator."""
    leads, other = standing(two)
    dead = two.cluster.members[1:]
    other.mark()
    leads.kill_controller()
    for member in dead:
        member.kill()
    leads.lab.fail("s2")
    try:
        other.wait_status(lambda status: status["standby"]["store"], "it notices that the store is silent")
        other.wait_status(lambda status: status["standby"]["down"] == 1, "it finds s2 down")
        assert other.command("move", "shop") == codes.Asked.REFUSED
        assert other.command("site", "claim", "--without-quorum", "--yes") == codes.Asked.DONE
        other.wait_event("claimed_without_store", BUSY)
        other.wait_event("ahead", 2 * BUSY)
        for switch in leads.lab.switches:
            other.wait_event("synced", 2 * BUSY, switch=switch)
        eventually(lambda: all(one.server != "s2" for one in two.long.open(8)), "new connections leave s2")
        with leads.lab.namespace(CONTROLLER):
            for member in dead:
                member.start()
        other.wait_event("leads", 2 * BUSY)
        other.wait_event("store_recovered", 2 * BUSY)
        other.wait_status(lambda status: not status["ahead"], "all of it is stored")
    finally:
        other.mark()
        leads.lab.heal("s2")
    other.wait_event("verdict", 2 * BUSY, backend="s2", up=True)
    two.long.speak()
    assert [one for one in two.long.broken(dead=["s2"]) if one.server] == []


@pytest.mark.long
def test_without_a_majority_of_etcd_a_dead_server_is_taken_out_all_the_same(two: Two) -> None:
    """By the one that led; what it did is stored when etcd answers, and the other one goes on standing by."""
    leads, other = standing(two)
    for each in (leads, other):
        each.mark()
    revision = leads.status()["revision"]
    for member in two.cluster.members[1:]:
        member.kill()
    leads.wait_event("leadership_lapsed", BUSY)
    leads.lab.fail("s3")
    try:
        leads.wait_event("ahead", 2 * BUSY)
        eventually(lambda: all(one.server != "s3" for one in two.long.open(8)), "new connections leave s3")
        assert {one.server for one in two.long.open(8)} <= {"s1", "s2", "s4"}
        shown = leads.wait_status(lambda status: status["ahead"], "it says how much the store lacks")
        assert shown["store"]
        assert shown["revision"] == revision
        with leads.lab.namespace(CONTROLLER):
            for member in two.cluster.members[1:]:
                member.start()
        leads.wait_event("store_recovered", 2 * BUSY)
        shown = leads.wait_status(lambda status: not status["ahead"] and not status["store"], "it is stored")
        assert shown["revision"] > revision
        names = {event["event"] for event in other.since_mark()}
        assert not names & {"leads", "started"}
    finally:
        leads.mark()
        leads.lab.heal("s3")
    leads.wait_event("verdict", 2 * BUSY, backend="s3", up=True)
    two.long.speak()
    assert [one for one in two.long.broken(dead=["s2", "s3"]) if one.server] == []
