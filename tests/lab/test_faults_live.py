"""What broke connections, or left clients with dead servers, when it was made to happen on switches with real TCP.

Each test is one row of what was found, and failed before it was mended.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator

import pytest
from ruamel.yaml import YAML

from flows.messages import OWN_COOKIES
from tests.lab.conftest import MakeLab, eventually
from tests.lab.edges import uses
from tests.lab.faulty import VAULT, abort, exceptions, listener, renamed, reopen, shift, vip, without
from tests.lab.long_connections import Connection, LongConnections
from tests.lab.stepped import Stepped
from tests.lab.test_audit import OURS
from tests.lab.tuned import TRIO, Change, pool, remove, tune
from topo.lab import Lab
from topo.ovs import OpenVSwitch

pytestmark = pytest.mark.lab

LBS = ("lb1", "lb2", "lb3")
OUTLIVING = ("dr", "nat", "tun")
MEMORY = 30
SHORT = 4
KEEP_FOR = 4.0


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Stepped]:
    balanced = faulty_lab(make_lab(TRIO))
    with balanced:
        yield balanced


def faulty_lab(lab: Lab) -> Stepped:
    """Its controller is not running yet."""
    tune(lab, pool("vault", memory_timeout=f"{MEMORY}s"))
    rules = {"keep_for": f"{KEEP_FOR:g}s", "then": "move"}
    balanced = Stepped(lab)
    tune(lab, pool(transition="5s", memory_timeout=f"{MEMORY}s", on_down=rules))
    return balanced


@pytest.fixture
def long(served: Stepped) -> Iterator[LongConnections]:
    with LongConnections(served.lab) as opened:
        yield opened


def _all_well(long: LongConnections) -> None:
    long.speak()
    assert long.broken() == []


def _servers(made: list[Connection]) -> set[str]:
    assert {one.problem for one in made} == {""}
    return {one.server for one in made}


# -- 1.1: zones of memory were computed from wall clock, timeout and number, and jumped ------------------------


def test_edits_that_touch_how_long_is_remembered_forget_nobody(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 1.1: another memory_timeout; a listener whose pool has another one; another name of the VIP."""
    exceptions(served, long)
    before = served.lab.intent_path.read_text(encoding="utf-8")

    def all_at_once(document: object) -> None:
        pool("vault", memory_timeout=f"{MEMORY + 1}s")(document)
        vip(document, VAULT).update(name="safe")

    def another_listener(document: object) -> None:
        row = {"protocol": "tcp", "port": 7000, "pool": "web", "mode": "dr"}
        vip(document, VAULT)["listeners"].append(row)
        pool("web", memory_timeout=f"{MEMORY + 7}s")(document)

    served.edit_intent(another_listener)
    served.edit_intent(all_at_once)
    served.settle()
    _all_well(long)
    served.wait_status(lambda status: status["pins"] >= 5, "enough slots moved for this test to see anything")
    served.mark()
    served.lab.intent_path.write_text(before, encoding="utf-8")
    served.wait_event("intent_accepted")


def test_steps_of_the_wall_clock_forget_nobody(served: Stepped, long: LongConnections) -> None:
    """FAULTS 1.1: the controller's clock is set, ahead and back, while connections are idle."""
    exceptions(served, long)
    for seconds in (62.0 * MEMORY, -119.0 * MEMORY):  # what was computed of it jumped by two, among three
        served.step_clock(seconds)
        _wait_clock(served, time.time() + seconds)
        served.edit_intent(shift(served, "web"))  # it plans, at the time that it sees now
    served.settle()
    _all_well(long)
    served.step_clock(0.0)


def _wait_clock(served: Stepped, at: float) -> None:
    served.wait_status(lambda status: abs(status["at"] - at) < 100, "the controller sees the stepped clock")


@pytest.mark.long
def test_a_controller_that_was_away_for_two_generations_forgets_nobody_who_spoke(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 1.1: on its return the generation jumped by as many as had passed."""
    served.edit_intent(pool("vault", memory_timeout=f"{SHORT}s"))
    exceptions(served, long)
    served.kill_controller()
    now = time.time() // SHORT
    end = time.monotonic() + 2.2 * SHORT
    while time.monotonic() < end:
        long.speak()
        time.sleep(0.4)
    served.stop_clock((now + 2.5) * SHORT)  # however long it takes to come back
    served.start_controller()
    served.wait_status(
        lambda status: all(each["synced"] for each in status["switches"].values()), "it is back", 30
    )
    long.speak()
    served.step_clock(0.0)
    served.settle()
    _all_well(long)
    served.edit_intent(pool("vault", memory_timeout=f"{MEMORY}s"))


# -- 2: state that was dropped whole where something should drain ----------------------------------------------


@pytest.mark.long
def test_a_listener_that_is_given_another_pool_keeps_its_connections_and_serves_their_ports(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 2.1: what was remembered named a server that the new pool does not have; it was dropped, for ever."""
    made = long.open(16, ["dr"], idle_of_three=1)
    assert "s3" in _servers(made)
    served.edit_intent(listener(pool="vault"))
    served.settle()
    _all_well(long)
    served.settle()  # no report of a former connection is under way
    former = [one for one in made if one.server == "s3"]
    ports = abort(served, long, former)
    assert "s3" not in _servers([reopen(served, long, *each) for each in ports])
    served.edit_intent(listener(pool="web"))
    served.settle()
    _all_well(long)


@pytest.mark.long
def test_connections_outlast_a_vip_that_is_away_for_a_moment(served: Stepped, long: LongConnections) -> None:
    """FAULTS 2.2: it came back with other numbers and zones, which a fullnat connection needs for its answers."""
    long.open(20, ["fullnat", "dr"], idle_of_three=1)
    away: list[dict[str, object]] = []

    def take(document: dict[str, list[dict[str, object]]]) -> None:
        away[:] = [each for each in document["vips"] if each["name"] in ("ads", "shop")]
        document["vips"][:] = [each for each in document["vips"] if each not in away]

    served.edit_intent(take)
    served.wait_event("listener_drains")
    long.speak([one for one in long.all if not one.idle])
    served.edit_intent(lambda document: document["vips"].extend(away))
    served.settle()
    _all_well(long)
    _servers(long.open(4, ["fullnat", "dr"]))


def test_a_file_that_is_written_line_by_line_is_taken_whole(served: Stepped, long: LongConnections) -> None:
    """FAULTS 2.3: its first lines were a good intent with no VIP in it."""
    long.open(20, ["dr", "fullnat"], idle_of_three=1)
    text = served.lab.intent_path.read_text(encoding="utf-8")
    served.mark()
    with served.lab.intent_path.open("w", encoding="utf-8") as file:
        for line in (*text.splitlines(keepends=True), "# the end\n"):
            file.write(line)
            file.flush()
            time.sleep(0.006)
    served.wait_event("intent_accepted")
    _all_well(long)
    said = [event["event"] for event in served.since_mark()]
    assert said.count("intent_accepted") == 1
    assert "listener_drains" not in said


@pytest.mark.long
def test_another_affinity_is_refused_with_its_price_until_the_price_is_accepted(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 2.4: what is remembered is found by a key that the edit changes."""
    long.open(16, ["dr"], idle_of_three=1)
    served.mark()
    _write(served, listener(affinity="source"))
    why = served.wait_event("intent_refused")["errors"]
    assert "accept_loss" in str(why)
    assert "affinity" in str(why)
    _all_well(long)
    assert len(_servers(long.open(12, ["dr"]))) > 1, "balanced by connection"
    served.edit_intent(listener(affinity="source", accept_loss=True))
    served.settle()
    assert len(_servers(long.open(12, ["dr"]))) == 1, "balanced by source"
    served.edit_intent(listener(affinity="connection"))
    served.edit_intent(lambda document: vip(document, "10.0.0.100")["listeners"][0].pop("accept_loss"))


def _write(served: Stepped, change: Change) -> None:
    """Write an edit into the file, and undo nothing if it is refused."""
    yaml = YAML()
    document = yaml.load(served.lab.intent_path.read_text(encoding="utf-8"))
    change(document)
    text = io.StringIO()
    yaml.dump(document, text)
    served.lab.intent_path.write_text(text.getvalue(), encoding="utf-8")


def test_a_renamed_lb_switch_stays_in_use(served: Stepped, long: LongConnections) -> None:
    """FAULTS 2.5: its new name was not admitted, and the edges left it out for as long as its stream was up."""
    long.open(10, OUTLIVING)
    served.edit_intent(renamed("lb2", "renamed"))
    for _ in range(8):
        assert _used(served, "lb2")
        time.sleep(0.25)
    status = served.wait_status(lambda status: "renamed" in status["switches"], "it is shown")
    assert status["switches"]["renamed"]["admitted"]
    _all_well(long)
    served.edit_intent(renamed("renamed", "lb2"))
    assert "withdrawn" not in [event["event"] for event in served.since_mark()]


def test_a_removed_lb_switch_is_left_out_then_emptied_and_serves_again_when_it_is_back(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 2.5: it kept its flows, and was shown nowhere."""
    long.open(10, OUTLIVING)
    long.speak()
    before = served.lab.intent_path.read_text(encoding="utf-8")
    assert _flows(served, "lb3") > 100
    served.edit_intent(without("lb3"))
    served.wait_event("switch_leaves", switch="lb3")
    eventually(lambda: not _flows(served, "lb3"), "it holds nothing of ours")
    served.wait_status(lambda status: "lb3" not in status["switches"], "it is gone")
    _all_well(long)
    _servers(long.open(10, OUTLIVING))
    served.mark()
    served.lab.intent_path.write_text(before, encoding="utf-8")
    served.wait_event("admitted", switch="lb3", timeout=30)
    served.wait_ready()
    _all_well(long)


def _flows(served: Stepped, switch: str) -> int:
    """Flows with our cookie."""
    rows = re.findall(r"cookie=(0x[0-9a-f]+)", served.lab.ofctl(switch, "dump-flows", "br0"))
    return sum(int(each, 16) & OWN_COOKIES == OURS & OWN_COOKIES for each in rows)


def _used(served: Stepped, name: str) -> bool:
    """Whether the edge sends to an lb switch, as far as can be seen in it."""
    if not isinstance(served.lab.switches["edge1"], OpenVSwitch):
        return True
    return uses(served.lab, "edge1", name)


# -- 3: grace --------------------------------------------------------------------------------------------------


def test_a_controller_that_was_cut_off_resets_no_connection_of_a_living_server(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 3.1: the server that passed last had been "down" for longer than keep_for when panic ended."""
    long.open(20, ["dr"], idle_of_three=1)
    served.mark()
    served.lab.fail("ctl", link=True)
    time.sleep(KEEP_FOR + 2.0)
    served.lab.fail("s2", unhealthy=True)  # lives, and will pass last
    served.lab.heal("ctl")
    served.wait_event("verdict", backend="s2", up=False)
    served.wait_status(lambda status: _backend(status, "s2")["state"] == "drain", "s2 has its grace")
    long.speak()
    served.lab.heal("s2")
    served.wait_event("verdict", backend="s2", up=True)
    _all_well(long)


@pytest.mark.long
def test_a_dead_server_that_is_removed_gets_no_client_back(served: Stepped, long: LongConnections) -> None:
    """FAULTS 3.3: its verdict went with it, so its connections drained: they were sent to where nobody answers."""
    long.open(20, ["dr"], idle_of_three=3)
    mine = [one for one in long.all if one.server == "s3"]
    before = served.lab.intent_path.read_text(encoding="utf-8")
    served.mark()
    served.lab.fail("s3", link=True)
    try:
        served.wait_event("verdict", backend="s3", up=False)
        served.wait_status(lambda status: _backend(status, "s3")["state"] == "move", "its grace is over")
        served.edit_intent(remove("s3"))
        served.settle()
        long.speak()
        assert {one.problem for one in mine} == {"reset"}, "reset by the server that they are sent to now"
        assert long.broken(dead=["s3"]) == []
    finally:
        served.lab.heal("s3")
        served.lab.intent_path.write_text(before, encoding="utf-8")
        served.wait_ready()


def _backend(
    status: dict[str, dict[str, dict[str, dict[str, dict[str, object]]]]], name: str
) -> dict[str, object]:
    return status["pools"]["web/tcp"]["backends"][name]


# -- 5.3: what was opened on a moving slot ---------------------------------------------------------------------


def test_connections_opened_on_moving_slots_survive_the_death_of_their_lb_switch(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 5.3: only the switch that had seen them begin knew whose they were."""
    moves = shift(served, "web")

    def change(document: object) -> None:
        pool("web", transition="600s", memory_timeout="600s")(document)
        moves(document)

    served.edit_intent(change)
    served.wait_event("table", pool="web/tcp")
    served.settle()
    long.open(60, ["dr"], idle_of_three=0)
    long.talk()
    served.wait_status(lambda status: status["pins"], "pins of connections on moving slots")
    time.sleep(1.0)
    served.settle()
    served.mark()
    served.lab.fail("lb1")
    served.wait_event("withdrawn", switch="lb1")
    long.hush()
    _all_well(long)
