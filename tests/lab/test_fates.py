"""What becomes of remembered connections: pins and their end, dead and falsely judged servers, drains, memory."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from controller.spec.types import OpenFlowPlacement
from flows.tables import ZONES_PER_VIP, Placed, Stage
from flows.zones import GENERATIONS
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import Connection, LongConnections
from tests.lab.services import Service, ask, datagrams
from tests.lab.tuned import TRIO, member, pool, tune, weights
from tests.lab.unprotected import Unprotected
from topo.lab import Lab

pytestmark = pytest.mark.lab

LBS = ("lb1", "lb2", "lb3")
MEMORY = 6.0
"""Seconds of silence that the pool under test remembers."""
KEEP_FOR = 4.0
GENERATION = 4.0
"""Seconds; the memory timeout of another pool, and so the length of its generations."""
OLD = 42.0
"""Seconds after which Open vSwitch has long forgotten a connection that it sees one side of, if left alone (30)."""


@pytest.fixture(scope="module")
def trio(make_lab: MakeLab) -> Lab:
    return make_lab(TRIO)


@pytest.fixture(scope="module")
def served(trio: Lab) -> Iterator[Balanced]:
    balanced = Balanced(trio)
    settings = {"transition": "2s", "memory_timeout": f"{MEMORY:g}s"}
    tune(trio, pool(**settings, on_down={"keep_for": f"{KEEP_FOR:g}s", "then": "move"}))
    with balanced:
        yield balanced


@pytest.fixture(scope="module")
def veterans(served: Balanced) -> Iterator[tuple[LongConnections, float]]:
    """Connections of the pool that moves last, and when they were opened; they speak every few seconds meanwhile."""
    with LongConnections(served.lab, "c2") as long:
        long.open(30, ["vault"], idle_of_three=0)
        long.talk(pause=7.0)
        yield long, time.monotonic()


@pytest.fixture
def long(served: Balanced, veterans: object) -> Iterator[LongConnections]:
    with LongConnections(served.lab) as opened:
        yield opened


def _pins(lab: Lab, switch: str) -> dict[int, bool]:
    """Client ports that are pinned on a switch -> whether the entry there has the idle timer."""
    table = Placed(OpenFlowPlacement()).table(Stage.PIN)
    text = lab.ofctl(switch, "dump-flows", "br0", f"table={table}")
    rows = [row for row in text.splitlines() if "tp_src=" in row and "reg0" in row]
    return {int(re.findall(r"tp_src=(\d+)", row)[0]): "idle_timeout=" in row for row in rows}


def _forget_openings(lab: Lab) -> None:
    """What conntrack does by itself 30 s after a connection's first packet."""
    place = OpenFlowPlacement()
    for vip in range(1, 1 + len(lab.fabric.vips)):
        zone = place.zones_from + ZONES_PER_VIP * vip + GENERATIONS
        for switch in LBS:
            lab.appctl(switch, "dpctl/flush-conntrack", f"zone={zone}")


def _reporter(lab: Lab, port: int) -> list[str]:
    return [switch for switch in LBS if lab.switches[switch].running() and _pins(lab, switch).get(port)]


def _of(server: str, made: list[Connection]) -> list[Connection]:
    found = [one for one in made if one.server == server]
    assert found, f"no connection reached {server}"
    return found


def _problems(made: list[Connection]) -> set[str]:
    return {one.problem for one in made}


@pytest.mark.long
@pytest.mark.parametrize(("without", "unharmed"), [("", True), ("generations", False)])
def test_memory_is_carried_from_generation_to_generation(trio: Lab, without: str, unharmed: bool) -> None:
    """That of datagrams, which are remembered whatever their slot."""
    balanced = Unprotected(trio, without) if without else Balanced(trio)
    tune(trio, pool(memory_timeout=f"{GENERATION:g}s", transition="0s"))
    with balanced, ExitStack() as stack:
        _next_generation(balanced)
        flows = [stack.enter_context(datagrams(trio, "c1", Service("dr", 4))) for _ in range(30)]
        served = [ask(one, b"first") for one in flows]
        assert [ask(one, b"second") for one in flows] == served
        _next_generation(balanced)
        assert [ask(one, b"third") for one in flows] == served
        balanced.edit_intent(weights("web", s1=6))
        _next_generation(balanced)
        _forget_openings(trio)
        assert ([ask(one, b"fourth") for one in flows] == served) is unharmed


def _next_generation(balanced: Balanced) -> None:
    """Wait until the next one has begun and every lb switch knows."""
    balanced.mark()
    balanced.wait_event("memory_turned", 4 * GENERATION, vip="shop")
    for switch in LBS:
        balanced.wait_event("converged", 2 * GENERATION, switch=switch)


@pytest.mark.long
def test_a_connection_on_a_moved_slot_is_pinned_on_every_lb_switch_until_it_falls_silent(
    served: Balanced, long: LongConnections
) -> None:
    lab = served.lab
    eventually(lambda: not any(_pins(lab, switch) for switch in LBS), "pins of before end", 5 * MEMORY)
    made = {one.port: one for one in long.open(30, ["dr", "nat"], idle_of_three=0)}
    long.talk()
    served.edit_intent(weights("web", s1=4))
    eventually(lambda: _pins(lab, "lb1"), "pins after slots have moved")
    served.settle()
    pins = {switch: _pins(lab, switch) for switch in LBS}
    assert pins["lb1"].keys() == pins["lb2"].keys() == pins["lb3"].keys() <= made.keys()
    for port in pins["lb1"]:
        assert sum(each[port] for each in pins.values()) == 1, f"the pin of port {port} needs one reporter"
    assert any(made[port].server != "s1" for port in pins["lb1"]), "those on slots that moved to s1"
    assert served.status()["unsynced"] == 0

    victim = next(switch for switch in LBS if any(pins[switch].values()))
    orphans = [port for port, reports in pins[victim].items() if reports]
    served.mark()
    lab.fail(victim)
    served.wait_event("withdrawn", switch=victim)
    time.sleep(1.0)
    eventually(
        lambda: all(len(_reporter(lab, port)) == 1 for port in orphans), "one of the others reports instead"
    )
    lab.heal(victim)
    served.wait_event("admitted", switch=victim)
    eventually(lambda: _pins(lab, victim).keys() == pins[victim].keys(), "the returned switch has the pins")
    assert long.broken() == []

    long.hush()
    eventually(lambda: not any(_pins(lab, switch) for switch in LBS), "silence ends the pins", 5 * MEMORY)
    served.wait_status(lambda status: status["pins"] == 0 and status["unsynced"] == 0, "no pins are left")


@contextmanager
def _down(served: Balanced, server: str, unhealthy: bool = False) -> Iterator[None]:
    """A server is dead, or only judged so; afterwards it is up again."""
    served.mark()
    served.lab.fail(server, unhealthy=unhealthy)
    try:
        verdict = served.wait_event("verdict", backend=server, up=False)
        eventually(lambda: set(LBS) <= _written_since(served, verdict["t"]), "all lb switches know")
        yield
    finally:
        served.mark()
        served.lab.heal(server)
        served.wait_event("verdict", backend=server, up=True)


def _written_since(served: Balanced, at: float) -> set[str]:
    return {e["switch"] for e in served.since_mark() if e["event"] == "converged" and e["t"] > at}


@contextmanager
def _drained(served: Balanced, server: str) -> Iterator[None]:
    served.edit_intent(member(server, drain=True))
    try:
        yield
    finally:
        served.edit_intent(member(server, drain=False))


def _left(long: LongConnections, server: str) -> None:
    """New connections all reach others: soon, and then always."""

    def others() -> bool:
        made = long.open(8)
        return _problems(made) == {""} and server not in {one.server for one in made}

    eventually(others, f"new connections leave {server}")
    assert others()


def _broken(long: LongConnections, dead: str = "") -> list[Connection]:
    """Connections that were established, with a server that lives."""
    return [one for one in long.broken(dead=[dead]) if one.server]


def test_new_connections_leave_a_dead_server_and_only_its_own_connections_end(
    served: Balanced, long: LongConnections
) -> None:
    mine = _of("s3", long.open(60))
    with _down(served, "s3"):
        _left(long, "s3")
    long.speak()
    assert _problems(mine) <= {"eof", "reset"}
    assert _broken(long, dead="s3") == []


def test_a_falsely_judged_server_that_recovers_within_its_grace_loses_no_connection(
    served: Balanced, long: LongConnections
) -> None:
    long.open(15)
    long.talk()
    with _down(served, "s2", unhealthy=True):
        _left(long, "s2")
        long.speak()
    time.sleep(KEEP_FOR)
    long.speak()
    assert _broken(long) == []


@pytest.mark.parametrize("then", [pytest.param("move", marks=pytest.mark.long), "reset"])
def test_connections_of_a_server_that_stays_down_are_moved_or_reset(
    served: Balanced, long: LongConnections, then: str
) -> None:
    served.edit_intent(pool(on_down={"keep_for": "3s", "then": then}))
    _check_ended(served, long, "s2", then, _down(served, "s2", unhealthy=True))


@pytest.mark.parametrize(
    "then", ["reset", *(pytest.param(then, marks=pytest.mark.long) for then in ("move", "keep"))]
)
def test_connections_of_a_drained_server_are_moved_reset_or_kept_after_the_drain_timeout(
    served: Balanced, long: LongConnections, then: str
) -> None:
    served.edit_intent(pool(drain_timeout="3s", drain_then=then))
    _check_ended(served, long, "s1", then, _drained(served, "s1"))


def _check_ended(
    served: Balanced, long: LongConnections, server: str, then: str, trouble: AbstractContextManager[None]
) -> None:
    """In trouble a server's connections live for their grace, then end as said; all others live on."""
    mine = _of(server, long.open(60))
    resets = _resets(served.status())
    with trouble:
        served.wait_status(lambda status: _state(status, server) == "drain", "the server's grace begins")
        long.speak()
        assert _broken(long) == [], "ended before the grace was over"
        if then == "keep":
            time.sleep(4.0)
            long.speak()
            assert _broken(long) == []
            return
        served.wait_status(lambda status: _state(status, server) == then, "the server's grace ends")

        def ended() -> bool:
            long.speak()
            return _problems(mine) == {"reset"}

        try:
            eventually(ended, "its connections end")
        except AssertionError as error:
            raise AssertionError(f"{error}: {[one for one in mine if one.problem != 'reset']}") from error
        assert _broken(long, dead=server) == []
        if then == "reset":
            served.wait_status(
                lambda status: _resets(status) >= resets + len(mine), "the controller reset them"
            )
        else:
            assert _resets(served.status()) == resets, "moved ones are reset by their new server, not by us"


def _state(status: dict[str, Any], server: str) -> str:
    return str(status["pools"]["web/tcp"]["backends"][server]["state"])


def _resets(status: dict[str, Any]) -> int:
    return int(status["reports"].get("reset", 0))


def test_a_one_way_connection_is_remembered_far_beyond_conntracks_own_timer(
    served: Balanced, veterans: tuple[LongConnections, float]
) -> None:
    long, opened = veterans
    time.sleep(max(0.0, opened + OLD - time.monotonic()))
    long.hush()
    assert served.status()["pools"]["vault/tcp"]["revision"] == 1, "their slots must not have moved before"
    edited = served.edit_intent(weights("vault", s1=6))
    eventually(lambda: set(LBS) <= _written_since(served, edited["t"]), "all lb switches know")
    long.speak()
    assert long.broken() == []
    served.wait_status(lambda status: status["pins"], "some of them were on moved slots")
