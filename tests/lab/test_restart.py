"""Restarts: a controller that comes back changes nothing; a switch that comes back is used once it is fit."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from controller.plan.turns import first, lasting
from flows.zones import GENERATIONS
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.test_audit import held
from tests.lab.tuned import TRIO, member, pool, tune, weights

pytestmark = pytest.mark.lab

LBS = ("lb1", "lb2", "lb3")
WINDOW = 30.0
"""Seconds; a controller is killed, started again and looked at within it, on a busy machine too."""
GENERATION = 3600


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    balanced = Balanced(make_lab(TRIO))
    for name in ("web", "vault"):
        tune(balanced.lab, pool(name, transition=f"{WINDOW:g}s", memory_timeout=f"{GENERATION}s"))
    with balanced:
        yield balanced


@pytest.fixture
def long(served: Balanced) -> Iterator[LongConnections]:
    with LongConnections(served.lab) as opened:
        yield opened


def _everything(balanced: Balanced) -> dict[str, dict[str, set[str]]]:
    return {switch: held(balanced.lab, switch) for switch in balanced.lab.switches}


def _writes(balanced: Balanced) -> list[object]:
    """What was written to switches since the last mark, pins aside (they follow the traffic)."""
    return [
        event for event in balanced.since_mark() if event["event"] in ("converged", "repaired", "withdrawn")
    ]


def _windows_over(balanced: Balanced) -> None:
    """No slot moves any more."""
    balanced.wait_status(lambda status: not status["at_risk"]["moving_slots"], "the window ends", WINDOW + 5)


def _no_turn_within(balanced: Balanced, seconds: float) -> None:
    """Wait until no VIP's memory turns within so many seconds: a turn is a change of its own.

    A generation begins when a VIP is first served, or with a turn, and lasts ``GENERATION`` seconds.
    """
    while True:
        now = time.monotonic()
        begun = [e["t"] for e in balanced.events if e["event"] in ("intent_accepted", "memory_turned")]
        ends = [t + GENERATION - now for t in begun if now - 1 <= t + GENERATION <= now + seconds]
        if not ends:
            return
        time.sleep(max(ends) + 2)


def test_a_killed_and_restarted_controller_changes_nothing_and_traffic_goes_on(
    served: Balanced, long: LongConnections
) -> None:
    long.open(10)
    long.talk()
    _no_turn_within(served, 12)
    before = _everything(served)
    served.kill_controller()
    assert {one.problem for one in long.open(10)} == {""}, "new connections need no controller"
    served.start_controller()
    served.wait_ready()
    assert _writes(served) == []
    assert _everything(served) == before
    assert long.broken() == []


@pytest.mark.long
def test_a_restart_in_the_middle_of_a_transition_changes_nothing_and_the_window_ends_in_time(
    served: Balanced, long: LongConnections
) -> None:
    long.open(10)
    long.talk()
    _no_turn_within(served, 25)
    served.edit_intent(weights("web", s1=4))
    time.sleep(1.5)
    served.settle()
    moving = served.status()["at_risk"]["moving_slots"]
    pins = served.status()["pins"]
    assert moving
    assert pins
    before = _everything(served)
    served.kill_controller()
    served.start_controller()
    served.wait_ready()
    assert _writes(served) == []
    assert _everything(served) == before
    status = served.status()
    assert (status["at_risk"]["moving_slots"], status["pins"]) == (moving, pins)
    _windows_over(served)
    long.speak()
    assert long.broken() == []


def test_an_intent_changed_while_the_controller_was_away_takes_no_switch_out(
    served: Balanced, long: LongConnections
) -> None:
    long.open(10)
    served.kill_controller()
    listener = {"protocol": "tcp", "port": 80, "pool": "web", "mode": "dr"}
    tune(served.lab, lambda document: document["vips"][0]["listeners"].append(listener))
    served.start_controller()
    served.wait_ready()
    assert [event for event in served.since_mark() if event["event"] == "withdrawn"] == []
    long.speak()
    assert long.broken() == []


def test_a_bad_intent_leaves_the_last_good_one_in_force_and_a_good_one_is_taken_afterwards(
    served: Balanced, long: LongConnections
) -> None:
    path = served.lab.intent_path
    good = path.read_text(encoding="utf-8")
    served.settle()
    served.mark()
    path.write_text(good.replace("mode: ", "mdoe: ", 1), encoding="utf-8")
    refused = served.wait_event("intent_refused")
    assert "mdoe" in "".join(refused["errors"])
    assert "mode" in "".join(refused["errors"])
    served.wait_status(lambda status: status["intent_errors"], "the errors are shown")
    assert {one.problem for one in long.open(5)} == {""}
    assert not [event for event in served.since_mark() if event["event"] == "table"]
    path.write_text(good, encoding="utf-8")
    served.wait_event("intent_accepted")
    served.edit_intent(member("s1", weight=7))
    served.wait_event("table", pool="web/tcp")
    served.wait_status(lambda status: not status["intent_errors"], "no errors are shown")


def test_a_vip_that_is_added_later_is_remembered_as_long_as_the_first_ones(served: Balanced) -> None:
    def add_vip(document: dict[str, list[dict[str, object]]]) -> None:
        listener = {"protocol": "tcp", "port": 7000, "pool": "web", "mode": "dr"}
        mac = document["vips"][0]["mac"]
        document["vips"].append(
            {"name": "late", "address": "10.0.0.110", "mac": mac, "listeners": [listener]}
        )

    before = served.lab.vsctl("lb1", "list-zone-tp", "netdev").splitlines()
    served.edit_intent(add_vip)
    for switch in LBS:
        served.wait_event("timeouts_set", switch=switch)
    after = served.lab.vsctl("lb1", "list-zone-tp", "netdev").splitlines()
    new = [row for row in after if row not in before]
    assert len(new) == GENERATIONS
    seconds = int(lasting(first(GENERATION, 0.0)))
    assert all(f"tcp_syn_sent={seconds}" in row for row in new)
